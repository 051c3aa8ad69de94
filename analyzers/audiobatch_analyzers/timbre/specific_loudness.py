"""Specific loudness over the critical-band rate, of windows of 93 ms, and what the scores take from it.

By ISO 532 B / DIN 45631 in the form of the program of 1991 (E. Zwicker, H. Fastl and others, J. Acoust. Soc. Jpn. (E)
12, 1), for a free field. As the scores were fitted, every window is filtered from rest, so that the low bands measure
mostly the onset of the window itself, and a root mean square of 1.0 is 100 dB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import butter, cheby1, lfilter

from audiobatch_analyzers.timbre.programme import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

WINDOW = 4096
"""In samples; windows do not overlap."""

GRID = 240
"""Points on the critical-band rate: 0.1 to 24.0 Bark."""

_FULL_SCALE = 100.0
_LEAST_LOUDNESS = 0.0005
_BATCH = 64

# Third-octave bands: the exact centres are 1000 * 2 ** (j / 3) Hz for j from -16 (25 Hz) to 11 (12.5 kHz).
_BANDS = np.arange(-16, 12)
_DIRECT = 4
_TRIPLET = 3
_ORDER = 4
_DECIMATION_ORDER, _DECIMATION_RIPPLE, _DECIMATION_CUT_OFF = 2, 0.1, 0.4  # Chebyshev; ripple in dB, cut-off of Nyquist

# The tables of the standard's program; their names are its own.
_RAP = np.array([45, 55, 65, 71, 80, 90, 100, 120], float)  # upper limits of the ranges of level below
_DLL = np.array(  # by which low bands count less, by range of level
    [
        [-32, -24, -16, -10, -5, 0, -7, -3, 0, -2, 0],
        [-29, -22, -15, -10, -4, 0, -7, -2, 0, -2, 0],
        [-27, -19, -14, -9, -4, 0, -6, -2, 0, -2, 0],
        [-25, -17, -12, -9, -3, 0, -5, -2, 0, -2, 0],
        [-23, -16, -11, -7, -3, 0, -4, -1, 0, -1, 0],
        [-20, -14, -10, -6, -3, 0, -4, -1, 0, -1, 0],
        [-18, -12, -9, -6, -2, 0, -3, -1, 0, -1, 0],
        [-15, -10, -8, -4, -2, 0, -3, -1, 0, -1, 0],
    ],
    float,
)
_LOW_SUMS = ((0, 6), (6, 9), (9, 11))  # the bands that make the first three critical bands
_LTQ = np.array([30, 18, 12, 8, 7, 6, 5, 4] + [3] * 12, float)  # threshold in quiet, dB
_A0 = np.array([0.0] * 10 + [-0.5, -1.6, -3.2, -5.4, -5.6, -4, -1.5, 2, 5, 12])  # transmission of the outer ear, dB
_DCB = np.array(  # what a critical band is wider than its third octaves, dB
    [-0.25, -0.6, -0.8, -0.8, -0.5, 0, 0.5, 1.1, 1.5, 1.7, 1.8, 1.8, 1.7, 1.6, 1.4, 1.2, 0.8, 0.5, 0, -0.5]
)
_ZUP = np.array(  # upper limits of the critical bands in tenths of a Bark
    [9, 18, 28, 35, 44, 54, 66, 79, 92, 106, 123, 138, 152, 167, 181, 193, 206, 218, 227, 236, 240]
)
_RNS = np.array(  # loudness at which a slope gives way to the next, sone per Bark
    [21.5, 18, 15.1, 11.5, 9, 6.1, 4.4, 3.1, 2.13, 1.36, 0.82, 0.42, 0.30, 0.22, 0.15, 0.10, 0.035, 0]
)
_USL_GIVEN = (  # upper slopes, by `_RNS` and critical band; the last number goes for all bands above
    (13, 8.2, 6.3, 5.5),
    (9, 7.5, 6, 5.1, 4.5),
    (7.8, 6.7, 5.6, 4.9, 4.4, 3.9),
    (6.2, 5.4, 4.6, 4, 3.5, 3.2),
    (4.5, 3.8, 3.6, 3.2, 2.9, 2.7),
    (3.7, 3, 2.8, 2.35, 2.2),
    (2.9, 2.3, 2.1, 1.9, 1.8, 1.7),
    (2.4, 1.7, 1.5, 1.35, 1.3),
    (1.95, 1.45, 1.3, 1.15, 1.1),
    (1.5, 1.2, 0.94, 0.86, 0.82),
    (0.72, 0.67, 0.64, 0.63, 0.62),
    (0.59, 0.53, 0.51, 0.50, 0.42),
    (0.40, 0.33, 0.26, 0.24, 0.24, 0.22),
    (0.27, 0.21, 0.20, 0.18, 0.17),
    (0.16, 0.15, 0.14, 0.12, 0.11),
    (0.12, 0.11, 0.10, 0.08),
    (0.09, 0.08, 0.07, 0.06, 0.06, 0.06, 0.06, 0.05),
    (0.06, 0.05, 0.03, 0.02),
)
_COLUMNS = 8
_USL = np.array([[*row, *[row[-1]] * (_COLUMNS - len(row))] for row in _USL_GIVEN], float)
_LAST_SLOPE = len(_RNS) - 1

# The booming index: T. Hatano and S. Hashimoto, Internoise 2000; S.-H. Shin and others, Applied Acoustics 70, 2009.
_BOOMING_BELOW = 280.0
_BOOMING_FIRST = (0.8, 1.05, 1.10, 1.18)


@dataclass(frozen=True)
class LoudnessPattern:
    """The specific loudness of every window of a signal."""

    density: Array
    """In sone per Bark, shape (windows, `GRID`)."""
    audible: NDArray[np.bool_]
    """True for each window with a loudness that does not round to 0.000 sone."""
    rms: Array
    """Root mean square of each window's samples."""

    def booming(self) -> float:
        """The booming index, the mean over windows by their power; sones per Bark are summed as if they were dB."""
        density = self.density[self.audible]
        bark = np.arange(1, GRID + 1) / 10.0
        frequency = 600.0 * np.sinh(bark / 6.0)
        band = (np.log10(frequency) - np.log10(25.0)) / (np.log10(31.5) - np.log10(25.0)) + 1.0
        weights = 2.13 * np.exp(-0.151 * band)
        weights[: len(_BOOMING_FIRST)] = _BOOMING_FIRST
        low = density[:, frequency < _BOOMING_BELOW].sum(axis=1) / density.sum(axis=1)
        return self._by_power(10.0 * np.log10((10.0 ** (density * weights / 10.0)).sum(axis=1)) * low)

    def sharpness(self) -> float:
        """The sharpness in acum, the mean over windows by their power (H. Fastl 1991; fit by C. Churchill 2004)."""
        density = self.density[self.audible]
        bark = np.arange(1, GRID + 1) / 10.0
        raised = 0.00012 * bark**4 - 0.0056 * bark**3 + 0.1 * bark**2 - 0.81 * bark + 3.5
        weights = np.where(np.arange(GRID) < 140, 1.0, raised) * bark  # noqa: PLR2004  # 14.0 Bark
        return self._by_power(0.11 * (density * weights).sum(axis=1) / density.sum(axis=1))

    def _by_power(self, values: Array) -> float:
        """The mean over windows of `values`, which the audible ones have and the others lack, weighted by power."""
        power = self.rms**2
        return float((values * power[self.audible]).sum() / power.sum())

    def level(self, low: int, high: int) -> Array:
        """Of each window, the loudness between two points of the grid, weighted by a bell about their middle.

        The bell's standard deviation is 100 points: so much wider than the region that it is nearly a parabola.
        """
        points = np.arange(low, high)
        bell = np.exp(-((points - (low + high) / 2.0) ** 2) / 20000.0)
        bell -= bell.min()
        return np.asarray(self.density[:, low:high] @ (bell / bell.max()), dtype=np.float64)

    def by_rms(self, values: Array) -> float:
        """The mean over all windows of `values`, weighted by root mean square."""
        return float((values * self.rms).sum() / self.rms.sum())


