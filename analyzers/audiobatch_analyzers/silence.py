"""Whether there is anything to hear: the gate before analyzers that find a tempo or a mood in silence too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = -70.0
"""In dBFS: root mean square of a block of 400 ms about its mean, after the absolute gate of ITU-R BS.1770."""

_BLOCK_SECONDS = 0.4
_THRESHOLD_POWER = 10.0 ** (THRESHOLD / 10.0)


def is_silent(samples: NDArray[np.float32], rate: int) -> bool:
    """Whether no block of 400 ms of the mono `samples`, of shape (frames,), lies above `THRESHOLD`.

    A constant offset is silence too: nobody hears it, and a tempo would be found in it.
    """
    block = round(_BLOCK_SECONDS * rate)
    for start in range(0, len(samples), block):
        # Doubles: beside an offset near full scale, what singles round off lies above the threshold.
        if float(np.var(samples[start : start + block], dtype=np.float64)) > _THRESHOLD_POWER:
            return False
    return True
