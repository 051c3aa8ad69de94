"""Onsets: how strongly a signal's bands rise, where they do, and where the envelope says that each sound begins.

The strength and the picking are those of librosa 0.9 at its defaults (B. McFee and others); the way back to the
beginning of a sound is that of the Audio Commons models, with its constants: 20 ms, 300 ms, a tenth, 100 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import rfft
from scipy.ndimage import maximum_filter1d
from scipy.signal.windows import hann

from audiobatch_analyzers.timbre.programme import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Complex = NDArray[np.complex128]

FRAME, HOP = 2048, 512
"""In samples, of the short-time Fourier transform that strength and separation rest on."""

FRAMES_AT_ONCE = 256

_MELS = 128
_FLOOR = 1e-10
_TOP_DB = 80.0
_SHIFT = 3  # frames: half a frame of the transform, and the difference

# In frames, from 30 ms and 100 ms.
_HIGHEST_OF = 2
_MEAN_OF = 8
_APART = 2
_ABOVE_MEAN = 0.07

_LOOK_BACK = int(0.02 * RATE)
_FAR_BACK = int(300 * RATE * 0.001)
_SHARE = 0.1
_APART_SAMPLES = RATE * 0.1
_LAST = 511
_LEAST_STRENGTH = 3.0


def frame_count(length: int) -> int:
    """Count the frames of a signal of `length` samples: each is centred at a multiple of the hop, from 0."""
    return length // HOP + 1


def transform(signal: Array, first: int, end: int, lead: int = 0) -> Complex:
    """The frames `first` to `end` of the transform of `signal` with `lead` zeros before it, shape (frames, bins)."""
    start, stop = first * HOP - FRAME // 2 - lead, (end - 1) * HOP + FRAME // 2 - lead
    part = np.zeros(stop - start)
    source = signal[max(start, 0) : max(stop, 0)]
    part[max(-start, 0) : max(-start, 0) + len(source)] = source
    frames = np.lib.stride_tricks.sliding_window_view(part, FRAME)[::HOP]
    return np.asarray(rfft(frames * hann(FRAME, sym=False), axis=1), dtype=np.complex128)


class StrengthMeter:
    """Takes the transform of a signal frame by frame and gives the onset strength of every frame."""

    def __init__(self) -> None:
        self._bands: list[Array] = []

    def add(self, frames: Complex) -> None:
        """Take the next frames."""
        self._bands.append((frames.real**2 + frames.imag**2) @ _mel_filters().T)

    def strength(self) -> Array:
        """Tell, by frame, by how many dB the bands rise from one frame to the next, on average, three frames later."""
        power = np.concatenate(self._bands)
        levels = 10.0 * np.log10(np.maximum(power, _FLOOR))
        np.maximum(levels, levels.max() - _TOP_DB, out=levels)
        rise = np.maximum(np.diff(levels, axis=0), 0.0).mean(axis=1)
        return np.concatenate([np.zeros(_SHIFT), rise])[: len(levels)]


def onset_strength(signal: Array, lead: int = 0) -> Array:
    """The onset strength of `signal` with `lead` zeros before it, a value every 512 samples."""
    meter = StrengthMeter()
    for first, end in blocks(frame_count(lead + len(signal))):
        meter.add(transform(signal, first, end, lead))
    return meter.strength()


def blocks(frames: int) -> Iterator[tuple[int, int]]:
    """Give bounds of at most `FRAMES_AT_ONCE` frames each."""
    for first in range(0, frames, FRAMES_AT_ONCE):
        yield first, min(first + FRAMES_AT_ONCE, frames)


@cache
def _mel_filters() -> Array:
    """Triangles of equal area on M. Slaney's mel scale from 0 Hz to the highest, shape (bands, bins).

    Rounded to single precision as librosa's are.
    """
    edges = _hertz(np.linspace(0.0, float(_mel(RATE / 2.0)), _MELS + 2))
    bins = np.arange(FRAME // 2 + 1) * (RATE / FRAME)
    widths = np.diff(edges)
    slopes = edges[:, np.newaxis] - bins
    rising, falling = -slopes[:-2] / widths[:-1, np.newaxis], slopes[2:] / widths[1:, np.newaxis]
    triangles = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    triangles *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis].astype(np.float64)
    return triangles.astype(np.float64)


_LINEAR_STEP = 200.0 / 3.0  # Hz a mel, below 1 kHz
_LOGARITHMIC_FROM = 1000.0
_LOGARITHMIC_STEP = np.log(6.4) / 27.0


def _mel(hertz: float) -> float:
    """The mel value of a frequency above 1 kHz."""
    return _LOGARITHMIC_FROM / _LINEAR_STEP + float(np.log(hertz / _LOGARITHMIC_FROM)) / float(_LOGARITHMIC_STEP)


def _hertz(mel: Array) -> Array:
    knee = _LOGARITHMIC_FROM / _LINEAR_STEP
    return np.where(mel < knee, mel * _LINEAR_STEP, _LOGARITHMIC_FROM * np.exp(_LOGARITHMIC_STEP * (mel - knee)))


def picked_onsets(strength: Array) -> list[int]:
    """The samples at which onsets are found: peaks of the strength, each moved back to the minimum before it."""
    scaled = strength - strength.min()
    highest = scaled.max()
    if not highest > 0.0:
        return []
    scaled /= highest
    frames = np.arange(len(scaled))
    sums = np.concatenate([[0.0], np.cumsum(scaled)])
    first, end = np.maximum(frames - _MEAN_OF, 0), np.minimum(frames + _MEAN_OF + 1, len(scaled))
    means = (sums[end] - sums[first]) / (end - first)
    reach = _HIGHEST_OF + 1
    largest = maximum_filter1d(scaled, reach, mode="constant", cval=0.0, origin=_HIGHEST_OF - reach // 2)
    found: list[int] = []
    for frame in np.flatnonzero((scaled == largest) & (scaled >= means + _ABOVE_MEAN)).tolist():
        if not found or frame > found[-1] + _APART:
            found.append(frame)
    minima = np.flatnonzero((scaled[1:-1] <= scaled[:-2]) & (scaled[1:-1] < scaled[2:])) + 1
    minima = np.concatenate([[0], minima])
    return [int(minima[np.searchsorted(minima, frame, "right") - 1]) * HOP for frame in found]


def begun_onsets(envelope: Array, strength: Array, least: int) -> list[int]:
    """The samples at which sounds begin, ascending; only 0 where there is no more to say.

    `envelope` and `strength` are of the same signal; what lies before the sample `least` counts as its beginning.
    """
    span = float(np.ptp(envelope))
    moved: list[int] = []
    for onset in picked_onsets(strength):
        if moved and onset + _LAST >= len(envelope):
            continue
        moved.append(_beginning(envelope, onset, least, _SHARE * span) if onset else 0)
    kept = list(dict.fromkeys(moved[:1] + [onset for onset in moved[1:] if onset]))
    kept = _without_noise(kept, envelope, _SHARE * span)
    kept = _apart(kept)
    return _strong(kept, strength) or [0]


def _beginning(envelope: Array, onset: int, least: int, threshold: float) -> int:
    """Walk back from `onset` to where the envelope no longer falls; 0 where that is not behind `least`."""
    while True:
        here = envelope[onset]
        near = envelope[onset - _LOOK_BACK - 1 : onset] if onset > _LOOK_BACK else envelope[: onset - 1]
        lowest = int(near.argmin()) if len(near) else 0
        if len(near) and near[lowest] <= here:
            onset += lowest - _LOOK_BACK - 1  # also where the window began at the file's, as the models do
            if onset <= least:
                return 0
            continue
        far = envelope[max(onset - _FAR_BACK - 1, 0) : onset]
        lower = np.flatnonzero(far < here)
        if not len(lower):
            return onset
        between = far[lower[-1] :]
        if np.ptp(between) >= threshold:
            return onset
        onset -= len(far) - int(lower[-1])
        if onset < least:
            return 0


def _without_noise(onsets: list[int], envelope: Array, threshold: float) -> list[int]:
    """Drop those from which the envelope does not rise, up to the next one that stays, by `threshold`."""
    if len(onsets) <= 1:
        return onsets
    kept: list[int] = []
    for onset in reversed(onsets):
        segment = envelope[onset : kept[-1]] if kept else envelope[onset:]
        highest = int(segment.argmax()) if len(segment) > 1 else 0
        if highest and segment[highest] - segment[:highest].min() >= threshold:
            kept.append(onset)
    return kept[::-1]


def _apart(onsets: list[int]) -> list[int]:
    """Drop those that follow another within 100 ms: all of them at once, and again until none is left."""
    while True:
        kept = onsets[:1] + [onset for before, onset in pairwise(onsets) if onset - before >= _APART_SAMPLES]
        if len(kept) == len(onsets):
            return kept
        onsets = kept


def _strong(onsets: list[int], strength: Array) -> list[int]:
    """Drop those of which the strength, up to the next one that stays, is nowhere 3 or more."""
    kept: list[int] = []
    for onset in reversed(onsets):
        part = strength[onset // HOP : kept[-1] // HOP] if kept else strength[onset // HOP :]
        if part.max(initial=0.0) >= _LEAST_STRENGTH:
            kept.append(onset)
    return kept[::-1]
