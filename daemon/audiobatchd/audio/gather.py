"""Gathering the views that analyzers read, while a file is decoded block by block.

Views that can be made of others are made later, by `Decoded`; what is gathered here is all of the file's length that is
held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from audiobatchd.audio.blocks import Block
from audiobatchd.audio.views import Decoded, Gathered, Powers, Resampler, Samples, mixed, roots, sources
from audiobatchd.plugin_api import NATIVE, View

_PIECE = 1 << 22
"""Frames of a piece of memory behind the first one."""
_UNPROMISED_SECONDS = 600.0
_SPARE = 1 << 16
"""Frames for which there is room beyond what is promised: a file may hold a little more."""


class Gatherer:
    """Gathers `views` of one file, whose length in seconds is `promised`, if it promises any."""

    def __init__(
        self, role: str, rate: int, channels: tuple[str, ...], views: Iterable[View], promised: float | None
    ) -> None:
        self._role = role
        self._rate = rate
        self._channels = channels
        self._frames = 0
        self._seconds = _UNPROMISED_SECONDS if promised is None else promised
        self._gathered: dict[View, _Gathering] = {}
        self._powers: Powers | None = None
        """There where nothing else can tell them."""
        self.keep(views)

    def feed(self, block: Block) -> None:
        """Take in the next samples, of shape (frames, channels)."""
        self._frames += len(block)
        if self._powers is not None:
            self._powers.add(block)
        mono = mixed(block, self._channels) if any(view.mono for view in self._gathered) else block
        for view, gathering in self._gathered.items():
            gathering.add(mono if view.mono else block)

    def keep(self, views: Iterable[View]) -> None:
        """Gather these `views` alone from now on, some of those that were wanted before, and free the others."""
        before, self._gathered = self._gathered, {}
        for view in roots(views, self._rate):
            self._gathered[view] = before.get(view) or self._begun(view, before)
        native = NATIVE in self._gathered
        if len(self._channels) > 1 and not native and any(view.mono for view in self._gathered) and not self._powers:
            self._powers = Powers(self._rate, len(self._channels))
            for block in before[NATIVE].blocks() if before else ():
                self._powers.add(block)

    def _begun(self, view: View, before: Mapping[View, _Gathering]) -> _Gathering:
        """Begin to gather a view, with what it has in common with one that was gathered `before`."""
        gathering = _Gathering(view, self._rate, self._channels, self._seconds)
        for source in sources(view) & before.keys():
            for block in before[source].blocks():
                gathering.add(block if source.mono or not view.mono else mixed(block, self._channels))
            break
        return gathering

    def decoded(self) -> Decoded:
        """Give the whole file, once. Nothing can be fed behind it."""
        views = {view: self._gathered.pop(view).whole() for view in list(self._gathered)}
        powers = None if self._powers is None else self._powers.largest()
        return Decoded(self._role, Gathered(views, self._frames, powers), self._rate, self._channels)


class _Gathering:
    """One view so far."""

    def __init__(self, view: View, rate: int, channels: tuple[str, ...], seconds: float) -> None:
        self._is_mono = view.mono
        columns = 1 if view.mono else len(channels)
        self._resampler = None if view.rate is None else Resampler(rate, view.rate, columns)
        self._whole = _Growing(columns, int(seconds * (view.rate or rate)) + _SPARE)

    def add(self, block: Block) -> None:
        """Take in the next samples of the file, mixed where the view is mono."""
        self._whole.add(block if self._resampler is None else self._resampler(block))

    def blocks(self) -> Iterator[Samples]:
        """Give the samples so far, of a view at the file's own rate."""
        return self._whole.blocks()

    def whole(self) -> Samples:
        if self._resampler is not None:
            self._whole.add(self._resampler.rest())
        samples = self._whole.samples()
        return samples[0] if self._is_mono else samples.T


class _Growing:
    """Array of shape (columns, frames) that grows at its end, without ever being there twice."""

    def __init__(self, columns: int, capacity: int) -> None:
        self._columns = columns
        self._pieces = [_reserved(columns, capacity)]
        self._filled = 0
        """Frames in the last piece."""

    def add(self, block: Block) -> None:
        """Append samples of shape (frames, columns)."""
        place = 0
        while place < len(block):
            if self._filled == self._pieces[-1].shape[1]:
                self._pieces.append(np.empty((self._columns, _PIECE), np.float32))
                self._filled = 0
            end = min(self._filled + len(block) - place, self._pieces[-1].shape[1])
            count = end - self._filled
            self._pieces[-1][:, self._filled : end] = block[place : place + count].T
            self._filled, place = end, place + count

    def blocks(self) -> Iterator[Samples]:
        """Its pieces, of shape (frames, columns)."""
        yield from (piece.T for piece in self._pieces[:-1])
        yield self._pieces[-1][:, : self._filled].T

    def samples(self) -> Samples:
        """Give what was gathered, and keep none of it."""
        self._pieces[-1] = self._pieces[-1][:, : self._filled]
        if len(self._pieces) == 1:
            return self._pieces.pop()
        whole = np.empty((self._columns, sum(piece.shape[1] for piece in self._pieces)), np.float32)
        start = 0
        while self._pieces:
            piece = self._pieces.pop(0)  # freed when it was copied
            whole[:, start : start + piece.shape[1]] = piece
            start += piece.shape[1]
        return whole


def _reserved(columns: int, capacity: int) -> Samples:
    """Address space, which is no memory yet; less where a lying header asks for more than a machine can have."""
    try:
        return np.empty((columns, max(1, capacity)), np.float32)
    except MemoryError:
        return np.empty((columns, min(capacity, _PIECE)), np.float32)
