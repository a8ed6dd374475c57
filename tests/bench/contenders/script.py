"""The script that one would write today: get, open, ask in batches of 32, write Parquet."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.bench.collection import client
from tests.bench.contenders.bare_llm import BareLlm
from tests.bench.contenders.outcome import Outcome, run_contender
from tests.bench.workload import Workload

BATCH = 32


def contend(workload: Workload) -> Outcome:
    """Annotate everything, batch after batch."""
    s3 = client(workload.endpoint_url)
    llm = BareLlm(workload)
    begun = time.monotonic()
    captions: list[str] = []
    all_tokens = 0
    for start in range(0, len(workload.keys), BATCH):
        images = []
        for key in workload.keys[start : start + BATCH]:
            body = s3.get_object(Bucket=workload.bucket, Key=key)["Body"].read()
            images.append(Image.open(io.BytesIO(body)).convert("RGB"))
        texts, tokens = llm.answer(llm.prompts(images))
        captions += texts
        all_tokens += tokens
    table = pa.table({"key": workload.keys, "caption": captions})
    pq.write_table(table, Path(workload.scratch) / "script.parquet")
    return Outcome(len(captions), time.monotonic() - begun, llm.start_s, all_tokens)


if __name__ == "__main__":
    run_contender(contend)
