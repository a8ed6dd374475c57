"""Subtitle files beside videos, as folders and prefixes list them."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from operators.sources.listing import list_items
from operators.sources.subtitles import is_subtitles, paired
from operators.storage import ObjectInfo
from schemas.inputs import InputSpec
from schemas.job import StorageSpec
from schemas.media import kind_from_name


def pairs(*names: str) -> dict[str, str | None]:
    files = [
        (ObjectInfo(f"/v/{name}", name, 1, "1"), kind_from_name(name)) for name in sorted(names)
    ]
    return {video.key: best.key if best else None for video, _, best in paired(files)}


def test_a_video_gets_the_subtitles_of_its_name():
    found = pairs("a.mp4", "a.srt", "b.mp4", "b.en.vtt", "c.mp4", "cc.srt", "d.jpg", "d.srt")
    assert found == {"a.mp4": "a.srt", "b.mp4": "b.en.vtt", "c.mp4": None, "d.jpg": None}


def test_its_very_name_goes_before_languages_and_those_go_by_name():
    assert pairs("a.de.srt", "a.en.srt", "a.mp4", "a.vtt") == {"a.mp4": "a.vtt"}
    assert pairs("a.en.srt", "a.de.srt", "a.mp4") == {"a.mp4": "a.de.srt"}


def test_names_with_dots_and_versions_are_not_taken_for_languages():
    found = pairs("talk.2024.mp4", "talk.2024.en.srt", "talk.2025.mp4", "talk.2025.srt")
    assert found == {"talk.2024.mp4": "talk.2024.en.srt", "talk.2025.mp4": "talk.2025.srt"}
    assert pairs("talk.2024.srt", "talk.mp4") == {"talk.mp4": None}


def test_two_videos_of_one_name_share_them():
    assert pairs("a.mkv", "a.mp4", "a.srt") == {"a.mkv": "a.srt", "a.mp4": "a.srt"}


@given(
    st.sets(
        st.tuples(
            st.text("ab.-/", min_size=1, max_size=5),
            st.sampled_from([".mp4", ".srt", ".en.vtt", ".jpg"]),
        ).map("".join)
    )
)
@example({"..mp4", "..aa.srt"})
def test_nothing_is_lost_or_doubled_and_the_stream_finds_what_a_search_would(names):
    files = [
        (ObjectInfo(name, name, 1, "1"), kind_from_name(name))
        for name in sorted(names)
        if kind_from_name(name) or is_subtitles(name)
    ]
    given_out = list(paired(files))
    media = [info.key for info, kind in files if kind is not None]
    assert sorted(info.key for info, _, _ in given_out) == sorted(media)
    for info, kind, best in given_out:
        if kind != "video":
            assert best is None
            continue
        stem = re.escape(info.key.rpartition(".")[0])
        own = [name for name in names if re.fullmatch(rf"{stem}\.(srt|vtt)", name)]
        in_a_language = [
            name for name in names if re.fullmatch(rf"{stem}\.[a-z]{{2,8}}\.(srt|vtt)", name)
        ]
        wanted = sorted(own) or sorted(in_a_language) or [None]
        assert (best.key if best else None) == wanted[0]


def test_a_listing_gives_them_and_changes_the_version_with_them(tmp_path):
    for name in ("a.mp4", "a.srt", "b.mp4", "left/b.srt", "x.srt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")

    def listed(**changes):
        spec = InputSpec(uris=(str(tmp_path),), **changes)
        return {
            item.item_id.rpartition("/")[2]: item for item in list_items(spec, StorageSpec())
        }

    first, second = listed()["a.mp4"], listed(include=("*.mp4",))["a.mp4"]
    assert first.subtitles.uri == str(tmp_path / "a.srt")
    assert second == first
    assert listed()["b.mp4"].subtitles is None
    assert listed(exclude=("*.srt",))["a.mp4"].subtitles is None
    (tmp_path / "a.srt").write_bytes(b"22")
    assert listed()["a.mp4"].item_version != first.item_version
