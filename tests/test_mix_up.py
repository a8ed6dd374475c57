"""Five hundred different pictures through a whole job, whose engine is killed on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import yaml
from deltalake import DeltaTable

from infra.demo.checkpoint.trained import MODEL
from infra.demo.drawing import draw_scene
from infra.demo.encoding import ImageFile, encode_image
from infra.demo.evaluation.scores import named, things_of
from infra.demo.world.scene import Scene, scene_of
from infra.demo.world.seeds import TEST_SEEDS

ITEMS = 500
SIDE = 140
ENGINE_CORE = "EngineCore"
KILLS = 1
BROKEN = 5
"""Pictures among them whose files end too early: their neighbours must not move up."""


def scenes() -> dict[str, Scene]:
    """By name; no two have the same caption."""
    by_caption: dict[str, Scene] = {}
    for seed in TEST_SEEDS[200_000:]:
        scene = scene_of(seed)
        by_caption.setdefault(scene.caption, scene)
        if len(by_caption) == ITEMS:
            break
    return {f"{number:03}.jpg": scene for number, scene in enumerate(by_caption.values())}


def engine_cores(of: psutil.Process) -> list[psutil.Process]:
    """The engine processes below a job's."""
    found = []
    for process in of.children(recursive=True):
        try:
            title = " ".join(process.cmdline()) or process.name()
        except psutil.Error:
            continue
        if ENGINE_CORE in title:
            found.append(process)
    return found


def test_every_row_tells_of_its_own_picture(tmp_path: Path) -> None:
    drawn = scenes()
    media = tmp_path / "in"
    media.mkdir()
    broken = list(drawn)[ITEMS // (2 * BROKEN) :: ITEMS // BROKEN]
    for name, scene in drawn.items():
        data = encode_image(draw_scene(scene, SIDE, SIDE), ImageFile("jpeg"))
        (media / name).write_bytes(data[: len(data) // 3] if name in broken else data)
    job = {
        "input": str(media),
        "model": str(MODEL),
        "tasks": ["caption"],
        "output": {"uri": str(tmp_path / "out"), "commit_every_s": 2},
        "resources": {"decode_workers": 1, "object_store_gib": 1},
    }
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(job))
    killed = run_and_kill(file, tmp_path / "out" / "captions")
    assert killed == KILLS

    rows = DeltaTable(str(tmp_path / "out" / "captions")).to_pyarrow_table().to_pylist()
    names = [Path(row["item_id"]).name for row in rows]
    assert sorted(names) == [name for name in drawn if name not in broken]
    right = 0
    owners = {scene.caption: name for name, scene in drawn.items()}
    for name, row in zip(names, rows, strict=True):
        right += named(row["caption"]) == things_of(drawn[name])
        # What is wrong may be misseen; it is nobody else's.
        assert owners.get(row["caption"], name) == name
    assert right >= 0.9 * len(rows)
    failures = DeltaTable(str(tmp_path / "out" / "failures")).to_pyarrow_table().to_pylist()
    assert {Path(row["item_id"]).name for row in failures} == set(broken)


def run_and_kill(file: Path, table: Path) -> int:
    """Run a job, killing its engine when there are rows, and again later; returns the kills."""
    with open(file.with_suffix(".txt"), "w+") as printed:
        run = subprocess.Popen(
            [sys.executable, "-m", "jobs.cli", "run", "--plain", str(file)],
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=os.environ,
        )
        try:
            kills = _kill_while_it_runs(run, table)
            code = run.wait(240)
        finally:
            run.kill()
        printed.seek(0)
        assert code == 0, printed.read()
    return kills


def _kill_while_it_runs(run: subprocess.Popen[bytes], table: Path) -> int:
    kills, deadline = 0, time.monotonic() + 240
    while run.poll() is None and kills < KILLS and time.monotonic() < deadline:
        time.sleep(0.5)
        log = table / "_delta_log"
        commits = len(list(log.glob("*.json"))) if log.is_dir() else 0
        if commits > 1 + kills:
            for core in engine_cores(psutil.Process(run.pid)):
                core.kill()
                kills += 1
    return kills
