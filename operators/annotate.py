"""Ask the model about decoded items and read its answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from operators.assembly import Assembly, LocalAssembly
from operators.base import Engine, EngineSpec
from operators.engines import build_engine
from operators.models.base import Geometry, ModelFamily
from operators.models.registry import family as family_of
from operators.outcomes import Outcome, gather, of_window, recall
from operators.repairs import reduced
from operators.talks import Asker, Seen, Talk
from operators.tasks.base import Subject
from operators.tasks.registry import WINDOWS, BoundTask
from operators.tasks.video_windows import VideoWindowsRow
from schemas.failure import ItemFailure
from schemas.item import DecodedItem, PendingTask
from schemas.item_tables import ANNOTATED_SCHEMA, table_to_decoded
from schemas.media import Frames, MediaKind

_NO_FRAMES_LEFT = Frames(MediaKind.VIDEO, b"", ())


class AnnotateOperator:
    """Decoded items in, one row for each item and task out.

    Thread-safe: several threads may call it at once, and should, so that the engine
    always has work.

    Of a long video, each window is described when it comes; the call that brings its last
    part makes all of its rows. Whatever worker that is learns of the others' from the
    assembly.

    Args:
        engine: From which the worker builds its engine.
        family_id: The model family, as in `tagline models`.
        geometry: The checkpoint's image geometry.
        tasks: The job's tasks.
        seed: Seed of every request.
    """

    def __init__(
        self,
        engine: EngineSpec,
        family_id: str,
        geometry: Geometry,
        tasks: Sequence[BoundTask],
        seed: int = 0,
    ) -> None:
        self._engine_spec = engine
        self._family: ModelFamily = family_of(family_id)
        self._geometry = geometry
        self._tasks: dict[str, BoundTask] = {bound.name: bound for bound in tasks}
        self._seed = seed
        self._engine: Engine | None = None
        self._assembly: Assembly | None = None

    def setup(self, assembly: Assembly | None = None) -> None:
        """Start the engine.

        Args:
            assembly: Where workers bring the parts of an item together; by default this
                worker is alone.

        Raises:
            EngineError: If the engine does not start.
        """
        engine = build_engine(self._engine_spec)
        engine.start()
        self.use(engine, assembly)

    def use(self, engine: Engine, assembly: Assembly | None = None) -> None:
        """Ask an engine that is running already, in place of `setup`."""
        self._engine = engine
        self._assembly = assembly or LocalAssembly()

    def close(self) -> None:
        """Stop the engine and all its processes."""
        if self._engine is not None:
            self._engine.shutdown()
            self._engine = None

    def __call__(self, batch: pa.Table) -> pa.Table:
        """Annotate a batch.

        Args:
            batch: A table of `DECODED_SCHEMA`.

        Returns:
            A table of `ANNOTATED_SCHEMA`: a row for each pending task of each item; for the
            parts of a long video together with the one that completes it, which is not
            always in this batch.

        Raises:
            EngineError: If the engine died; no row of the batch is lost, the whole batch
                is to be given to a new engine.
        """
        talks = [(one, self._begin(one)) for one in table_to_decoded(batch)]
        self._run([talk for _, of_one in talks for talk in of_one])
        self._show_less(talks)
        rows, late = self._finish(talks)
        self._run(late)
        rows += [talk.as_row() for talk in late]
        return pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)

    def failed(self, batch: pa.Table, failure: ItemFailure) -> pa.Table:
        """The rows of a batch that is not to be tried: all fail for one reason.

        Args:
            batch: A table of `DECODED_SCHEMA`.
            failure: The reason, unless an item failed on its way here already.

        Returns:
            A table of `ANNOTATED_SCHEMA`.
        """
        talks = []
        for one in table_to_decoded(batch):
            lost = replace(one, failure=one.failure or failure)
            talks.append((lost, [self._lost(lost, p, lost.failure) for p in self._owed(lost)]))
        rows, late = self._finish(talks)
        rows += [talk.as_row() for talk in late]
        return pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)

    def copied(
        self,
        row: pa.Table,
        first: str,
        distance: int | None = None,
        *,
        of_elder: bool = False,
    ) -> pa.Table:
        """The rows of an item that is not asked about: each is to take another's answer.

        Args:
            row: A table of `DECODED_SCHEMA` with one row, which is all of an item.
            first: The item whose answers they take.
            distance: How far their looks are apart; None if they show the very same.
            of_elder: Whether an earlier run gave those answers.

        Returns:
            A table of `ANNOTATED_SCHEMA`.
        """
        [one] = table_to_decoded(row)
        talks = [
            Talk(
                one,
                pending,
                seen=Seen.of(one.frames),
                copied_from=(first, distance),
                of_elder=of_elder,
            )
            for pending in self._owed(one)
        ]
        rows = [talk.as_row() for talk in talks]
        return pa.Table.from_pylist(rows, schema=ANNOTATED_SCHEMA)

    def _run(self, talks: Sequence[Talk]) -> None:
        if self._engine is None:
            raise RuntimeError("setup() must be called before the first batch")
        Asker(self._engine, self._family, self._geometry, self._seed).run(talks)

    def _show_less(self, talks: Sequence[tuple[DecodedItem, list[Talk]]]) -> None:
        """Begin talks anew whose media the engine did not take, with less of them."""
        while again := [
            (of_one, at, less)
            for one, of_one in talks
            for at, talk in enumerate(of_one)
            if (less := self._with_less(one, talk)) is not None
        ]:
            self._run([less for _, _, less in again])
            for of_one, at, less in again:
                of_one[at] = less

    def _with_less(self, one: DecodedItem, talk: Talk) -> Talk | None:
        failure, shown = talk.failure, talk.decoded.frames
        if failure is None or talk.conversation is None or shown is None:
            return None
        rung = reduced(shown, failure.code, talk.repairs)
        if rung is None:
            return None
        less = self._talk(replace(one, frames=rung[1]), talk.pending)
        less.repairs = [*talk.repairs, rung[0]]
        less.completions, less.tries = talk.completions, talk.tries
        return less

    def _owed(self, one: DecodedItem) -> Iterable[PendingTask]:
        """The tasks that are asked about this row by itself."""
        if one.part is None:
            return [p for p in one.item.tasks if p.name != WINDOWS.name]
        if one.part.is_window:
            return [p for p in one.item.tasks if p.name == WINDOWS.name]
        return [p for p in one.item.tasks if not self._goes_by_windows(p)]

    def _goes_by_windows(self, pending: PendingTask) -> bool:
        return pending.name == WINDOWS.name or self._tasks[pending.name].goes_by_windows

    def _begin(self, one: DecodedItem) -> list[Talk]:
        return [self._talk(one, pending) for pending in self._owed(one)]

    def _talk(self, one: DecodedItem, pending: PendingTask) -> Talk:
        if one.frames is None:
            return self._lost(one, pending, one.failure)
        bound = self._tasks.get(pending.name, WINDOWS)
        if one.item.windows is not None and bound.goes_by_windows:
            return self._late_talk(one, pending, *recall(one.item.windows))
        subject = Subject(one.frames, one.item.context, one.places)
        return Talk(
            one,
            pending,
            bound.task.converse(bound.options, subject),
            seen=Seen.of(one.frames),
            context_cut=bound.task.context_cut(bound.options, subject),
        )

    def _lost(
        self, one: DecodedItem, pending: PendingTask, failure: ItemFailure | None
    ) -> Talk:
        return Talk(one, pending, failure=failure, seen=Seen.of(one.frames))

    def _late_talk(
        self, one: DecodedItem, pending: PendingTask, video: VideoWindowsRow, seen: Seen
    ) -> Talk:
        """A task about a long video, asked from what its windows show."""
        bound = self._tasks[pending.name]
        subject = Subject(_NO_FRAMES_LEFT, one.item.context)
        return Talk(
            one,
            pending,
            bound.windowed_task.from_windows(bound.options, video, subject),
            seen=Seen(
                seen.frame_pts, seen.width, seen.height, requested_pts=seen.requested_pts
            ),
            context_cut=bound.task.context_cut(bound.options, subject),
        )

    def _finish(
        self, talks: Sequence[tuple[DecodedItem, list[Talk]]]
    ) -> tuple[list[dict[str, Any]], list[Talk]]:
        """The rows that are ready, and the talks that begin now that an item is complete."""
        rows: list[dict[str, Any]] = []
        late: list[Talk] = []
        for one, of_one in talks:
            if one.part is None:
                rows += [talk.as_row() for talk in of_one]
                continue
            outcomes = self._post(one, of_one)
            if outcomes is not None:
                ready, begun = self._complete(one, outcomes)
                rows += ready
                late += begun
        return rows, late

    def _post(self, one: DecodedItem, talks: list[Talk]) -> list[str] | None:
        assert self._assembly is not None
        assert one.part is not None
        if one.part.is_window:
            outcome = of_window(one, *talks)
        else:
            left_out = [vars(left) for left in one.left_out]
            outcome = Outcome(rows=[talk.as_row() for talk in talks], left_out=left_out)
        return self._assembly.post(one.item.item_id, one.part, outcome.to_json())

    def _complete(
        self, one: DecodedItem, outcomes: list[str]
    ) -> tuple[list[dict[str, Any]], list[Talk]]:
        """All rows of a long video but those of its windowed tasks, whose talks begin."""
        found = gather(outcomes)
        one = replace(one, left_out=found.left_out)
        late = []
        for pending in one.item.tasks:
            if pending.name == WINDOWS.name or not self._goes_by_windows(pending):
                continue
            if found.video is None:
                talk = Talk(one, pending, failure=found.failure, seen=found.seen)
            else:
                talk = self._late_talk(one, pending, found.video, found.seen)
                talk.context_cut = sorted({*talk.context_cut, *found.context_cut})
                talk.repairs = [*found.repairs]
            late.append(talk)
        if found.video is None:
            return found.rows, late
        [pending] = [p for p in one.item.tasks if p.name == WINDOWS.name]
        windows = Talk(
            one,
            pending,
            row=found.video,
            seen=found.seen,
            context_cut=found.context_cut,
            tries=found.tries,
            repairs=found.repairs,
        )
        return [*found.rows, windows.as_row()], late
