from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.jobfile import check_job, job_schema, load_job
from jobs.yaml_lines import parse_yaml
from operators.tasks.registry import bind_tasks
from schemas.failure import JobFileError
from tests.jobs.job_texts import GOOD, load, problems

ROOT = Path(__file__).parents[2]


def test_four_lines_are_a_whole_job():
    job = load(GOOD)
    assert job.input.uris == ("s3://shop/photos/",)
    assert job.model.path == "openbmb/MiniCPM-V-2_6"
    assert job.output.uri == "s3://shop/annotations/"
    assert job.failures.budget == 0.1


@pytest.mark.parametrize(
    ("change", "where", "line", "says"),
    [
        ("inputs: x", "inputs", 5, "did you mean input?"),
        ("model: {paht: x}", "model.paht", 2, "did you mean path?"),
        ("model: {family: minicpm-v-2.7}", "model.family", 2, "did you mean minicpm-v-2.6?"),
        ("input: gs://b/x", "input", 1, "'gs' is not known"),
        ("input: s3://", "input", 1, "bucket's name is missing"),
        ("input: []", "input", 1, "at least one address"),
        ("output: ''", "output", 4, "empty"),
        ("tasks: [captoin]", "tasks[0]", 3, "did you mean caption?"),
        ("tasks: [{task: tag}]", "tasks[0].task", 3, "did you mean tags?"),
        ("tasks: [{vocabulary: [a]}]", "tasks[0]", 3, "expected a task's name"),
        ("tasks: [3]", "tasks[0]", 3, "expected a task's name"),
        ("tasks: []", "tasks", 3, "at least 1"),
        ("tasks: caption", "tasks", 3, "expected a list"),
        ("tasks: [caption, caption]", "tasks", 3, "used twice"),
        ("tasks: [{task: caption, max_chars: -5}]", "tasks[0].max_chars", 3, "20 or more"),
        ("tasks: [{task: caption, max_char: 5}]", "tasks[0].max_char", 3, "max_chars?"),
        ("tasks: [{task: tags, vocabulary: [a, a]}]", "tasks[0].vocabulary", 3, "there twice"),
        ("media: {video: {policy: unifrom}}", "media.video.policy", 5, "did you mean uniform?"),
        ("media: {max_pixels: -1}", "media.max_pixels", 5, "784 or more"),
        ("failures: {budget: some}", "failures.budget", 5, "whole number or a number"),
        ("failures: {budget: -1}", "failures.budget", 5, "0 or more"),
        ("failures: {attempts: 0}", "failures.attempts", 5, "1 or more"),
        ("resources: {engine_replicas: two}", "resources.engine_replicas", 5, "whole number"),
        ("resources: 5", "resources", 5, "keys and values"),
        ("storage: {endpoint_url: minio}", "storage.endpoint_url", 5, "http://host"),
        (
            "storage: {endpoint_url: 'http://me:secret@h'}",
            "storage.endpoint_url",
            5,
            "no user name",
        ),
        ("name: '../x'", "name", 5, "letters, digits"),
        ("name: 2024-01-01", "name", 5, "quotes"),
        ("tasks: [{task: tags, vocabulary: [no]}]", "tasks[0].vocabulary[0]", 3, "quotes"),
        ("tasks: [{task: caption, options: {}, x: 1}]", "tasks[0].x", 3, "known here: name"),
        ('input: "a\\0b"', "input", 1, "without NUL"),
        ('input: "\\ud800"', "input", 1, "surrogates"),
    ],
)
def test_each_mistake_is_named_with_its_place_and_what_was_expected(change, where, line, says):
    key = change.partition(":")[0]
    lines = [change if row.startswith(f"{key}:") else row for row in GOOD.splitlines()]
    if change not in lines:
        lines.append(change)
    [problem] = problems("\n".join(lines))
    assert (problem.where, problem.line) == (where, line)
    assert says in problem.expected


