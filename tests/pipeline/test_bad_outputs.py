"""Outputs that cannot be written, or hold what is no table of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake

from pipeline.commit import ResultSink, RowOrigin
from pipeline.delta import open_table
from pipeline.lease import Lease, held_lease
from pipeline.output_table import OutputTable
from pipeline.preview import preview
from schemas.failure import StorageError, UsageError
from schemas.job import OutputSpec, StorageSpec
from tests.fixtures.command_line import tagline
from tests.pipeline.conftest import draw
from tests.pipeline.rows import annotated, bound, table
from tests.pipeline.test_run import Bench

LOG = "_delta_log"


def entry(number: int) -> str:
    return f"{number:020}.json"


def cut(log: Path) -> None:
    whole = (log / entry(2)).read_bytes()
    (log / entry(2)).write_bytes(whole[: len(whole) // 2])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda log: (log / entry(0)).write_bytes(b"\x00garbage"),
    "other json": lambda log: (log / entry(0)).write_bytes(b'{"x": 1}\n'),
    "nothing": lambda log: (log / entry(0)).write_bytes(b""),
    "a cut commit": cut,
    "a gap": lambda log: (log / entry(1)).unlink(),
    "no checkpoint": lambda log: (log / "_last_checkpoint").write_text(
        '{"version": 2, "size": 3}'
    ),
    "a later protocol": lambda log: (log / entry(3)).write_text(
        '{"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, '
        '"readerFeatures": ["unheard"], "writerFeatures": ["unheard"]}}\n'
    ),
}


@pytest.fixture
def bench(tmp_path: Path, checkpoint: Path) -> Bench:
    """No Ray is there: what is refused is refused before it is needed."""
    made = Bench(tmp_path, checkpoint)
    draw(made.input / "a.png", 1)
    return made


def captions_in(output: Path) -> Path:
    """A table of captions with three versions and no rows."""
    table = OutputTable(
        str(output / "captions"), bound("caption").table_schema(), StorageSpec(), "r"
    )
    table.ensure()
    for number in range(2):
        lease = Lease(number + 1, takes_over=True)
        OutputTable(table.uri, table.schema, StorageSpec(), f"r-{number}", lease).ensure()
    return output / "captions"


def job_file(bench: Bench, **changes: object) -> str:
    path = bench.output.with_suffix(".yaml")
    job = {
        "input": str(bench.input),
        "model": str(bench.checkpoint),
        "tasks": ["caption"],
        "output": str(bench.output),
    }
    path.write_text(yaml.safe_dump(job | changes))
    return str(path)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_broken_table_is_refused_with_its_place_and_what_to_do(
    bench: Bench, damage: Callable[[Path], object]
) -> None:
    table = captions_in(bench.output)
    damage(table / LOG)
    before = {path: path.read_bytes() for path in table.rglob("*") if path.is_file()}
    with pytest.raises(UsageError) as refused:
        bench.run(bench.job(tasks=["caption"]))
    said = str(refused.value)
    assert f"cannot read the table {table}" in said
    assert f"restore {table / LOG}, or give the job another output" in said
    assert "\n" not in said
    assert "<unknown>" not in said
    assert before == {path: path.read_bytes() for path in table.rglob("*") if path.is_file()}
    with held_lease(str(bench.output), StorageSpec(), "next") as lease:
        assert not lease.takes_over


def test_a_broken_table_of_runs_is_refused_before_anything_is_done(bench: Bench) -> None:
    table = captions_in(bench.output).rename(bench.output / "runs")
    DAMAGE["garbage"](table / LOG)
    with pytest.raises(UsageError, match=f"cannot read the table {table}"):
        bench.run(bench.job(tasks=["caption"]))
    assert bench.observer.snapshots == []


@pytest.mark.parametrize("ask", [Bench.run, lambda _, job: preview(job)], ids=["run", "plan"])
def test_an_output_of_a_later_version_is_told_as_that_whatever_else_is_new_in_it(
    bench: Bench, ask: Callable
) -> None:
    for name, content in (
        ("format.json", '{"schema_version": 99, "tagline_version": "9.9"}'),
        ("leases/000000001.json", '{"holder": "of a later version"}'),
    ):
        path = bench.output / "_tagline" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with pytest.raises(UsageError, match=r"version 99, written by Tagline 9\.9"):
        ask(bench, bench.job(tasks=["caption"]))


def test_a_stop_while_nothing_is_listed_yet_deletes_nothing_and_is_no_error(
    bench: Bench,
) -> None:
    rows = table(annotated("a"), annotated("b"))
    sink = ResultSink(
        OutputSpec(uri=str(bench.output)),
        StorageSpec(),
        [bound("caption")],
        RowOrigin("earlier", "tiny", None),
    )
    sink.open()
    sink.add(rows)
    sink.flush()
    bench.stop.request(signal.SIGTERM)
    output = {"uri": str(bench.output), "gone": "delete"}
    report = bench.run(bench.job(tasks=["caption"], output=output))
    assert report.outcome == "interrupted"
    assert len(bench.rows("captions")) == 2
    assert not (bench.output / "_tagline" / "plans").exists()


def test_a_broken_table_on_s3_is_told_from_a_store_that_is_away(s3_server, s3_bucket) -> None:
    from tests.storm.oracle import s3_client

    storage = StorageSpec(endpoint_url=s3_server.endpoint_url, path_style=True, timeout_s=1)
    s3_client(s3_server.endpoint_url).put_object(
        Bucket=s3_bucket, Key=f"out/captions/{LOG}/{entry(0)}", Body=b"\x00garbage"
    )
    with pytest.raises(UsageError, match=rf"restore s3://{s3_bucket}/out/captions/{LOG}"):
        open_table(f"s3://{s3_bucket}/out/captions", storage)
    away = StorageSpec(endpoint_url="http://127.0.0.1:9", path_style=True, timeout_s=1)
    with pytest.raises(StorageError, match="cannot read the table s3://any/out"):
        open_table("s3://any/out", away)


@pytest.mark.parametrize("command", ["run", "plan"])
def test_the_command_line_ends_with_2_and_no_traceback_at_a_broken_table(
    bench: Bench, command: str
) -> None:
    DAMAGE["garbage"](captions_in(bench.output) / LOG)
    done = tagline(command, job_file(bench))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"Error: cannot read the table {bench.output / 'captions'}" in done.stderr
    assert "give the job another output" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_ends_with_2_at_a_table_of_somebody_elses(bench: Bench) -> None:
    place = str(bench.output / "captions")
    write_deltalake(place, pa.table({"x": [1]}))
    done = tagline("run", job_file(bench))
    assert done.returncode == 2, done.stdout + done.stderr
    for part in (place, "x", "another output"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert DeltaTable(place).version() == 0


def test_a_file_where_a_table_should_be_is_told_with_its_place(bench: Bench) -> None:
    bench.output.mkdir()
    (bench.output / "captions").write_text("a file")
    with pytest.raises((UsageError, StorageError), match=str(bench.output / "captions")):
        bench.run(bench.job(tasks=["caption"]))
    assert (bench.output / "captions").read_text() == "a file"


def may_mount() -> bool:
    return os.geteuid() == 0 and not subprocess.run(["unshare", "-m", "true"]).returncode


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Root may write wherever permissions forbid it, but not where the file system does."""
    folder.mkdir()
    if not may_mount():
        folder.chmod(0o555)
        yield
        folder.chmod(0o755)
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tagline", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_an_output_that_may_only_be_read_is_exit_2(bench: Bench) -> None:
    with read_only(bench.output):
        done = tagline("run", job_file(bench))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"cannot write {bench.output}" in done.stderr
    assert "Traceback" not in done.stderr
    assert "may work later" not in done.stderr


