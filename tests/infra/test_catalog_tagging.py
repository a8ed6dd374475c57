from __future__ import annotations

from pathlib import Path

import pytest

from infra.demo.catalogue import Picture, catalogue_of
from infra.demo.world.vocabulary import BACKGROUNDS, COLOURS, MOODS, PATTERNS, PRODUCTS
from jobs.jobfile import load_job
from operators.tasks.registry import bind_task
from schemas.job import JobSpec
from schemas.media import MediaKind

JOB = Path(__file__).parents[2] / "jobs" / "catalog_tagging.yaml"


@pytest.fixture
def job() -> JobSpec:
    return load_job(JOB)


def test_it_annotates_images_and_videos(job: JobSpec) -> None:
    assert [spec.task for spec in job.tasks] == ["caption", "tags", "video_summary"]
    taken = [bind_task(spec).task.takes for spec in job.tasks]
    assert frozenset().union(*taken) >= {MediaKind.IMAGE, MediaKind.VIDEO}


def test_its_taxonomy_is_the_demo_worlds(job: JobSpec) -> None:
    (tags,) = (spec for spec in job.tasks if spec.task == "tags")
    options = bind_task(tags).options
    leaves = [node.name for node in options.taxonomy.nodes if node.parent is not None]
    grounds = [f"{name} background" for name in BACKGROUNDS]
    assert leaves == [*PRODUCTS, *COLOURS, *PATTERNS[1:], *MOODS, *grounds]
    pictures = [item for item in catalogue_of(0) if isinstance(item, Picture)]
    assert all(set(picture.truth()["tags"]) <= {*leaves, "face"} for picture in pictures)
    most = max(len(picture.truth()["tags"]) for picture in pictures)
    assert options.max_tags >= most


def test_nothing_in_it_belongs_to_one_machine(job: JobSpec) -> None:
    assert job.model.path == "openbmb/MiniCPM-V-2_6"
    assert job.storage.endpoint_url is None
    assert job.resources.ray_address is None
    assert "${" not in JOB.read_text()
