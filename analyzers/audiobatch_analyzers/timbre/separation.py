"""Percussiveness of a signal: the share of what stays when held tones are taken out of its spectrogram.

Medians over time keep what is harmonic, medians over frequency what is percussive (D. Fitzgerald 2010), at the defaults
of librosa 0.9: 31 frames and bins, soft masks of power 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import irfft
from scipy.ndimage import median_filter
from scipy.signal.windows import hann

from audiobatch_analyzers.timbre.onsets import FRAME, HOP, StrengthMeter, blocks, frame_count, transform

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Single = NDArray[np.float32]

_MEDIAN = 31
_REACH = _MEDIAN // 2
_OVERLAP = FRAME // HOP


def percussive_share_and_strength(signal: Array) -> tuple[float, Array]:
    """The percussive share of `signal` (the ratio of summed root mean squares), and its onset strength.

    Both come from one transform. The share is NaN where there is nothing.
    """
    frames = frame_count(len(signal))
    meter, parts = StrengthMeter(), _Parts(signal, frames)
    for first, end in blocks(frames):
        before, behind = min(_REACH, first), min(_REACH, frames - end)
        spectrum = transform(signal, first - before, end + behind)
        own = spectrum[before : before + end - first]
        meter.add(own)
        parts.add(own * _percussive_mask(np.abs(spectrum).astype(np.float32), before, behind))
    return parts.share(), meter.strength()


def _percussive_mask(magnitude: Single, before: int, behind: int) -> Single:
    """The soft mask of the frames of `magnitude` but for the first `before` and the last `behind`, its halo.

    The halo is mirrored where the signal begins or ends. Each median is one filter over one long row, whose pieces lie
    as far apart as it reaches.
    """
    frames = len(magnitude) - before - behind
    padded = np.pad(magnitude, ((_REACH - before, _REACH - behind), (0, 0)), mode="symmetric")
    harmonic = _medians(padded.T)[:, :frames].T
    own = magnitude[before : before + frames]
    percussive = _medians(np.pad(own, ((0, 0), (_REACH, _REACH)), mode="symmetric"))
    largest = np.maximum(harmonic, percussive)
    nothing = largest < np.finfo(np.float32).tiny
    largest[nothing] = 1.0
    held, struck = np.square(harmonic / largest), np.square(percussive / largest)
    both = held + struck
    both[nothing] = 1.0
    mask: Single = struck / both
    mask[nothing] = 0.5
    return mask


def _medians(padded: Single) -> Single:
    """The running medians of 31 of each row, which is padded by 15 on both sides."""
    rows, length = padded.shape
    medians = np.empty(rows * length, np.float32)
    median_filter(np.ascontiguousarray(padded).reshape(-1), _MEDIAN, output=medians)
    return medians.reshape(rows, length)[:, _REACH:-_REACH]


class _Parts:
    """Puts the percussive signal together again, hop by hop, and keeps the energies of it and of what is left."""

    def __init__(self, signal: Array, frames: int) -> None:
        self._signal = signal[: (frames - 1) * HOP].reshape(-1, HOP)
        self._frames = frames
        self._window = hann(FRAME, sym=False).astype(np.float32)
        self._tail = np.zeros((_OVERLAP - 1, HOP), np.float32)
        self._done = 0
        self._percussive: list[Array] = []
        self._harmonic: list[Array] = []

    def add(self, spectrum: NDArray[np.complex128]) -> None:
        """Take the next frames of the percussive transform."""
        frames = irfft(spectrum.astype(np.complex64), axis=1) * self._window
        quarters = frames.reshape(len(frames), _OVERLAP, HOP)
        hops = np.zeros((len(frames) + _OVERLAP - 1, HOP), np.float32)
        hops[: _OVERLAP - 1] = self._tail
        for place in range(_OVERLAP):
            hops[place : place + len(frames)] += quarters[:, place]
        self._tail = hops[len(frames) :].copy()
        self._keep(hops[: len(frames)])

    def _keep(self, hops: Single) -> None:
        """Weigh the energies of whole `hops`, counted from half a frame before the signal's beginning."""
        first = self._done - _OVERLAP // 2
        self._done += len(hops)
        hops = hops[max(-first, 0) :]
        first = max(first, 0)
        percussive = hops / self._windows(first, len(hops))
        harmonic = self._signal[first : first + len(hops)] - percussive
        self._percussive.append(np.einsum("ij,ij->i", percussive, percussive))
        self._harmonic.append(np.einsum("ij,ij->i", harmonic, harmonic))

    def _windows(self, first: int, count: int) -> Array:
        """Sums of the squared windows over each hop; the outermost hops have a window less."""
        squares = hann(FRAME, sym=False).reshape(_OVERLAP, HOP) ** 2
        sums = np.repeat(squares.sum(axis=0)[np.newaxis], count, axis=0)
        if first == 0 and count:
            sums[0] -= squares[-1]
        if first + count == self._frames - 1 and count:
            sums[-1] -= squares[0]
        return sums

    def share(self) -> float:
        """The percussive share; the last hop is the tail, which ends where the signal's last whole hop does."""
        self._keep(self._tail[:1])
        roots = [_root_mean_squares(np.concatenate(energies)) for energies in (self._percussive, self._harmonic)]
        with np.errstate(invalid="ignore"):
            return float(roots[0].sum() / (roots[0].sum() + roots[1].sum()))


def _root_mean_squares(energies: Array) -> Array:
    """Of every two neighbouring hops."""
    return np.sqrt((energies[:-1] + energies[1:]) / (2 * HOP))
