"""The bare engine: images decoded and shrunk beforehand, only ``generate`` is timed."""

from __future__ import annotations

import time
from typing import Any

from PIL import Image

from operators.engine_media import as_images
from operators.images import decode_image
from schemas.job import MediaSpec
from tests.bench.collection import client
from tests.bench.contenders.bare_llm import BareLlm
from tests.bench.contenders.outcome import Outcome, run_contender
from tests.bench.workload import Workload


def contend(workload: Workload) -> Outcome:
    """Annotate everything in one call."""
    s3 = client(workload.endpoint_url)
    begun = time.monotonic()
    images = [image for key in workload.keys for image in _ready(s3, workload, key)]
    decode_s = time.monotonic() - begun
    llm = BareLlm(workload)
    prompts = llm.prompts(images)
    begun = time.monotonic()
    texts, tokens = llm.answer(prompts)
    seconds = time.monotonic() - begun
    details = {"fetch_and_decode_s_per_item": decode_s / len(images)}
    return Outcome(len(texts), seconds, llm.start_s, tokens, details)


def _ready(s3: Any, workload: Workload, key: str) -> list[Image.Image]:
    body = s3.get_object(Bucket=workload.bucket, Key=key)["Body"].read()
    limit = MediaSpec().max_source_pixels
    return as_images(
        decode_image(body, max_pixels=workload.max_image_pixels, max_source_pixels=limit)
    )


if __name__ == "__main__":
    run_contender(contend)
