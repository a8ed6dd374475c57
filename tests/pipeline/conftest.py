"""One Ray, one checkpoint folder and a place for pictures, for the tests of whole runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cluster import ClusterSize, connect, disconnect
from schemas.job import ResourceSpec


@pytest.fixture(scope="session")
def checkpoint(checkpoint_26: Path) -> Path:
    """The embedded model's folder; the fake engine needs its geometry only."""
    return checkpoint_26


@pytest.fixture(scope="package")
def local_ray(s3_server) -> Iterator[ClusterSize]:
    """A Ray that runs share, since starting one costs seconds; it ends with this folder.

    Its workers get the environment of now, and with it the keys of the S3 server.
    """
    cluster = connect(ResourceSpec(object_store_gib=1))
    yield cluster
    disconnect(cluster)


def draw(path: Path, number: int, size: tuple[int, int] = (64, 48)) -> Path:
    """A picture unlike that of any other number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 255, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path
