"""Read a job file; say everything that is wrong with it at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobs.expansion import expand_variables
from jobs.overrides import apply_overrides
from jobs.problems import near, presentable, problems_of
from jobs.yaml_lines import KeyPath, SourceText, dotted, read_yaml
from operators.models.registry import FAMILIES
from operators.tasks.base import PATH_FORMAT
from operators.tasks.registry import TASKS, bind_tasks
from schemas.failure import JobFileError, Problem, UsageError
from schemas.job import JobSpec, TaskSpec


def load_job(path: Path, overrides: Sequence[str] = ()) -> JobSpec:
    """Read and check a job file.

    Args:
        path: The YAML file.
        overrides: ``KEY=VALUE`` texts, applied before checking.

    Raises:
        JobFileError: With every problem, each with its key path and line.
        UsageError: If an override is malformed.
    """
    return check_job(read_yaml(path), overrides)


def check_job(source: SourceText, overrides: Sequence[str] = ()) -> JobSpec:
    """Check what was read from a job file; see `load_job`. Changes ``source.data``."""
    problems: list[Problem] = []
    replaced = apply_overrides(source.data, overrides)
    data = expand_variables(source.data, problems)
    _expand_home(data)
    _name_tasks(data.get("tasks"))
    _anchor_paths(data.get("tasks"), Path(source.name).parent)
    problems += _task_problems(data.get("tasks"))
    problems += _family_problems(data.get("model"))
    job = None
    try:
        job = JobSpec.model_validate(data)
    except ValidationError as error:
        problems += _job_problems(error, data)
    if job is not None and not problems:
        problems += _prompt_and_table_problems(job)
    if problems or job is None:
        located = _located(_first_of_each_place(problems), source.lines, replaced)
        raise JobFileError(source.name, sorted(located, key=_order))
    return job


def _order(problem: Problem) -> tuple[int, str]:
    return problem.line or 0, problem.where


def _first_of_each_place(problems: list[Problem]) -> list[Problem]:
    """One problem a place: a variable that is not set explains the empty value behind it."""
    return list({problem.where: problem for problem in reversed(problems)}.values())


def _located(
    problems: list[Problem], lines: dict[KeyPath, int], replaced: list[KeyPath]
) -> list[Problem]:
    """Give each problem the line of its key, or of the nearest key around it.

    What came from the command line has no line.
    """
    line_of = {dotted(path): line for path, line in lines.items()}
    given = {dotted(path) for path in replaced}
    located = []
    for problem in problems:
        where = problem.where
        while where and where not in line_of and where not in given:
            where = where[: max(where.rfind("."), where.rfind("["), 0)]
        if where in given:
            expected = f"{problem.expected} (given by --set)"
            problem = replace(problem, expected=expected, line=None)
        else:
            problem = replace(problem, line=line_of.get(where))
        located.append(replace(problem, found=presentable(problem.found)))
    return located


def _expand_home(data: dict[str, Any]) -> None:
    """Replace a leading ``~`` in the paths of input, model and output."""
    for section, key in (("input", "uris"), ("model", "path"), ("output", "uri")):
        value = data.get(section)
        if isinstance(value, dict) and key in value:
            value[key] = _at_home(value[key])
        elif isinstance(value, str | list):
            data[section] = _at_home(value)


def _at_home(value: Any) -> Any:
    if isinstance(value, list):
        return [_at_home(entry) for entry in value]
    return os.path.expanduser(value) if isinstance(value, str) else value


def _anchor_paths(tasks: Any, folder: Path) -> None:
    """Have options that are paths begin at the job file's folder, from wherever it is run."""
    for entry in _entries(tasks):
        if not _has_task(entry) or entry["task"] not in TASKS:
            continue
        options = entry["options"] if isinstance(entry.get("options"), dict) else entry
        for name in _path_options(entry["task"]):
            if isinstance(options.get(name), str):
                options[name] = os.path.join(folder, os.path.expanduser(options[name]))


def _path_options(task: str) -> list[str]:
    """The options of a task that may be a file's path."""
    properties = TASKS[task].Options.model_json_schema().get("properties", {})
    return [name for name, schema in properties.items() if _may_be_path(schema)]


def _may_be_path(schema: dict[str, Any]) -> bool:
    return any(part.get("format") == PATH_FORMAT for part in (schema, *schema.get("anyOf", ())))


def _name_tasks(tasks: Any) -> None:
    """Let a task whose options stand below ``options`` go by its id too."""
    for entry in _entries(tasks):
        if _has_task(entry) and "options" in entry:
            entry.setdefault("name", entry["task"])


