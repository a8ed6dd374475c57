from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.doctor import Finding, examine_job
from schemas.job import JobSpec


@pytest.fixture
def places(tmp_path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mug.jpg").write_bytes(b"x")
    (tmp_path / "model").mkdir()
    config = {"architectures": ["MiniCPMV"], "version": 2.6}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    return tmp_path


def findings(places: Path, **changes) -> dict[str, Finding]:
    job = {
        "input": str(places / "in"),
        "model": str(places / "model"),
        "tasks": ["caption"],
        "output": str(places / "out"),
    }
    found = examine_job(JobSpec.model_validate(job | changes))
    return {finding.subject.split()[0]: finding for finding in found}


def test_a_job_whose_places_are_there_is_fine(places):
    found = findings(places)
    assert {finding.verdict for finding in found.values()} == {"ok"}
    assert "mug.jpg" in found["input"].detail
    assert "minicpm-v-2.6" in found["model"].detail
    assert not any(path.is_file() for path in (places / "out").rglob("*"))


def test_each_missing_place_has_its_own_finding(places):
    found = findings(places, input="/nowhere/in", model="/nowhere/model", output="/proc/x/out")
    assert {name: finding.verdict for name, finding in found.items()} == {
        "model": "fail",
        "input": "fail",
        "output": "fail",
    }
    assert all(finding.remedy for finding in found.values())
    assert "/nowhere/in" in found["input"].detail


def test_a_model_that_may_be_fetched_is_a_warning(places):
    model = {"path": "nobody/no-such-model", "download": True}
    assert findings(places, model=model)["model"].verdict == "warn"
    assert findings(places, model=model | {"download": False})["model"].verdict == "fail"
    elsewhere = {"path": "./no/model", "download": True}
    assert findings(places, model=elsewhere)["model"].verdict == "fail"


def test_credentials_are_named_by_their_source_and_never_shown(
    places, s3_server, s3_bucket, monkeypatch
):
    storage = {"endpoint_url": s3_server.endpoint_url, "path_style": True}
    found = findings(places, output=f"s3://{s3_bucket}/out", storage=storage)
    assert (found["AWS"].verdict, found["AWS"].detail) == ("ok", "from env")
    assert found["output"].verdict == "ok"
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    found = findings(places, output=f"s3://{s3_bucket}/out", storage=storage)
    assert found["AWS"].verdict == "fail"
    assert "no-such-profile" in found["AWS"].detail
