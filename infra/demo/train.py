"""``make demo-train``: train the demo's model and write its checkpoint.

It takes hours on two CPU cores, less on a GPU, and goes on where it was stopped. Progress
is a line a minute; every now and then the network is examined.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from infra.demo.checkpoint.architecture import Architecture
from infra.demo.checkpoint.build import build_checkpoint
from infra.demo.checkpoint.tokenizer import train_tokenizer
from infra.demo.checkpoint.trained import TRAINED
from infra.demo.lessons.curriculum import MAKERS
from infra.demo.training.corpus import corpus
from infra.demo.training.examination import examine
from infra.demo.training.examples import Encoder
from infra.demo.training.learner import Learner, Losses
from infra.demo.training.plan import STEPS, schedule, steps_from

PEAK_RATE = 1e-3
SAVE_EVERY_S = 300.0
SAY_EVERY_S = 60.0


def main(arguments: Sequence[str]) -> int:
    """Train; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo.train")
    parser.add_argument("--state", type=Path, required=True, help="folder to go on from")
    parser.add_argument("--out", type=Path, help="write the checkpoint here when done")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rate", type=float, default=PEAK_RATE, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--examine-every", type=int, default=1500, help="steps")
    parser.add_argument("--minutes", type=float, help="stop after so many, to go on later")
    chosen = parser.parse_args(arguments)
    chosen.state.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(max(1, (os.cpu_count() or 1)))
    tokenizer = _tokenizer(chosen.state / "tokenizer.json")
    encoder = Encoder(TRAINED, tokenizer)
    learner = Learner(TRAINED, chosen.seed, schedule(chosen.steps), chosen.rate)
    kept = chosen.state / "state.pt"
    if kept.is_file():
        learner.resume(kept)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        finished = _train(learner, encoder, chosen, kept)
    except KeyboardInterrupt:
        finished = False
    learner.save(kept)
    if not finished:
        print(f"stopped at step {learner.done}; the same command goes on from there")
    elif chosen.out:
        write_checkpoint(chosen.out, learner, tokenizer, TRAINED)
        print(f"wrote {chosen.out}")
    return 0


def write_checkpoint(
    out: Path, learner: Learner, tokenizer: Tokenizer, architecture: Architecture
) -> None:
    """Write the folder that vLLM loads."""
    build_checkpoint(
        out,
        architecture.family,
        weights=learner.network.weights(),
        architecture=architecture,
        tokenizer=tokenizer,
    )


def _train(learner: Learner, encoder: Encoder, chosen: argparse.Namespace, kept: Path) -> bool:
    """Learn until all steps are done, or the time is up; returns whether they are done."""
    begun = said = saved = time.monotonic()
    recent: list[Losses] = []
    first = learner.done
    steps = steps_from(
        encoder.architecture, encoder.tokenizer, first, chosen.steps, chosen.workers
    )
    for step in steps:
        recent.append(learner.learn(step))
        now = time.monotonic()
        if now - said > SAY_EVERY_S or learner.done == chosen.steps:
            pace = (now - begun) / (learner.done - first)
            _say(learner, recent, pace)
            said, recent = now, []
        if now - saved > SAVE_EVERY_S:
            learner.save(kept)
            saved = now
        if learner.done == chosen.steps or (
            learner.done % chosen.examine_every == 0
            and learner.done > learner.schedule.seeing_until
        ):
            print(json.dumps(examine(learner, encoder, tuple(MAKERS), 2, 0.5)), flush=True)
        if chosen.minutes and now - begun > 60 * chosen.minutes:
            return learner.done >= chosen.steps
    return True


def _say(learner: Learner, recent: Sequence[Losses], pace: float) -> None:
    answers = sum(one.answers for one in recent) / len(recent)
    seeing = sum(one.seeing for one in recent) / len(recent)
    asides = sum(one.asides for one in recent) / len(recent)
    steps = learner.schedule.steps
    left = (steps - learner.done) * pace / 60
    print(
        f"step {learner.done}/{steps}  answers {answers:.4f}  asides {asides:.4f}  "
        f"seeing {seeing:.4f}  rate {learner.rate:.1e}  {pace:.2f} s a step, "
        f"{left:.0f} min left",
        flush=True,
    )


def _tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        train_tokenizer(corpus(), TRAINED.vocabulary).save(str(path))
    return Tokenizer.from_file(str(path))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
