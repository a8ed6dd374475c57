from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra.demo.catalogue import Picture, catalogue_of
from infra.demo.world import BACKGROUNDS, COLOURS, PRODUCTS
from operators.tasks.registry import bind_task
from schemas.job import JobSpec
from schemas.media import MediaKind

JOB = Path(__file__).parents[2] / "jobs" / "catalog_tagging.yaml"


@pytest.fixture
def job() -> JobSpec:
    return JobSpec.model_validate(yaml.safe_load(JOB.read_text()))


def test_it_annotates_images_and_videos(job: JobSpec) -> None:
    assert [spec.task for spec in job.tasks] == ["caption", "tags", "video_summary"]
    taken = [bind_task(spec).task.takes for spec in job.tasks]
    assert frozenset().union(*taken) >= {MediaKind.IMAGE, MediaKind.VIDEO}


def test_every_option_is_one_that_its_task_knows(job: JobSpec) -> None:
    for spec in job.tasks:
        bound = bind_task(spec).options.model_dump(mode="json")
        assert {name: bound[name] for name in spec.options} == spec.options


def test_its_vocabulary_is_the_demo_worlds(job: JobSpec) -> None:
    (tags,) = (spec for spec in job.tasks if spec.task == "tags")
    vocabulary = tags.options["vocabulary"]
    assert vocabulary == [*PRODUCTS, *COLOURS, *(f"{name} background" for name in BACKGROUNDS)]
    pictures = [item for item in catalogue_of(0) if isinstance(item, Picture)]
    assert all(set(picture.truth()["tags"]) <= set(vocabulary) for picture in pictures)
    most = max(len(picture.truth()["tags"]) for picture in pictures)
    assert tags.options["max_tags"] >= most


def test_nothing_in_it_belongs_to_one_machine(job: JobSpec) -> None:
    assert job.model.path == "openbmb/MiniCPM-V-2_6"
    assert job.storage.endpoint_url is None
    assert job.resources.ray_address is None
    assert "${" not in JOB.read_text()
