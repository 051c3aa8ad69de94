"""The forms of a decoded file that analyzers read: each made once, and freed after the last analyzer that reads it.

Derived views are made block by block, so that beside the views themselves nothing of the file's length is held. How a
file is cut into blocks alters no bit of them: soxr gives the same ones for all sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar, cast

import numpy as np
import soxr
from numpy.typing import NDArray

from audiobatchd.plugin_api import LOW_FREQUENCY, NATIVE, Value, View

Samples = NDArray[np.float32]
ResultValue = Value | bytes | None
"""Value of a feature of the folder, as `plugin_api.Audio.result` gives it."""
NO_RESULTS: Mapping[str, ResultValue] = MappingProxyType({})
_T = TypeVar("_T")

_BLOCK = 1 << 18
_MARGIN = 1 << 12
"""Frames that soxr may give beyond the ratio of the rates."""

_MONO = View(mono=True)
_SOURCES = {False: frozenset({NATIVE}), True: frozenset({NATIVE, _MONO})}

_QUALITY = "HQ"
_POWER_SECONDS = 0.4
"""Seconds over which `Decoded.powers` are taken: the block of ITU-R BS.1770."""


def plain(view: View, rate: int) -> View:
    """The same view of a file at `rate` Hz, without a rate that is the file's own."""
    return View(None, view.mono) if view.rate == rate else view


def sources(view: View) -> frozenset[View]:
    """Views of which this plain one can be made, itself left out."""
    return _SOURCES[view.mono] - {view}


def roots(views: Iterable[View], rate: int) -> frozenset[View]:
    """Pick the plain views, of `views` of a file at `rate` Hz, that cannot be made of others among them."""
    needed = {plain(view, rate) for view in views}
    return frozenset(view for view in needed if not needed & sources(view))


def size(view: View, rate: int, channels: int, seconds: float) -> int:
    """Bytes that a view of so many `seconds` of a file at `rate` Hz takes."""
    return int(seconds * (view.rate or rate)) * (1 if view.mono else channels) * np.dtype(np.float32).itemsize


@dataclass(frozen=True)
class Gathered:
    """Views of a file that were kept while it was decoded."""

    views: Mapping[View, Samples]
    """Plain views, of which all that are read can be made."""
    frames: int
    """Length of the file at its own rate."""
    powers: tuple[float, ...] | None = None
    """`Decoded.powers`, where they were taken meanwhile."""


