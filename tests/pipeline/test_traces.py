"""What outlives a run that died as a whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from pipeline.board import Board
from pipeline.journal import LONE_FROM, Deaths, name_of, whole_of
from pipeline.lease import Lease
from pipeline.stages import ANNOTATE, DECODE
from pipeline.traces import STATE_VARIABLE, Trace, Traces
from schemas.job import StorageSpec
from tests.pipeline.conftest import draw
from tests.pipeline.deadly_run import DEADLY

STORAGE = StorageSpec()
ROOT = Path(__file__).parents[2]
NAMES = st.builds(name_of, st.text(max_size=5), st.text(max_size=5))
DEATHS = st.builds(
    Deaths,
    st.integers(0, 5),
    st.dictionaries(st.sampled_from([DECODE, ANNOTATE]), st.integers(1, 5)),
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


@given(st.text(), st.text(), st.none() | st.integers(0, 9))
def test_a_part_is_named_after_its_item(item_id, version, part):
    assert whole_of(name_of(item_id, version, part)) == name_of(item_id, version)
    assert name_of(item_id, version) != name_of(item_id, version + "x")


@given(
    st.lists(NAMES, max_size=4),
    st.none() | st.tuples(st.sampled_from([DECODE, ANNOTATE]), NAMES),
    st.dictionaries(NAMES, DEATHS, max_size=4),
    st.booleans(),
)
def test_a_trace_survives_its_bytes_and_blames_who_was_in_hand(in_hand, alone, deaths, closed):
    trace = Trace(7, in_hand, alone, deaths, closed)
    assert Trace.from_json(trace.to_json()) == trace
    blamed = trace.blamed()
    counted = set() if closed else {alone[1]} if alone else set(in_hand)
    for name in blamed.keys() | deaths.keys():
        before, now = deaths.get(name, Deaths()), blamed.get(name, Deaths())
        if name not in counted:
            assert now == before
        elif alone:
            assert sum(now.alone.values()) == sum(before.alone.values()) + 1
            assert now.is_suspect
        else:
            assert now.with_others >= before.with_others + 1


def opened(root: Path, number: int, *, takes_over: bool = False, here: bool = True) -> Traces:
    return Traces(str(root / "out"), STORAGE, Lease(number, takes_over), here=here)


def files(root: Path) -> list[str]:
    """All traces, those in the output with their whole name."""
    return sorted(
        str(path.relative_to(root)) if "out" in path.parts else path.name
        for path in root.rglob("*.json")
    )


A, B, C = (name_of(item, "v1") for item in "abc")
IN_OUTPUT = "out/_tagline/traces/{:09d}.json"


def test_a_run_that_ends_leaves_nothing_and_asks_nothing_of_the_output(tmp_path):
    traces = opened(tmp_path, 1)
    board = Board(None, traces.begin({}))
    board.begin(DECODE, [A, B])
    assert files(tmp_path) == ["000000001.json"]
    traces.end(died=False, done=True)
    assert files(tmp_path) == []
    assert not (tmp_path / "out").exists()
    assert opened(tmp_path, 2).deaths == {}


def test_what_was_in_hand_when_a_run_died_is_known_to_the_next(tmp_path):
    board = Board(None, opened(tmp_path, 1).begin({}))
    board.begin(DECODE, [A, B])
    board.end(DECODE, [A])
    board.begin(ANNOTATE, [name_of("c", "v1", 4)])
    after = opened(tmp_path, 2, takes_over=True)
    assert after.deaths == {B: Deaths(1), C: Deaths(1)}
    assert not any(deaths.is_suspect for deaths in after.deaths.values())
    # B is done by now, but not planned any more.
    Board(None, after.begin({C: Deaths(1)})).begin(ANNOTATE, [C])
    last = opened(tmp_path, 3, takes_over=True)
    assert last.deaths == {C: Deaths(2)}
    assert last.deaths[C].is_suspect


def test_after_a_death_the_output_has_it_for_a_run_on_another_machine(tmp_path, monkeypatch):
    opened(tmp_path, 1).begin({})
    pen = opened(tmp_path, 2, takes_over=True).begin({})
    Board(None, pen).begin(DECODE, [A])
    assert files(tmp_path) == ["000000002.json", IN_OUTPUT.format(2)]
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "another machine"))
    after = opened(tmp_path, 3, takes_over=True)
    assert after.deaths == {A: Deaths(1)}
    after.begin(after.deaths)
    assert IN_OUTPUT.format(2) not in files(tmp_path)


def test_on_a_cluster_nothing_is_written_until_a_run_has_died(tmp_path):
    first = opened(tmp_path, 1, here=False)
    Board(None, first.begin({})).begin(DECODE, [A])
    assert files(tmp_path) == []
    first.end(died=True, done=False)
    assert files(tmp_path) == [IN_OUTPUT.format(1)]
    # The lease was released, but the run had lost its Ray.
    second = opened(tmp_path, 2, here=False)
    Board(None, second.begin({})).begin(DECODE, [A])
    assert opened(tmp_path, 3, here=False).deaths == {A: Deaths(1)}


def test_a_run_that_is_stopped_forgets_what_is_in_hand_and_keeps_the_rest(tmp_path):
    deaths = {A: Deaths(2), B: Deaths(1, {DECODE: 1})}
    traces = opened(tmp_path, 4)
    Board(None, traces.begin(deaths)).begin(DECODE, [C])
    traces.end(died=False, done=False)
    assert opened(tmp_path, 5).deaths == deaths
    traces = opened(tmp_path, 5)
    traces.begin(deaths)
    traces.end(died=False, done=True)
    assert files(tmp_path) == []


def test_a_stop_before_anything_is_planned_keeps_what_is_known(tmp_path):
    Board(None, opened(tmp_path, 1).begin({})).begin(DECODE, [A])
    opened(tmp_path, 2, takes_over=True).end(died=False, done=False)
    assert opened(tmp_path, 3).deaths == {A: Deaths(1)}


def test_who_was_alone_is_blamed_alone(tmp_path):
    board = Board(None, opened(tmp_path, 1).begin({}))
    board.begin(ANNOTATE, [B], True)
    assert board.claim(ANNOTATE, A)
    assert not board.claim(DECODE, B)
    assert board.claim(ANNOTATE, A)
    assert opened(tmp_path, 2, takes_over=True).deaths == {A: Deaths(0, {ANNOTATE: 1})}
    board.release()
    assert opened(tmp_path, 2, takes_over=True).deaths == {}


def test_who_takes_a_dead_workers_place_may_be_given_another_item_first(tmp_path):
    board = Board(None, opened(tmp_path, 1).begin({}))
    assert board.claim(ANNOTATE, A)
    assert board.claim(ANNOTATE, B)
    assert not board.claim(DECODE, B)
    assert opened(tmp_path, 2, takes_over=True).deaths == {B: Deaths(0, {ANNOTATE: 1})}


def test_a_trace_of_another_life_of_the_output_counts_for_nothing(tmp_path):
    Board(None, opened(tmp_path, 9).begin({})).begin(DECODE, [A])
    again = opened(tmp_path, 1)
    assert again.deaths == {}
    again.begin({})
    assert files(tmp_path) == []


def test_a_trace_that_cannot_be_read_is_that_of_a_death_of_nobody(tmp_path):
    Board(None, opened(tmp_path, 1).begin({})).begin(DECODE, [A])
    [path] = tmp_path.rglob("*.json")
    path.write_text('{"number": 1, "in_\n')
    after = opened(tmp_path, 2)
    assert after.deaths == {}
    Board(None, after.begin({})).begin(DECODE, [A])
    assert IN_OUTPUT.format(2) in files(tmp_path)


def test_a_disk_that_takes_nothing_does_not_end_a_run(tmp_path, monkeypatch):
    (tmp_path / "state").write_text("a file where the folder is to be")
    traces = opened(tmp_path, 1)
    assert Board(None, traces.begin({})).begin(DECODE, [A]) == "together"
    traces.end(died=False, done=True)


def test_a_line_that_was_being_written_is_left_out(tmp_path):
    Board(None, opened(tmp_path, 1).begin({})).begin(DECODE, [A])
    [path] = tmp_path.rglob("*.json")
    with open(path, "a") as file:
        file.write('{"number": 1, "in_hand": [')
    assert opened(tmp_path, 2).deaths == {A: Deaths(1)}


def test_the_file_of_a_long_run_stays_short_and_knows_the_latest(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.traces.LONGEST_FILE", 1000)
    board = Board(None, opened(tmp_path, 1).begin({}))
    for number in range(200):
        board.begin(DECODE, [name_of(f"{number}", "v")])
        board.end(DECODE, [name_of(f"{number}", "v")])
    [path] = tmp_path.rglob("*.json")
    assert path.stat().st_size < 2000
    assert opened(tmp_path, 2).deaths == {name_of("199", "v"): Deaths(1)}


class Died(Exception):
    """Everything."""


def nights(
    root: Path, items: list[str], attempts: int, kills: Callable[[set[str]], bool]
) -> Iterator[set[str]]:
    """Runs over items until one ends; each gives those that it found to be poison.

    Args:
        root: Where the output and this machine's state are.
        items: Names.
        attempts: As in the job file.
        kills: Whether those in hand end the run.
    """
    done: set[str] = set()
    number = 0
    while True:
        number += 1
        traces = opened(root, number, takes_over=number > 1)
        owed = [item for item in items if item not in done]
        deaths = {name: traces.deaths[name] for name in owed if name in traces.deaths}
        suspects = [name for name, of in deaths.items() if of.is_suspect]
        board = Board(None, traces.begin(deaths))
        poison: set[str] = set()
        try:
            together = [name for name in owed if name not in suspects]
            for start in range(0, len(together), 3):
                batch = together[start : start + 3]
                board.begin(ANNOTATE, batch)
                if kills(set(batch)):
                    raise Died
                board.end(ANNOTATE, batch)
                done |= set(batch)
            for name in suspects:
                board.claim(ANNOTATE, name)
                if board.begin_alone(ANNOTATE, name) >= max(1, attempts - 1):
                    poison.add(name)
                elif kills({name}):
                    raise Died
                board.release()
                done.add(name)
        except Died:
            yield poison
            continue
        traces.end(died=False, done=True)
        yield poison
        return


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("count", [1, 2])
def test_an_item_that_kills_whole_runs_is_found_and_costs_a_few(tmp_path, attempts, count):
    items = [name_of(f"{number:02}", "v") for number in range(20)]
    for seed in range(4):
        deadly = set(random.Random(seed).sample(items, count))
        root = tmp_path / f"{seed}"
        found = list(nights(root, items, attempts, lambda held, bad=deadly: bool(held & bad)))
        assert set().union(*found) == deadly
        assert len(found) <= count * (LONE_FROM + max(1, attempts - 1)) + 1
        assert files(root) == []


def test_an_item_is_not_blamed_for_runs_that_are_killed_from_outside(tmp_path):
    items = [name_of(f"{number:02}", "v") for number in range(20)]
    for seed in range(6):
        rng = random.Random(seed)
        killed = iter([rng.random() < 0.4 for _ in range(8)])

        def kills(_: set[str], killed: Iterator[bool] = killed) -> bool:
            return next(killed, False)

        found = list(nights(tmp_path / f"{seed}", items, 9, kills))
        assert set().union(*found) == set()


@pytest.mark.timeout(600)
def test_a_job_with_an_item_that_nothing_survives_ends(tmp_path, checkpoint):
    names = [f"{number:02}.png" for number in range(20)]
    names[11] = f"11-{DEADLY}.png"
    for number, name in enumerate(names):
        draw(tmp_path / "in" / name, number)
    job = {
        "input": str(tmp_path / "in"),
        "model": str(checkpoint),
        "tasks": ["caption"],
        "output": {"uri": str(tmp_path / "out"), "commit_every_s": 0.2},
        "failures": {"budget": 1.0, "attempts": 1},
        "resources": {"decode_workers": 1, "requests_in_flight": 2, "object_store_gib": 0.1},
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "tests.pipeline.deadly_run", str(tmp_path / "job.json")]
    codes = []
    while 0 not in codes and len(codes) < 5:
        # Not to a pipe: whoever else has its end would keep it open.
        with open(tmp_path / "printed", "ab") as printed:
            done = subprocess.run(
                command,
                stdout=printed,
                stderr=subprocess.STDOUT,
                timeout=240,
                start_new_session=True,
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        codes.append(done.returncode)
        assert done.returncode in (0, -9), (tmp_path / "printed").read_text()[-4000:]
    assert codes == [-9] * (LONE_FROM + 1) + [0]
    rows = [
        row
        for table in ("captions", "failures")
        for row in DeltaTable(str(tmp_path / "out" / table)).to_pyarrow_table().to_pylist()
    ]
    assert sorted(os.path.basename(row["item_id"]) for row in rows) == names
    [failed] = [row for row in rows if "code" in row]
    assert (failed["code"], failed["stage"]) == ("poison", "annotate")
    assert DEADLY in failed["item_id"]
    assert files(tmp_path / "state") == []
    assert not list((tmp_path / "out" / "_tagline").glob("traces/*"))
