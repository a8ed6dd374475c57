"""Files changed as accidents and attackers change them; each by its seed and number alone."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.media import MediaKind
from tests.fuzz.corpus import Seed
from tests.fuzz.layout import Length, Piece, pieces

HEADER_BYTES = 64
"""Where numbers that are set to extremes lie, from the start of a piece."""

MOST_BYTES = 1 << 20
"""Of a mutant."""

SHARE_MISTAKEN = 0.03
"""Of inputs that are taken for the other kind, by their names."""


@dataclass(frozen=True)
class Mutant:
    """A changed file.

    Attributes:
        form: Of the file that it was.
        kind: What it is taken for.
        data: Its bytes.
        how: What was done to what, in words.
    """

    form: str
    kind: MediaKind
    data: bytes
    how: str


def mutant(seeds: Sequence[Seed], seed: int, number: int) -> Mutant:
    """One mutant; the same for the same arguments.

    Args:
        seeds: What is mutated.
        seed: Of the draws.
        number: Which one.
    """
    draw, form = _begin(seeds, seed, number)
    base = draw.choice([one for one in seeds if one.form == form])
    other = draw.choice([one for one in seeds if one.form == form or draw.random() < 0.1])
    data, done = bytearray(base.data), []
    while not done or (len(done) < 6 and draw.random() < 0.4):
        change = draw.choice(_CHANGES)
        change(data, base, other, draw)
        del data[MOST_BYTES:]
        done.append(change.__name__.strip("_"))
    if form == "png" and draw.random() < 0.7:
        _mend_checksums(data)
    kind = base.kind
    is_animation = form in ("gif", "png", "webp", "avif") and draw.random() < 0.4
    if is_animation or draw.random() < SHARE_MISTAKEN:
        kind = MediaKind.VIDEO if kind is MediaKind.IMAGE else MediaKind.IMAGE
    return Mutant(form, kind, bytes(data), f"{base.name}: {', '.join(done)} ({other.name})")


def form_of(seeds: Sequence[Seed], seed: int, number: int) -> str:
    """Which format a mutant was of."""
    return _begin(seeds, seed, number)[1]


def _begin(seeds: Sequence[Seed], seed: int, number: int) -> tuple[random.Random, str]:
    draw = random.Random(f"{seed} {number}")
    return draw, draw.choice(sorted({one.form for one in seeds}))


def _some(data: bytearray, form: str, draw: random.Random) -> Piece:
    """A piece of the file as it is now; any stretch of it if it has none."""
    found = pieces(bytes(data), form) if len(data) > 16 else []
    if found and draw.random() < 0.85:
        return draw.choice(found)
    start = draw.randint(0, len(data))
    return Piece(start, min(len(data), start + draw.choice((1, 4, 16, 200, 4000))))


def _flip_bytes(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 1, 2, 4, 16, 64))):
        if data:
            data[draw.randrange(len(data))] = draw.randrange(256)


def _flip_bits(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    piece = _some(data, base.form, draw)
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = piece.start + draw.randrange(min(HEADER_BYTES, max(1, piece.end - piece.start)))
        if at < len(data):
            data[at] ^= 1 << draw.randrange(8)


def _set_length(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    length = _some(data, base.form, draw).length
    if length is not None and length.at + length.width <= len(data):
        length.write(data, _extreme(length, data, draw))


def _set_number(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    piece = _some(data, base.form, draw)
    at = piece.start + draw.randrange(min(HEADER_BYTES, max(1, piece.end - piece.start)))
    number = Length(at, draw.choice((1, 2, 4, 8)), draw.choice(("big", "little")))
    if at + number.width <= len(data):
        number.write(data, _extreme(number, data, draw))


def _extreme(length: Length, data: bytearray, draw: random.Random) -> int:
    there, most = length.read(data), length.most
    near = (there - 1, there + 1, there * 2, there // 2, len(data), len(data) - length.at)
    powers = (1 << draw.randrange(8 * length.width), most >> 1, (most >> 1) + 1)
    return draw.choice((0, 1, 7, most, most - 1, most - 7, *powers, *near))


def _duplicate(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    piece = _some(data, base.form, draw)
    times = draw.choice((1, 1, 2, 30))
    _replace(data, piece.end, piece.end, data[piece.start : piece.end] * times, piece, draw)


def _remove(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    piece = _some(data, base.form, draw)
    _replace(data, piece.start, piece.end, b"", piece, draw)


def _swap(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    one, two = sorted(
        (_some(data, base.form, draw) for _ in range(2)), key=lambda piece: piece.start
    )
    if one.end <= two.start:
        first, second = data[one.start : one.end], data[two.start : two.end]
        data[one.start : two.end] = second + data[one.end : two.start] + first


def _truncate(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    piece = _some(data, base.form, draw)
    del data[draw.choice((piece.start, piece.end, draw.randint(0, len(data)))) :]


def _splice(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    """The beginning of one file, and the end of another."""
    strange = bytearray(other.data)
    data[_some(data, base.form, draw).start :] = strange[
        _some(strange, other.form, draw).start :
    ]


def _transplant(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    """A piece of another file in the place of one of this."""
    strange = bytearray(other.data)
    taken = _some(strange, other.form, draw)
    piece = _some(data, base.form, draw)
    _replace(data, piece.start, piece.end, strange[taken.start : taken.end], piece, draw)


def _behead(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    """The header of this file on the body of another."""
    at = draw.choice((4, 8, 12, 16, 32, 64, 128, 512))
    data[at:] = other.data[at:]


def _insert(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    piece = _some(data, base.form, draw)
    count = draw.choice((1, 2, 3, 4, 8, 100, 5000))
    new = draw.choice((bytes(count), b"\xff" * count, draw.randbytes(count)))
    _replace(data, piece.start, piece.start, new, piece, draw)


def _blank(data: bytearray, base: Seed, other: Seed, draw: random.Random) -> None:
    piece = _some(data, base.form, draw)
    start = draw.randint(piece.start, max(piece.start, piece.end))
    stop = min(piece.end, start + draw.choice((2, 16, 500, 1 << 20)), len(data))
    data[start:stop] = draw.choice((b"\x00", b"\xff")) * max(0, stop - start)


def _replace(
    data: bytearray,
    start: int,
    end: int,
    new: bytes | bytearray,
    piece: Piece,
    draw: random.Random,
) -> None:
    """Exchange some bytes; the lengths of what holds them follow, or do not."""
    grown = len(new) - (min(end, len(data)) - start)
    data[start:end] = new
    if draw.random() < 0.7:
        for length in piece.inside:
            length.write(data, length.read(data) + grown)


def _mend_checksums(data: bytearray) -> None:
    """Make the checksums of a PNG right, so that readers look at what is in its chunks."""
    for piece in pieces(bytes(data), "png"):
        if piece.end - piece.start >= 12:
            checksum = zlib.crc32(data[piece.start + 4 : piece.end - 4])
            data[piece.end - 4 : piece.end] = checksum.to_bytes(4, "big")


_CHANGES: tuple[Callable[[bytearray, Seed, Seed, random.Random], None], ...] = (
    _flip_bytes,
    _flip_bits,
    _set_length,
    _set_number,
    _set_number,
    _duplicate,
    _remove,
    _swap,
    _truncate,
    _splice,
    _transplant,
    _behead,
    _insert,
    _blank,
)
