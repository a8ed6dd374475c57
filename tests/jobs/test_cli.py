"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs.cli import exit_code
from jobs.exit_codes import ExitCode
from operators.tasks.registry import TASKS
from pipeline.report import StopSignal
from tests.jobs.reports import REPORT

GOOD = "input: /nowhere/in\nmodel: /nowhere/model\ntasks: [caption]\noutput: /tmp/none\n"


def tagline(
    *arguments: str, code: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "jobs.cli"]
    return subprocess.run(
        [sys.executable, *command, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
    )


def tagline_unread(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run with a standard output that nobody reads any more."""
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "jobs.cli", *arguments]
    try:
        return subprocess.run(
            command, stdout=writes, stderr=subprocess.PIPE, text=True, timeout=120
        )
    finally:
        os.close(writes)


@pytest.fixture
def job_file(tmp_path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(GOOD)
    return path


def test_exit_codes_are_frozen():
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "OVER_BUDGET": 1,
        "USAGE": 2,
        "INFRASTRUCTURE": 3,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }


@pytest.mark.parametrize(
    ("outcome", "signum", "code"),
    [
        ("done", None, 0),
        ("nothing_to_do", None, 0),
        ("over_budget", None, 1),
        ("interrupted", 2, 130),
        ("interrupted", 15, 143),
    ],
)
def test_outcomes_become_exit_codes(outcome, signum, code):
    from dataclasses import replace

    stop = StopSignal()
    if signum:
        stop.request(signum)
    assert exit_code(replace(REPORT, outcome=outcome), stop) == code


def test_validate_says_what_the_job_is(job_file):
    done = tagline("validate", str(job_file), "--set", "model.seed=3")
    assert done.returncode == 0
    assert done.stdout.startswith("OK")
    for part in ("/nowhere/in", "/nowhere/model", "caption", "/tmp/none"):
        assert part in done.stdout


def test_names_that_the_terminal_cannot_show_are_written_out(job_file):
    done = tagline(
        "validate", str(job_file), "--set", "input=/tmp/图", PYTHONIOENCODING="ascii"
    )
    assert done.returncode == 0
    assert "/tmp/\\u56fe" in done.stdout


def test_validate_loads_nothing_heavy(job_file):
    probe = (
        "import sys, json; from jobs.cli import app\n"
        "try: app(['validate', sys.argv[1]])\n"
        "except SystemExit as end: print(json.dumps([end.code, sorted("
        "{'ray', 'torch', 'vllm', 'transformers', 'av', 'pandas', 'deltalake', 'boto3'}"
        " & set(sys.modules))]))"
    )
    done = tagline(str(job_file), code=probe)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]


def test_validate_answers_within_a_second_of_cpu(job_file):
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert tagline("validate", str(job_file)).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0


def test_a_bad_job_file_is_exit_2_on_every_command_that_takes_one(job_file):
    job_file.write_text(GOOD.replace("caption", "captoin"))
    for command in ("run", "validate", "doctor"):
        done = tagline(command, str(job_file))
        assert done.returncode == 2
        assert "line 3" in done.stderr
        assert "did you mean caption?" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["run"], ["nonsense"], ["run", "--no-such-option"], ["show"]]
)
def test_bad_usage_is_exit_2(arguments):
    done = tagline(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_run_without_a_model_is_exit_2_and_names_it(job_file, tmp_path):
    log = tmp_path / "run.log"
    done = tagline("run", str(job_file), "--log-file", str(log))
    assert done.returncode == 2
    assert done.stdout == f"Log: {log}\n"
    assert "/nowhere/model" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in log.read_text()


def test_a_run_that_nobody_watches_keeps_its_exit_code(job_file):
    done = tagline_unread("run", str(job_file), "--debug")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "/nowhere/model" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["schema"], ["tasks"], ["models"]], ids=" ".join)
def test_a_reader_who_has_enough_is_no_error(arguments):
    done = tagline_unread(*arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_log_file_that_cannot_be_written_is_exit_2(job_file):
    done = tagline("run", str(job_file), "--log-file", "/proc/nowhere/run.log")
    assert done.returncode == 2
    assert "/proc/nowhere/run.log cannot be written" in done.stderr


def test_defects_are_owned_up_to_without_a_traceback(job_file):
    code = (
        "import sys, jobs.jobfile\n"
        "def broken(*_): raise ZeroDivisionError('division by zero')\n"
        "jobs.jobfile.load_job = broken\n"
        "from jobs.cli import app; app(sys.argv[1:])"
    )
    done = tagline("validate", str(job_file), code=code)
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert first == "Error: ZeroDivisionError: division by zero"
    assert "defect of Tagline's; run again with --debug" in second
    assert "Traceback" in tagline("validate", str(job_file), "--debug", code=code).stderr


def test_unsafe_rename_stops_a_run(job_file, monkeypatch):
    monkeypatch.setenv("AWS_S3_ALLOW_UNSAFE_RENAME", "true")
    done = tagline("run", str(job_file))
    assert done.returncode == 2
    assert "AWS_S3_ALLOW_UNSAFE_RENAME" in done.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["--table", "captions"], ["--table", "nonsense"]], ids=str
)
def test_show_of_nothing_is_exit_2(arguments, tmp_path):
    done = tagline("show", str(tmp_path), *arguments)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr


def test_show_of_an_unreachable_store_is_exit_3():
    begun = time.monotonic()
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    nobody = ("--endpoint-url", "http://127.0.0.1:9")
    done = tagline("show", "s3://b/out", "--timeout", "2", *nobody, **keys)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_shown_with_all_that_belongs_to_it(task):
    shown = tagline("tasks", task).stdout
    for part in ("Options", "Instruction", "Said of each item", "Columns", "Example row"):
        assert part in shown
    assert "{{" not in shown.partition("Instruction")[2]


def test_a_task_that_is_none_is_answered_with_those_there_are():
    ended = tagline("tasks", "captoin")
    assert ended.returncode == 2
    assert "caption" in ended.stderr


def test_tasks_models_and_schema_are_printed():
    assert "video_summary" in tagline("tasks").stdout
    assert "openbmb/MiniCPM-V-2_6" in tagline("models").stdout
    assert json.loads(tagline("schema").stdout)["title"] == "Tagline job"


def test_doctor_finds_this_machine_fit():
    done = tagline("doctor")
    assert done.returncode == 0, done.stdout
    for part in ("Python", "ray 2", "vllm", "usage reports", "memory", "/dev/shm"):
        assert part in done.stdout
    assert "FAIL" not in done.stdout


def test_doctor_names_what_is_missing_and_its_remedy(job_file, tmp_path):
    broken = tmp_path / "vllm"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('libcudart.so.13 is missing')")
    done = tagline(
        "doctor",
        str(job_file),
        "--set",
        f"output={tmp_path / 'out'}",
        PYTHONPATH=str(tmp_path),
        RAY_USAGE_STATS_ENABLED="1",
        AWS_S3_ALLOW_UNSAFE_RENAME="true",
    )
    assert done.returncode == 3
    lines = {" ".join(line.split()[:3]): line for line in done.stdout.splitlines()}
    assert "libcudart.so.13 is missing" in lines["FAIL vLLM loads"]
    assert "RAY_USAGE_STATS_ENABLED=1" in lines["WARN usage reports"]
    assert "unset it" in lines["FAIL safe commits"]
    assert "see input.uris" in lines["FAIL input /nowhere/in"]
    assert "see model.path" in done.stdout
    assert "can be written" in lines[f"OK output {tmp_path / 'out'}"]


def test_doctor_without_a_job_has_nothing_to_set():
    assert tagline("doctor", "--set", "model.seed=1").returncode == 2
