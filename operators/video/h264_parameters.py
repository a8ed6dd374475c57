"""H.264 parameter sets: what of them slice headers are read by. Pure; no decoder.

After ITU-T H.264 (08/2021), 7.3.2.1 and 7.3.2.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from operators.video.bits import Bits, NotUnderstoodError

_WITH_CHROMA_FORMAT = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 134, 135, 138, 139})
"""Profiles of which a sequence parameter set says how colours are sampled."""


@dataclass(frozen=True)
class SequenceSet:
    """Of a sequence parameter set.

    Attributes:
        has_planes: Whether the three colours are coded as three pictures.
        has_chroma: Whether weights are given for colours, too.
        depth: Bits of a sample.
        frame_num_bits: Of a slice's ``frame_num``.
        order_bits: Of a slice's ``pic_order_cnt_lsb``.
        most_references: How many pictures are held for later ones to refer to.
        macroblocks: Of a picture.
    """

    has_planes: bool
    has_chroma: bool
    depth: int
    frame_num_bits: int
    order_bits: int
    most_references: int
    macroblocks: int


@dataclass(frozen=True)
class PictureSet:
    """Of a picture parameter set.

    Attributes:
        sequence: The number of the sequence parameter set.
        has_cabac: Whether slices are coded arithmetically.
        has_bottom_order: Whether slices say when their second field is shown.
        active: How long the two lists of references are, unless slices say otherwise.
        is_weighted: Whether P slices give weights.
        are_b_weighted: Whether B slices do; implicit weights are not given.
        quality: ``26 + pic_init_qp_minus26``.
        has_deblocking: Whether slices say how they are deblocked.
        has_redundant: Whether slices say whether they are spare ones.
    """

    sequence: int
    has_cabac: bool
    has_bottom_order: bool
    active: tuple[int, int]
    is_weighted: bool
    are_b_weighted: bool
    quality: int
    has_deblocking: bool
    has_redundant: bool


def read_sequence_set(unit: bytes) -> tuple[int, SequenceSet]:
    """A sequence parameter set's number and what it says.

    Args:
        unit: The NAL unit.

    Raises:
        NotUnderstoodError: If it allows what is not understood: fields, gaps in ``frame_num``,
            an order of pictures that slices do not give; or is damaged.
    """
    bits = Bits(unit[1:])
    profile = bits.read(8)
    bits.read(16)
    number, chroma, planes, depth = bits.at_most(31, "seq_parameter_set_id"), 1, False, 8
    if profile in _WITH_CHROMA_FORMAT:
        chroma = bits.at_most(3, "chroma_format_idc")
        planes = chroma == 3 and bool(bits.read(1))
        depth = 8 + bits.at_most(6, "bit_depth_luma_minus8")
        bits.at_most(6, "bit_depth_chroma_minus8")
        bits.read(1)
        if bits.read(1):
            for place in range(12 if chroma == 3 else 8):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if place < 6 else 64)
    frame_num_bits = bits.at_most(12, "log2_max_frame_num_minus4") + 4
    if bits.at_most(2, "pic_order_cnt_type"):
        raise NotUnderstoodError("slices do not say when they are shown")
    order_bits = bits.at_most(12, "log2_max_pic_order_cnt_lsb_minus4") + 4
    references = bits.at_most(16, "max_num_ref_frames")
    if bits.read(1):
        raise NotUnderstoodError("gaps in frame_num are allowed")
    macroblocks = (bits.at_most(1023, "width") + 1) * (bits.at_most(1023, "height") + 1)
    if not bits.read(1):
        raise NotUnderstoodError("pictures may be fields")
    if not references:
        raise NotUnderstoodError("nothing is referred to")
    return number, SequenceSet(
        planes,
        chroma != 0 and not planes,
        depth,
        frame_num_bits,
        order_bits,
        references,
        macroblocks,
    )


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def read_picture_set(unit: bytes) -> tuple[int, PictureSet]:
    """A picture parameter set's number and what it says.

    Args:
        unit: The NAL unit.

    Raises:
        NotUnderstoodError: If it has slice groups, or is damaged.
    """
    bits = Bits(unit[1:])
    number = bits.at_most(255, "pic_parameter_set_id")
    sequence = bits.at_most(31, "seq_parameter_set_id")
    has_cabac, has_bottom_order = bool(bits.read(1)), bool(bits.read(1))
    if bits.unsigned():
        raise NotUnderstoodError("slice groups")
    active = (
        bits.at_most(31, "num_ref_idx_l0_default_active_minus1") + 1,
        bits.at_most(31, "num_ref_idx_l1_default_active_minus1") + 1,
    )
    is_weighted, of_b = bool(bits.read(1)), bits.read(2)
    quality = 26 + bits.signed()
    bits.signed()
    bits.signed()
    has_deblocking = bool(bits.read(1))
    bits.read(1)
    has_redundant = bool(bits.read(1))
    return number, PictureSet(
        sequence,
        has_cabac,
        has_bottom_order,
        active,
        is_weighted,
        of_b == 1,
        quality,
        has_deblocking,
        has_redundant,
    )
