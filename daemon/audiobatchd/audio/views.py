"""The forms of a decoded file that analyzers read: each made once, and freed after the last analyzer that reads it.

Derived views are made block by block, so that beside the views themselves nothing of the file's length is held.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar, cast

import numpy as np
import soxr
from numpy.typing import NDArray

from audiobatchd.plugin_api import LOW_FREQUENCY, NATIVE, View

Samples = NDArray[np.float32]
_T = TypeVar("_T")

_BLOCK = 1 << 18
_MARGIN = 1 << 12
"""Frames that soxr may give beyond the ratio of the rates."""

_MONO = View(mono=True)
_SOURCES = {False: frozenset({NATIVE}), True: frozenset({NATIVE, _MONO})}
"""Views from which one that is mono, or is not, can be made."""

_QUALITY = "HQ"
_POWER_SECONDS = 0.4
"""Seconds over which `Decoded.powers` are taken: the block of ITU-R BS.1770."""


class Decoded:
    """Decoded file, as `decode` gives it and an analyzer is handed it as `plugin_api.Audio`.

    `samples` of shape (frames, channels) are the native view. A mono view of a file with one channel is that channel.
    """

    def __init__(self, role: str, samples: Samples, rate: int, channels: tuple[str, ...]) -> None:
        self.role = role
        self.rate = rate
        self.channels = channels
        self._frames = len(samples)
        samples.flags.writeable = False
        self._views = {NATIVE: samples}
        self._declared: frozenset[View] | None = None
        self._shared: dict[Hashable, object] = {}
        self._powers: tuple[float, ...] | None = None

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
            self._powers = _powers(self._views[NATIVE], round(_POWER_SECONDS * self.rate))
        return self._powers

    def view(self, view: View = NATIVE) -> Samples:
        """See `plugin_api.Audio.view`."""
        view = self._plain(view)
        if self._declared is not None and view not in self._declared:
            message = f"the analyzer has not declared that it reads {view}"
            raise LookupError(message)
        return self._made(view)

    def shared(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """See `plugin_api.Audio.shared`."""
        if key not in self._shared:
            self._shared[key] = make()
        return cast("_T", self._shared[key])

    def turn(self, declared: Iterable[View], later: Iterable[View]) -> None:
        """Begin the turn of an analyzer that has `declared` views; `later` are those of the analyzers behind it.

        Views that neither needs are freed; what they need of those is made before.
        """
        self._declared = frozenset(map(self._plain, declared))
        needed = self._declared | frozenset(map(self._plain, later))
        for view in needed:
            if not needed & (_SOURCES[view.mono] - {view}):
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
        """The same view, without a rate that is the file's own."""
        return View(None, view.mono) if view.rate == self.rate else view

    def _make(self, view: View) -> Samples:
        if view == _MONO and len(self.channels) == 1:
            return self._views[NATIVE][:, 0]
        blocks = self._mono_blocks() if view.mono else self._blocks()
        columns = 1 if view.mono else len(self.channels)
        frames = self._frames
        if view.rate is not None:
            blocks = _resampled(blocks, self.rate, view.rate, columns)
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
        """The mean of all channels but the low-frequency ones (of these, where there are no others)."""
        if _MONO in self._views:
            mono = self._views[_MONO]
            yield from (mono[start : start + _BLOCK, np.newaxis] for start in range(0, len(mono), _BLOCK))
            return
        heard = [place for place, name in enumerate(self.channels) if name not in LOW_FREQUENCY]
        heard = heard or list(range(len(self.channels)))
        for block in self._blocks():
            yield block[:, heard].mean(axis=1, keepdims=True, dtype=np.float32)


def _powers(samples: Samples, block: int) -> tuple[float, ...]:
    """The largest power of `block` frames about its mean, for each of the columns."""
    found = np.zeros(samples.shape[1])
    for start in range(0, len(samples), block):
        for place, column in enumerate(samples[start : start + block].T):
            centred = column - column.mean(dtype=np.float64)  # doubles: beside an offset, singles leave noise
            found[place] = max(found[place], np.einsum("i,i", centred, centred) / len(column))
    return tuple(map(float, found))


def _resampled(blocks: Iterator[Samples], rate: int, wanted: int, columns: int) -> Iterator[Samples]:
    """`blocks` of shape (frames, columns) at `wanted` Hz. Always in the same blocks: the same bits each time."""
    resampler = soxr.ResampleStream(rate, wanted, columns, dtype="float32", quality=_QUALITY)
    for block in blocks:
        yield resampler.resample_chunk(np.ascontiguousarray(block))
    yield resampler.resample_chunk(np.empty((0, columns), np.float32), last=True)
