"""Butterworth band-pass filters as second-order sections, the same that `scipy.signal.butter` gives.

Nothing of scipy is loaded: `scipy.signal` takes 0.6 CPU s and 75 MB of a worker.
"""

from __future__ import annotations

import cmath
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ORDER = 5
"""Order of the low-pass that a band-pass is made of: it falls off by 30 dB an octave on both sides."""


def band_pass(low: float, high: float, rate: int) -> NDArray[np.float64]:
    """The filter from `low` to `high` Hz at `rate` Hz, of shape (5, 6): -3 dB at both edges, below half the rate.

    The analog filter is carried over by the bilinear transform, its edges warped beforehand so that they keep their
    place. Each section has a gain of 1 at the band's centre.
    """
    from_edge, to_edge = (math.tan(math.pi * edge / rate) for edge in (low, high))
    square = from_edge * to_edge
    sections = []
    for number in range((ORDER + 1) // 2):
        # Poles of the low-pass in the upper half plane, the real one last; those below are their mirror images.
        pole = cmath.exp(1j * math.pi * (ORDER + 1 + 2 * number) / (2 * ORDER)) * (to_edge - from_edge) / 2
        apart = cmath.sqrt(pole * pole - square)
        first, second = ((1 + each) / (1 - each) for each in (pole + apart, pole - apart))
        if 2 * number + 1 == ORDER:
            sections.append((-(first + second).real, (first * second).real))
        else:
            sections += [(-2 * each.real, abs(each) ** 2) for each in (first, second)]
    centre = cmath.exp(-2j * math.atan(math.sqrt(square)))
    return np.array([_section(a1, a2, centre) for a1, a2 in sections])


def _section(a1: float, a2: float, centre: complex) -> tuple[float, ...]:
    """A section with zeros at 0 Hz and at half the rate, and a gain of 1 where 1 / z is `centre`."""
    gain = abs((1 + a1 * centre + a2 * centre**2) / (1 - centre**2))
    return gain, 0.0, -gain, 1.0, a1, a2
