from __future__ import annotations

import copy

import pytest

from jobs.overrides import apply_overrides
from schemas.failure import UsageError
from tests.jobs.job_texts import GOOD, load, problems

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


def test_overrides_reach_shorthand_lists_and_new_sections():
    job = load(
        GOOD,
        "model.seed=7",
        "tasks.0.max_chars=100",
        "media.video.max_frames=4",
        "input.exclude=['**/thumbs/**']",
        "output=/tmp/out",
        "output.commit_every_s=5",
    )
    assert job.model.seed == 7
    assert job.model.path == "openbmb/MiniCPM-V-2_6"
    assert job.tasks[0].options == {"max_chars": 100}
    assert job.media.video.max_frames == 4
    assert job.input.exclude == ("**/thumbs/**",)
    assert (job.output.uri, job.output.commit_every_s) == ("/tmp/out", 5)


@pytest.mark.parametrize(
    "override", ["model.seed", "=1", "tasks.9=caption", "tasks.x=caption", "name.a.b=1"]
)
def test_a_malformed_override_is_a_usage_error(override):
    with pytest.raises(UsageError, match="--set"):
        load(GOOD + "name: x\n", override)


def test_an_override_that_breaks_the_job_is_named_as_such_and_has_no_line():
    [problem, other] = problems(GOOD, "resources.decode_workers=-1", "input=gs://x")
    assert (other.where, other.line) == ("resources.decode_workers", None)
    assert (problem.where, problem.line) == ("input", None)
    assert problem.expected.endswith("(given by --set)")


def test_an_override_may_replace_a_variable_that_is_not_set(monkeypatch):
    monkeypatch.delenv("NIGHT", raising=False)
    text = GOOD.replace("s3://shop/annotations/", "s3://shop/${NIGHT}")
    assert load(text, "output=/tmp/out").output.uri == "/tmp/out"


def test_an_override_of_a_value_with_two_names_changes_one_of_them():
    text = GOOD.replace("tasks: [caption]", "tasks: [&a {task: caption}, {<<: *a, name: b}]")
    job = load(text, "tasks.0.max_chars=50")
    assert [spec.options for spec in job.tasks] == [{"max_chars": 50}, {}]
