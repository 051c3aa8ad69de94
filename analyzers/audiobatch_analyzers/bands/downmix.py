"""Mono mix of a file that is fed block by block: the same samples as a mono view at the file's own rate has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatch_analyzers.loudness.silence import CANCELLED, LOW_FREQUENCY_ALONE, SILENT
from audiobatchd.plugin_api import LOW_FREQUENCY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Downmix:
    """Mean of all channels but the low-frequency ones (of these, if there are no others)."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        places = range(len(channels))
        self._mixed = [place for place in places if channels[place] not in LOW_FREQUENCY] or list(places)
        self._left_out = [place for place in places if place not in self._mixed]
        self._is_zero = True
        """True as long as every sample of the mix was 0."""
        self._has_signal = self._has_effects = False
        """True once a channel that is mixed, and one that is left out, had a sample other than 0."""

    def __call__(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mix of the next `block`, of shape (frames,)."""
        first, *others = self._mixed
        mix: NDArray[np.float32] = block[:, first].copy()
        for place in others:
            mix += block[:, place]
        if others:
            mix /= len(self._mixed)
        if self._is_zero:
            self._is_zero = not mix.any()
            self._has_signal = self._has_signal or bool(block[:, self._mixed].any())
            self._has_effects = self._has_effects or bool(block[:, self._left_out].any())
        return mix

    def why_silent(self) -> str:
        """Say why all samples of the mix were 0; empty where some were not."""
        if not self._is_zero:
            return ""
        if self._has_signal:
            return CANCELLED
        return LOW_FREQUENCY_ALONE if self._has_effects else SILENT