class AudioBase:
    """Results and shared objects, which every `plugin_api.Audio` has beside its views."""

    def __init__(self) -> None:
        self._results: Mapping[str, ResultValue] = NO_RESULTS
        """Results that the analyzer needs that has its turn."""
        self._shared: dict[Hashable, object] = {}
        """Objects that analyzers have made for each other."""

    def shared(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """See `plugin_api.Audio.shared`."""
        if key not in self._shared:
            self._shared[key] = make()
        return cast("_T", self._shared[key])

    def result(self, name: str) -> ResultValue:
        """See `plugin_api.Audio.result`."""
        if name not in self._results:
            message = f"the analyzer has not declared that it needs {name}"
            raise LookupError(message)
        return self._results[name]


class Decoded(AudioBase):
    """Decoded file, as an analyzer is handed it as `plugin_api.Audio`.

    It is made of the native `samples`, of shape (frames, channels), or of what was gathered in their place. A mono view
    of a file with one channel is that channel.
    """

    def __init__(self, role: str, samples: Samples | Gathered, rate: int, channels: tuple[str, ...]) -> None:
        super().__init__()
        gathered = samples if isinstance(samples, Gathered) else Gathered({NATIVE: samples}, len(samples))
        self.role = role
        self.rate = rate
        self.channels = channels
        self._frames = gathered.frames
        for each in gathered.views.values():
            each.flags.writeable = False
        self._views = dict(gathered.views)
        self._declared: frozenset[View] | None = None
        self._powers = gathered.powers

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self._frames / self.rate

    @property
    def powers(self) -> tuple[float, ...]:
        """See `plugin_api.Audio.powers`."""
        if self._powers is None:
            if NATIVE not in self._views:
                message = "the samples whose powers are asked for are gone"
                raise LookupError(message)
            found = Powers(self.rate, len(self.channels))
            for block in self._blocks():
                found.add(block)
            self._powers = found.largest()
        return self._powers

    def view(self, view: View = NATIVE) -> Samples:
        """See `plugin_api.Audio.view`."""
        view = self._plain(view)
        if self._declared is not None and view not in self._declared:
            message = f"the analyzer has not declared that it reads {view}"
            raise LookupError(message)
        return self._made(view)

    def turn(
        self, declared: Iterable[View], later: Iterable[View], results: Mapping[str, ResultValue] = NO_RESULTS
    ) -> None:
        """Begin the turn of an analyzer that has `declared` views; `later` are those of the analyzers behind it.

        Views that neither needs are freed; what they need of those is made before. `results` are those that it needs.
        """
        self._results = results
        self._declared = frozenset(map(self._plain, declared))
        needed = self._declared | frozenset(map(self._plain, later))
        for view in needed:
            if not needed & sources(view):
                self._made(view)
        if NATIVE in self._views and NATIVE not in needed and len(self.channels) > 1:
            self.powers  # noqa: B018  # nothing can tell them later
        self._views = {view: samples for view, samples in self._views.items() if view in needed}

    def _made(self, view: View) -> Samples:
        if view not in self._views:
            samples = self._make(view)
            samples.flags.writeable = False
            self._views[view] = samples
        return self._views[view]

    def _plain(self, view: View) -> View:
        return plain(view, self.rate)

    def _make(self, view: View) -> Samples:
        if view == _MONO and len(self.channels) == 1:
            return self._views[NATIVE][:, 0]
        blocks = self._mono_blocks() if view.mono else self._blocks()
        columns = 1 if view.mono else len(self.channels)
        frames = self._frames
        if view.rate is not None:
            blocks = _resampled(blocks, Resampler(self.rate, view.rate, columns))
            frames = frames * view.rate // self.rate + _MARGIN
        gathered = np.empty((columns, frames), np.float32)
        count = 0
        for block in blocks:
            gathered[:, count : count + len(block)] = block.T
            count += len(block)
        return gathered[0, :count] if view.mono else gathered[:, :count].T

    def _blocks(self) -> Iterator[Samples]:
        native = self._views[NATIVE]
        for start in range(0, len(native), _BLOCK):
            yield native[start : start + _BLOCK]

    def _mono_blocks(self) -> Iterator[Samples]:
        if _MONO in self._views:
            mono = self._views[_MONO]
            yield from (mono[start : start + _BLOCK, np.newaxis] for start in range(0, len(mono), _BLOCK))
            return
        for block in self._blocks():
            yield mixed(block, self.channels)


def mixed(block: Samples, channels: tuple[str, ...]) -> Samples:
    """The mean, of shape (frames, 1), of all `channels` but the low-frequency ones (of these, if there are no others).

    The same bits as numpy's mean over such columns gives.
    """
    heard = [place for place, name in enumerate(channels) if name not in LOW_FREQUENCY] or list(range(len(channels)))
    first, *others = heard
    mean = block[:, first, np.newaxis].copy()
    for place in others:
        mean += block[:, place, np.newaxis]
    if others:
        mean /= np.float32(len(heard))
    return mean


class Powers:
    """The largest power of 400 ms about its mean, of each channel of a file at `rate` Hz that is fed block by block."""

    def __init__(self, rate: int, channels: int) -> None:
        self._buffer = np.empty((channels, round(_POWER_SECONDS * rate)), np.float32)
        self._filled = 0
        self._found = np.zeros(channels)

    def add(self, block: Samples) -> None:
        """Take in the next samples, of shape (frames, channels)."""
        length, place = self._buffer.shape[1], 0
        while place < len(block):
            end = min(self._filled + len(block) - place, length)
            count = end - self._filled
            self._buffer[:, self._filled : end] = block[place : place + count].T
            self._filled, place = end, place + count
            if end == length:
                self._measure()

    def largest(self) -> tuple[float, ...]:
        """Give what was found, once: a shorter end counts by its own length."""
        self._measure()
        return tuple(map(float, self._found))

    def _measure(self) -> None:
        count, self._filled = self._filled, 0
        if not count:
            return
        for place, column in enumerate(self._buffer[:, :count]):
            centred = column - column.mean(dtype=np.float64)  # doubles: beside an offset, singles leave noise
            self._found[place] = max(self._found[place], np.einsum("i,i", centred, centred) / count)


class Resampler:
    """Resampling of blocks of shape (frames, columns) from `rate` to `wanted` Hz, by soxr at its quality HQ."""

    def __init__(self, rate: int, wanted: int, columns: int) -> None:
        self._columns = columns
        self._stream = soxr.ResampleStream(rate, wanted, columns, dtype="float32", quality=_QUALITY)

    def __call__(self, block: Samples) -> Samples:
        """Take the next block; gives the samples that are ready with it."""
        resampled: Samples = self._stream.resample_chunk(np.ascontiguousarray(block))
        return resampled

    def rest(self) -> Samples:
        """Give the samples that are still to come behind the last block."""
        resampled: Samples = self._stream.resample_chunk(np.empty((0, self._columns), np.float32), last=True)
        return resampled


def _resampled(blocks: Iterator[Samples], resampler: Resampler) -> Iterator[Samples]:
    yield from map(resampler, blocks)
    yield resampler.rest()
