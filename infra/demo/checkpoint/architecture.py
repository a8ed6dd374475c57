"""What the tiny checkpoints are made of, one `Architecture` a family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MODULES = ("configuration_minicpmv", "image_processing_minicpmv")


@dataclass(frozen=True)
class Architecture:
    """Sizes of a tiny checkpoint; the structure is that of the published one.

    Attributes:
        family: Family id, such as ``minicpm-v-2.6``.
        version: The config's ``version``.
        language: Name of the language model's config class in the `configuration` module
            without its affixes: ``Qwen2``, ``Llama`` or ``Qwen3``.
        hidden: Width of the language model; a multiple of 128, the resampler's head size.
        layers: Layers of the language model.
        intermediate: Width of its feed-forward part.
        heads: Attention heads of the language model.
        key_value_heads: Heads of keys and values.
        head_size: Width of one head.
        vision_hidden: Width of the vision tower.
        vision_layers: Layers of the vision tower.
        vision_heads: Attention heads of the vision tower.
        scale_resolution: Side of the square whose area a slice has, pixels.
        patch_size: Side of a vision patch, pixels.
        query_num: Embeddings of one slice.
        max_slice_nums: Most slices of an image, its overview not counted.
        context: Longest sequence, tokens.
        vocabulary: Rows of the embedding table, at least the tokenizer's size.
    """

    family: str
    version: float
    language: str
    hidden: int = 256
    layers: int = 3
    intermediate: int = 704
    heads: int = 4
    key_value_heads: int = 2
    head_size: int = 64
    vision_hidden: int = 128
    vision_layers: int = 3
    vision_heads: int = 2
    scale_resolution: int = 112
    patch_size: int = 14
    query_num: int = 16
    max_slice_nums: int = 9
    context: int = 8192
    vocabulary: int = 640

    def config(self, token_ids: dict[str, int]) -> dict[str, Any]:
        """The folder's ``config.json``.

        Args:
            token_ids: Ids of ``bos``, ``eos`` and ``pad``.
        """
        return {
            "architectures": ["MiniCPMV"],
            "model_type": "minicpmv",
            "version": self.version,
            "auto_map": {"AutoConfig": f"configuration_minicpmv.MiniCPMV{self.language}Config"},
            "torch_dtype": "bfloat16",
            "tie_word_embeddings": False,
            **self._language_config(),
            **self._vision_config(),
            "bos_token_id": token_ids["bos"],
            "eos_token_id": token_ids["eos"],
            "pad_token_id": token_ids["pad"],
        }

    def _language_config(self) -> dict[str, Any]:
        return {
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads,
            "head_dim": self.head_size,
            "hidden_act": "silu",
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self.context,
            "rms_norm_eps": 1e-6,
            "rope_theta": 10_000.0,
            "attention_bias": False,
        }

    def _vision_config(self) -> dict[str, Any]:
        return {
            "image_size": self.scale_resolution,
            "patch_size": self.patch_size,
            "query_num": self.query_num,
            "drop_vision_last_layer": False,
            "slice_mode": True,
            "slice_config": {
                "max_slice_nums": self.max_slice_nums,
                "patch_size": self.patch_size,
                "scale_resolution": self.scale_resolution,
            },
            "max_slice_num": self.max_slice_nums,
            "use_image_id": self.announces_images,
            "vision_config": {
                "hidden_size": self.vision_hidden,
                "intermediate_size": self.vision_hidden * 2,
                "num_hidden_layers": self.vision_layers,
                "num_attention_heads": self.vision_heads,
                "image_size": self.scale_resolution,
                "patch_size": self.patch_size,
                "num_channels": 3,
                "hidden_act": "gelu_pytorch_tanh",
                "layer_norm_eps": 1e-6,
            },
        }

    @property
    def announces_images(self) -> bool:
        """Whether an image's number precedes it in the prompt."""
        return self.version >= 2.6

    def preprocessor_config(self) -> dict[str, Any]:
        """The folder's ``preprocessor_config.json``."""
        return {
            "image_processor_type": "MiniCPMVImageProcessor",
            "processor_class": "MiniCPMVProcessor",
            "auto_map": {
                "AutoImageProcessor": "image_processing_minicpmv.MiniCPMVImageProcessor"
            },
            "scale_resolution": self.scale_resolution,
            "patch_size": self.patch_size,
            "max_slice_nums": self.max_slice_nums,
            "image_feature_size": self.query_num,
            "use_image_id": self.announces_images,
            "nested_slices": not self.announces_images,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
        }


ARCHITECTURES = {
    one.family: one
    for one in (
        Architecture("minicpm-v-2.5", 2.5, "Llama"),
        Architecture("minicpm-v-2.6", 2.6, "Qwen2"),
        Architecture("minicpm-v-4.0", 4.0, "Llama"),
        Architecture("minicpm-v-4.5", 4.5, "Qwen3"),
    )
}
"""Every family of which a tiny checkpoint can be built, by id.

MiniCPM-V 2.0 is not among them: its vision tower is timm's full 400-million-weight
SigLIP, whose size the checkpoint does not decide.
"""
