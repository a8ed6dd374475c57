"""The parts of the media benchmark; of the contenders, those that need no other environment."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.bench.media import contest, judging, table
from tests.bench.media.contest import Result, best_peer, times_as_fast
from tests.bench.media.environments import TAGLINE, Interpreter
from tests.bench.media.film import FPS, Film, encode
from tests.bench.media.numbers import draw_number, read_number
from tests.bench.media.parts import FRAME_SIZE, middles
from tests.bench.media.roster import EXACT, IMAGES, OURS, PILLOW, SNAPPED, Contender
from tests.bench.media.running import run_once
from tests.bench.media.tasks import Case, Outcome, Task
from tests.bench.media.threads import Split, compare, splits
from tests.bench.photographs import PhotoSet, jpegs

GOP = 20
HERE = {TAGLINE: Interpreter(Path(sys.executable))}
PHOTO_SIZE = (320, 240)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    encode(Film(2, GOP), path)
    return path


def film_case(film: Path, count: int) -> Case:
    frames = 2 * FPS
    keys = tuple(range(0, frames, GOP))
    return Case(str(film), *FRAME_SIZE, middles(frames, count), FPS, keys)


def run(roster: Sequence[Contender], name: str, case: Case) -> tuple[Outcome, list[np.ndarray]]:
    """Run one that lives in Tagline's own environment."""
    [contender] = [one for one in roster if one.name == name]
    return run_once(contender, HERE[contender.environment], Task(contender.way, (case,)))


@given(st.integers(0, 2**14 - 1), st.integers(0, 255))
def test_a_number_is_read_back_from_a_small_picture(number: int, ground: int) -> None:
    luma = np.full((720, 1280), ground, np.uint8)
    draw_number(luma, number)
    small = Image.fromarray(luma).convert("RGB").resize(FRAME_SIZE, Image.Resampling.BOX)
    assert read_number(np.asarray(small)) == number


def test_everyone_is_given_and_judged_by_the_same_frames(film: Path) -> None:
    case = film_case(film, 6)
    judge = judging.exact([case], read_number)
    for name in (OURS, "PyAV, seek and decode"):
        outcome, pictures = run(EXACT, name, case)
        assert (outcome.unable, outcome.pictures) == ("", 6)
        assert outcome.cpu_s > 0
        assert pictures[0].shape == (6, *FRAME_SIZE[::-1], 3)
        assert judge(pictures) == {"wrong": 0}
    assert judge([pictures[0][1:]]) == {"wrong": 6}
    assert judge([pictures[0][[0, 1, 2, 2, 4, 5]]]) == {"wrong": 1}


def test_what_is_no_keyframe_is_wrong(film: Path) -> None:
    case = film_case(film, 2)
    _, pictures = run(SNAPPED, "PyAV, seek and NONKEY", case)
    judge = judging.snapped(case, read_number)
    # Frames 12 and 37; the keyframes before them are 0 and 20.
    assert judge(pictures) == {
        "wrong": 0,
        "mean_error_s": pytest.approx(29 / 2 / FPS, abs=1e-3),
    }
    assert case.nearest_keyframes() == [20, 40]
    moved = Case(case.path, *FRAME_SIZE, case.frames, FPS, keyframes=(0, 19))
    assert judging.snapped(moved, read_number)(pictures)["wrong"] == 1


def test_who_cannot_do_the_work_says_why(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("no film")
    case = film_case(tmp_path / "film.mp4", 2)
    outcome, pictures = run(EXACT, "PyAV, seek and decode", case)
    assert pictures == []
    assert "InvalidDataError" in outcome.unable
    shown = table.of_results("A table", {"PyAV": Result(unable=outcome.unable)}, {})
    assert f"cannot: {outcome.unable}" in shown


def test_images_are_compared_with_the_plain_way(tmp_path: Path) -> None:
    [data] = jpegs(PhotoSet("small", 3 * PHOTO_SIZE[0], 3 * PHOTO_SIZE[1]), 1)
    (tmp_path / "photo.jpeg").write_bytes(data)
    case = Case(str(tmp_path / "photo.jpeg"), *PHOTO_SIZE)
    found = {name: run(IMAGES, name, case)[1] for name in (OURS, PILLOW)}
    judge = judging.alike(found[PILLOW])
    assert judge(found[PILLOW]) == {"wrong": 0, "psnr_db": 100.0}
    assert 35 < judge(found[OURS])["psnr_db"] < 100
    assert judge([found[PILLOW][0][:, 1:]]) == {"wrong": 1, "psnr_db": 0.0}


def test_the_best_peer_is_the_cheapest_of_those_that_are_right() -> None:
    def result(*cpu_s: float, wrong: int = 0) -> Result:
        outcomes = [Outcome(cpu_s=one, wall_s=one, pictures=64) for one in cpu_s]
        return Result(outcomes, [{contest.WRONG: wrong}] * len(outcomes))

    results = {
        OURS: result(2, 4, 8),
        "wrong": result(5, 5, 5, wrong=1),
        "dear": result(20),
        "best": result(9, 6, 8),
        "unable": Result(unable="no reason"),
    }
    assert best_peer(results) == "best"
    assert times_as_fast(results, "best") == 2
    assert times_as_fast(results, "unable") is None
    assert best_peer({OURS: result(2)}) is None
    assert results["best"].summary()["frames_per_core_s"] == 8


def test_who_tagline_is_measured_by_runs_as_often_as_tagline(monkeypatch) -> None:
    spent = {OURS: 1.0, "cheap": 1.2, "dear": 4.0, PILLOW: 4.0}
    roster = [Contender(name, TAGLINE, "", "") for name in spent]

    def run_once(contender: Contender, *_: object) -> tuple[Outcome, list[np.ndarray]]:
        return Outcome(cpu_s=spent[contender.name], pictures=1), []

    monkeypatch.setattr(contest, "run_once", run_once)
    task = Task("", ())
    results = contest.contend(
        "a part", roster, HERE, lambda _: task, lambda _: {}, 3, measure={PILLOW}
    )
    runs = {name: len(result.outcomes) for name, result in results.items()}
    assert runs == {OURS: 3, "cheap": 3, "dear": 1, PILLOW: 3}


def test_videos_are_spread_over_processes_and_threads(film: Path) -> None:
    assert splits(4) == [Split(4, 4, 1), Split(4, 2, 2), Split(4, 1, 4)]
    case = film_case(film, 2)
    found = compare(HERE, case, (case,), (2,), runs=1)
    assert [(one["processes"], one["threads"]) for one in found] == [(2, 1), (1, 2)]
    assert all(one["frames_per_core_s"] > 0 for one in found)
    assert len(table.of_splits(found).strip().splitlines()) == 5
