"""Which of the frames that a decoder gives are what was recorded.

After a jump, and after damage, a decoder lacks pictures that later ones are built on. It shows
something all the same and marks at most the first of them. Here a frame counts if a picture
that is coded by itself comes before it and nothing damaged in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from av.video.frame import PictureType

_ITSELF = (PictureType.I, PictureType.SI)


@dataclass(frozen=True)
class _Picture:
    """What is known of a packet.

    Attributes:
        place: In the order of decoding.
        pts: When it is shown; None if the container does not say.
        latest: The latest pts up to this packet.
        is_keyframe: Whether decoding can begin here, as the container has it.
        is_wanted: Whether its frame is asked for.
        is_due: Whether a frame must come of it, lest it be damaged.
        is_stand_in: Whether the decoder was given its header alone.
    """

    place: int
    pts: int | None = None
    latest: int | None = None
    is_keyframe: bool = False
    is_wanted: bool = False
    is_due: bool = False
    is_stand_in: bool = False

    def is_after(self, other: _Picture) -> bool:
        """Whether it may be built on the other, but on nothing from before that."""
        if self.pts is None or other.pts is None:
            return self.place >= other.place
        return self.place >= other.place and self.pts >= other.pts


_START = _Picture(-1)

_LEAST_BYTES = 20
"""Of fewer no frame need come: they may say that nothing has changed."""


class Trust:
    """Judges frames on their way out of a decoder.

    A picture may refer to one that is shown later, of which it is known only when it comes out
    whether it was damaged. Until then wanted frames are held back; others are never given.

    Attributes:
        shows_every_picture: Whether the codec has no pictures that are never shown, and what
            does not come out is lost; to be set before anything is fed.
        lacked_a_start: Whether decoding ever began at a keyframe that was none, as in a video
            that is refreshed bit by bit: its frames are right only from the very start.
        lost_stand_in: Whether ever no frame came of a picture of which the decoder was given
            the header alone: it may not have taken notice of it.
        is_damaged: Whether anything was damaged since the decoder was last empty.
    """

    def __init__(self) -> None:
        self.shows_every_picture = False
        self.lacked_a_start = False
        self.lost_stand_in = False
        self._begin()

    def _begin(self) -> None:
        self.is_damaged = False
        self._last: _Picture | None = None
        self._inside: dict[int | None, _Picture] = {}
        self._clean: list[_Picture] = []
        self._damaged: list[_Picture] = []
        self._held: list[tuple[Any, _Picture]] = []
        self._has_worked = False
        self._has_due = False
        self._torn_in: int | None = None

    def feed(
        self, packet: Any, *, wanted: bool, is_first: bool, is_stand_in: bool = False
    ) -> None:
        """The decoder is given a packet (``av.Packet``); the stream's very first, perhaps.

        Or of the packet only what marks its picture as held: that must come out all the same.
        """
        last = self._last
        if last is None and is_first:
            self._clean.append(_START)
        latest = packet.pts
        if last is not None and last.latest is not None and latest is not None:
            latest = max(latest, last.latest)
        place = 0 if last is None else last.place + 1
        is_due = packet.pts is not None and packet.size >= _LEAST_BYTES
        is_due = is_due and self.shows_every_picture and not packet.is_discard
        picture = _Picture(
            *(place, packet.pts, latest, packet.is_keyframe and not is_stand_in, wanted),
            *(is_due or is_stand_in, is_stand_in),
        )
        self._has_due = self._has_due or picture.is_due
        self._last = self._inside[packet.pts] = picture
        self.pass_by(packet)
        if self._torn_in == 0:
            self._torn_in = None
            self._is_broken(_Picture(place - 1))  # And whatever comes after it.
        if packet.is_discard and picture.is_keyframe:
            self._clean.append(picture)  # It does not come out.

    def tear(self) -> None:
        """Something is missing in the stream behind the packet read last, or the one after.

        Where streams were joined nothing is: a keyframe follows.
        """
        self._torn_in = 2

    def pass_by(self, packet: Any) -> None:
        """The next packet (``av.Packet``) was read, whether the decoder is given it or not."""
        if packet.is_keyframe:
            self._torn_in = None
        elif self._torn_in:
            self._torn_in -= 1

    def fail(self) -> None:
        """The packet that was fed last could not be decoded."""
        # What a stream begins with that was cut out of a longer one is not damaged.
        last, is_start = self._last, not self._has_worked and self._clean == [_START]
        if last is not None and (last.is_keyframe or not is_start):
            self._is_broken(last)

    def _is_broken(self, picture: _Picture) -> None:
        self._damaged.append(picture)
        self.is_damaged = True

    def sift(self, frames: list[Any]) -> list[Any]:
        """Frames come out (``av.VideoFrame``); answers those that are certain to be right."""
        self._has_worked = True
        for frame in frames:
            picture = self._inside.get(frame.pts)
            if picture is None:
                continue
            if frame.pts is not None:
                del self._inside[frame.pts]
            if frame.pts is not None:
                self._miss(frame.pts)
            if picture.is_stand_in:
                continue
            if frame.is_corrupt:
                self._is_broken(picture)
            elif frame.key_frame or (picture.is_keyframe and frame.pict_type in _ITSELF):
                self._begin_at(picture)
            if picture.is_wanted:
                self._held.append((frame, picture))
        return self._release(frames[-1].pts) if frames else []

    def _miss(self, shown: int | None) -> None:
        """A frame is shown; None stands for the end: earlier ones do not come any more."""
        for picture in list(self._inside.values()) if self._has_due else ():
            if not picture.is_due or picture.pts is None:
                continue
            if shown is None or picture.pts < shown:
                del self._inside[picture.pts]
                self._is_broken(picture)
                self.lost_stand_in = self.lost_stand_in or picture.is_stand_in

    def _begin_at(self, picture: _Picture) -> None:
        if picture.pts is None:
            return  # Frames are told apart by their order: after a loss they cannot be.
        self._clean.append(picture)
        if not self._held:
            # Nothing from before it comes out any more.
            self._clean = [picture]
            self._damaged = [other for other in self._damaged if other.place >= picture.place]
            later = self._inside.values()
            self._inside = {one.pts: one for one in later if one.is_after(picture)}

    def end(self) -> list[Any]:
        """The decoder is empty: answers what was held, if it is right, and begins anew."""
        self._miss(None)
        rest = self._release(None)
        if self._last is not None and not self._clean and not self.is_damaged:
            self.lacked_a_start = True
        self._begin()
        return rest

    def _release(self, shown: int | None) -> list[Any]:
        """Frames that refer to nothing later than what is shown; None stands for the end."""
        given, self._held = self._held, []
        released = []
        for frame, picture in given:
            if shown is not None and picture.latest is not None and picture.latest > shown:
                self._held.append((frame, picture))
            elif self._is_right(picture):
                released.append(frame)
        return released

    def _is_right(self, picture: _Picture) -> bool:
        if picture.pts is None:
            return not self.is_damaged
        base = next((one for one in reversed(self._clean) if picture.is_after(one)), None)
        return base is not None and not any(
            base.place <= one.place <= picture.place and one.is_after(base)
            for one in self._damaged
        )
