"""Onset detection functions: how much begins in every frame of a signal, by the five measures that beats are found in.

They are those of Essentia's BeatTrackerMultiFeature (Zapata, Davies and Gomez 2014), here of one set of spectra, and
with phases as unit vectors that are multiplied where Essentia computes angles and sines. The window and the
filter banks are Essentia's own. Which beats follow is `multifeature`'s to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Spectra = NDArray[np.complex64]

RATE = 44100
"""Sample rate in Hz: the only one that the functions are made for."""

SIZE, HOP = 2048, 512
"""Length of a frame and distance between two, in samples. Three of the functions go by every second frame."""

_BINS = SIZE // 2 + 1
_BANDS = 40
_BATCH = 64
"""Frames of which spectra are held at once, an even number: they fit into a processor's cache."""
_PAST = 10
"""Frames before a batch that are looked back at."""
_ZERO_PHASE = np.where(np.arange(_BINS) % 2, -1, 1).astype(np.complex64)
"""Phase 0 of every bin, counted from the middle of a frame as Essentia does."""

_LOW, _HIGH = round(40 * SIZE / RATE), round(5000 * SIZE / RATE) + 1
"""Bins between which information is gained: 40 to 5000 Hz."""
_GAIN_WEIGHTS = tuple(np.float32(1.0 - place * 0.9 / 5) for place in range(5))
_EPSILON = np.finfo(np.float32).eps

_SILENCE, _SILENCE_DB = np.float32(1e-10), np.float32(-200.0)

_SMOOTHED = 17
"""Frames over which the mean of a band is taken away."""
_MEAN = np.full(_SMOOTHED, 1.0 / _SMOOTHED, np.float32)
_PERIODS = 512
"""Periods, in frames, up to which a band is compared with itself: 6 s."""
_COMBS = 4
_STRONGEST_PERIOD = 43.0
_THRESHOLD_BAND = 24
"""The band below whose strength others are left out: Essentia means to sort the strengths before, and does not."""


@dataclass(frozen=True)
class OnsetFunctions:
    """One number for each frame, none of them negative."""

    complex: Array
    """Of every second frame: distances of the spectrum from the one that steady tones would have led to."""
    rms: Array
    """Of every second frame: rise of the level."""
    melflux: Array
    """Of every second frame: rises of mel bands, in dB."""
    beat_emphasis: Array
    """Of every frame: distances like the first, of the bands that repeat themselves most clearly."""
    infogain: Array
    """Of every frame: gain in information from the frames before to those behind."""