@pytest.mark.parametrize("key", ["input", "tasks", "output"])
def test_a_missing_section_is_named(key):
    text = "\n".join(row for row in GOOD.splitlines() if not row.startswith(key))
    [problem] = problems(text)
    assert (problem.where, problem.expected) == (key, "is missing")


def test_all_mistakes_come_at_once_in_the_order_of_the_file():
    found = problems(
        """\
        input: gs://x
        model: {seed: -1, quantisation: fp8}
        tasks:
          - captoin
          - task: tags
            max_tags: 0
        output: s3://
        outputs: 1
        """
    )
    assert [(p.line, p.where) for p in found] == [
        (1, "input"),
        (2, "model.quantisation"),
        (2, "model.seed"),
        (4, "tasks[0]"),
        (6, "tasks[1].max_tags"),
        (7, "output"),
        (8, "outputs"),
    ]


def test_the_message_shows_file_line_key_value_and_remedy():
    with pytest.raises(JobFileError) as caught:
        load(GOOD.replace("tasks: [caption]", "tasks: [captoin]"))
    assert "job.yaml: 1 problem(s)" in str(caught.value)
    assert "line 3: tasks[0] is 'captoin'; is no task (did you mean caption?)" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("input: [a", "no YAML", 1),
        ("input: a\n\tx: 1", "no YAML", 2),
        ("", "empty", None),
        ("# only a comment", "empty", None),
        ("- a\n- b", "expected keys and values", None),
        ("just text", "expected keys and values", None),
        ("1: 2", "expected keys and values", None),
        ("a: !!int ''", "does not fit its type", 1),
        ("name: x\ninput: 2020-13-45", "month must be", 2),
        ("a: 1\n---\nb: 2", "no YAML", 2),
        ("a: !!python/object:os.system x", "no YAML", 1),
    ],
)
def test_what_is_no_job_at_all(text, says, line):
    [problem] = problems(text)
    assert says in problem.expected
    assert problem.line == line


def test_a_key_written_twice_is_refused_with_both_lines():
    [problem] = problems(GOOD + "output: s3://elsewhere/\n")
    assert (problem.where, problem.line) == ("output", 5)
    assert "line 4" in problem.expected


def test_files_that_cannot_be_read(tmp_path):
    for path, says in (
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "folder"),
    ):
        with pytest.raises(JobFileError, match=says):
            load_job(path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: é".encode("latin-1"))
    with pytest.raises(JobFileError, match="UTF-8"):
        load_job(latin)


def test_variables_are_expanded_and_unset_ones_are_problems(monkeypatch):
    monkeypatch.setenv("SHOP", "spring")
    monkeypatch.delenv("NIGHT", raising=False)
    job = load(GOOD.replace("s3://shop/photos/", "s3://${SHOP}/${NIGHT:-tonight}/"))
    assert job.input.uris == ("s3://spring/tonight/",)
    [problem] = problems(GOOD.replace("s3://shop/annotations/", "s3://shop/${NIGHT}"))
    assert problem.where == "output"
    assert "NIGHT is not set" in problem.expected


def test_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    job = load(GOOD.replace("openbmb/MiniCPM-V-2_6", "~/models/tiny"))
    assert job.model.path == "/home/me/models/tiny"


def test_an_unset_variable_is_one_problem_wherever_it_stands(monkeypatch):
    monkeypatch.delenv("NIGHT", raising=False)
    found = problems(GOOD + "resources:\n  engine_replicas: ${NIGHT}\n", "input=['${NIGHT}']")
    assert [problem.where for problem in found] == ["input[0]", "resources.engine_replicas"]


def test_options_may_stand_below_their_own_key():
    job = load(GOOD.replace("[caption]", "[{task: caption, options: {max_chars: 50}}]"))
    assert (job.tasks[0].name, job.tasks[0].options) == ("caption", {"max_chars": 50})


def test_passwords_in_addresses_and_endless_values_are_not_repeated():
    with pytest.raises(JobFileError) as caught:
        load(
            GOOD
            + "storage: {endpoint_url: 'http://me:hunter2@h'}\n"
            + f"name: {'x' * 5000}\nfailures: {{budget: -0x{'f' * 9000}}}\n"
        )
    assert len(caught.value.problems) == 3
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 1000


_KEYS = st.sampled_from(
    ["input", "model", "tasks", "output", "media", "failures", "resources", "storage", "x"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=12,
)


@given(data=st.dictionaries(_KEYS, _VALUES, max_size=6))
def test_any_mapping_is_a_job_or_a_list_of_problems(data):
    text = yaml.safe_dump(data, allow_unicode=True)
    try:
        check_job(parse_yaml(text, "any.yaml"))
    except JobFileError as error:
        assert error.problems
        assert all(problem.expected for problem in error.problems)


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_a_job_or_a_list_of_problems(text):
    try:
        check_job(parse_yaml(text, "any.yaml"))
    except JobFileError as error:
        assert error.problems


@pytest.mark.parametrize(
    "text",
    [
        "input: &a [*a]",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ninput: [*c, *c]",
        "[" * 5000,
        "input: 2020-13-45",
        "input: !!timestamp x",
        "input: !!bool x",
        "? [a, b]\n: c",
        "name: 0x" + "f" * 9000,
        "media: " + "{a: " * 60 + "1" + "}" * 60,
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)),
    ],
)
def test_yaml_that_was_made_to_hurt(text):
    assert problems(text)


