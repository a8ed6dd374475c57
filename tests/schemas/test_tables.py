"""The output's schemas are pinned: a change is seen in review and raises the version."""

from __future__ import annotations

from pathlib import Path

from operators.tasks.arrow import arrow_fields
from operators.tasks.registry import TASKS
from schemas.tables import FAILURES_SCHEMA, RUNS_SCHEMA, SCHEMA_VERSION, result_schema

GOLDEN = Path(__file__).parents[1] / "golden" / "tables.txt"


def test_schemas_are_as_pinned():
    tables = {
        task.table: result_schema(arrow_fields(task.Columns))
        for task in TASKS.values()
        if task.id != "extract"
    }
    tables |= {"failures": FAILURES_SCHEMA, "runs": RUNS_SCHEMA}
    lines = [f"version {SCHEMA_VERSION}"]
    for name, schema in tables.items():
        lines.append(f"\n{name}")
        lines += [
            f"  {field.name}: {field.type}{'' if field.nullable else ' not null'}"
            for field in schema
        ]
    now = "\n".join(lines) + "\n"
    assert now == GOLDEN.read_text(), (
        "a table's schema changed: raise schemas.tables.SCHEMA_VERSION and write the new "
        f"schemas to {GOLDEN}:\n{now}"
    )
