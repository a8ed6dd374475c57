"""``make demo-parity``: the trained network and the engine give the same answers.

Both compute in float32, both answer greedily and without a schema. The last line is one JSON
object: the share of answers that are equal, of all and by what was shown, and those that are
not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from infra.demo.checkpoint.network import MiniCPMV
from infra.demo.checkpoint.trained import MODEL, TRAINED
from infra.demo.lessons.curriculum import group_of
from infra.demo.lessons.lesson import Lesson
from infra.demo.training.examination import MOST_TOKENS, answers
from infra.demo.training.examples import Encoder
from infra.demo.training.plan import sizes_of
from infra.demo.world.seeds import TEST_SEEDS
from operators.base import Request, Sampling
from operators.engine import VllmEngine
from operators.models.base import PromptParts
from operators.models.registry import FAMILIES
from schemas.job import ModelSpec

ITEMS = 200
GROUP = 5
SHOWN = {
    "one slice": ("caption", 0.0),
    "many slices": ("caption", 1.0),
    "several images": ("compare", 1.0),
    "a video": ("video_summary", 0.0),
}
"""By what is shown: a task, and the share of groups whose pictures are cut."""


@dataclass(frozen=True)
class Compared:
    """One item's two answers."""

    shown: str
    network: str
    engine: str


def main(arguments: Sequence[str]) -> int:
    """Compare; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo.parity")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--items", type=int, default=ITEMS)
    chosen = parser.parse_args(arguments)
    engine = VllmEngine(ModelSpec(path=str(chosen.model), dtype="float32"))
    engine.start()
    try:
        compared = list(compare(engine, chosen.model, chosen.items))
    finally:
        engine.shutdown()
    print(json.dumps(summary(compared)))
    return 0


def compare(engine: VllmEngine, folder: Path, items: int) -> Iterator[Compared]:
    """Ask both about items of the test seeds."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoder, network = Encoder(TRAINED, tokenizer), MiniCPMV(TRAINED)
    network.load_weights(
        {name: w.float() for name, w in load_file(folder / "model.safetensors").items()}
    )
    for shown in SHOWN:
        lessons = lessons_for(shown, items // len(SHOWN))
        sent = [
            engine.submit(_request(lesson, f"{shown} {n}")) for n, lesson in enumerate(lessons)
        ]
        own = answers(network, encoder, lessons, torch.device("cpu"), exact=True)
        for said, future in zip(own, sent, strict=True):
            yield Compared(shown, said, future.result(timeout=600).text)


def lessons_for(shown: str, count: int) -> list[Lesson]:
    """So many lessons that show this."""
    task, sliced = SHOWN[shown]
    sizes = sizes_of(TRAINED, 3 * sliced if task == "compare" else sliced)
    lessons: list[Lesson] = []
    while len(lessons) < count:
        seed = TEST_SEEDS[-1] - 16 * (len(lessons) + 1)
        lessons += group_of(seed, lambda _: GROUP, sizes, {task: 1.0})
    return lessons[:count]


def summary(compared: Sequence[Compared]) -> dict[str, object]:
    """What is printed."""

    def share(some: Sequence[Compared]) -> float:
        return round(sum(one.network == one.engine for one in some) / len(some), 4)

    kinds = {one.shown for one in compared}
    unlike = [one for one in compared if one.network != one.engine]
    return {
        "items": len(compared),
        "equal": share(compared),
        **{
            kind: share([one for one in compared if one.shown == kind])
            for kind in sorted(kinds)
        },
        "unlike": [[one.shown, one.network, one.engine] for one in unlike],
    }


def _request(lesson: Lesson, name: str) -> Request:
    frames = lesson.shown.frames()
    prompt = FAMILIES[TRAINED.family].render(PromptParts(lesson.system, lesson.user), frames)
    return Request(name, prompt, frames, Sampling(max_tokens=MOST_TOKENS), media_key=name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