class OnsetDetector:
    """Computes onset functions; `standard` is the module `essentia.standard`."""

    def __init__(self, standard: Any) -> None:  # noqa: ANN401  # the module has no types
        self._window = standard.Windowing(size=SIZE, type="hann", zeroPhase=False)(np.ones(SIZE, np.float32))
        self._erb = _filters(
            standard.ERBBands(
                inputSize=_BINS, numberBands=_BANDS, lowFrequencyBound=80, highFrequencyBound=RATE / 2, type="magnitude"
            )
        )
        self._mel = _filters(
            standard.MelBands(
                inputSize=_BINS, numberBands=_BANDS, sampleRate=RATE, lowFrequencyBound=0, highFrequencyBound=4000
            )
        )
        self._autocorrelation = standard.AutoCorrelation(normalization="unbiased")

    def __call__(self, samples: Array) -> OnsetFunctions:
        """The functions of mono `samples` at 44.1 kHz, of which there is at least one, all of them finite."""
        count, coarse = _frames(len(samples), HOP), _frames(len(samples), 2 * HOP)
        total = max(count, 2 * coarse - 1)
        bands, mel = np.empty((_BANDS, total), np.float32), np.empty((_BANDS, total // 2 + 1), np.float32)
        gain, levels, departures = (np.empty(size, np.float32) for size in (total, mel.shape[1], mel.shape[1]))
        for start, spectra, magnitudes, units in self._batches(samples, total):
            here = slice(start, start + len(spectra))
            apart = _departures(spectra, magnitudes[_PAST - 1 : -1], units[_PAST - 1 : -1], units[_PAST - 2 : -2])
            np.matmul(self._erb, apart.T, out=bands[:, here])
            gain[here] = _information_gain(magnitudes[:, _LOW:_HIGH])
            here = slice(start // 2, start // 2 + len(spectra[::2]))
            before, before_that = units[_PAST - 2 : -2 : 2], units[_PAST - 4 : -4 : 2]
            apart = _departures(spectra[::2], magnitudes[_PAST - 2 : -2 : 2], before, before_that.conj())
            departures[here] = _summed(np.sqrt(apart, out=apart))
            powers = np.square(magnitudes[_PAST::2])
            levels[here] = np.sqrt(_summed(powers)) / np.float32(_BINS)
            np.matmul(self._mel, powers.T, out=mel[:, here])
        return OnsetFunctions(
            departures[:coarse],
            _rises(levels[np.newaxis, :coarse]),
            _rises(_decibels(mel[:, :coarse])),
            self._emphasized(bands[:, :count]),
            gain[:count],
        )

    def _batches(self, samples: Array, count: int) -> Iterator[tuple[int, Spectra, Array, Spectra]]:
        """Spectra of `count` frames, some at a time: the first one's number, spectra, magnitudes, phases as units.

        Magnitudes and units begin `_PAST` frames before; before the signal there is nothing, with phase 0.
        """
        magnitudes = np.zeros((_PAST + _BATCH, _BINS), np.float32)
        units = np.empty_like(magnitudes, np.complex64)
        units[:_PAST] = _ZERO_PHASE
        for start in range(0, count, _BATCH):
            size = min(_BATCH, count - start)
            spectra: Spectra = scipy.fft.rfft(_cut(samples, start, size) * self._window, axis=1)
            now = slice(_PAST, _PAST + size)
            np.abs(spectra, out=magnitudes[now])
            sounds = magnitudes[now] > 0.0
            # Division of complex numbers takes five times as long.
            inverse = np.divide(np.float32(1.0), magnitudes[now], out=np.zeros_like(magnitudes[now]), where=sounds)
            np.multiply(spectra, inverse, out=units[now])
            if not sounds.all():
                np.copyto(units[now], _ZERO_PHASE, where=~sounds)
            yield start, spectra, magnitudes[: now.stop], units[: now.stop]
            magnitudes[:_PAST] = magnitudes[size : now.stop]
            units[:_PAST] = units[size : now.stop]

    def _emphasized(self, bands: Array) -> Array:
        """The sum over those of `bands`, each of unit variance, that repeat themselves most (Davies et al. 2009)."""
        strengths = np.zeros(_BANDS)
        for place, band in enumerate(bands):
            _normalize(band)
            tail = np.full(_SMOOTHED - 1, band[-1])
            # Not by a running sum, which leaves a rest where there is silence.
            smoothed = np.convolve(np.concatenate((band, tail)), _MEAN, "valid")
            np.maximum(band - smoothed, np.float32(0.0), out=band)
            strengths[place] = _strength(self._autocorrelation(np.concatenate((band, tail))))
        if highest := strengths.max():
            strengths /= highest
        kept = strengths >= strengths[_THRESHOLD_BAND]
        weighted: Array = strengths[kept].astype(np.float32) @ bands[kept]
        return weighted


def _filters(bank: Any) -> Array:  # noqa: ANN401  # an algorithm of Essentia's has no type
    """The weights of a filter bank, of shape (bands, bins), by what it makes of each bin alone."""
    return np.ascontiguousarray(np.transpose([bank(alone) for alone in np.eye(_BINS, dtype=np.float32)]))


def _frames(samples: int, hop: int) -> int:
    """Number of frames that it takes for all samples to be in one; the last may be filled up with zeros."""
    return max(0, -(-(samples - SIZE) // hop)) + 1


def _cut(samples: Array, first: int, count: int) -> Array:
    end = (first + count - 1) * HOP + SIZE
    part = samples[first * HOP : end]
    if len(part) < end - first * HOP:
        part = np.concatenate((part, np.zeros(end - first * HOP - len(part), np.float32)))
    return np.lib.stride_tricks.sliding_window_view(part, SIZE)[::HOP]


def _departures(spectra: Spectra, magnitudes: Array, before: Spectra, before_that: Spectra) -> Array:
    """Squared distances of `spectra` from `magnitudes` with the phase to which the two before lead, for each bin.

    That phase is twice the one `before`, plus (as Essentia has it in one function) or minus the one `before_that`.
    """
    turned = before * before
    turned *= before_that
    np.conjugate(turned, out=turned)
    turned *= spectra
    apart = magnitudes - turned.real
    apart *= apart
    apart += np.square(turned.imag)
    return apart


def _information_gain(magnitudes: Array) -> Array:
    """The sum over all bins of the bits by which they rise from five frames to five later ones, a frame between.

    `magnitudes` begin `_PAST` frames before the first one of which it is told (Hainsworth and Macleod 2003).
    """
    count = len(magnitudes) - _PAST
    old, new = np.zeros((2, count, magnitudes.shape[1]), np.float32)
    for place, weight in enumerate(_GAIN_WEIGHTS):
        old += magnitudes[4 - place : 4 - place + count] * weight
        new += magnitudes[6 + place : 6 + place + count] * weight
    old[old == 0.0] = 1.0
    new[new == 0.0] = _EPSILON
    new /= old
    return _summed(np.maximum(np.log2(new, out=new), np.float32(0.0), out=new))


def _summed(rows: Array) -> Array:
    """The sum of each row, one summand after the other: so does Essentia, and the rounding is to be the same."""
    total: Array = np.cumsum(rows, axis=1)[:, -1]
    return total


def _decibels(amplitudes: Array) -> Array:
    levels: Array = np.log10(np.maximum(amplitudes, _SILENCE)) * np.float32(20.0)
    levels[amplitudes < _SILENCE] = _SILENCE_DB
    return levels


def _rises(rows: Array) -> Array:
    """The sum over `rows` of their rises from frame to frame; the first frame has none."""
    risen: Array = np.zeros(rows.shape[1], np.float32)
    risen[1:] = np.maximum(np.diff(rows, axis=1), np.float32(0.0)).sum(axis=0)
    return risen


def _normalize(band: Array) -> None:
    """Divide by the standard deviation, summed up in single precision one after the other: so does Essentia."""
    count = np.float32(len(band))
    apart = band - np.cumsum(band)[-1] / count
    apart *= apart
    if deviation := np.sqrt(np.cumsum(apart)[-1] / count):
        band /= deviation


def _strength(correlation: Array) -> float:
    """The best sum of a correlation over a period and its multiples, by how likely the period is that of a beat."""
    alike = np.zeros(_PERIODS)
    alike[: len(correlation)] = correlation[:_PERIODS]
    periods = np.arange(_COMBS - 1, (_PERIODS - (_COMBS - 1)) // _COMBS - 1)
    summed = np.zeros(len(periods))
    for comb in range(1, _COMBS + 1):
        for beside in range(1 - comb, comb):
            summed += alike[periods * comb + beside] / (2 * comb - 1)
    lags = periods + 1
    likely = lags / _STRONGEST_PERIOD**2 * np.exp(-0.5 * lags**2 / _STRONGEST_PERIOD**2)
    return max(0.0, float((likely * summed).max()))
