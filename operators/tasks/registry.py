"""The tasks a job can ask for, and how a job's task is bound to its options."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from operators.tasks.base import Task
from operators.tasks.caption import Caption
from operators.tasks.compare import Compare
from operators.tasks.extract import Extract
from operators.tasks.listing import Listing
from operators.tasks.sentiment import Sentiment
from operators.tasks.sequence import Sequence
from operators.tasks.story import Story
from operators.tasks.tags import Tags
from operators.tasks.video_qa import VideoQa
from operators.tasks.video_sentiment import VideoSentiment
from operators.tasks.video_summary import VideoSummary
from operators.tasks.video_tags import VideoTags
from operators.tasks.video_windows import VideoWindows, WindowedTask
from operators.tasks.vqa import Vqa
from schemas.failure import UsageError
from schemas.job import TaskSpec
from schemas.tables import RESERVED_TABLES, WINDOWS_TASK, result_schema

TASKS: Mapping[str, Task] = MappingProxyType(
    {
        task.id: task
        for task in (
            Caption(),
            Tags(),
            Vqa(),
            Sentiment(),
            Extract(),
            Sequence(),
            Compare(),
            Story(),
            Listing(),
            VideoSummary(),
            VideoQa(),
            VideoSentiment(),
            VideoTags(),
        )
    }
)


@dataclass(frozen=True)
class BoundTask:
    """A task of a job, with its options checked. Travels to the workers.

    Attributes:
        name: Its name in the job and in the rows' ``task`` column.
        task: What it does.
        options: An instance of ``task.Options``.
    """

    name: str
    task: Task
    options: Any

    @property
    def goes_by_windows(self) -> bool:
        """Whether it answers about a long video from descriptions of its windows."""
        return isinstance(self.task, WindowedTask)

    @property
    def windowed_task(self) -> WindowedTask:
        """The task, if it `goes_by_windows`."""
        assert isinstance(self.task, WindowedTask)
        return self.task

    @property
    def table(self) -> str:
        """The output table of its rows."""
        return self.task.table_of(self.options, self.name)

    def fingerprint_parts(self) -> dict[str, Any]:
        """What of the task changes its answers (see `schemas.fingerprint`)."""
        return {
            "task": [self.task.id, self.task.version],
            "prompt": self.task.prompts(self.options),
            "options": self.options.model_dump(mode="json"),
        }

    def table_schema(self) -> pa.Schema:
        """Arrow schema of the table that its rows go to."""
        return result_schema(self.task.columns(self.options))


WINDOWS = BoundTask(WINDOWS_TASK, VideoWindows(), VideoWindows.Options())
"""Describes windows for the tasks that go by them; in every job, asked for by none."""


def bind_task(spec: TaskSpec) -> BoundTask:
    """Look a job's task up, check its options, and fill in its prompt once.

    Raises:
        UsageError: If there is no such task, or an option or prompt is wrong.
    """
    task = TASKS.get(spec.task)
    if task is None:
        raise UsageError(f"there is no task {spec.task!r}; there are {', '.join(TASKS)}")
    try:
        bound = BoundTask(spec.name, task, task.Options.model_validate(spec.options))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"task {spec.name!r}, option {where!r}: {first['msg']}") from None
    try:
        task.prompts(bound.options)
        task.context_columns(bound.options)
    except UsageError as error:
        raise UsageError(f"task {spec.name!r}: {error}") from None
    return bound


def bind_tasks(specs: Iterable[TaskSpec]) -> list[BoundTask]:
    """Bind all tasks of a job.

    Raises:
        UsageError: As `bind_task`; or if two tasks want one table with different columns.
    """
    bound = [bind_task(spec) for spec in specs]
    of_table: dict[str, BoundTask] = {}
    for one in bound:
        if one.name == WINDOWS_TASK:
            raise UsageError(f"task {one.name!r}: that is the name of a task of Tagline's own")
        if one.table in RESERVED_TABLES:
            raise UsageError(f"task {one.name!r}: {one.table!r} is a table of Tagline's own")
        other = of_table.setdefault(one.table, one)
        if other.table_schema() != one.table_schema():
            raise UsageError(
                f"tasks {other.name!r} and {one.name!r} would write different columns to "
                f"table {one.table!r}; give one of them another `table`"
            )
    return bound
