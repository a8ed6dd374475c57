from __future__ import annotations

import jsonschema
import pytest
import yaml

from jobs.jobfile import job_schema
from tests.jobs.job_texts import GOOD, load, problems


def with_input(text: str) -> str:
    return GOOD.replace("input: s3://shop/photos/", f"input: {text}")


@pytest.mark.parametrize(
    "shards",
    [
        "{uris: s3://shop/shards/}",
        "{uris: [a.tar, b.tar], kind: video, media: mp4, carry: [price], id: sku}",
    ],
)
def test_shards_are_an_input(shards):
    text = with_input(f"{{shards: {shards}}}")
    assert load(text).input.addresses == load(text).input.shards.uris
    jsonschema.Draft202012Validator(job_schema()).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("given", "where", "says"),
    [
        (
            "{shards: {uris: a.tar}, uris: b}",
            "input",
            "exactly one of uris, manifest and shards",
        ),
        (
            "{shards: {uris: a}, manifest: {uris: b, media: c}}",
            "input",
            "exactly one of uris, manifest and shards",
        ),
        ("{shards: {uris: a}, include: ['*']}", "input", "no include or exclude"),
        ("{shards: {uris: []}}", "input.shards.uris", "at least 1"),
        ("{shards: {uris: gs://a}}", "input.shards.uris", "'gs' is not known"),
        ("{shards: {uris: a, media: ['.']}}", "input.shards.media", "expected extensions"),
        ("{shards: {uris: a, kind: audio}}", "input.shards.kind", "image"),
        ("{shards: {uris: a, crry: [b]}}", "input.shards.crry", "did you mean carry?"),
    ],
)
def test_what_is_wrong_with_shards_is_told_by_its_place(given, where, says):
    [problem] = problems(with_input(given))
    assert (problem.where, problem.line) == (where, 1)
    assert says in problem.expected
