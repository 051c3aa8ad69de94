"""Silence, and where it is: the gate before analyzers that find tempo and mood in silence too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audiobatchd.plugin_api import LOW_FREQUENCY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audiobatchd.plugin_api import Audio

THRESHOLD = -70.0
"""Level in dBFS: root mean square of a block of 400 ms about its mean, after the absolute gate of ITU-R BS.1770."""

_BLOCK_SECONDS = 0.4
_THRESHOLD_POWER: float = 10.0 ** (THRESHOLD / 10.0)


_STRETCH_BLOCKS = 4
"""1.6 s: a beat at 40 BPM, and a little."""

SILENT = "silent"
CANCELLED = "its channels cancel each other"
LOW_FREQUENCY_ALONE = "silent but for low-frequency effects"


def why_silent(audio: Audio, samples: NDArray[np.float32], rate: int) -> str:
    """Say why nothing is to be heard in `samples`, a mono view of `audio` at `rate` Hz; empty where something is."""
    if not is_silent(samples, rate):
        return ""
    if len(audio.channels) == 1:
        return SILENT
    loud = {name for name, power in zip(audio.channels, audio.powers, strict=True) if power > _THRESHOLD_POWER}
    if loud - LOW_FREQUENCY:
        return CANCELLED
    return LOW_FREQUENCY_ALONE if loud else SILENT


def sounding_share(samples: NDArray[np.float32], rate: int) -> float:
    """Return the share of the mono `samples`, of 1, in which something is to be heard at least every 1.6 s."""
    block = round(_BLOCK_SECONDS * rate)
    heard = np.array([_is_heard(samples[start : start + block]) for start in range(0, len(samples), block)])
    stretches = [heard[start : start + _STRETCH_BLOCKS].any() for start in range(0, len(heard), _STRETCH_BLOCKS)]
    return float(np.mean(stretches)) if stretches else 0.0


def is_silent(samples: NDArray[np.float32], rate: int) -> bool:
    """Tell whether no block of 400 ms of the mono `samples`, of shape (frames,), lies above `THRESHOLD`.

    A constant offset is silence too: it is not heard, and a tempo would be found in it.
    """
    block = round(_BLOCK_SECONDS * rate)
    return not any(_is_heard(samples[start : start + block]) for start in range(0, len(samples), block))


def _is_heard(block: NDArray[np.float32]) -> bool:
    # Doubles: beside an offset near full scale, what singles round off lies above the threshold.
    return float(np.var(block, dtype=np.float64)) > _THRESHOLD_POWER
