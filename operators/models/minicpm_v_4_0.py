"""MiniCPM-V 4.0: MiniCPM4 3B; images, several images and video."""

from operators.models.base import Limits
from operators.models.chat import CHATML
from operators.models.minicpm_v import ALL_KINDS, MiniCPMV

FAMILY = MiniCPMV(
    id="minicpm-v-4.0",
    version="4.0",
    hub_id="openbmb/MiniCPM-V-4",
    takes=ALL_KINDS,
    limits=Limits(
        max_image_pixels=9 * 448 * 448,
        max_frame_pixels=448 * 448,
        max_images=16,
        max_frames=256,
        context_tokens=32768,
    ),
    chat=CHATML,
    stop_tokens=("<|im_end|>", "</s>"),
)