def test_the_schema_takes_what_the_loader_takes():
    schema = job_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    check.validate(yaml.safe_load(GOOD))
    for path in sorted((ROOT / "jobs").glob("*.yaml")):
        check.validate(yaml.safe_load(path.read_text()))
    for wrong in (
        "model: {family: gpt}",
        "tasks: [captoin]",
        "tasks: [{task: caption, max_char: 1}]",
        "nonsense: 1",
    ):
        changed = yaml.safe_load(GOOD) | yaml.safe_load(wrong)
        assert not check.is_valid(changed), wrong
    json.dumps(schema)


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ("[{task: caption, prompt: '{% if %}'}]", "line 1 of the prompt"),
        ("[{task: caption, prompt: '{{ context.title }}'}]", "cannot be filled in"),
        ("[{task: extract, json_schema: {type: string}}]", "expected type: object"),
        ("[{task: tags, taxonomy: /nowhere.yaml}]", "cannot be read"),
        ("[vqa]", "questions"),
        (
            "[{task: extract, table: runs, json_schema: "
            "{type: object, properties: {a: {type: string}}}}]",
            "a table of Tagline's own",
        ),
    ],
)
def test_what_a_task_cannot_do_is_told_before_anything_starts(tasks, says):
    lines = [
        f"tasks: {tasks}" if row.startswith("tasks:") else row for row in GOOD.splitlines()
    ]
    [problem] = problems("\n".join(lines))
    assert problem.where.startswith("tasks")
    assert says in f"{problem.where} {problem.expected}"


def test_paths_in_options_begin_at_the_job_file(tmp_path, monkeypatch):
    folder = tmp_path / "with jobs"
    folder.mkdir()
    (folder / "tags.csv").write_text("id,name\nmug,mug\n")
    (folder / "fields.json").write_text(
        '{"type": "object", "properties": {"brand": {"type": "string"}}}'
    )
    (folder / "job.yaml").write_text(
        "input: /in\noutput: /out\ntasks:\n"
        "  - {task: tags, taxonomy: tags.csv}\n"
        "  - {task: extract, options: {json_schema: ./fields.json}}\n"
        "  - {task: tags, name: other, taxonomy: %s}\n" % (folder / "tags.csv")
    )
    monkeypatch.chdir(tmp_path)
    for path in (folder / "job.yaml", Path("with jobs") / "job.yaml"):
        first, second, third = bind_tasks(load_job(path).tasks)
        assert [node.id for node in first.options.taxonomy.nodes] == ["mug"]
        assert second.options.json_schema.properties[0][0] == "brand"
        assert third.options.taxonomy == first.options.taxonomy
