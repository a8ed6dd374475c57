"""The checkpoint that is trained and comes with this repository."""

from __future__ import annotations

from pathlib import Path

from infra.demo.checkpoint.architecture import Architecture

MODEL = Path(__file__).parents[1] / "model"
"""Its folder."""

TRAINED = Architecture(
    "minicpm-v-2.6",
    2.6,
    "Qwen2",
    layers=6,
    intermediate=512,
    vision_hidden=192,
    vision_layers=4,
    vision_heads=6,
    scale_resolution=140,
    query_num=9,
    max_slice_nums=4,
    vocabulary=1536,
)
"""The one that is trained: no larger than two CPU cores can teach in three hours."""
