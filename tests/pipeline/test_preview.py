"""What a run would do, said beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.jobfile import load_job
from pipeline.commit import ResultSink, RowOrigin
from pipeline.known_prints import note_fingerprints
from pipeline.model import owed_tasks, resolve_model
from pipeline.preview import TaskPreview, preview
from schemas.failure import FailureCode
from schemas.job import JobSpec
from tests.pipeline.conftest import draw
from tests.pipeline.rows import annotated, failed, table

TAGS = {"task": "tags", "vocabulary": ["a", "b"]}


class Folder:
    """Pictures, and an output that holds rows about them."""

    def __init__(self, root: Path, checkpoint: Path) -> None:
        self.input, self.output, self.checkpoint = root / "in", root / "out", checkpoint
        self.file = root / "job.yaml"
        self.file.write_text(
            f"input: {self.input}\nmodel: {checkpoint}\n"
            f"tasks: [caption]\noutput: {self.output}\n"
        )

    def draw(self, *names: str) -> None:
        for number, name in enumerate(names):
            draw(self.input / name, number)

    def id(self, name: str) -> str:
        return str(self.input / name)

    def job(self, *tasks, **model) -> JobSpec:
        return JobSpec.model_validate(
            {
                "input": str(self.input),
                "model": {"path": str(self.checkpoint), **model},
                "tasks": list(tasks or ["caption"]),
                "output": str(self.output),
            }
        )

    def annotate(self, job: JobSpec, *names: str, noted: bool = True, **changes) -> None:
        """Have rows of the job's first task, as a run would leave them."""
        owed = owed_tasks(job, resolve_model(job))
        sink = ResultSink(
            job.output, job.storage, [one.bound for one in owed], RowOrigin("run-1", "m", None)
        )
        sink.open()
        if noted:
            note_fingerprints(job.output.uri, job.storage, owed)
        rows = []
        for name in names:
            base = {
                "item_version": self.version(name),
                "fingerprint": owed[0].fingerprints["image"],
                "task": owed[0].bound.name,
            }
            code = changes.get("code")
            made = failed(self.id(name), code) if code else annotated(self.id(name))
            more = {key: value for key, value in changes.items() if key != "code"}
            rows.append(made | base | more)
        sink.add(table(*rows))
        sink.flush()

    def version(self, name: str) -> str:
        """As the listing has it."""
        from operators.sources.registry import open_source

        listed = {one.item_id: one for one in open_source(self.job().input, self.job().storage)}
        return listed[self.id(name)].item_version


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Path) -> Folder:
    return Folder(tmp_path, checkpoint)


def test_without_an_output_everything_is_new(folder: Folder) -> None:
    folder.draw("a.png", "b.png")
    assert preview(folder.job("caption", TAGS)) == [
        TaskPreview("caption", new=2),
        TaskPreview("tags", new=2),
    ]
    assert not folder.output.exists()


def test_rows_are_current_until_something_changes_and_then_it_is_said_what(
    folder: Folder,
) -> None:
    folder.draw("a.png", "b.png", "c.png")
    job = folder.job()
    folder.annotate(job, "a.png", "b.png")
    assert preview(job) == [TaskPreview("caption", new=1, current=2)]

    [prompted] = preview(folder.job({"task": "caption", "prompt": "Say what it is."}))
    assert (prompted.changed, prompted.current) == (2, 0)
    assert prompted.reasons == {"prompt": 2, "options": 2}
    [styled] = preview(folder.job({"task": "caption", "max_chars": 90}))
    assert styled.reasons == {"prompt": 2, "options": 2}
    [seeded] = preview(folder.job(seed=9))
    assert seeded.reasons == {"model": 2}
    shrunk = job.model_copy(update={"media": job.media.model_copy(update={"max_pixels": 400})})
    [small] = preview(shrunk)
    assert small.reasons == {"media": 2}

    draw(folder.input / "a.png", 99)
    os.utime(folder.input / "a.png", (1, 1))
    [after] = preview(job)
    assert (after.changed, after.current, after.reasons) == (1, 1, {"content": 1})


