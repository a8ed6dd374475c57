"""One run at a time writes to an output, and a late one cannot."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import psutil._pslinux
import pytest
from deltalake import DeltaTable

from operators.storage import open_store
from pipeline import lease as lease_module
from pipeline.commit import ResultSink, RowOrigin
from pipeline.lease import (
    BEAT_S,
    LIFE_S,
    Holder,
    Lease,
    held_lease,
    process_began,
    this_machine,
)
from schemas.failure import OutputInUseError, StorageError, UsageError
from schemas.job import OutputSpec, StorageSpec
from schemas.uris import join_uri
from tests.pipeline.rows import annotated, bound, table


class Place:
    """An output somewhere, and what is written about its leases."""

    def __init__(self, uri: str, storage: StorageSpec) -> None:
        self.uri, self.storage = uri, storage

    def hold(self, run_id: str):
        return held_lease(self.uri, self.storage, run_id)

    def write(self, number: int, holder: Holder) -> None:
        uri = join_uri(self.uri, "_tagline", "leases", f"{number:09d}.json")
        open_store(uri, self.storage).put(uri, json.dumps(asdict(holder)).encode())


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return Place(str(tmp_path / "out"), StorageSpec(timeout_s=5))
    server, bucket = (request.getfixturevalue(name) for name in ("s3_server", "s3_bucket"))
    storage = StorageSpec(endpoint_url=server.endpoint_url, path_style=True, timeout_s=5)
    return Place(f"s3://{bucket}/out", storage)


def elsewhere(**changes) -> Holder:
    """A run on another machine, heard of just now."""
    holder = Holder("run-far", "far-away", 7, 0.0, "2026-01-01 00:00:00 UTC", 3, time.time())
    return replace(holder, **changes)


@pytest.fixture
def short_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "WATCH_S", 0.3)


def test_the_second_of_two_is_refused_and_told_who_the_first_is(place: Place) -> None:
    with place.hold("run-1") as first:
        assert first == Lease(1)
        with pytest.raises(OutputInUseError) as refused, place.hold("run-2"):
            pytest.fail("both have it")
        told = str(refused.value)
        assert place.uri in told
        assert f"run-1 (on {socket.gethostname()}, process {os.getpid()}" in told
        assert "wait for its end, or give this job another output" in told
    with place.hold("run-3") as third:
        assert third == Lease(2)


def test_what_ended_in_an_error_lets_go(place: Place) -> None:
    with pytest.raises(LookupError), place.hold("run-1"):
        raise LookupError
    with place.hold("run-2") as second:
        assert not second.takes_over


def test_of_many_at_once_one_has_it(place: Place) -> None:
    ready, done = threading.Barrier(8), threading.Barrier(8)
    outcomes: list[str] = []

    def run(number: int) -> None:
        ready.wait()
        try:
            with place.hold(f"run-{number}"):
                outcomes.append("held")
                done.wait(60)
        except OutputInUseError:
            outcomes.append("refused")
            done.wait(60)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held"] + ["refused"] * 7


def test_a_run_that_was_killed_here_is_followed_at_once(place: Place) -> None:
    code = "import time; time.sleep(100)"
    process = subprocess.Popen([sys.executable, "-c", code])
    began = process_began(process.pid)
    here = elsewhere(host=socket.gethostname(), pid=process.pid, process_began=began)
    place.write(4, here)
    with pytest.raises(OutputInUseError), place.hold("run-2"):
        pytest.fail("it is alive")
    process.kill()
    process.wait()
    with place.hold("run-2") as second:
        assert second == Lease(5, takes_over=True)


@pytest.mark.parametrize("step_s", [-7200.0, 7200.0], ids=["back", "ahead"])
def test_a_run_lives_on_when_the_clock_of_its_machine_is_set(
    place: Place, monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    monkeypatch.setattr(lease_module, "BEAT_S", 0.05)
    boot_time, now = psutil._pslinux.boot_time, time.time
    with place.hold("run-1"):
        # The kernel keeps the time since boot, so the time of the boot is what changes.
        monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: boot_time() + step_s)
        monkeypatch.setattr(time, "time", lambda: now() + step_s)
        with pytest.raises(OutputInUseError), place.hold("run-2"):
            pytest.fail("both have it")
    with place.hold("run-3") as third:
        assert third == Lease(2)


def test_a_clock_that_runs_backwards_costs_nobody_a_lease(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "BEAT_S", 0.05)
    hours = itertools.count()
    monkeypatch.setattr(time, "time", lambda: 1.8e9 - 3600.0 * next(hours))
    for number in range(1, 4):
        with place.hold("run-1") as lease:
            assert lease == Lease(number)
            with pytest.raises(OutputInUseError), place.hold("run-2"):
                pytest.fail("both have it")


def test_a_process_number_that_came_again_is_another_process(place: Place) -> None:
    place.write(1, elsewhere(host=socket.gethostname(), pid=os.getpid(), process_began=1.0))
    with place.hold("run-2") as second:
        assert second.takes_over


@pytest.mark.parametrize("machine", ["another boot pid:[1]", f"{this_machine()}0"])
def test_a_namesake_of_this_machine_is_another_one(place: Place, machine: str) -> None:
    gone = {"host": socket.gethostname(), "pid": os.getpid(), "process_began": 1.0}
    place.write(1, elsewhere(**gone, machine=machine))
    with pytest.raises(OutputInUseError, match="was heard of"), place.hold("run-2"):
        pytest.fail("the other may be alive")
    place.write(2, elsewhere(**gone, machine=this_machine()))
    with place.hold("run-3") as third:
        assert third.takes_over


def test_a_lease_that_tells_more_than_is_known_here_is_read(place: Place) -> None:
    uri = join_uri(place.uri, "_tagline", "leases", "000000001.json")
    told = asdict(elsewhere(released=True)) | {"colour": "red"}
    open_store(uri, place.storage).put(uri, json.dumps(told).encode())
    with place.hold("run-2") as second:
        assert second == Lease(2)


@pytest.mark.parametrize("silent_s", [2 * LIFE_S, -2 * LIFE_S], ids=["silent", "clock ahead"])
def test_a_silent_run_elsewhere_is_watched_and_then_followed(
    place: Place, short_watch: None, silent_s: float
) -> None:
    place.write(1, elsewhere(beaten_at=time.time() - silent_s))
    with place.hold("run-2") as second:
        assert second == Lease(2, takes_over=True)


def test_a_run_that_beats_while_it_is_watched_keeps_its_lease(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "WATCH_S", 20.0)
    silent = elsewhere(beaten_at=time.time() - 2 * LIFE_S)
    place.write(1, silent)
    beat = threading.Timer(0.5, place.write, (1, replace(silent, beats=4)))
    beat.start()
    with pytest.raises(OutputInUseError, match="is at work"), place.hold("run-2"):
        pytest.fail("it beats")
    beat.join()


def test_a_holder_beats(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 3 * BEAT_S < LIFE_S
    monkeypatch.setattr(lease_module, "BEAT_S", 0.05)
    uri = join_uri(place.uri, "_tagline", "leases", f"{1:09d}.json")

    def beats() -> int:
        return json.loads(open_store(uri, place.storage).get(uri))["beats"]

    with place.hold("run-1"):
        deadline = time.monotonic() + 30
        while beats() < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert beats() >= 2


def test_old_leases_go_and_numbers_only_grow(place: Place) -> None:
    for number in range(1, 6):
        with place.hold("run") as lease:
            assert lease.number == number
    folder = join_uri(place.uri, "_tagline", "leases")
    kept = [info.key for info in open_store(folder, place.storage).list(folder)]
    assert kept == ["000000004.json", "000000005.json"]


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"run": 1}'])
def test_a_lease_that_cannot_be_read_is_told_with_its_place(
    place: Place, content: bytes
) -> None:
    uri = join_uri(place.uri, "_tagline", "leases", "000000007.json")
    open_store(uri, place.storage).put(uri, content)
    with pytest.raises(StorageError, match="delete it") as refused, place.hold("run"):
        pytest.fail("whose is it?")
    assert uri in str(refused.value)


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("x")
    with (
        pytest.raises(UsageError, match="file"),
        held_lease(str(blocker / "out"), StorageSpec(timeout_s=5), "run"),
    ):
        pytest.fail("there is no such folder")


@pytest.fixture
def sink(place: Place) -> Callable[[str, Lease], ResultSink]:
    def make(run_id: str, lease: Lease) -> ResultSink:
        made = ResultSink(
            OutputSpec(uri=place.uri),
            place.storage,
            [bound("caption")],
            RowOrigin(run_id, "tiny", None),
            lease,
        )
        made.open()
        return made

    return make


def test_a_late_commit_of_a_run_that_was_followed_does_not_land(
    place: Place, sink: Callable[[str, Lease], ResultSink]
) -> None:
    late = sink("run-1", Lease(1))
    late.add(table(annotated("a")))
    late.flush()
    late.add(table(annotated("b"), annotated("a", item_version="v0", replaces=True)))
    # It is stopped here, and another run takes over.
    successor = sink("run-2", Lease(2, takes_over=True))
    with pytest.raises(OutputInUseError, match="taken over"):
        late.flush()
    successor.add(table(annotated("b", item_version="v2")))
    successor.flush()
    with pytest.raises(OutputInUseError, match="taken over"):
        late.flush()
    options = {}
    if place.uri.startswith("s3://"):
        from pipeline.delta import storage_options

        options = storage_options(place.uri, place.storage)
    rows = DeltaTable(f"{place.uri}/captions", storage_options=options).to_pyarrow_table()
    found = {(row["item_id"], row["item_version"]) for row in rows.to_pylist()}
    assert found == {("a", "v1"), ("b", "v2")}
