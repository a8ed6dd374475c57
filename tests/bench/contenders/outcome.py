"""How a contender says what it did: one JSON object, in a file of its own.

Its standard output is no place for that: vLLM's processes write there until they end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench.workload import Workload


@dataclass(frozen=True)
class Outcome:
    """One run of one contender.

    Attributes:
        items: Items annotated.
        seconds: What they took, the engine's start not counted.
        engine_start_s: What that took.
        output_tokens: Tokens of all answers.
        details: What else is worth knowing of this contender.
    """

    items: int
    seconds: float
    engine_start_s: float
    output_tokens: int
    details: dict[str, float] = field(default_factory=dict)


def run_contender(contend: Callable[[Workload], Outcome]) -> None:
    """The main program of a contender: ``WORKLOAD.json OUTCOME.json``."""
    workload, outcome = map(Path, sys.argv[1:])
    outcome.write_text(json.dumps(asdict(contend(Workload.load(workload)))))


def read_outcome(path: Path) -> Outcome:
    """What a contender left in its file."""
    return Outcome(**json.loads(path.read_text()))
