"""ICC profiles made by code, and what colours mean in them."""

from __future__ import annotations

import io
import itertools
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms

Point = tuple[float, float]

_D65 = (0.3127, 0.3290)
_D50_XYZ = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


@dataclass(frozen=True)
class Space:
    """An RGB colour space: the chromaticities of its primaries, and its gamma.

    The white is D65.
    """

    name: str
    red: Point
    green: Point
    blue: Point
    gamma: float

    def to_d50(self) -> np.ndarray:
        """The 3 x 3 matrix from linear RGB to XYZ, adapted to D50."""
        columns = np.stack([_xyz(p) for p in (self.red, self.green, self.blue)], axis=1)
        white = _xyz(_D65)
        to_xyz = columns * np.linalg.solve(columns, white)
        cones = (_BRADFORD @ _D50_XYZ) / (_BRADFORD @ white)
        return np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD @ to_xyz


ADOBE_RGB = Space("Adobe", (0.64, 0.33), (0.21, 0.71), (0.15, 0.06), 563 / 256)
WIDE_P3 = Space("P3", (0.680, 0.320), (0.265, 0.690), (0.150, 0.060), 563 / 256)
_SRGB = Space("", (0.64, 0.33), (0.30, 0.60), (0.15, 0.06), 0.0)


def _xyz(point: Point) -> np.ndarray:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def in_srgb(space: Space, colour: tuple[int, int, int]) -> tuple[int, ...]:
    """What a colour of a space is in sRGB, by the two definitions; clipped to 0..255."""
    linear = (np.array(colour) / 255) ** space.gamma
    seen = np.linalg.solve(_SRGB.to_d50(), space.to_d50() @ linear).clip(0, 1)
    coded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return tuple(int(value) for value in np.rint(coded * 255))


def rgb_profile(space: Space) -> bytes:
    """The space as a version 2 matrix profile."""
    matrix = space.to_d50()
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(space.gamma * 256)) + bytes(2)
    tags = {
        b"desc": _description(space.name),
        b"wtpt": _xyz_tag(_D50_XYZ),
        **{name: _xyz_tag(matrix[:, n]) for n, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def swapped_inks_profile() -> bytes:
    """A profile of a press where the cyan ink is magenta, and the magenta one cyan."""
    corners = []
    for cyan, magenta, yellow, black in itertools.product((0, 255), repeat=4):
        light = 255 - black
        seen = (light * (255 - magenta) // 255, light * (255 - cyan) // 255)
        corners.append((*seen, light * (255 - yellow) // 255))
    row = Image.fromarray(np.array([corners], np.uint8))
    lab = ImageCms.profileToProfile(
        row, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    # Pillow hands out a and b as signed numbers; profiles have them from 128 on.
    values = np.asarray(lab).astype(np.uint8) ^ np.array([0, 128, 128], np.uint8)
    straight = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (n in (0, 4, 8)) for n in range(9)))
    table = (
        b"mft1"
        + bytes(4)
        + bytes((4, 3, 2, 0))
        + identity
        + straight * 4
        + values.tobytes()
        + straight * 3
    )
    tags = {b"desc": _description("inks"), b"wtpt": _xyz_tag(_D50_XYZ), b"A2B0": table}
    return _profile(b"prtr", b"CMYK", b"Lab ", tags)


def _description(name: str) -> bytes:
    text = name.encode() + b"\x00"
    return b"desc" + struct.pack(">II", 0, len(text)) + text + bytes(78)


def _xyz_tag(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def _profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    place = 128 + 4 + 12 * len(tags)
    table, bodies = io.BytesIO(), io.BytesIO()
    for name, body in tags.items():
        padded = body + bytes(-len(body) % 4)
        table.write(name + struct.pack(">II", place + bodies.tell(), len(body)))
        bodies.write(padded)
    size = place + bodies.tell()
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, device, space, connection)
    header += (
        bytes(12)
        + b"acsp"
        + bytes(28)
        + struct.pack(">3i", *(round(v * 65536) for v in _D50_XYZ))
    )
    header = header.ljust(128, b"\x00")
    return header + struct.pack(">I", len(tags)) + table.getvalue() + bodies.getvalue()