def _job_problems(error: ValidationError, data: dict[str, Any]) -> list[Problem]:
    """All but those of task entries that `_task_problems` has words for."""
    nameless = tuple(
        dotted(("tasks", index))
        for index, entry in enumerate(_entries(data.get("tasks")))
        if not isinstance(entry, str) and not _has_task(entry)
    )
    found = problems_of(error, data, JobSpec)
    return [problem for problem in found if not _is_below(problem.where, nameless)]


def _is_below(where: str, places: tuple[str, ...]) -> bool:
    return any(where == place or where.startswith(f"{place}.") for place in places)


def _entries(tasks: Any) -> list[Any]:
    return tasks if isinstance(tasks, list) else []


def _has_task(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("task"), str)


def _task_problems(tasks: Any) -> list[Problem]:
    """Unknown tasks and wrong options, which only the tasks themselves know."""
    problems = []
    for index, entry in enumerate(_entries(tasks)):
        where = dotted(("tasks", index))
        if not isinstance(entry, str) and not _has_task(entry):
            expected = f"expected a task's name, or `task: NAME` with options{_all_tasks()}"
            problems.append(Problem(where, None, expected))
            continue
        name = entry if isinstance(entry, str) else entry["task"]
        task = TASKS.get(name)
        if task is None:
            place = where if isinstance(entry, str) else f"{where}.task"
            words = f"is no task{near(name, TASKS)}{_all_tasks()}"
            problems.append(Problem(place, name, words))
        elif isinstance(entry, dict):
            problems += _option_problems(entry, index)
    return problems


def _all_tasks() -> str:
    return f"; there are {', '.join(TASKS)}"


def _option_problems(entry: dict[str, Any], index: int) -> list[Problem]:
    below: tuple[str | int, ...] = ("tasks", index)
    try:
        spec = TaskSpec.model_validate(entry)
    except ValidationError:
        # Its shape is wrong; the check of the whole job says how.
        return []
    if "options" in entry:
        below = (*below, "options")
    model = TASKS[spec.task].Options
    try:
        model.model_validate(spec.options)
    except ValidationError as error:
        return problems_of(error, spec.options, model, below=below)
    return []


def _prompt_and_table_problems(job: JobSpec) -> list[Problem]:
    """What shows only once the tasks are put together: their prompts and their tables."""
    try:
        bind_tasks(job.tasks)
    except UsageError as error:
        return [Problem("tasks", None, str(error))]
    return []


def _family_problems(model: Any) -> list[Problem]:
    family = model.get("family") if isinstance(model, dict) else None
    if not isinstance(family, str) or family in FAMILIES:
        return []
    expected = f"is no model family{near(family, FAMILIES)}; there are {', '.join(FAMILIES)}"
    return [Problem("model.family", family, expected)]


def job_schema() -> dict[str, Any]:
    """JSON Schema of the job file, each task's options included, for editors."""
    schema = JobSpec.model_json_schema()
    properties = schema["properties"]
    text = {"type": "string"}
    for section, shorthand in (
        ("input", [text, {"type": "array", "items": text}]),
        ("model", [text]),
        ("output", [text]),
    ):
        properties[section] = {"anyOf": [*shorthand, _reference(properties[section])]}
    definitions = schema["$defs"]
    _allow_one_text(definitions)
    family = definitions["ModelSpec"]["properties"]["family"]
    family["anyOf"] = [{"enum": list(FAMILIES)}, {"type": "null"}]
    definitions.pop("TaskSpec", None)
    properties["tasks"]["items"] = {
        "oneOf": [
            {"enum": list(TASKS)},
            *(_task_schema(name, definitions) for name in TASKS),
        ]
    }
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Tagline job"
    return schema


_ONE_OR_MORE = {
    "InputSpec": ("uris",),
    "ManifestSpec": ("uris", "media", "carry"),
    "ShardsSpec": ("uris", "media", "carry"),
}


def _allow_one_text(definitions: dict[str, Any]) -> None:
    """Let one text stand where the input's keys take a list of them."""
    for section, keys in _ONE_OR_MORE.items():
        properties = definitions[section]["properties"]
        for key in keys:
            several = properties[key]
            outer = {name: several.pop(name) for name in ("title", "description")}
            properties[key] = {**outer, "anyOf": [{"type": "string"}, several]}


def _reference(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "default"}


def _task_schema(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    options = TASKS[name].Options.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(options.pop("$defs", {}))
    return {
        "type": "object",
        "description": TASKS[name].summary,
        "properties": {
            "task": {"const": name},
            "name": {"type": "string"},
            **options.get("properties", {}),
        },
        "required": ["task", *options.get("required", [])],
        "additionalProperties": False,
    }
