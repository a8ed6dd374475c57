"""MiniCPM-V 2.6: Qwen2 7B; images, several images and video, 64 embeddings a slice."""

from operators.models.base import Limits
from operators.models.chat import CHATML
from operators.models.minicpm_v import ALL_KINDS, MiniCPMV

FAMILY = MiniCPMV(
    id="minicpm-v-2.6",
    version="2.6",
    hub_id="openbmb/MiniCPM-V-2_6",
    takes=ALL_KINDS,
    limits=Limits(
        max_image_pixels=9 * 448 * 448,
        max_frame_pixels=448 * 448,
        max_images=16,
        max_frames=256,
        context_tokens=32768,
    ),
    chat=CHATML,
    stop_tokens=("<|im_end|>", "<|endoftext|>"),
)
