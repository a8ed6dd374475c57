"""MiniCPM-Llama3-V 2.5: Llama 3 8B; images only, 96 embeddings a slice."""

from operators.models.base import Limits
from operators.models.chat import Chat
from operators.models.minicpm_v import IMAGE_ONLY, MiniCPMV

FAMILY = MiniCPMV(
    id="minicpm-v-2.5",
    version="2.5",
    hub_id="openbmb/MiniCPM-Llama3-V-2_5",
    takes=IMAGE_ONLY,
    limits=Limits(
        max_image_pixels=9 * 448 * 448,
        max_frame_pixels=0,
        max_images=1,
        max_frames=0,
        context_tokens=8192,
    ),
    chat=Chat(
        system_opening="<|start_header_id|>system<|end_header_id|>\n\n",
        system_closing="<|eot_id|>",
        user_opening="<|start_header_id|>user<|end_header_id|>\n\n",
        user_closing="<|eot_id|>",
        answer_opening="<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    stop_tokens=("<|eot_id|>", "<|end_of_text|>"),
)
