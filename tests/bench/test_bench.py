"""The arithmetic and the small parts of the benchmarks; no engine runs here."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image

from operators.models.base import PromptParts
from operators.models.registry import family
from schemas.media import Frames, MediaKind
from tests.bench.contenders.outcome import Outcome
from tests.bench.memory_sampling import MemorySampler, role_of
from tests.bench.photographs import PhotoSet, jpegs
from tests.bench.plan import plan_once, write_current_rows, write_manifest
from tests.bench.summary import items_per_s_without_head_start, summarise
from tests.bench.workload import Workload, make_workload

SMALL = PhotoSet("small", 320, 240)


def tagline(seconds: float, early: int = 0, late_s: float = 0.0) -> Outcome:
    details = {"decoded_before_engine_ready": early, "ready_seen_late_s": late_s}
    return Outcome(100, seconds, 30.0, 2400, details)


def other(seconds: float, **details: float) -> Outcome:
    return Outcome(100, seconds, 20.0, 2400, details)


def engine(seconds: float, decode_s: float = 0.02) -> Outcome:
    return other(seconds, fetch_and_decode_s_per_item=decode_s)


def test_ratios_are_of_medians_and_the_worse_set_counts() -> None:
    found = summarise(
        {
            "1mp": {
                "tagline": [tagline(10), tagline(12.5), tagline(50)],
                "engine": [engine(10), engine(10), engine(8)],
                "script": [other(25), other(25), other(24)],
                "ray_data_llm": [other(20), other(20), other(20)],
            },
            "12mp": {
                "tagline": [tagline(20), tagline(20), tagline(20)],
                "engine": [engine(10), engine(10), engine(10)],
                "script": [other(100), other(100), other(1)],
                "ray_data_llm": [other(200), other(200), other(200)],
            },
        }
    )
    assert found["items_per_s"] == {"1mp": 8.0, "12mp": 5.0}
    assert found["pipeline_over_engine"] == pytest.approx(0.5)
    assert found["pipeline_over_script_1mp"] == pytest.approx(2.0)
    assert found["pipeline_over_script_12mp"] == pytest.approx(5.0)
    assert found["pipeline_over_ray_data_llm"] == pytest.approx(1.6)
    spread = found["sets"]["1mp"]["tagline"]
    assert (spread["min"], spread["max"]) == (2.0, 10.0)
    assert spread["output_tokens_per_item"] == 24


def test_a_contender_left_out_is_null() -> None:
    of_set = {"tagline": [tagline(10)], "engine": [engine(10)], "script": [other(10)]}
    assert summarise({"1mp": of_set})["pipeline_over_ray_data_llm"] is None


def test_a_head_start_is_charged_in_full() -> None:
    assert items_per_s_without_head_start(tagline(10), 0.5) == 10
    assert items_per_s_without_head_start(tagline(10, early=10), 0.5) == pytest.approx(100 / 15)
    assert items_per_s_without_head_start(tagline(10, late_s=1), 0.5) == pytest.approx(100 / 11)
    found = summarise(
        {
            "1mp": {
                "tagline": [tagline(10, early=100)],
                "engine": [engine(10, decode_s=0.1)],
                "script": [other(10)],
            }
        }
    )
    assert found["pipeline_over_engine"] == pytest.approx(1.0)
    assert found["pipeline_over_engine_no_head_start"] == pytest.approx(0.5)
    assert found["decoded_before_engine_ready"] == {"1mp": 100}


def test_photographs_differ_and_have_the_size_asked_for() -> None:
    drawn = list(jpegs(SMALL, 30))
    pixels = [np.asarray(Image.open(io.BytesIO(data))) for data in drawn]
    assert [p.shape for p in pixels] == [(240, 320, 3)] * 30
    assert len({p.tobytes() for p in pixels}) == 30
    assert all(p.std() > 10 for p in pixels)


def test_a_workload_survives_its_file_and_asks_as_the_family_does(checkpoint_26, tmp_path):
    made = make_workload("http://127.0.0.1:1", "bucket", ["1mp/a.jpg"], checkpoint_26)
    made.save(tmp_path / "workload.json")
    assert Workload.load(tmp_path / "workload.json") == made
    frames = Frames(MediaKind.IMAGE, bytes(3), ((1, 1),))
    nothing = family("minicpm-v-2.6").render(PromptParts("", ""), frames)
    assert made.prompt.count("(<image>./</image>)") == nothing.count("(<image>./</image>)") == 1
    assert made.engine_args["model"] == str(checkpoint_26)
    assert made.json_schema["required"] == ["caption"]


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("ray::MapWorker(MapBatches(DecodeStage)).submit", "decode"),
        ("ray::MapBatches(AnnotateStage)", "annotate"),
        ("ray::Board", "board"),
        ("ray::IDLE", "other"),
        ("/site-packages/ray/core/src/ray/raylet/raylet --raylet_socket", "ray_system"),
    ],
)
def test_rays_processes_are_told_apart(title: str, role: str) -> None:
    assert role_of(title) == role


def test_the_sampler_sees_memory_that_this_process_takes() -> None:
    with MemorySampler() as sampler:
        held = np.ones(300 * 1024**2, np.uint8)
        while sampler.samples < 2:
            time.sleep(0.05)
        assert held[-1] == 1
    assert sampler.peak_mib["driver"] > 300


def test_a_manifest_is_planned_whole(tmp_path) -> None:
    write_manifest(tmp_path / "manifest", 300)
    assert plan_once(tmp_path)["planned"] == 300
    write_current_rows(tmp_path / "out")
    again = plan_once(tmp_path)
    assert (again["listed"], again["planned"]) == (300, 3)
