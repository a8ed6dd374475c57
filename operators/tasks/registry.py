"""The tasks a job can ask for, and how a job's task is bound to its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from operators.tasks.base import Task
from operators.tasks.caption import Caption
from operators.tasks.tags import Tags
from operators.tasks.video_summary import VideoSummary
from schemas.failure import UsageError
from schemas.job import TaskSpec
from schemas.tables import result_schema

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.id: task
        for task in (
            Caption(),
            Tags(),
            VideoSummary(),
        )
    }
)


@dataclass(frozen=True)
class BoundTask:
    """A task of a job, with its options checked.

    Attributes:
        name: Its name in the job and in the rows' ``task`` column.
        task: What it does.
        options: An instance of ``task.Options``.
    """

    name: str
    task: Task
    options: Any

    def fingerprint_parts(self) -> dict[str, Any]:
        """What of the task changes its answers (see `schemas.fingerprint`)."""
        return {
            "task": [self.task.id, self.task.version],
            "prompt": self.task.system(self.options),
            "schema": self.task.answer_schema(self.options, frame_count=1),
            "options": self.options.model_dump(mode="json"),
        }

    def table_schema(self) -> pa.Schema:
        """Arrow schema of the table that its rows go to."""
        return result_schema(self.task.columns)


def bind_task(spec: TaskSpec) -> BoundTask:
    """Look a job's task up and check its options.

    Raises:
        UsageError: If there is no such task or an option is wrong.
    """
    task = TASKS.get(spec.task)
    if task is None:
        raise UsageError(f"there is no task {spec.task!r}; there are {', '.join(TASKS)}")
    try:
        return BoundTask(spec.name, task, task.Options.model_validate(spec.options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"task {spec.name!r}, option {where!r}: {first['msg']}") from None