@pytest.mark.parametrize("key", ["vocabulary", "taxonomy"])
def test_another_vocabulary_is_told_as_that(folder: Folder, key: str) -> None:
    folder.draw("a.png")
    tags = folder.file.with_name("tags.csv")

    def job(names: list[str], **more: int) -> JobSpec:
        tags.write_text("id,name\n" + "".join(f"{name},{name}\n" for name in names))
        return folder.job(
            {"task": "tags", key: names if key == "vocabulary" else str(tags)} | more
        )

    answer = json.dumps({"tags": []})
    folder.annotate(job(["a", "b"]), "a.png", answer=answer)
    [same] = preview(job(["a", "b"]))
    assert (same.current, same.reasons) == (1, {})
    [other] = preview(job(["a", "c"]))
    assert other.reasons.keys() - {"prompt"} == {"vocabulary"}
    [fewer] = preview(job(["a", "b"], max_tags=3))
    assert fewer.reasons.keys() - {"prompt"} == {"options"}


def test_what_nobody_noted_changed_for_an_unknown_reason(folder: Folder) -> None:
    folder.draw("a.png")
    folder.annotate(folder.job(), "a.png", noted=False, fingerprint="of old")
    [seen] = preview(folder.job())
    assert seen.reasons == {"unknown": 1}


def test_failures_and_rows_of_items_that_went(folder: Folder) -> None:
    folder.draw("a.png", "b.png", "c.png", "d.png")
    job = folder.job()
    folder.annotate(job, "a.png", "d.png")
    folder.annotate(job, "b.png", code=FailureCode.NOT_MEDIA)
    folder.annotate(job, "c.png", code=FailureCode.STORAGE_UNAVAILABLE)
    (folder.input / "d.png").unlink()
    assert preview(job) == [
        TaskPreview("caption", current=1, given_up=1, retried=1, gone=1),
    ]


def said(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, ["plan", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_the_command_line_prints_it(folder: Folder) -> None:
    folder.draw("a.png", "b.png")
    folder.annotate(load_job(folder.file), "a.png")
    head, row = said(str(folder.file))
    assert head.split("  ")[0].split() == ["task"]
    assert row.split() == ["caption", "1", "0", "1", "0", "0", "0", "0"]
    *_, reasons = said(str(folder.file), "--set", "model.seed=5")
    assert reasons == "caption: changed are model (1)"
    *_, near = said(str(folder.file), "--set", "duplicates.near=4")
    assert near.startswith("duplicates.near: pictures that look alike are found while decoding")


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda f: None, "caption: to be done: there is no row"),
        (lambda f: f.annotate(f.job(), "a.png"), "caption: current: nothing to do"),
        (
            lambda f: f.annotate(f.job(seed=3), "a.png"),
            "caption: to be done anew: model changed",
        ),
        (
            lambda f: f.annotate(f.job(), "a.png", code=FailureCode.NOT_MEDIA),
            "caption: given up: it failed once with not_media; --retry failed:not_media tries "
            "it again",
        ),
        (
            lambda f: f.annotate(f.job(), "a.png", code=FailureCode.DECODE_TIMEOUT),
            "caption: to be tried again: it failed with decode_timeout (attempt 1)",
        ),
    ],
)
def test_one_item_is_explained(folder: Folder, prepare, says: str) -> None:
    folder.draw("a.png", "b.png")
    prepare(folder)
    assert said(str(folder.file), "--explain", folder.id("a.png")) == [says]


def test_items_that_went_or_never_were_are_explained_too(folder: Folder) -> None:
    folder.draw("a.png", "b.png")
    folder.annotate(folder.job(), "a.png")
    (folder.input / "a.png").unlink()
    lines = said(str(folder.file), "--explain", folder.id("a.png"))
    assert lines == ["caption: not listed any more; its row stays"]
    done = CliRunner().invoke(app, ["plan", str(folder.file), "--explain", "no such"])
    assert done.exit_code == 2
    assert "the job's input has no item 'no such'" in done.stderr


def test_a_full_disk_for_what_is_planned_is_told_with_its_place(folder: Folder) -> None:
    folder.input.mkdir()
    for number in range(400):
        (folder.input / f"{number}-{os.urandom(8).hex()}.png").touch()
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)); "
    code = f"{limit}from jobs.cli import main; main()"
    scratch = folder.input.with_name("scratch")
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, "plan", str(folder.file)],
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 3, done.stderr
    assert f"cannot plan in {scratch}: " in done.stderr
    assert "point TMPDIR elsewhere" in done.stderr
    assert "defect" not in done.stderr
