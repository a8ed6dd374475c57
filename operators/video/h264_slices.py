"""H.264 slice headers: what of them tells to which pictures others refer. Pure; no decoder.

After ITU-T H.264 (08/2021), 7.3.3 and 7.4.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from operators.video.bits import Bits, NotUnderstoodError
from operators.video.h264_parameters import PictureSet, SequenceSet

P, B, I = 0, 1, 2  # noqa: E741 - the standard's own names.
IDR_SLICE = 5
_USUAL_BYTES, _MOST_BYTES = 64, 512
"""Headers are short; that of 32 references in each list, with weights, fills the latter."""

_MOST_HELD = 16


class Slice(NamedTuple):
    """Of a slice header.

    Attributes:
        kind: `P`, `B` or `I`.
        first_macroblock: Where in the picture it begins.
        picture: What all slices of one picture have in common.
        active: How long its lists of references are.
        changes: Of each list: differences of picture numbers, as they stand there.
        bits: Of the header, without the unit's first byte.
    """

    kind: int
    first_macroblock: int
    picture: Picture
    active: tuple[int, ...]
    changes: tuple[tuple[int, ...], ...]
    bits: int


class Picture(NamedTuple):
    """What all slices of a picture say of it.

    Attributes:
        is_reference: Whether anything may refer to it.
        is_idr: Whether nothing before it is referred to from here on.
        frame_num: Counts pictures that are referred to, modulo ``2 ** frame_num_bits``.
        order: When it is shown among those after the last IDR picture: the low bits.
        bottom_order: When its second field is shown, counted from there.
        unmarked: How much less than its own the ``frame_num`` is of pictures that are referred
            to no more; None: of the one decoded first, if too many are held.
        sequence: Its sequence parameter set.
    """

    is_reference: bool
    is_idr: bool
    frame_num: int
    order: int
    bottom_order: int
    unmarked: tuple[int, ...] | None
    sequence: SequenceSet


def read_slice(
    unit: memoryview,
    sequences: Mapping[int, SequenceSet],
    pictures: Mapping[int, PictureSet],
) -> Slice:
    """The header of a slice.

    Args:
        unit: The NAL unit, of type 1 or 5.
        sequences: The sequence parameter sets.
        pictures: The picture parameter sets.

    Raises:
        NotUnderstoodError: If it uses what is not understood: switching slices, long-term
            references, spare slices; or is damaged.
    """
    try:
        return _read(bytes(unit[:_USUAL_BYTES]), sequences, pictures)
    except NotUnderstoodError:
        if len(unit) <= _USUAL_BYTES:
            raise
        return _read(bytes(unit[:_MOST_BYTES]), sequences, pictures)


def _read(
    unit: bytes, sequences: Mapping[int, SequenceSet], pictures: Mapping[int, PictureSet]
) -> Slice:
    is_idr, is_reference = unit[0] & 31 == IDR_SLICE, bool(unit[0] & 0x60)
    bits = Bits(unit[1:])
    first, kind = bits.unsigned(), bits.at_most(9, "slice_type") % 5
    if kind > I:
        raise NotUnderstoodError("switching slices")
    if is_idr and (kind != I or not is_reference):
        raise NotUnderstoodError("an IDR picture that refers to others, or is not referred to")
    picture = pictures.get(bits.unsigned())
    sequence = None if picture is None else sequences.get(picture.sequence)
    if picture is None or sequence is None:
        raise NotUnderstoodError("a slice without parameter sets")
    if sequence.has_planes:
        raise NotUnderstoodError("colours as pictures of their own")
    frame_num = bits.read(sequence.frame_num_bits)
    if is_idr:
        bits.at_most(65535, "idr_pic_id")
    order = bits.read(sequence.order_bits)
    bottom_order = bits.signed() if picture.has_bottom_order else 0
    if picture.has_redundant and bits.unsigned():
        raise NotUnderstoodError("a spare slice")
    active, changes = _read_lists(bits, kind, picture)
    if kind != I and (picture.is_weighted if kind == P else picture.are_b_weighted):
        _skip_weights(bits, sequence, active)
    unmarked = _read_marking(bits, is_idr) if is_reference else None
    _read_rest(bits, kind, picture, sequence)
    of_all = Picture(is_reference, is_idr, frame_num, order, bottom_order, unmarked, sequence)
    return Slice(kind, first, of_all, active, changes, bits.place)


def _read_lists(
    bits: Bits, kind: int, picture: PictureSet
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The lengths of its lists and how they are changed (7.3.3.1)."""
    if kind == I:
        return (), ()
    if kind == B:
        bits.read(1)
    lists = 2 if kind == B else 1
    active = picture.active[:lists]
    if bits.read(1):
        active = tuple(bits.at_most(31, "num_ref_idx_active_minus1") + 1 for _ in active)
    return active, tuple(_read_changes(bits, length) for length in active)


def _read_changes(bits: Bits, length: int) -> tuple[int, ...]:
    if not bits.read(1):
        return ()
    changes: list[int] = []
    while (operation := bits.unsigned()) != 3:
        if operation > 1:
            raise NotUnderstoodError("long-term references")
        if len(changes) == length:
            raise NotUnderstoodError("more changes of a list than it is long")
        distance = bits.unsigned() + 1
        changes.append(distance if operation else -distance)
    return tuple(changes)


def _skip_weights(bits: Bits, sequence: SequenceSet, active: tuple[int, ...]) -> None:
    """7.3.3.2."""
    bits.at_most(7, "luma_log2_weight_denom")
    if sequence.has_chroma:
        bits.at_most(7, "chroma_log2_weight_denom")
    for _ in range(sum(active)):
        if bits.read(1):
            bits.signed()
            bits.signed()
        if sequence.has_chroma and bits.read(1):
            for _ in range(4):
                bits.signed()


def _read_marking(bits: Bits, is_idr: bool) -> tuple[int, ...] | None:
    """7.3.3.3."""
    if is_idr:
        if bits.read(2) & 1:
            raise NotUnderstoodError("long-term references")
        return None
    if not bits.read(1):
        return None
    unmarked: list[int] = []
    while operation := bits.unsigned():
        if operation != 1 or len(unmarked) == _MOST_HELD:
            raise NotUnderstoodError(f"memory management operation {operation}")
        unmarked.append(bits.unsigned() + 1)
    return tuple(unmarked)


def _read_rest(bits: Bits, kind: int, picture: PictureSet, sequence: SequenceSet) -> None:
    """What follows tells nothing of references, but whether all before was read rightly."""
    if picture.has_cabac and kind != I:
        bits.at_most(2, "cabac_init_idc")
    quality = picture.quality + bits.signed()
    if not 48 - 6 * sequence.depth <= quality <= 51:
        raise NotUnderstoodError(f"slice_qp is {quality}")
    is_deblocked = not picture.has_deblocking or (
        bits.at_most(2, "disable_deblocking_filter_idc") != 1
    )
    if (
        picture.has_deblocking
        and is_deblocked
        and not all(-6 <= bits.signed() <= 6 for _ in range(2))
    ):
        raise NotUnderstoodError("an offset of the deblocking filter is out of range")
    if picture.has_cabac:
        ones = -bits.place % 8
        if bits.read(ones) != (1 << ones) - 1:
            raise NotUnderstoodError("a header does not end where it seemed to")
