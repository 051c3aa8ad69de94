"""WAV files that no mutation comes upon: numbers that are none, numbers out of all range, formats that no sound has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fuzz.rounds import Fate
from support.audio_files import music
from support.containers import form, wave

_FLOAT = 3
_RATE = 48000


def odd_waves() -> Mapping[str, tuple[bytes, Fate]]:
    """Return each by its name: the file, and what has to become of it."""
    whole = music(3.3, _RATE, 1)
    quiet = (whole * np.float32(1e-40)).astype(np.float32)
    made = {
        f"one sample is {value}": (_floats(_with(whole, value)), fate)
        for value, fate in (
            ("nan", Fate.REFUSED),
            ("inf", Fate.REFUSED),
            ("-inf", Fate.REFUSED),
            ("1e30", Fate.UNMEASURABLE),
            ("-3.4e38", Fate.UNMEASURABLE),
            ("1e12", Fate.PUBLISHED),
            ("-1000", Fate.PUBLISHED),
            ("1e-45", Fate.PUBLISHED),
        )
    }
    made |= {
        "all are nan": (_floats(whole * np.float32("nan")), Fate.REFUSED),
        "all are 1e30": (_floats(np.full_like(whole, 1e30)), Fate.UNMEASURABLE),
        "all are denormal": (_floats(quiet), Fate.PUBLISHED),
        "all are zero": (_floats(np.zeros_like(whole)), Fate.PUBLISHED),
        "all are one": (_floats(np.ones_like(whole)), Fate.PUBLISHED),
        "doubles of 1e300": (_doubles(whole, 1e300), Fate.REFUSED),
        "doubles of 1e-300": (_doubles(whole, 1e-300), Fate.PUBLISHED),
        "no frames": (wave(b"", form(rate=_RATE)), Fate.REFUSED),
        "one frame": (wave(bytes(range(4)), form(rate=_RATE)), Fate.PUBLISHED),
    }
    made |= {f"{rate} Hz": (_of_rate(rate), fate) for rate, fate in _RATES.items()}
    made |= {f"{channels} channels": (_of_channels(channels), fate) for channels, fate in _CHANNELS.items()}
    return made | {
        f"{bits} bits": (wave(bytes(40000), form(bits=bits, rate=_RATE)), fate) for bits, fate in _BITS.items()
    }


_RATES = {
    0: Fate.REFUSED, 1: Fate.UNMEASURABLE, 7999: Fate.UNMEASURABLE, 8000: Fate.PUBLISHED, 192_000: Fate.PUBLISHED,
    192_001: Fate.UNMEASURABLE, 768_000: Fate.UNMEASURABLE, (1 << 31) - 1: Fate.UNMEASURABLE,
    (1 << 32) - 1: Fate.REFUSED,
}  # fmt: skip
_CHANNELS = {
    0: Fate.REFUSED, 1: Fate.PUBLISHED, 8: Fate.PUBLISHED, 9: Fate.UNMEASURABLE, 64: Fate.UNMEASURABLE,
    255: Fate.UNMEASURABLE, 65535: Fate.REFUSED,
}  # fmt: skip
_BITS = {0: Fate.REFUSED, 1: Fate.PUBLISHED, 8: Fate.PUBLISHED, 65535: Fate.REFUSED}
"""Samples fill whole bytes: one bit is read as eight."""


def _with(samples: NDArray[np.float32], value: str) -> NDArray[np.float32]:
    changed = samples.copy()
    changed[len(changed) // 2, 1] = np.float32(value)
    return changed


def _floats(samples: NDArray[np.float32]) -> bytes:
    return wave(samples.astype("<f4").tobytes(), form(_FLOAT, 32, rate=_RATE))


def _doubles(samples: NDArray[np.float32], gain: float) -> bytes:
    return wave((samples.astype("<f8") * gain).tobytes(), form(_FLOAT, 64, rate=_RATE))


def _of_rate(rate: int) -> bytes:
    """Make a file of a rate: as many samples as make 3.3 s at a usual rate, and hours at a low one."""
    return wave((music(3.3, _RATE, 2) * 32767).astype("<i2").tobytes(), form(rate=rate))


def _of_channels(channels: int) -> bytes:
    return wave((music(3.3, _RATE, 3) * 32767).astype("<i2").tobytes(), form(rate=_RATE, channels=channels))
