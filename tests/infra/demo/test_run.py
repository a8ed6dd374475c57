from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.demo import s3_background
from infra.demo.run import JOB, main, prepare
from infra.demo.s3_environment import ROOT
from infra.demo.s3_server import client_environment
from operators.storage import open_store
from schemas.job import JobSpec


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, value in client_environment().items():
        monkeypatch.setenv(name, value)
    yield tmp_path
    s3_background.stop(tmp_path / "s3")


def job_with(overrides: dict[str, str]) -> JobSpec:
    data = yaml.safe_load((ROOT / JOB).read_text())
    for key, value in overrides.items():
        section, name = key.split(".")
        data.setdefault(section, {})[name] = yaml.safe_load(value)
    return JobSpec.model_validate(data)


def test_the_second_time_everything_is_in_place(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = prepare(state)
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["S3", "Catalogue", "Upload", "Model"]
    assert all(line.endswith(" s)") for line in said)
    assert "54 images and 6 videos drawn" in said[1]
    assert "60 files to" in said[2]

    s3_background.stop(state / "s3")
    assert prepare(state) == first
    said = capsys.readouterr().out.splitlines()
    assert "started" in said[0], "as after a reboot"
    assert "in place" in said[1]
    assert "has everything" in said[2]
    assert "infra/demo/model" in said[3]


def test_the_job_with_its_overrides_finds_the_whole_catalogue(state: Path) -> None:
    job = job_with(prepare(state))
    (uri,) = job.input.uris
    assert len(list(open_store(uri, job.storage).list(uri))) == 60
    assert (Path(job.model.path) / "config.json").is_file()
    assert job.output.uri.startswith("s3://tagline-demo/")


def test_a_server_that_cannot_start_is_told_with_its_log(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.demo.s3_server._LAUNCHER", state / "no_such_launcher.py")
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert main(["--state", str(state)]) == 3
    assert "tagline demo: the S3 server did not start" in (said := capsys.readouterr().err)
    assert "no_such_launcher.py" in said
    assert "AWS_PROFILE" not in os.environ, "the user's own account is left out of it"
