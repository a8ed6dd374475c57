"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from jobs.cli import exit_code
from jobs.exit_codes import ExitCode
from pipeline.report import StopSignal
from tests.jobs.test_console import REPORT

GOOD = "input: /nowhere/in\nmodel: /nowhere/model\ntasks: [caption]\noutput: /tmp/none\n"


def tagline(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "jobs.cli"]
    return subprocess.run(
        [sys.executable, *command, *arguments], capture_output=True, text=True, timeout=120
    )


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


def test_validate_loads_nothing_heavy(job_file):
    probe = (
        "import sys, json; from jobs.cli import app\n"
        "try: app(['validate', sys.argv[1]])\n"
        "except SystemExit as end: print(json.dumps([end.code, sorted("
        "{'ray', 'torch', 'vllm', 'transformers', 'av', 'deltalake', 'boto3'}"
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


def test_run_without_a_model_is_exit_2_and_names_it(job_file):
    done = tagline("run", str(job_file))
    assert done.returncode == 2
    assert "/nowhere/model" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in tagline("run", str(job_file), "--debug").stderr


def test_unsafe_rename_stops_a_run(job_file, monkeypatch):
    monkeypatch.setenv("AWS_S3_ALLOW_UNSAFE_RENAME", "true")
    done = tagline("run", str(job_file))
    assert done.returncode == 2
    assert "AWS_S3_ALLOW_UNSAFE_RENAME" in done.stderr


def test_show_lists_tables_and_prints_rows_as_plain_text(tmp_path):
    rows = pa.table(
        {
            "item_id": ["a", "b"],
            "task": ["caption", "caption"],
            "caption": ["[red]no markup[/red]", "=1+1"],
        }
    )
    write_deltalake(str(tmp_path / "captions"), rows)
    listed = tagline("show", str(tmp_path))
    assert listed.returncode == 0
    assert "captions  2" in listed.stdout
    shown = tagline("show", str(tmp_path), "--table", "captions", "--limit", "1")
    assert "[red]no markup[/red]" in shown.stdout
    assert "=1+1" not in shown.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["--table", "captions"], ["--table", "nonsense"]], ids=str
)
def test_show_of_nothing_is_exit_2(arguments, tmp_path):
    done = tagline("show", str(tmp_path), *arguments)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr


def test_show_of_an_unreachable_store_is_exit_3():
    begun = time.monotonic()
    done = tagline("show", "s3://b/out", "--endpoint-url", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < 100


def test_tasks_models_and_schema_are_printed():
    assert "video_summary" in tagline("tasks").stdout
    assert "openbmb/MiniCPM-V-2_6" in tagline("models").stdout
    assert json.loads(tagline("schema").stdout)["title"] == "Tagline job"


def test_doctor_names_what_is_missing_and_its_remedy(job_file, tmp_path):
    healthy = tagline("doctor")
    assert healthy.returncode == 0
    assert "vLLM" in healthy.stdout
    done = tagline("doctor", str(job_file), "--set", f"output={tmp_path / 'out'}")
    assert done.returncode == 3
    assert "fail  model: " in done.stdout
    assert "see model.path" in done.stdout
    assert "fail  input /nowhere/in" in done.stdout
    assert "ok    output" in done.stdout
    assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))
