"""From a bucket to pixels, without Ray and without a model: for scripts and notebooks.

from operators.reading import arrays, read_media
from schemas.job import MediaSpec, VideoSampling

shots = MediaSpec(video=VideoSampling(policy="shots", max_frames=16))
for one in read_media("s3://films/2026/", media=shots):
    if one.failure is not None:
        print(one.item.item_id, one.failure.code, one.failure.message)
    else:
        pictures = arrays(one.frames)  # uint8, (height, width, 3), a frame each
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from operators.arrays import frame_arrays
from operators.decode import DecodeOperator
from operators.sources.base import ListedItem
from operators.sources.registry import open_source
from schemas.inputs import InputSpec
from schemas.item import DecodedItem, Item
from schemas.job import MediaSpec, StorageSpec
from schemas.media import Frames

MAX_IMAGE_PIXELS = 1344 * 1344
MAX_FRAME_PIXELS = 448 * 448
"""What MiniCPM-V 2.6 can use of an image, and of a video's frame."""


def read_media(
    source: str | Sequence[str] | InputSpec,
    *,
    storage: StorageSpec | None = None,
    media: MediaSpec | None = None,
    max_image_pixels: int = MAX_IMAGE_PIXELS,
    max_frame_pixels: int = MAX_FRAME_PIXELS,
    fetch_threads: int = 8,
) -> Iterator[DecodedItem]:
    """Decode all images and videos of an input, in its order.

    Fetching runs ahead in threads; of a large video no more is fetched than its frames need.
    One item is held at a time, and what is on its way.

    Args:
        source: URIs (``s3://bucket/prefix/``, a folder, a file), or all that a job's section
            ``input`` can say: manifests, shards, patterns.
        storage: How object storage is reached, as a job's section ``storage`` says it.
        media: Limits, and which frames of videos, as a job's section ``media`` says it.
        max_image_pixels: Larger images are shrunk to so many pixels, unless `media` says.
        max_frame_pixels: The same for each frame of a video.
        fetch_threads: Items fetched at once.

    Yields:
        Each item with its `Frames`, or with the failure because of which it has none.

    Raises:
        UsageError: If the input cannot be listed as it is described.
        StorageError: If the store stays out of reach while it is listed.
    """
    storage, media = storage or StorageSpec(), media or MediaSpec()
    spec = (
        source if isinstance(source, InputSpec) else InputSpec.model_validate({"uris": source})
    )
    operator = DecodeOperator(
        storage,
        media,
        media.max_pixels or max_image_pixels,
        media.max_frame_pixels or max_frame_pixels,
        fetch_threads,
    )
    operator.setup()
    with contextlib.closing(operator):
        yield from operator.decoded(_planned(one) for one in open_source(spec, storage))


def arrays(frames: Frames) -> list[NDArray[np.uint8]]:
    """Each frame as an array (height, width, 3) of RGB; views of the frames' one buffer."""
    return frame_arrays(frames.pixels, frames.shapes)


def _planned(listed: ListedItem) -> Item:
    return Item(
        item_id=listed.item_id,
        kind=listed.kind,
        item_version=listed.item_version,
        media=listed.media,
        tasks=(),
        context=listed.context,
        carried=listed.carried,
        subtitles=listed.subtitles,
    )
