"""Signals with onsets, each defined by a formula, and what librosa makes of them.

`PYTHONPATH=tests python -m support.onset_signals` prints librosa's answers, in an environment that has librosa 0.11 and
the tests' own libraries; they are kept in `tests/unit/analyzers/onset/golden.json`. librosa is no dependency: it
compiles itself for 24 s when it is first used.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping

import numpy as np

from support.audio_files import Samples

HOP = 512
EVERY = 3
"""Step between the frames whose onset strength is kept."""


def noise(count: int) -> Samples:
    """Numbers between -1 and 1 without order, the same on every machine: a hash of their places."""
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state ^= state >> np.uint64(27)
    numbers: Samples = ((state >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0).astype(np.float32)
    return numbers


def plucks(rate: int, seconds: float, floor: float = 1e-3) -> Samples:
    """Decaying tones at uneven times, over noise at `floor`."""
    count = round(rate * seconds)
    signal = floor * noise(count).astype(np.float64)
    for number in range(round(seconds * 5)):
        start = round(rate * (0.13 + 0.2 * number + 0.05 * (number * 0.618 % 1)))
        time = np.arange(max(count - start, 0)) / rate
        pitch = 110.0 * 2.0 ** ((number * 7 % 24) / 12)
        signal[start:] += 0.2 * np.exp(-time / 0.09) * np.sin(2 * np.pi * pitch * time)
    return signal.astype(np.float32)


def swells(rate: int, seconds: float) -> Samples:
    """A tone that glides upwards and swells three times a second, over loud noise."""
    time = np.arange(round(rate * seconds)) / rate
    wave = np.sin(2 * np.pi * (200 * time + 150 * time**2)) * (1 - np.cos(2 * np.pi * 3 * time)) / 4
    swelling: Samples = (wave + 0.05 * noise(len(time))).astype(np.float32)
    return swelling


def fading(rate: int, seconds: float) -> Samples:
    """Plucks that fade into the last bit of 16 and then to digital silence."""
    wave = plucks(rate, seconds)
    faded = np.round(wave * np.linspace(1.0, 0.0, len(wave)) ** 8 * 32768.0) / 32768.0
    return faded.astype(np.float32)


SIGNALS: Mapping[str, tuple[int, Callable[[], Samples]]] = {
    "plucks at 44.1 kHz": (44100, lambda: plucks(44100, 3.0)),
    "plucks at 8 kHz": (8000, lambda: plucks(8000, 3.0)),
    "plucks at 96 kHz": (96000, lambda: plucks(96000, 2.0)),
    "plucks in digital silence": (48000, lambda: plucks(48000, 2.5, floor=0.0)),
    "swells at 22.05 kHz": (22050, lambda: swells(22050, 3.0)),
    "swells at 11.025 kHz": (11025, lambda: swells(11025, 3.0)),
    "fading at 32 kHz": (32000, lambda: fading(32000, 3.0)),
    "plucks at -70 dB": (44100, lambda: plucks(44100, 2.0, floor=1e-2) * np.float32(3e-4)),
    "a little more than one frame": (44100, lambda: plucks(44100, 0.3)),
}
"""Rate in Hz and samples by name."""


def answers() -> dict[str, dict[str, list[float] | list[int]]]:
    """Compute frames of backtracked onsets, and some of the onset strengths, by librosa."""
    onset = importlib.import_module("librosa").onset
    found: dict[str, dict[str, list[float] | list[int]]] = {}
    for name, (rate, make) in SIGNALS.items():
        strength = onset.onset_strength(y=make(), sr=rate, hop_length=HOP)
        frames = onset.onset_detect(onset_envelope=strength, sr=rate, hop_length=HOP, backtrack=True)
        kept = [float(f"{value:.7g}") for value in strength[::EVERY]]
        found[name] = {"onsets": [int(frame) for frame in frames], "strength": kept}
    return found


if __name__ == "__main__":
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(answer)}" for name, answer in answers().items())
    sys.stdout.write(f"{{\n{lines}\n}}\n")
