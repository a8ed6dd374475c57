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
from collections import defaultdict
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
from infra.demo.training.plan import GPU, TWO_CORES, Plan, steps_from

PEAK_RATE = 1e-3
SAVE_EVERY_S = 300.0
SAY_EVERY_S = 60.0


def main(arguments: Sequence[str]) -> int:
    """Train; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.demo.train")
    parser.add_argument("--state", type=Path, required=True, help="folder to go on from")
    parser.add_argument("--out", type=Path, help="write the checkpoint here when done")
    parser.add_argument("--steps", type=int, help="fewer for a trial: every stage is shorter")
    parser.add_argument("--rate", type=float, default=PEAK_RATE, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes that draw")
    parser.add_argument("--examine-every", type=int, default=1500, help="steps")
    parser.add_argument("--minutes", type=float, help="stop after so many, to go on later")
    chosen = parser.parse_args(arguments)
    chosen.state.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(max(1, (os.cpu_count() or 1)))
    tokenizer = _tokenizer(chosen.state / "tokenizer.json")
    encoder = Encoder(TRAINED, tokenizer)
    plan = GPU if torch.cuda.is_available() else TWO_CORES
    plan = plan.of_steps(chosen.steps) if chosen.steps else plan
    learner = Learner(TRAINED, chosen.seed, plan.schedule(), chosen.rate)
    kept = chosen.state / "state.pt"
    if kept.is_file():
        learner.resume(kept)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        finished = _train(learner, encoder, plan, chosen, kept)
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


def _train(
    learner: Learner, encoder: Encoder, plan: Plan, chosen: argparse.Namespace, kept: Path
) -> bool:
    """Learn until all steps are done, or the time is up; returns whether they are done."""
    begun = said = saved = time.monotonic()
    recent: list[tuple[Losses, tuple[str, ...]]] = []
    first = learner.done
    on_gpu = learner.device.type != "cpu"
    # A GPU is fed by all processors but the one that drives it; a CPU has to learn as well.
    workers = chosen.workers or (max(1, (os.cpu_count() or 1) - 1) if on_gpu else 1)
    for step in steps_from(encoder, plan, first, workers, packed=on_gpu):
        recent.append((learner.learn(step), step.tasks))
        now = time.monotonic()
        if now - said > SAY_EVERY_S or learner.done == plan.steps:
            pace = (now - begun) / (learner.done - first)
            _say(learner, recent, pace)
            said, recent = now, []
        if now - saved > SAVE_EVERY_S:
            learner.save(kept)
            saved = now
        if learner.done == plan.steps or (
            learner.done % chosen.examine_every == 0
            and learner.done > learner.schedule.seeing_until
        ):
            print(json.dumps(examine(learner, encoder, tuple(MAKERS), 2, 0.5)), flush=True)
        if chosen.minutes and now - begun > 60 * chosen.minutes:
            return learner.done >= plan.steps
    return True


def _say(
    learner: Learner, recent: Sequence[tuple[Losses, tuple[str, ...]]], pace: float
) -> None:
    answers, seeing, asides = (
        torch.stack([getattr(losses, part) for losses, _ in recent]).mean().item()
        for part in ("answers", "seeing", "asides")
    )
    steps = learner.schedule.steps
    left = (steps - learner.done) * pace / 60
    print(
        f"step {learner.done}/{steps}  answers {answers:.4f}  asides {asides:.4f}  "
        f"seeing {seeing:.4f}  rate {learner.rate:.1e}  {pace:.2f} s a step, "
        f"{left:.0f} min left",
        flush=True,
    )
    by_task: dict[str, list[float]] = defaultdict(list)
    for losses, tasks in recent:
        for task, loss in zip(tasks, losses.by_group.tolist(), strict=True):
            by_task[task].append(loss)
    if by_task:
        means = {task: sum(by_task[task]) / len(by_task[task]) for task in sorted(by_task)}
        print(
            "  " + "  ".join(f"{task} {mean:.4f}" for task, mean in means.items()), flush=True
        )


def _tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        train_tokenizer(corpus(), TRAINED.vocabulary).save(str(path))
    return Tokenizer.from_file(str(path))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
