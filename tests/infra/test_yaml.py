from __future__ import annotations

from pathlib import Path

import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "infra").rglob("*.yaml"), *(ROOT / "jobs").glob("*.yaml")])


@pytest.fixture(scope="module")
def rules() -> YamlLintConfig:
    return YamlLintConfig(file=str(ROOT / "infra" / "yamllint.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_yamllint_has_nothing_to_say(path: Path, rules: YamlLintConfig) -> None:
    problems = [str(problem) for problem in linter.run(path.read_text(), rules)]
    assert problems == []


@pytest.mark.parametrize(
    "text", ["a: 1\na: 2\n", "a: [ 1 ]\n", "a:\n   b: 1\n  c: 2\n", "a: 1 \n"]
)
def test_yamllint_would_have_something_to_say(text: str, rules: YamlLintConfig) -> None:
    assert list(linter.run(text, rules))


def test_all_manifests_and_jobs_are_among_them() -> None:
    names = {path.name for path in FILES}
    assert names >= {"catalog_tagging.yaml", "rayjob.yaml", "cronjob.yaml", "cluster.yaml"}
