"""How it stands with a task of an item, as DuckDB is asked."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.listed import quoted
from pipeline.owed import OwedTask
from schemas.failure import FailureCode


@dataclass(frozen=True)
class Retry:
    """Failures that are tried once more although they are final, or were tried often enough.

    Attributes:
        codes: Of the failures that are meant; all if there are none.
    """

    codes: frozenset[FailureCode] = frozenset()


@dataclass(frozen=True)
class StateSql:
    """How it stands with one task of the item ``l``, as SQL.

    Attributes:
        fingerprint: Of a row that would be current; null if the task does not take the item.
        is_current: Whether the row that is there is.
        same_failure: Whether the failure that is there is of this version and fingerprint.
        given_up: Whether such a failure is not tried again.
    """

    fingerprint: str
    is_current: str
    same_failure: str
    given_up: str

    @classmethod
    def of(
        cls, owed: OwedTask, result: str, failure: str, attempts: int, retry: Retry | None
    ) -> StateSql:
        """Of a task whose rows and failures are joined under these names."""
        takes = " ".join(
            f"WHEN {quoted(kind)} THEN {quoted(print_)}"
            for kind, print_ in owed.fingerprints.items()
        )
        fingerprint = f"(CASE l.kind {takes} END)"

        def same(row: str) -> str:
            return (
                f"({row}.item_version = l.item_version AND {row}.fingerprint = {fingerprint})"
            )

        # Whose answer another was to give has not been asked about by itself, ever.
        tired = (
            f"{failure}.attempts >= {attempts} "
            f"AND {failure}.code <> {quoted(FailureCode.TWIN_FAILED)}"
        )
        given_up = f"(NOT {failure}.retryable OR {tired})"
        if retry is not None:
            wanted = ", ".join(quoted(code) for code in sorted(retry.codes))
            given_up += f" AND {failure}.code NOT IN ({wanted})" if wanted else " AND false"
        return cls(fingerprint, same(result), same(failure), given_up)