FULL = """
import os, resource, sys
from pipeline.commit import ResultSink, RowOrigin
from schemas.failure import TaglineError
from schemas.job import OutputSpec, StorageSpec
from tests.pipeline.rows import annotated, bound, table

root, free, ballast = sys.argv[1], int(sys.argv[2]), sys.argv[3]

def sink(run_id):
    made = ResultSink(OutputSpec(uri=root), StorageSpec(timeout_s=1), [bound("caption")],
                      RowOrigin(run_id, "tiny", None))
    made.open()
    return made

def fill():
    if ballast == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (free, resource.RLIM_INFINITY))
        return
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
        file.truncate(file.tell() - free)

first = sink("run-1")
first.add(table(annotated("a")))
first.flush()
fill()
first.add(table(annotated("b"), annotated("a", item_version="v2", replaces=True)))
try:
    first.flush()
except TaglineError as error:
    print(type(error).__name__, error)
# Seldom, native threads of the tables' library abort the process while the interpreter is torn
# down; this is about what was done before.
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize("way", ["full file system", "file too large"])
@pytest.mark.parametrize("free", [0, 4096], ids=["no byte", "one page"])
def test_a_full_disk_ends_a_commit_and_costs_no_row(
    tmp_path: Path, way: str, free: int
) -> None:
    """Of a tiny file system (if one may be mounted), and of a process with a limit."""
    root = tmp_path / "disk"
    root.mkdir()
    mounts = way == "full file system" and may_mount()
    if mounts:
        options = ["-t", "tmpfs", "-o", "size=256k", "tagline", str(root)]
        subprocess.run(["mount", *options], check=True)
    try:
        ballast = str(root / "ballast") if mounts else "limit"
        out = root / "out"
        done = subprocess.run(
            [sys.executable, "-c", FULL, str(out), str(free), ballast],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        kind, _, said = done.stdout.partition(" ")
        assert kind == "StorageError"
        assert str(out / "captions") in said
        assert "make room there" in said or "run the same job again" in said
        (root / "ballast").unlink(missing_ok=True)
        rows = DeltaTable(str(out / "captions")).to_pyarrow_table().to_pylist()
        assert [(row["item_id"], row["item_version"]) for row in rows] == [("a", "v1")]
        assert not list(out.rglob(".tagline-*"))
    finally:
        if mounts:
            subprocess.run(["umount", str(root)], check=True)
