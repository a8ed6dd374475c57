from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "infra" / "docker" / "Dockerfile"
HADOLINT = Path(sys.executable).with_name("hadolint")
CONFIGURATION = DOCKERFILE.with_name("hadolint.yaml")


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HADOLINT, "--config", CONFIGURATION, path], capture_output=True, text=True, check=False
    )


def instructions(path: Path) -> list[tuple[str, str]]:
    """Each instruction and its arguments, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    parts = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(word.upper(), rest) for word, rest in parts]


def stages(path: Path) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """By name: what each stage is built from, and its instructions."""
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    for word, rest in instructions(path):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = (base, [])
        else:
            found[list(found)[-1]][1].append((word, rest))
    return found


def test_hadolint_has_nothing_to_say() -> None:
    linted = lint(DOCKERFILE)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("FROM python:latest", "DL3007"),
        ("FROM python", "DL3006"),
        ("FROM python:3.11.14-slim\nUSER root", "DL3002"),
        ("FROM python:3.11.14-slim\nADD pyproject.toml /", "DL3020"),
        ("FROM python:3.11.14-slim\nRUN pip install uv", "DL3013"),
    ],
)
def test_hadolint_would_have_something_to_say(tmp_path: Path, line: str, rule: str) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text(line + "\n")
    linted = lint(bad)
    assert linted.returncode != 0
    assert rule in linted.stdout


def test_every_base_is_a_stage_of_ours_or_pinned_to_a_patch_release() -> None:
    found = stages(DOCKERFILE)
    for base, _ in found.values():
        assert base in found or re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+-[a-z-]+", base)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_both_images_run_the_job_as_nobody_special(target: str) -> None:
    _, steps = stages(DOCKERFILE)[target]
    users = [rest for word, rest in steps if word == "USER"]
    assert users == ["1000:1000"]
    assert steps[-1] == ("CMD", '["tagline", "run", "jobs/catalog_tagging.yaml"]')


def test_both_images_hold_the_same_sources() -> None:
    copied = [
        [rest for word, rest in stages(DOCKERFILE)[target][1] if word == "COPY"]
        for target in ("cpu", "gpu")
    ]
    assert copied[0] == copied[1]
    for source in ("schemas", "operators", "pipeline", "jobs", "infra"):
        assert f"{source} {source}" in copied[0]
        assert (ROOT / source).is_dir()


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_each_image_installs_its_pinned_requirements(target: str) -> None:
    base, _ = stages(DOCKERFILE)[target]
    runs = [rest for word, rest in stages(DOCKERFILE)[base][1] if word == "RUN"]
    assert any(f"-r requirements/{target}.txt" in run for run in runs)
    assert (ROOT / "requirements" / f"{target}.txt").is_file()


def test_nothing_is_fetched_from_an_address_and_no_statistics_are_sent() -> None:
    text = DOCKERFILE.read_text()
    assert "://" not in text
    assert not [rest for word, rest in instructions(DOCKERFILE) if word == "ADD"]
    for setting in ("RAY_USAGE_STATS_ENABLED=0", "VLLM_NO_USAGE_STATS=1", "DO_NOT_TRACK=1"):
        assert setting in text


def test_the_images_uv_is_the_one_that_made_the_environments() -> None:
    version = re.search(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())
    assert version
    assert f"uv=={version[1]} " in DOCKERFILE.read_text()
