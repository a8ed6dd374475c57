"""The time of transport streams that were joined end to end."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

_LEAST_BACK_S = 1
"""By less, time does not go back: packets may be out of order a little."""

_MOST_AHEAD_S = 3600
"""By more, it does not go ahead; FFmpeg takes a step back for 26 hours ahead, at times."""


class Clock:
    """Lets a stream's time go on where it begins anew, so that no two frames have the same.

    Shorter gaps stay: a camera may have had nothing to record.

    Args:
        tick_s: Seconds of one tick.
    """

    def __init__(self, tick_s: Fraction) -> None:
        self._back, self._ahead_most = _LEAST_BACK_S / tick_s, _MOST_AHEAD_S / tick_s
        self._ahead = 0
        self._last: int | None = None
        self._step = 1

    def set(self, packet: Any) -> None:
        """Correct the times of the next packet (``av.Packet``) in the order of decoding."""
        if packet.dts is None:
            return
        dts, last = packet.dts + self._ahead, self._last
        if last is not None:
            if not -self._back <= dts - last <= self._ahead_most:
                self._ahead += last + self._step - dts
                dts = last + self._step
            elif dts > last:
                self._step = dts - last
        self._last = dts
        packet.dts = dts
        if packet.pts is not None:
            packet.pts += self._ahead
