"""Which earlier picture one nearly looks like, among millions, with what it needs on disk.

The hash is cut into four bands of 16 bits. Two hashes that differ in d bits differ in at most
d // 4 bits of one of the bands, or else there would be more: so all that is within d is found
by looking up, band by band, the few values that are so near. This is multi-index hashing of
M. Norouzi, A. Punjani and D. J. Fleet, "Fast Search in Hamming Space with Multi-Index Hashing"
(2012), with their closer bound: with d = 4 r + a, r bits in the first a + 1 bands, and r - 1 in
the others, are enough.
"""

from __future__ import annotations

import sqlite3
from itertools import combinations

from operators.looks import BITS, Look

BANDS = 4
BAND_BITS = BITS // BANDS


class NearIndex:
    """The pictures so far that look like none before, in groups that do not mix.

    Not thread-safe. What it holds lies in a temporary file that nobody else sees, and that is
    gone with the process however that ends; SQLite puts it where TMPDIR says.

    Args:
        distance: Most bits in which the hashes of two pictures that look alike differ.
    """

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._changes = [_changes(radius) for radius in _radii(distance)]
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            """PRAGMA journal_mode = OFF;
            CREATE TABLE groups (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
            CREATE TABLE firsts (id INTEGER PRIMARY KEY, item TEXT, look BLOB);
            CREATE TABLE bands (of_group INTEGER, band INTEGER, bits INTEGER, first INTEGER,
                PRIMARY KEY (of_group, band, first)) WITHOUT ROWID;"""
        )
        columns = ", ".join("?" * sum(len(changes) for changes in self._changes))
        self._near = (
            f"SELECT DISTINCT first, bits FROM bands WHERE of_group = ? AND band IN ({columns})"
        )

    def first_like(self, group: str, item_id: str, look: Look) -> tuple[str, int]:
        """The first picture of a group that looks like this one; this one, if none does.

        Args:
            group: Only its pictures may be alike.
            item_id: Of the picture.
            look: Its look.

        Returns:
            The nearest of those that were first themselves, of several the earliest; and how
            many bits of the hash lie between. Who asks again gets itself if it was itself.
        """
        group_id = self._group(group)
        found = [(distance, first) for first, distance in self._within(group_id, look)]
        alike: tuple[str, int] | None = None
        for distance, first in sorted(found):
            if alike is not None and distance:
                break
            name, data = self._first(first)
            if name == item_id:
                return item_id, 0
            if alike is None and look.has_tints_of(Look.from_bytes(data)):
                alike = name, distance
        if alike is not None:
            return alike
        self._add(group_id, item_id, look)
        return item_id, 0

    def _within(self, group_id: int, look: Look) -> list[tuple[int, int]]:
        """The numbers of all firsts within the distance, with theirs."""
        asked = [
            number << BAND_BITS | (value ^ change)
            for number, value in enumerate(_bands(look.bits))
            for change in (self._changes[number] if number < len(self._changes) else ())
        ]
        candidates = self._database.execute(self._near, (group_id, *asked))
        own = _signed(look.bits)
        mask = (1 << BITS) - 1
        return [
            (first, distance)
            for first, bits in candidates
            if (distance := ((own ^ bits) & mask).bit_count()) <= self._distance
        ]

    def _group(self, name: str) -> int:
        find = "SELECT id FROM groups WHERE name = ?"
        found = self._database.execute(find, (name,)).fetchone()
        if found is not None:
            return int(found[0])
        made = self._database.execute("INSERT INTO groups (name) VALUES (?)", (name,))
        return int(made.lastrowid or 0)

    def _first(self, number: int) -> tuple[str, bytes]:
        find = "SELECT item, look FROM firsts WHERE id = ?"
        name, data = self._database.execute(find, (number,)).fetchone()
        return name, data

    def _add(self, group_id: int, item_id: str, look: Look) -> None:
        made = self._database.execute(
            "INSERT INTO firsts (item, look) VALUES (?, ?)", (item_id, look.to_bytes())
        )
        rows = [
            (group_id, number << BAND_BITS | value, _signed(look.bits), made.lastrowid)
            for number, value in enumerate(_bands(look.bits))
        ]
        self._database.executemany("INSERT INTO bands VALUES (?, ?, ?, ?)", rows)


def _bands(bits: int) -> list[int]:
    return [(bits >> BAND_BITS * number) & ((1 << BAND_BITS) - 1) for number in range(BANDS)]


def _radii(distance: int) -> list[int]:
    """In how many bits at most each band is to differ; bands that are not to are left out."""
    least, more = divmod(distance, BANDS)
    return [least] * (more + 1) + ([least - 1] * (BANDS - more - 1) if least else [])


def _changes(radius: int) -> list[int]:
    """All that a band may be XORed with to change at most `radius` bits."""
    return [
        sum(1 << place for place in places)
        for count in range(radius + 1)
        for places in combinations(range(BAND_BITS), count)
    ]


def _signed(bits: int) -> int:
    """As SQLite holds 64 bits."""
    return bits - (1 << BITS) if bits >> (BITS - 1) else bits