def loudness_pattern(signal: Array) -> LoudnessPattern:
    """The specific loudness of `signal`, one channel at 44.1 kHz, in windows of 4096 samples.

    The last window is filled up with zeros; where nothing is to be filled there is one more, of zeros alone.
    """
    count = len(signal) // WINDOW + 1
    levels = np.empty((count, len(_BANDS)))
    rms = np.empty(count)
    for start in range(0, count, _BATCH):
        end = min(start + _BATCH, count)
        part = signal[start * WINDOW : end * WINDOW]
        windows = np.zeros((end - start, WINDOW))
        windows.reshape(-1)[: len(part)] = part
        rms[start:end] = np.sqrt(np.mean(windows * windows, axis=1))
        levels[start:end] = band_levels(windows)
    density, loudness = slopes(main_loudness(levels))
    return LoudnessPattern(density, loudness >= _LEAST_LOUDNESS, rms)


def band_levels(windows: Array) -> Array:
    """The levels in dB of the 28 third-octave bands, for each row of `windows` by itself.

    The upper four are filtered at 44.1 kHz. Every lower group of three is filtered as 6.3, 8 and 10 kHz are, at half
    the rate of the group above.
    """
    centres = 1000.0 * 2.0 ** (_BANDS / 3.0)
    filters = [
        butter(_ORDER, [2 * centre * 2 ** (-1 / 6) / RATE, 2 * centre * 2 ** (1 / 6) / RATE], "bandpass")
        for centre in centres[-_DIRECT:]
    ]
    low_pass = cheby1(_DECIMATION_ORDER, _DECIMATION_RIPPLE, _DECIMATION_CUT_OFF)
    levels = np.empty((len(windows), len(_BANDS)))
    for place, (numerator, denominator) in enumerate(filters):
        levels[:, place - _DIRECT] = _levels(lfilter(numerator, denominator, windows))
    for top in range(len(_BANDS) - _DIRECT - 1, -1, -_TRIPLET):
        windows = lfilter(low_pass[0], low_pass[1], windows)[:, 1::2]
        for place, (numerator, denominator) in enumerate(filters[:_TRIPLET]):
            levels[:, top - _TRIPLET + 1 + place] = _levels(lfilter(numerator, denominator, windows))
    return levels


