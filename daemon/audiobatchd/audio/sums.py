"""The sum of several files, view by view, which grows while they are decoded one after the other.

Mixing to mono and resampling are linear: each file's own view is added, so that no two files are held at a time, and
files of different rates and lengths add up. Shorter ones end in zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from audiobatchd.audio.blocks import Block
from audiobatchd.audio.views import NO_RESULTS, AudioBase, Powers, Resampler, ResultValue, Samples, mixed
from audiobatchd.plugin_api import NATIVE, View

_PIECE = 1 << 22
"""Frames of a piece of memory behind the first one."""
_SPARE = 1 << 16
"""Frames for which there is room beyond what is promised: a file may hold a little more."""
_SAMPLE = np.dtype(np.float32).itemsize
_MONO = ("FC",)
_BLOCK = 1 << 18


class Accumulator:
    """Sum of files in one `view`, which is mono and has a rate."""

    def __init__(self, view: View) -> None:
        assert view.mono
        assert view.rate is not None
        self._rate = view.rate
        self._pieces: list[Samples] = []
        self._length = 0
        """Frames of the longest file so far."""
        self._place = 0
        """Frames of the file that is being added."""
        self._resampler: Resampler | None = None

    def begin(self, rate: int, promised: float | None) -> None:
        """Begin to add a file at `rate` Hz, of which the length in seconds may be `promised`."""
        self._place = 0
        self._resampler = None if rate == self._rate else Resampler(rate, self._rate, 1)
        if not self._pieces:
            self._pieces.append(_zeros(int((promised or 0.0) * self._rate) + _SPARE))

    def feed(self, mono: Samples) -> None:
        """Add the next samples of the file in mono, of shape (frames, 1)."""
        self._add((mono if self._resampler is None else self._resampler(mono))[:, 0])

    def end(self) -> None:
        """End the file: what the resampler still holds of it is added."""
        if self._resampler is not None:
            self._add(self._resampler.rest()[:, 0])
        self._resampler = None

    def held(self) -> int:
        """Bytes that hold samples."""
        return self._length * _SAMPLE

    def whole(self) -> Samples:
        """Give the sum, and keep none of it."""
        pieces, self._pieces = self._pieces, []
        if len(pieces) == 1:
            return pieces[0][: self._length]
        whole = np.empty(self._length, np.float32)
        start = 0
        while pieces:
            piece = pieces.pop(0)  # freed when it was copied
            count = min(len(piece), self._length - start)
            whole[start : start + count] = piece[:count]
            start += count
        return whole

    def _add(self, samples: Samples) -> None:
        start = 0  # of a piece
        for number in range(len(self._pieces) + 1 + len(samples) // _PIECE):
            if not len(samples):
                break
            if number == len(self._pieces):
                self._pieces.append(_zeros(_PIECE))
            piece = self._pieces[number]
            if self._place < start + len(piece):
                here = self._place - start
                count = min(len(samples), len(piece) - here)
                piece[here : here + count] += samples[:count]
                samples = samples[count:]
                self._place += count
            start += len(piece)
        self._length = max(self._length, self._place)


def _zeros(frames: int) -> Samples:
    """Address space, which is no memory yet; less where a lying header asks for more than a machine can have."""
    try:
        return np.zeros(max(1, frames), np.float32)
    except MemoryError:
        return np.zeros(_PIECE, np.float32)


class Sum:
    """Sum of files in several `views`."""

    def __init__(self, views: Iterable[View]) -> None:
        self._parts = {view: Accumulator(view) for view in views}
        self._channels: tuple[str, ...] = ()
        self._file_rate = 0
        self._frames = 0
        """Frames of the file that is being added, at its own rate."""
        self.rate = 0
        """The highest rate of a file in Hz."""
        self.seconds = 0.0
        """Length of the longest file."""

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:
        """Begin to add a file; see `decode.Receiver`."""
        self._channels, self._file_rate, self._frames = channels, rate, 0
        for part in self._parts.values():
            part.begin(rate, promised)

    def feed(self, block: Block) -> None:
        """Add the next samples of the file, of shape (frames, channels)."""
        self._frames += len(block)
        mono = mixed(block, self._channels)
        for part in self._parts.values():
            part.feed(mono)

    def end(self) -> None:
        """End the file, which is whole."""
        for part in self._parts.values():
            part.end()
        self.rate = max(self.rate, self._file_rate)
        self.seconds = max(self.seconds, self._frames / self._file_rate)

    def keep(self, views: Iterable[View]) -> None:
        """Free all but these `views`."""
        kept = set(views)
        self._parts = {view: part for view, part in self._parts.items() if view in kept}

    def held(self) -> int:
        """Bytes that hold samples."""
        return sum(part.held() for part in self._parts.values())

    def views(self) -> dict[View, Samples]:
        """Give the whole sum, and keep none of it."""
        views = {view: part.whole() for view, part in self._parts.items()}
        self._parts.clear()
        return views


class Summed(AudioBase):
    """Sum of files, as an analyzer is handed it as `plugin_api.Audio`."""

    def __init__(self, role: str, views: Mapping[View, Samples], rate: int, seconds: float) -> None:
        super().__init__()
        self.role = role
        self.rate = rate
        self.channels = _MONO
        self.duration = seconds
        for samples in views.values():
            samples.flags.writeable = False
        self._views = dict(views)
        self._declared: frozenset[View] = frozenset()
        self._powers: tuple[float, ...] | None = None

    @property
    def powers(self) -> tuple[float, ...]:
        """See `plugin_api.Audio.powers`."""
        if self._powers is None:
            if not self._views:
                message = "the sum has no view left to take its powers from"
                raise LookupError(message)
            view = max(self._views, key=lambda each: each.rate or 0)
            samples = self._views[view]
            found = Powers(view.rate or self.rate, 1)
            for start in range(0, len(samples), _BLOCK):
                found.add(samples[start : start + _BLOCK, np.newaxis])
            self._powers = found.largest()
        return self._powers

    def view(self, view: View = NATIVE) -> Samples:
        """See `plugin_api.Audio.view`."""
        if view not in self._declared:
            message = f"the analyzer has not declared that it reads {view}"
            raise LookupError(message)
        return self._views[view]

    def turn(
        self, declared: Iterable[View], later: Iterable[View], results: Mapping[str, ResultValue] = NO_RESULTS
    ) -> None:
        """Begin the turn of an analyzer; see `views.Decoded.turn`."""
        self._declared, self._results = frozenset(declared), results
        needed = self._declared | frozenset(later)
        if self._views.keys() - needed:
            self.powers  # noqa: B018  # of the same view for all
        self._views = {view: samples for view, samples in self._views.items() if view in needed}
