"""H.264: to which pictures others may refer. Pure; no decoder.

After ITU-T H.264 (08/2021): 8.2.1 for the order in which pictures are shown, 8.2.4 for the
lists of references and 8.2.5 for which pictures are held.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from operators.video.bits import NotUnderstoodError
from operators.video.h264_slices import I, P, Picture, Slice


@dataclass(frozen=True, slots=True)
class Held:
    """A picture that others may refer to.

    Attributes:
        number: Of the picture, among those seen.
        order: When it is shown (``PicOrderCnt``).
    """

    number: int
    order: int


class References:
    """Follows which pictures are held, from an IDR picture on.

    Pictures must be seen in the order of decoding, without a gap; those that no other one
    refers to may be left out.

    Attributes:
        held: By ``frame_num``.
    """

    def __init__(self) -> None:
        self.held: dict[int, Held] = {}
        self._latest: Picture | None = None
        self._order = 0

    def see(self, number: int, slices: Sequence[Slice]) -> tuple[int, frozenset[int]]:
        """The next picture.

        Args:
            number: Of the picture; others are told it.
            slices: Of it.

        Returns:
            When it is shown (``PicOrderCnt``), and the numbers of the pictures that it may
            refer to.

        Raises:
            NotUnderstoodError: If something that it refers to is missing, or its headers are
                at odds with each other or with those before.
        """
        picture = slices[0].picture
        if any(one.picture != picture for one in slices):
            raise NotUnderstoodError("slices of different pictures in one packet")
        if picture.is_idr:
            self.held, self._latest, self._order = {}, None, 0
        self._check_follows(picture)
        top = self._top_order(picture)
        order = top + min(0, picture.bottom_order)
        refers_to: set[int] = set()
        for one in slices:
            if one.kind != I:
                refers_to.update(held.number for held in self._listed(one, order))
        if picture.is_reference:
            self._mark(picture, Held(number, order))
            self._latest, self._order = picture, top
        return order, frozenset(refers_to)

    def _check_follows(self, picture: Picture) -> None:
        """7.4.3 of ``frame_num``, where gaps are not allowed."""
        latest = self._latest
        if latest is None:
            expected = 0
            if not picture.is_idr:
                raise NotUnderstoodError("pictures before an IDR picture")
        else:
            if latest.sequence is not picture.sequence:
                raise NotUnderstoodError("parameters change in the middle")
            expected = (latest.frame_num + 1) % (1 << picture.sequence.frame_num_bits)
        if picture.frame_num != expected:
            raise NotUnderstoodError(f"frame_num is {picture.frame_num}, not {expected}")

    def _top_order(self, picture: Picture) -> int:
        """``TopFieldOrderCnt`` (8.2.1.1)."""
        modulus = 1 << picture.sequence.order_bits
        low = self._order % modulus
        order = self._order - low + picture.order
        if picture.order < low and low - picture.order >= modulus // 2:
            return order + modulus
        if picture.order > low and picture.order - low > modulus // 2:
            return order - modulus
        return order

    def _listed(self, one: Slice, order: int) -> list[Held]:
        """What is in a slice's lists of references (8.2.4)."""
        listed: list[Held] = []
        initial = self._by_number(one) if one.kind == P else self._by_order(order)
        for start, length, changes in zip(initial, one.active, one.changes, strict=False):
            changed = self._changed(start, changes, one.picture)
            if len(changed) < length:
                raise NotUnderstoodError("fewer references than a list is long")
            listed += changed[:length]
        return listed

    def _by_number(self, one: Slice) -> list[list[Held]]:
        """8.2.4.2.1."""
        newest = sorted(self.held, key=lambda num: self._distance(num, one.picture))
        return [[self.held[num] for num in newest]]

    def _by_order(self, order: int) -> list[list[Held]]:
        """8.2.4.2.3."""
        before = [held for held in self.held.values() if held.order < order]
        after = [held for held in self.held.values() if held.order > order]
        if len(before) + len(after) < len(self.held):
            raise NotUnderstoodError("two pictures shown at once")
        before.sort(key=lambda held: -held.order)
        after.sort(key=lambda held: held.order)
        first, second = before + after, after + before
        if len(second) > 1 and first == second:
            second[:2] = second[1::-1]
        return [first, second]

    def _changed(
        self, listed: Sequence[Held], changes: Sequence[int], picture: Picture
    ) -> list[Held]:
        """A list after its modification (8.2.4.3.1)."""
        chosen = list(listed)
        num, modulus = picture.frame_num, 1 << picture.sequence.frame_num_bits
        for place, change in enumerate(changes):
            num = (num + change) % modulus
            held = self.held.get(num)
            if held is None:
                raise NotUnderstoodError("a reference that is not held")
            chosen = [*chosen[:place], held, *(one for one in chosen[place:] if one != held)]
        return chosen

    def _mark(self, picture: Picture, current: Held) -> None:
        """8.2.5.3, or 8.2.5.4.1."""
        modulus = 1 << picture.sequence.frame_num_bits
        most = picture.sequence.most_references
        if picture.unmarked is not None:
            for distance in picture.unmarked:
                if self.held.pop((picture.frame_num - distance) % modulus, None) is None:
                    raise NotUnderstoodError("a picture that is not held is to be released")
        elif len(self.held) >= most:
            del self.held[max(self.held, key=lambda num: self._distance(num, picture))]
        if len(self.held) >= most or picture.frame_num in self.held:
            raise NotUnderstoodError("more pictures are held than there is room for")
        self.held[picture.frame_num] = current

    @staticmethod
    def _distance(num: int, picture: Picture) -> int:
        """How long ago a picture came, in ``frame_num``; ``PicNum`` counted backwards."""
        return (picture.frame_num - num) % (1 << picture.sequence.frame_num_bits)
