"""Job files as text, and what becomes of them."""

from __future__ import annotations

import textwrap

import pytest

from jobs.jobfile import check_job
from jobs.yaml_lines import parse_yaml
from schemas.failure import JobFileError, Problem
from schemas.job import JobSpec

GOOD = """\
input: s3://shop/photos/
model: openbmb/MiniCPM-V-2_6
tasks: [caption]
output: s3://shop/annotations/
"""


def load(text: str, *overrides: str) -> JobSpec:
    return check_job(parse_yaml(textwrap.dedent(text), "job.yaml"), overrides)


def problems(text: str, *overrides: str) -> list[Problem]:
    with pytest.raises(JobFileError) as caught:
        load(text, *overrides)
    return caught.value.problems
