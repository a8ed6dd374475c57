"""``vllm.LLM`` as a script uses it, with the arguments and sampling of Tagline's engine."""

from __future__ import annotations

import os
import time
from typing import Any

from PIL import Image

from tests.bench.workload import Workload


class BareLlm:
    """A started ``vllm.LLM``.

    Attributes:
        start_s: Seconds that it took to start.
    """

    def __init__(self, workload: Workload) -> None:
        os.environ.update(workload.environment)
        from vllm import LLM, SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        begun = time.monotonic()
        self._prompt = workload.prompt
        # `uni` would run the model in this very process, after the images are prepared
        # and not beside it; `mp` is the faster of the two and vLLM's own choice.
        arguments = workload.engine_args | {"distributed_executor_backend": "mp"}
        self._llm = LLM(**arguments)
        self._sampling = SamplingParams(
            max_tokens=workload.max_tokens,
            temperature=0.0,
            seed=workload.seed,
            stop_token_ids=workload.stop_token_ids,
            structured_outputs=StructuredOutputsParams(json=workload.json_schema),
        )
        self.start_s = time.monotonic() - begun

    def prompts(self, images: list[Image.Image]) -> list[dict[str, Any]]:
        """What `answer` takes, for these images."""
        return [
            {"prompt": self._prompt, "multi_modal_data": {"image": [image]}} for image in images
        ]

    def answer(self, prompts: list[dict[str, Any]]) -> tuple[list[str], int]:
        """The answers' texts, and how many tokens they have together."""
        results = self._llm.generate(prompts, self._sampling, use_tqdm=False)
        answers = [result.outputs[0] for result in results]
        return [a.text for a in answers], sum(len(a.token_ids) for a in answers)
