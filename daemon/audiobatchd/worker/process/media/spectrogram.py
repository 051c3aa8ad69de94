"""Spectrograms: the power of all channels by time and frequency, on a logarithmic scale from 30 Hz to 20 kHz."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiobatchd.audio.blocks import Block
from audiobatchd.worker.orders import COLUMNS
from audiobatchd.worker.process.media.png import png

ROWS = 256
LOWEST, HIGHEST = 30.0, 20_000.0
"""Frequencies in Hz at the lower edge of the lowest row, and the upper edge of the highest."""
_RANGE = 90.0
"""Decibels from the brightest colour, which the loudest place of a file has, to the darkest."""
_WINDOW = 0.093
"""Seconds of a window: 4096 samples at 44.1 kHz."""
_LEAST_HOP = 64
_MOST_SPECTRA = 4 * COLUMNS
"""Number of spectra above which two become one."""
_AT_ONCE = 64
"""Windows that are transformed together, so that they stay in the processor's cache."""
_TINY = 1e-30


class SpectrogramReceiver:
    """Takes samples block by block; a `decode.Receiver`."""

    def __init__(self) -> None:
        self._rows: _Rows
        self._window: NDArray[np.float32]
        self._hop = _LEAST_HOP
        """Frames from the beginning of one window to that of the next."""
        self._rest: NDArray[np.float32]
        """Samples of each channel that belong to windows to come."""
        self._spectra: list[NDArray[np.float32]] = []
        """Mean powers in each row, in arrays of the shape (spectra, rows)."""
        self._count = 0
        """Number of spectra."""
        self._each = 1
        """Number of windows in each spectrum."""
        self._begun: NDArray[np.float32] = np.empty((0, ROWS), np.float32)
        """Windows that are not as many yet."""

    def on_promise(self, seconds: float | None) -> None:
        """See `decode.Receiver`."""

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:
        """See `decode.Receiver`. A wrong promise costs time or precision alone."""
        size = 1 << round(math.log2(rate * _WINDOW))
        self._window = np.hanning(size + 1)[:-1].astype(np.float32)
        self._window *= 2 / self._window.sum()  # so that a sine of full scale has a power of 1
        self._rows = _Rows(rate, size)
        wanted = (promised or size * COLUMNS / rate) * rate / (2 * COLUMNS)
        self._hop = 1 << int(math.log2(min(max(wanted, _LEAST_HOP), size // 2)))
        # The first window has its middle at the beginning of the file.
        self._rest = np.zeros((len(channels), size // 2), np.float32)

    def feed(self, block: Block) -> None:
        """See `decode.Receiver`."""
        self._take(block.T)

    def finish(self) -> bytes:
        """Give the spectrogram, as PNG."""
        return png(self.picture())

    def picture(self) -> NDArray[np.uint8]:
        """Give the spectrogram: places in the palette, of the shape (rows, columns), high frequencies first."""
        self._take(np.zeros((len(self._rest), len(self._window) // 2), np.float32))
        last = [self._begun.mean(axis=0, keepdims=True)] if len(self._begun) else []
        powers = np.concatenate([*self._spectra, *last])
        if len(powers) > COLUMNS:
            starts = np.arange(COLUMNS) * len(powers) // COLUMNS
            powers = np.add.reduceat(powers, starts) / np.diff(starts, append=len(powers))[:, None]
        else:
            powers = powers[np.arange(COLUMNS) * len(powers) // COLUMNS]
        decibels = 10 * np.log10(np.maximum(powers, _TINY))
        top = max(float(decibels.max()), -_RANGE)
        shares = np.clip((decibels - top) / _RANGE + 1, 0, 1)
        return np.flipud((shares * 255).round().astype(np.uint8).T)

    def _take(self, samples: NDArray[np.float32]) -> None:
        """Transform all windows that these samples fill."""
        samples = np.concatenate([self._rest, samples], axis=1)
        size, count = len(self._window), 0
        if samples.shape[1] >= size:
            windows = sliding_window_view(samples, size, axis=1)[:, :: self._hop]
            count = windows.shape[1]
            for start in range(0, count, _AT_ONCE):
                spectra = np.fft.rfft(windows[:, start : start + _AT_ONCE] * self._window)
                powers = np.square(spectra.real) + np.square(spectra.imag)
                self._keep(self._rows(powers.mean(axis=0)))
        self._rest = samples[:, count * self._hop :].copy()

    def _keep(self, powers: NDArray[np.float32]) -> None:
        """Add the spectra of windows."""
        powers = np.concatenate([self._begun, powers]).astype(np.float32)
        whole = len(powers) // self._each
        self._begun = powers[whole * self._each :]
        if whole:
            self._spectra.append(_means(powers[: whole * self._each], self._each))
            self._count += whole
        if self._count > _MOST_SPECTRA:
            spectra = np.concatenate(self._spectra)
            even = len(spectra) // 2 * 2
            self._begun = np.concatenate([np.repeat(spectra[even:], self._each, axis=0), self._begun])
            self._spectra, self._count = [_means(spectra[:even], 2)], even // 2
            self._each *= 2


def _means(powers: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    means: NDArray[np.float32] = powers.reshape(-1, by, ROWS).mean(axis=1)
    return means


class _Rows:
    """The powers in rows of those in the bins of a transform of `size`: called with an array (windows, bins)."""

    def __init__(self, rate: int, size: int) -> None:
        width = rate / size
        edges = LOWEST * (HIGHEST / LOWEST) ** (np.arange(ROWS + 1) / ROWS)
        first = np.ceil(edges / width).astype(int)
        last_bin = size // 2
        below = edges[1:] < rate / 2
        self._own = np.flatnonzero((first[1:] > first[:-1]) & below)
        """Rows in which bins lie: they have the largest of them."""
        self._starts = first[:-1][self._own]
        self._end = min(int(first[self._own[-1] + 1]), last_bin + 1)
        self._between = np.flatnonzero((first[1:] == first[:-1]) & below)
        """Rows between two bins: they have what lies between these."""
        places = np.sqrt(edges[:-1] * edges[1:])[self._between] / width
        self._left = places.astype(int)
        self._share = (places - self._left).astype(np.float32)

    def __call__(self, powers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the powers in rows."""
        found = np.zeros((len(powers), ROWS), np.float32)
        found[:, self._own] = np.maximum.reduceat(powers[:, : self._end], self._starts, axis=1)
        left, right = powers[:, self._left], powers[:, self._left + 1]
        found[:, self._between] = left + self._share * (right - left)
        return found
