"""MiniCPM-V 4.5: Qwen3 8B; images, several images and video; asked not to think aloud."""

from dataclasses import replace

from operators.models.base import Limits
from operators.models.chat import CHATML
from operators.models.minicpm_v import ALL_KINDS, MiniCPMV

FAMILY = MiniCPMV(
    id="minicpm-v-4.5",
    version="4.5",
    hub_id="openbmb/MiniCPM-V-4_5",
    takes=ALL_KINDS,
    limits=Limits(
        max_image_pixels=9 * 448 * 448,
        max_frame_pixels=448 * 448,
        max_images=16,
        max_frames=256,
        context_tokens=40960,
    ),
    chat=replace(CHATML, answer_opening="<|im_start|>assistant\n<think>\n\n</think>\n\n"),
    stop_tokens=("<|im_end|>", "<|endoftext|>"),
)
