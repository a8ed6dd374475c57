"""Images: from a file's bytes to RGB pixels of the size that a model can use."""

from operators.images.animation import decode_animation
from operators.images.decode import decode_image

__all__ = ["decode_animation", "decode_image"]
