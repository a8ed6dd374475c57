from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.sources.globs import matches_any

TREE = ["a.jpg", "b.png", "x/a.jpg", "x/y/a.jpg", "x/y/z/b.jpg", "x/[1].jpg", "x/w.jpeg"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in TREE:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.jpg", "**/*.jpg", "x/*", "x/**/*.jpg", "**/y/*", "x/?.jpg", "x/*.jp*g"),
        *(
            "**/a.*",
            "x/y/**/b.jpg",
            "[ab].*",
            "[!a].*",
            "x/[[]1].jpg",
            "*",
            "**/*",
            "x/*/a.jpg",
        ),
    ],
)
def test_patterns_mean_what_they_mean_to_pathlib(tree: Path, pattern: str) -> None:
    expected = {str(p.relative_to(tree)) for p in tree.glob(pattern) if p.is_file()}
    assert {name for name in TREE if matches_any(name, [pattern])} == expected


def test_a_closing_double_star_takes_all_that_lies_below() -> None:
    assert [name for name in TREE if matches_any(name, ["x/y/**"])] == [
        "x/y/a.jpg",
        "x/y/z/b.jpg",
    ]


@given(
    st.text(st.characters(exclude_characters="*?["), min_size=1).filter(lambda t: t.strip("/"))
)
def test_a_path_without_wildcards_matches_itself_alone(path: str) -> None:
    path = path.strip("/")
    assert matches_any(path, [path])
    assert not matches_any(path + "x", [path])


@given(st.text(), st.text(st.characters(exclude_characters="["), max_size=20))
def test_any_text_is_a_pattern(path: str, pattern: str) -> None:
    assert matches_any(path, [pattern]) in (True, False)
