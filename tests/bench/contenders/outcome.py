"""How a contender says what it did: one JSON object, last on its standard output."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


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

    def tell(self) -> None:
        """Print it as the last line."""
        print("\n" + json.dumps(asdict(self)), flush=True)


def read_outcome(stdout: str) -> Outcome:
    """The inverse of `Outcome.tell`."""
    return Outcome(**json.loads(stdout.strip().splitlines()[-1]))
