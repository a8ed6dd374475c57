"""HDR and wide-gamut pixels as SDR shows them: BT.709 colours, 8 bits. Pure arithmetic.

A display's light is the measure in between: 1.0 is SDR's white, which stands at 203 cd/m2 in
HDR (ITU-R BT.2408). Up to about 90 cd/m2 a colour comes out as its SDR twin; what is brighter
is compressed, so that 203 cd/m2 comes out as 231 of 255, and 1,000 cd/m2 as white.
"""

from __future__ import annotations

import functools

import numpy as np

SDR_WHITE = 203.0
"""SDR's white among HDR's lights, cd/m2."""

PEAK = 1000.0
"""Brighter than this is white, cd/m2; what HDR is graded for, and nominal for HLG."""

_SDR_GAMMA = 2.4
_HLG_SYSTEM_GAMMA = 1.2
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)


PQ, HLG = 16, 18
"""How light became signal, as a code point of ITU-T H.273; all others count as SDR."""

BT709, BT2020, DISPLAY_P3 = 1, 9, 12
"""What pure red, green and blue are, likewise."""

_CHROMATICITIES = {
    BT709: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    BT2020: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    DISPLAY_P3: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_D65 = (0.3127, 0.3290)


def needs_mapping(transfer: int, primaries: int) -> bool:
    """Whether pixels with these tags look wrong on an SDR display as they are."""
    return transfer in (PQ, HLG) or primaries in (BT2020, DISPLAY_P3)


def to_sdr(signal: np.ndarray, transfer: int, primaries: int) -> np.ndarray:
    """Map pixels to SDR.

    Highlights by the EETF of ITU-R BT.2390 (section 5.4.1) on the brightest channel, so
    that hues stay; colours that BT.709 does not have are cut off channel by channel.

    Args:
        signal: (h, w, 3), R'G'B' of 16 bits, full range.
        transfer: Code point of H.273.
        primaries: Likewise; HDR that does not say is BT.2020.

    Returns:
        (h, w, 3), 8 bits a channel, for a display of gamma 2.4 (ITU-R BT.1886).
    """
    light = _light_of(transfer)[signal]
    if transfer == HLG:
        scene = light @ _BT2020_LUMA
        light *= (PEAK / SDR_WHITE) * scene[..., None] ** (_HLG_SYSTEM_GAMMA - 1)
    if transfer in (PQ, HLG):
        light *= _compression(light.max(axis=-1))[..., None]
        primaries = primaries if primaries in _CHROMATICITIES else BT2020
    light = light @ _to_bt709(primaries).T
    shown = np.clip(light, 0.0, 1.0) ** (1 / _SDR_GAMMA)
    return np.rint(shown * 255.0).astype(np.uint8)


@functools.cache
def _to_bt709(primaries: int) -> np.ndarray:
    """The matrix from linear light of these primaries to that of BT.709."""
    matrix = np.linalg.inv(_to_xyz(BT709)) @ _to_xyz(primaries)
    return matrix.astype(np.float32)


def _to_xyz(primaries: int) -> np.ndarray:
    """The matrix from linear light to CIE XYZ, white being D65 (SMPTE RP 177)."""
    x, y = np.array([*_CHROMATICITIES[primaries], _D65]).T
    columns = np.array([x / y, np.ones(4), (1 - x - y) / y])
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])


@functools.cache
def _light_of(transfer: int) -> np.ndarray:
    """The light of each 16-bit signal: display light, but for HLG the scene's, 0 to 1."""
    signal = np.arange(1 << 16) / 65535.0
    if transfer == PQ:
        light = pq_light(signal) / SDR_WHITE
    elif transfer == HLG:
        light = hlg_scene_light(signal)
    else:
        light = signal**_SDR_GAMMA
    return light.astype(np.float32)


def _compression(brightest: np.ndarray) -> np.ndarray:
    """By what to multiply a pixel's light, from that of its brightest channel."""
    peak = pq_signal(PEAK)
    most = pq_signal(SDR_WHITE) / peak
    knee = 1.5 * most - 0.5
    gain = np.ones_like(brightest)
    over = brightest > pq_light(knee * peak) / SDR_WHITE
    light = brightest[over]
    place = (np.minimum(pq_signal(light * SDR_WHITE) / peak, 1.0) - knee) / (1.0 - knee)
    square, cube = place**2, place**3
    bent = (
        (2 * cube - 3 * square + 1) * knee
        + (cube - 2 * square + place) * (1 - knee)
        + (3 * square - 2 * cube) * most
    )
    gain[over] = pq_light(bent * peak) / SDR_WHITE / light
    return gain


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_light(signal: np.ndarray | float) -> np.ndarray:
    """PQ's EOTF (SMPTE ST 2084): cd/m2 of a signal from 0 to 1."""
    root = np.power(signal, 1 / _M2)
    return 10_000 * np.power(np.maximum(root - _C1, 0) / (_C2 - _C3 * root), 1 / _M1)


def pq_signal(light: np.ndarray | float) -> np.ndarray:
    """The inverse of `pq_light`."""
    root = np.power(np.asarray(light) / 10_000, _M1)
    return np.power((_C1 + _C2 * root) / (1 + _C3 * root), _M2)


_A = 0.17883277
_B, _C = 1 - 4 * _A, 0.5 - _A * np.log(4 * _A)


def hlg_scene_light(signal: np.ndarray) -> np.ndarray:
    """HLG's inverse OETF (ITU-R BT.2100): the scene's light of a signal, both 0 to 1."""
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
