"""Configuration of the tiny MiniCPM-V checkpoints.

This module travels inside the checkpoint folder and is loaded from there, so it imports
nothing of Tagline.
"""

from typing import Any

from transformers import LlamaConfig, Qwen2Config, Qwen3Config
from transformers.models.idefics2.configuration_idefics2 import Idefics2VisionConfig


class _VisionMixin:
    """Keeps the vision tower's settings as a config object of its own."""

    def __post_init__(self, **fields: Any) -> None:
        vision = fields.pop("vision_config", None) or {}
        super().__post_init__(**fields)  # type: ignore[misc]
        if isinstance(vision, dict):
            own = {key: value for key, value in vision.items() if key != "model_type"}
            vision = Idefics2VisionConfig(**own)
        self.vision_config = vision


class MiniCPMVQwen2Config(_VisionMixin, Qwen2Config):
    """MiniCPM-V 2.6: a Qwen2 language model."""

    model_type = "minicpmv"


class MiniCPMVLlamaConfig(_VisionMixin, LlamaConfig):
    """MiniCPM-V 2.5 and 4.0: a Llama language model."""

    model_type = "minicpmv"


class MiniCPMVQwen3Config(_VisionMixin, Qwen3Config):
    """MiniCPM-V 4.5: a Qwen3 language model."""

    model_type = "minicpmv"
