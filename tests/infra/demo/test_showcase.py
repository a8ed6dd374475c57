from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from infra.demo.showcase import FOLDER, pictures

README = Path(__file__).parents[3] / "README.md"


@pytest.mark.parametrize("name", pictures())
def test_the_readme_s_pictures_are_the_catalogue_s(name: str) -> None:
    with Image.open(FOLDER / name) as kept:
        assert ImageChops.difference(kept.convert("RGB"), pictures()[name]).getbbox() is None
    assert (FOLDER / name).stat().st_size < 40_000
    assert f"infra/demo/pictures/{name}" in README.read_text()


def test_no_other_pictures_are_kept() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(pictures())
