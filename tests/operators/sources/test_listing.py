from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.sources.base import ListedItem
from operators.sources.listing import list_items
from schemas.failure import UsageError
from schemas.inputs import InputSpec
from schemas.job import StorageSpec
from schemas.media import MediaKind

FILES = [
    "a.jpg",
    "b.MP4",
    "notes.txt",
    "deep/c.png",
    "deep/er/d.webm",
    "deep/_delta_log/e.jpg",
    "_tagline/f.jpg",
    ".cache/g.jpg",
    "._a.jpg",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("input")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * len(name))
    return root


def listed(spec: InputSpec) -> list[ListedItem]:
    return list(list_items(spec, StorageSpec()))


def names(folder: Path, spec: InputSpec) -> list[str]:
    return [str(Path(item.item_id).relative_to(folder)) for item in listed(spec)]


def test_media_become_items_and_the_rest_is_counted(folder: Path) -> None:
    listing = list_items(InputSpec(uris=(str(folder),)), StorageSpec())
    items = {str(Path(item.item_id).relative_to(folder)): item for item in listing}
    assert list(items) == ["a.jpg", "b.MP4", "deep/c.png", "deep/er/d.webm"]
    assert items["b.MP4"].kind is MediaKind.VIDEO
    assert items["deep/c.png"].kind is MediaKind.IMAGE
    (medium,) = items["a.jpg"].media
    assert (medium.uri, medium.size) == (items["a.jpg"].item_id, 5)
    assert medium.version == items["a.jpg"].item_version
    assert (listing.skipped.not_media, listing.skipped.hidden) == (1, 4)


def test_patterns_include_and_exclude(folder: Path) -> None:
    only_deep = InputSpec(uris=(str(folder),), include=("deep/**",), exclude=("**/*.webm",))
    assert names(folder, only_deep) == ["deep/c.png"]


def test_overlapping_uris_give_each_file_once(folder: Path) -> None:
    uris = (str(folder / "deep"), str(folder), str(folder / "a.jpg"), f"{folder}/deep/er/")
    listing = list_items(InputSpec(uris=uris), StorageSpec())
    ids = [item.item_id for item in listing]
    assert len(ids) == len(set(ids)) == 4
    assert listing.skipped.repeated == 4


@given(
    st.lists(
        st.sampled_from(["", "deep", "deep/er", "a.jpg", "deep/"]), min_size=1, max_size=4
    ),
    st.lists(st.sampled_from(["*.jpg", "**/*.png", "er/**", "*.webm", "c.*"]), max_size=2),
)
@settings(max_examples=60, deadline=None)
def test_several_uris_list_the_union_of_each(folder: Path, parts, patterns) -> None:
    uris = tuple(f"{folder}/{part}" for part in parts)
    together = [item.item_id for item in listed(InputSpec(uris=uris, include=tuple(patterns)))]
    apart = [
        item.item_id
        for uri in uris
        for item in listed(InputSpec(uris=(uri,), include=tuple(patterns)))
    ]
    assert sorted(together) == sorted(set(apart))


def test_a_folder_that_does_not_exist(folder: Path) -> None:
    with pytest.raises(UsageError, match="no-such"):
        listed(InputSpec(uris=(str(folder / "no-such"),)))


def test_an_empty_folder_has_no_items(tmp_path) -> None:
    assert listed(InputSpec(uris=(str(tmp_path),))) == []


def test_a_broken_pattern_is_named(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"\[z-a\]"):
        list_items(InputSpec(uris=(str(folder),), include=("[z-a].jpg",)), StorageSpec())


def test_a_name_that_is_not_utf8_is_reported_unless_excluded(tmp_path) -> None:
    with open(bytes(tmp_path) + b"/bad\xff.jpg", "wb") as file:
        file.write(b"x")
    with pytest.raises(UsageError, match="UTF-8"):
        listed(InputSpec(uris=(str(tmp_path),)))
    assert listed(InputSpec(uris=(str(tmp_path),), exclude=("bad*",))) == []
