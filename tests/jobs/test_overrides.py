from __future__ import annotations

import copy

import pytest

from jobs.overrides import apply_overrides
from schemas.failure import UsageError

JOB = {
    "name": "x",
    "input": ["a", "b"],
    "model": "m",
    "tasks": ["caption", {"task": "tags"}],
    "output": "o",
}


def changed(*overrides: str) -> dict:
    data = copy.deepcopy(JOB)
    apply_overrides(data, overrides)
    return {key: value for key, value in data.items() if JOB.get(key) != value}


@pytest.mark.parametrize(
    ("override", "result"),
    [
        ("name=y", {"name": "y"}),
        ("name=", {"name": None}),
        ("name=a=b", {"name": "a=b"}),
        ("model.seed=7", {"model": {"path": "m", "seed": 7}}),
        ("output.uri=p", {"output": {"uri": "p"}}),
        ("input.1=c", {"input": ["a", "c"]}),
        ("input.exclude=[t]", {"input": {"uris": ["a", "b"], "exclude": ["t"]}}),
        (
            "tasks.0.max_chars=9",
            {"tasks": [{"task": "caption", "max_chars": 9}, JOB["tasks"][1]]},
        ),
        ("tasks.1.max_tags=9", {"tasks": ["caption", {"task": "tags", "max_tags": 9}]}),
        ("media.video.fps=2", {"media": {"video": {"fps": 2}}}),
    ],
)
def test_values_are_set_by_key_path(override, result):
    assert changed(override) == result


def test_what_was_set_is_named():
    paths = apply_overrides(copy.deepcopy(JOB), ["tasks.0.max_chars=9", "model.seed=1"])
    assert paths == [("tasks", 0, "max_chars"), ("model", "seed")]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("name", "KEY=VALUE"),
        ("=1", "KEY=VALUE"),
        ("model..seed=1", "KEY=VALUE"),
        ("name.first=1", "no keys below"),
        ("tasks.2=caption", "from 0 to 1, not 2"),
        ("tasks.-1=caption", "from 0 to 1, not -1"),
        ("name=[a", "no YAML"),
        ("name=2024-13-45", "month must be in 1..12"),
        ("name=&a [*a]", "nested more than"),
    ],
)
def test_mistakes_are_usage_errors_that_show_the_text(override, says):
    with pytest.raises(UsageError) as caught:
        changed(override)
    assert says in str(caught.value)
    assert repr(override) in str(caught.value)


def test_a_list_that_is_empty_has_no_entry_to_replace():
    with pytest.raises(UsageError, match="the list before 0 is empty"):
        apply_overrides({"tasks": []}, ["tasks.0=caption"])
