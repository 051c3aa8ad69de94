"""A scale from numbers to places in a picture, with round ticks."""

from __future__ import annotations

import math
import sys

from msgspec import Struct

_THOUSANDS, _LONG = 10_000, 1e15
"""From where on thousands are set apart, and from where on a number has an exponent."""


class Scale(Struct, frozen=True):
    """A linear scale."""

    low: float
    """The number at `start`."""
    high: float
    """The number at `end`; above `low`."""
    start: float
    """The place of `low`, in units of the picture."""
    end: float
    """The place of `high`; below `start` where the scale goes up the page."""

    def __call__(self, number: float) -> float:
        """Find the place of a number, in hundredths of a unit: more digits only make a file larger."""
        # Halved, so that no difference is beyond all numbers.
        share = (number / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, about: int) -> list[float]:
        """List round numbers on the scale, some `about` as many."""
        step = _round_step(self.high / about - self.low / about)
        first = math.ceil(round(self.low / step, 6))
        last = math.floor(round(self.high / step, 6))
        return [number * step for number in range(first, last + 1)]


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """Make a scale. Where there is one number only, or too little between two, it stands in the middle."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):
        around = abs(low) / 10 or 1.0
        low, high = max(low - around, -sys.float_info.max), min(high + around, sys.float_info.max)
    return Scale(low, high, start, end)


def told(number: float) -> str:
    """Write a number of a tick or a table: with as many digits as it takes, of a fraction at most five."""
    if _THOUSANDS <= abs(number) < _LONG:
        return f"{number:,.0f}"
    return f"{number:.5g}"


def _round_step(step: float) -> float:
    """Find the number of 1, 2, 5, 10 ... that is nearest to a step, by their ratio."""
    power = 10.0 ** math.floor(math.log10(step))
    return power * min((1, 2, 5, 10), key=lambda each: abs(math.log(power * each / step)))
