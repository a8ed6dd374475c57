"""Image processor of the tiny MiniCPM-V checkpoints: slicing, patches, placeholders.

Adaptive slicing as described in LLaVA-UHD (Xu et al., 2024, arXiv:2403.11703, section
3.1) with the parameters of MiniCPM-V (Yao et al., 2024, arXiv:2408.01800). This module
travels inside the checkpoint folder and is loaded from there, so it imports nothing of
Tagline.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature

Size = tuple[int, int]


class MiniCPMVImageProcessor(BaseImageProcessor):
    """Turns images into slices, slices into patches, and says which tokens stand for them.

    Args:
        scale_resolution: Side of the square whose area a slice should have, in pixels.
        patch_size: Side of a vision patch, in pixels.
        max_slice_nums: Most slices an image is cut into, its overview not counted.
        image_feature_size: Embeddings of one slice.
        use_image_id: Whether an image is announced by its number (2.6 and later).
        nested_slices: Whether one pair of slice tokens holds all slices (2.5 and older).
        image_mean: Mean of each channel, of values in 0..1.
        image_std: Standard deviation of each channel.
        fields: What the base class keeps.
    """

    model_input_names: ClassVar[list[str]] = ["pixel_values", "image_sizes", "tgt_sizes"]

    def __init__(
        self,
        scale_resolution: int = 448,
        patch_size: int = 14,
        max_slice_nums: int = 9,
        image_feature_size: int = 64,
        use_image_id: bool = True,
        nested_slices: bool = False,
        image_mean: Sequence[float] = (0.5, 0.5, 0.5),
        image_std: Sequence[float] = (0.5, 0.5, 0.5),
        **fields: Any,
    ) -> None:
        super().__init__(**fields)
        self.scale_resolution = scale_resolution
        self.patch_size = patch_size
        self.max_slice_nums = max_slice_nums
        self.image_feature_size = image_feature_size
        self.use_image_id = use_image_id
        self.nested_slices = nested_slices
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)
        self.im_start_token, self.im_end_token = "<image>", "</image>"
        self.slice_start_token, self.slice_end_token = "<slice>", "</slice>"
        self.im_id_start, self.im_id_end = "<image_id>", "</image_id>"
        self.unk_token = "<unk>"

    def get_sliced_grid(
        self, image_size: Size, max_slice_nums: int | None = None
    ) -> Size | None:
        """(columns, rows) in which an image of (width, height) is cut; None if it is not."""
        most = self.max_slice_nums if max_slice_nums is None else max_slice_nums
        width, height = image_size
        wanted = min(math.ceil(width * height / self.scale_resolution**2), most)
        if wanted <= 1:
            return None
        counts = [n for n in (wanted - 1, wanted, wanted + 1) if 1 < n <= most]
        grids = [(n_cols, n // n_cols) for n in counts for n_cols in _divisors(n)]
        shape = math.log(width / height)
        return min(grids, key=lambda grid: abs(shape - math.log(grid[0] / grid[1])))

    def get_slice_image_placeholder(
        self,
        image_size: Size,
        image_idx: int = 0,
        max_slice_nums: int | None = None,
        use_image_id: bool | None = None,
    ) -> str:
        """The text that stands for an image of (width, height) in the prompt."""
        grid = self.get_sliced_grid(image_size, max_slice_nums)
        embeddings = self.unk_token * self.image_feature_size
        overview = f"{self.im_start_token}{embeddings}{self.im_end_token}"
        number = self.use_image_id if use_image_id is None else use_image_id
        announced = f"{self.im_id_start}{image_idx}{self.im_id_end}" if number else ""
        return announced + overview + self._grid_placeholder(grid, embeddings)

    def _grid_placeholder(self, grid: Size | None, embeddings: str) -> str:
        if grid is None:
            return ""
        columns, rows = grid
        if self.nested_slices:
            row = f"{self.im_start_token}{embeddings}{self.im_end_token}" * columns
            return self.slice_start_token + "\n".join([row] * rows) + self.slice_end_token
        row = f"{self.slice_start_token}{embeddings}{self.slice_end_token}" * columns
        return "\n".join([row] * rows)

    def slices(self, image: Image.Image) -> list[Image.Image]:
        """The overview of an image, then its slices row by row."""
        grid = self.get_sliced_grid(image.size)
        overview_size = self._fit(image.size, upscale=grid is None)
        overview = image.resize(overview_size, Image.Resampling.BICUBIC)
        if grid is None:
            return [overview]
        columns, rows = grid
        cell = (
            max(round(image.width / columns), 1),
            max(round(image.height / rows), 1),
        )
        cell_width, cell_height = self._fit(cell, upscale=True)
        refined = image.resize(
            (cell_width * columns, cell_height * rows), Image.Resampling.BICUBIC
        )
        boxes = [
            (x * cell_width, y * cell_height, (x + 1) * cell_width, (y + 1) * cell_height)
            for y in range(rows)
            for x in range(columns)
        ]
        return [overview, *(refined.crop(box) for box in boxes)]

    def _fit(self, size: Size, *, upscale: bool) -> Size:
        width, height = size
        if upscale or width * height > self.scale_resolution**2:
            ratio = width / height
            height = int(self.scale_resolution / math.sqrt(ratio))
            width = int(height * ratio)
        return self._whole_patches(width), self._whole_patches(height)

    def _whole_patches(self, length: int) -> int:
        return max(round(length / self.patch_size), 1) * self.patch_size

    def patches(self, picture: Image.Image) -> torch.Tensor:
        """Normalise a picture and lay its patches side by side.

        Returns:
            (3, patch, patches * patch), float32.
        """
        side = self.patch_size
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255.0
        mean = np.asarray(self.image_mean, dtype=np.float32)
        deviation = np.asarray(self.image_std, dtype=np.float32)
        pixels = np.divide(pixels - mean, deviation, dtype=np.float32)
        rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
        cut = pixels.reshape(rows, side, columns, side, 3)
        laid = cut.transpose(4, 1, 0, 2, 3).reshape(3, side, rows * columns * side)
        return torch.from_numpy(np.ascontiguousarray(laid))

    def preprocess(self, images: Any, **ignored: Any) -> BatchFeature:
        """Prepare a batch of prompts' images.

        Args:
            images: Images of one prompt, or a list of such lists, one a prompt. An image is
                a PIL image or an RGB array (height, width, 3), uint8.
            ignored: Padding and tensor options of the processor interface.

        Returns:
            A prompt's ``pixel_values`` (list of patch tensors, one a slice),
            ``image_sizes`` (list of (width, height)) and ``tgt_sizes`` (int32 (slices, 2),
            rows and columns of patches).
        """
        prompts = [images] if _is_image(images[0]) else images
        prepared = [self._one_prompt(prompt) for prompt in prompts]
        keys = ("pixel_values", "image_sizes", "tgt_sizes")
        return BatchFeature(data={key: [one[key] for one in prepared] for key in keys})

    def _one_prompt(self, images: Iterable[Any]) -> dict[str, Any]:
        pictures = [_to_picture(image) for image in images]
        slices = [piece for picture in pictures for piece in self.slices(picture)]
        side = self.patch_size
        return {
            "pixel_values": [self.patches(piece) for piece in slices],
            "image_sizes": [picture.size for picture in pictures],
            "tgt_sizes": torch.tensor(
                [(piece.height // side, piece.width // side) for piece in slices],
                dtype=torch.int32,
            ),
        }


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


def _is_image(value: Any) -> bool:
    return isinstance(value, Image.Image) or getattr(value, "ndim", 0) == 3


def _to_picture(image: Any) -> Image.Image:
    return image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
