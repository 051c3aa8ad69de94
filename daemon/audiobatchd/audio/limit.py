"""The limit on how long a source file may be, and how large one may be that is no longer than it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audiobatchd.audio.layout import MOST_CHANNELS
from audiobatchd.errors import BeyondLimitError, DamagedFileError

MOST_RATE = 192_000
"""Hz that loudness is defined for at most."""

# Samples of 64 bits, the largest that there are.
_MOST_BYTES_A_SECOND = MOST_RATE * MOST_CHANNELS * 8
# A file with more channels is told from an impossible one.
_MORE_CHANNELS = 8
# Tags, pictures, chunks of other programs, zeros: what the decoder has to pass, and what the digest alone reads.
_MOST_BESIDE = 1 << 30
_MOST_BEHIND = 1 << 33


@dataclass(frozen=True)
class Limit:
    """Limit on the length of a file."""

    seconds: float
    """Seconds beyond which a file is refused."""
    on_promise: Callable[[float | None], None] = lambda _: None
    """Called with the promised length, in seconds, of a file that keeps to the limit."""

    def check_size(self, seconds: float | None, size: int, given: int) -> None:
        """Raise DamagedFileError where nothing so short can be so large, BeyondLimitError where it must be too long.

        A file that is nearly all hole is read in hours, whatever is at its beginning: of its `size`, the decoder reads
        what it is `given`, and all of it is digested.
        """
        if seconds is None and given > self.seconds * _MOST_BYTES_A_SECOND + _MOST_BESIDE:
            message = f"longer than {_duration_in_words(self.seconds)}, by its size"
            raise BeyondLimitError(message, given / _MOST_BYTES_A_SECOND)
        taken = (seconds or 0.0) * _MORE_CHANNELS * _MOST_BYTES_A_SECOND
        if seconds is not None and (given > taken + _MOST_BESIDE or size > taken + _MOST_BEHIND):
            message = f"holds {size} bytes, far more than the {seconds:.3f} s that it promises can take"
            raise DamagedFileError(message)

    def is_passed(self, seconds: float) -> bool:
        """Tell whether audio of so many seconds is too long."""
        return seconds > self.seconds

    def check(self, seconds: float) -> None:
        """Raise BeyondLimitError for what is too long."""
        if self.is_passed(seconds):
            message = f"longer than {_duration_in_words(self.seconds)}"
            raise BeyondLimitError(message, seconds)


def _duration_in_words(seconds: float) -> str:
    """A limit as its configuration would say it: "2 h", "90 min", "45 s"."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"