def _levels(filtered: Array) -> Array:
    """The level of each row; minus infinity where nothing of it is above 0."""
    power = np.where(filtered.max(axis=1) > 0.0, np.mean(filtered * filtered, axis=1), 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(10.0 * np.log10(power) + _FULL_SCALE, dtype=np.float64)


def main_loudness(levels: Array) -> Array:
    """The main loudness of the 20 critical bands and a last one of 0, by the levels of the third-octave bands."""
    low = levels[:, : _DLL.shape[1]]
    fits = low[:, np.newaxis, :] <= _RAP[:, np.newaxis] - _DLL
    ranges = np.where(fits.any(axis=1), fits.argmax(axis=1), len(_RAP) - 1)
    powers = 10.0 ** ((low + _DLL[ranges, np.arange(_DLL.shape[1])]) / 10.0)
    sums = np.stack([powers[:, first:end].sum(axis=1) for first, end in _LOW_SUMS], axis=1)
    with np.errstate(divide="ignore"):
        lowest = np.where(sums > 0.0, 10.0 * np.log10(sums), 0.0)
    bands = np.concatenate([lowest, levels[:, _DLL.shape[1] :]], axis=1)
    excess = 10.0 ** (0.1 * (bands - _A0 - _DCB - _LTQ))
    main = 0.0635 * 10.0 ** (0.025 * _LTQ) * ((0.75 + 0.25 * excess) ** 0.25 - 1.0)
    main = np.where(bands > _LTQ, np.maximum(main, 0.0), 0.0)
    main[:, 0] *= np.minimum(1.0, 0.4 + 0.32 * main[:, 0] ** 0.2)
    return np.concatenate([main, np.zeros((len(main), 1))], axis=1)


def slopes(main: Array) -> tuple[Array, Array]:
    """The specific loudness at every 0.1 Bark, shape (windows, `GRID`), and the loudness in sone, by `main` loudness.

    Towards higher bands loudness falls by slopes, which mask what is softer. All windows are walked at once, band by
    band; places are whole tenths of a Bark.
    """
    windows = len(main)
    walk = _Walk(main, np.zeros((windows, GRID + 1)), np.zeros(windows))
    for band in range(len(_ZUP)):
        walk.cross(band)
    return walk.density[:, 1:], np.maximum(walk.loudness, 0.0)


@dataclass
class _Walk:
    """Place that each window's walk has come to."""

    main: Array
    density: Array
    loudness: Array

    def __post_init__(self) -> None:
        self.place = np.zeros(len(self.main), int)
        self.drawn = np.zeros(len(self.main), int)
        self.height = np.zeros(len(self.main))
        self.slope = np.full(len(self.main), _LAST_SLOPE)

    def cross(self, band: int) -> None:
        """Walk from wherever the windows are to the upper end of `band`."""
        end = int(_ZUP[band])
        column = max(min(band - 1, _COLUMNS - 1), 0)
        rises = self.height < self.main[:, band]
        self.slope[rises] = (self.main[rises, band, np.newaxis] >= _RNS).argmax(axis=1)
        while len(under_way := np.flatnonzero(self.place < end)):
            self._step(under_way, band, end, column)

    def _step(self, rows: NDArray[np.intp], band: int, end: int, column: int) -> None:
        """One flat or sloped piece of every window in `rows`."""
        main, start, height, slope = self.main[rows, band], self.place[rows], self.height[rows], self.slope[rows]
        flat = height <= main
        steepness = np.where(flat, 0.0, _USL[slope, column])
        target = np.where(flat, main, np.maximum(_RNS[slope], main))
        with np.errstate(divide="ignore", invalid="ignore"):
            length = np.where(flat, end - start, np.rint((height - target) / steepness * 10.0)).astype(int)
        # Where the end of a band cut a slope short below its own target, the models step back to that, and over what is
        # drawn already.
        length[length == 0] = 1
        # In floating point, as the models have it: whether a piece that ends with the band is one that goes beyond it,
        # and so keeps its own end, hangs on the last bit.
        beyond = ~flat & (start * 0.1 + length * 0.1 > end / 10.0)
        stop = np.minimum(start + length, end)
        target = np.where(beyond, height - (end / 10.0 - start * 0.1) * steepness, target)
        self.loudness[rows] += (stop - start) / 10.0 * (np.where(flat, main, height) + target) / 2.0
        self._draw(rows, stop, np.where(flat, main, height) + start / 10.0 * steepness, steepness)
        changes = target == _RNS[slope]
        self.slope[rows] = np.where(changes, np.minimum(slope + 1, _LAST_SLOPE), slope)
        self.height[rows] = target
        self.place[rows] = stop

    def _draw(self, rows: NDArray[np.intp], stop: NDArray[np.intp], origin: Array, steepness: Array) -> None:
        """Fill in a piece from where the last one ended, both ends included: what comes later counts where two meet.

        Its line is at `origin` at 0 Bark.
        """
        start = self.drawn[rows]
        places = np.arange(int(start.min()), max(int(stop.max()), int(start.min())) + 1)
        drawn = origin[:, np.newaxis] - places / 10.0 * steepness[:, np.newaxis]
        inside = (places >= start[:, np.newaxis]) & (places <= stop[:, np.newaxis])
        self.density[rows, places[0] : places[-1] + 1] = np.where(
            inside, drawn, self.density[rows, places[0] : places[-1] + 1]
        )
        self.drawn[rows] = np.maximum(start, stop)
