from __future__ import annotations

from pathlib import Path

import pytest

from infra.demo.s3_environment import REQUIREMENTS, ensure_environment
from schemas.failure import InfrastructureError


def test_what_is_in_place_is_left_as_it_is() -> None:
    python = ensure_environment()
    stamp = python.parents[1] / "tagline-stamp"
    before = stamp.stat().st_mtime_ns
    assert ensure_environment() == python
    assert stamp.stat().st_mtime_ns == before


def test_pins_that_cannot_be_installed_are_an_error_with_the_installers_words(
    tmp_path: Path,
) -> None:
    pins = tmp_path / "pins.txt"
    pins.write_text(f"no-such-wheel @ {(tmp_path / 'no_such.whl').as_uri()}\n")
    with pytest.raises(InfrastructureError, match="no_such"):
        ensure_environment(tmp_path / "env", pins)
    assert REQUIREMENTS.is_file()
