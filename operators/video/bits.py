"""Reading headers of coded pictures bit by bit."""

from __future__ import annotations


class NotUnderstoodError(Exception):
    """A stream uses what is not understood here, or is damaged; says what."""


class Bits:
    """The bits of a NAL unit, from its first byte or a later one on.

    After ITU-T H.264 (08/2021): 7.3.1 for the bytes that keep start codes from appearing, 7.2
    and 9.1 for numbers.

    Args:
        data: Of the unit, as it stands in the stream.

    Attributes:
        left: How many are unread.
    """

    __slots__ = ("_size", "_value", "left")

    def __init__(self, data: bytes) -> None:
        payload = data.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(payload, "big")
        self._size = self.left = len(payload) * 8

    @property
    def place(self) -> int:
        """How many were read."""
        return self._size - self.left

    def read(self, count: int) -> int:
        """The next bits as a number, u(n).

        Raises:
            NotUnderstoodError: If there are not so many.
        """
        self.left -= count
        if self.left < 0:
            raise NotUnderstoodError("a header ends early")
        return self._value >> self.left & ((1 << count) - 1)

    def unsigned(self) -> int:
        """An Exp-Golomb number, ue(v).

        Raises:
            NotUnderstoodError: If it is longer than any that the standard allows, or cut off.
        """
        zeros = self.left - (self._value & ((1 << self.left) - 1)).bit_length()
        if zeros > 31:
            raise NotUnderstoodError("a number is too long")
        self.left -= zeros
        return self.read(zeros + 1) - 1

    def signed(self) -> int:
        """A signed Exp-Golomb number, se(v).

        Raises:
            NotUnderstoodError: As for `unsigned`.
        """
        code = self.unsigned()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def at_most(self, limit: int, what: str) -> int:
        """An Exp-Golomb number that has a bound.

        Raises:
            NotUnderstoodError: If it is larger.
        """
        number = self.unsigned()
        if number > limit:
            raise NotUnderstoodError(f"{what} is {number}, more than {limit}")
        return number
