"""MiniCPM-V 2.0: MiniCPM-2.4B with timm's SigLIP; images only."""

from operators.models.base import Limits
from operators.models.chat import Chat
from operators.models.minicpm_v import IMAGE_ONLY, MiniCPMV

FAMILY = MiniCPMV(
    id="minicpm-v-2.0",
    version="2.0",
    hub_id="openbmb/MiniCPM-V-2",
    takes=IMAGE_ONLY,
    limits=Limits(
        max_image_pixels=9 * 448 * 448,
        max_frame_pixels=0,
        max_images=1,
        max_frames=0,
        context_tokens=4096,
    ),
    chat=Chat(
        system_opening=None,
        system_closing="",
        user_opening="<用户>",
        user_closing="",
        answer_opening="<AI>",
    ),
    stop_tokens=("</s>",),
)
