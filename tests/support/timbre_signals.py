"""The signals that the reference implementation of the timbral scores was run on, made again from their recipes.

All are 16-bit PCM of shape (frames, channels). Noise is that of a linear congruential generator, so that it is the same
everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

Wave = NDArray[np.float64]
Pcm = NDArray[np.int16]

RATE = 44100
_FIVE_SECONDS = 5 * RATE


@cache
def noise(count: int, seed: int = 1) -> Wave:
    """White noise from -1 to 1: s <- (1664525 s + 1013904223) mod 2^32, each s / 2^31 - 1."""
    values = np.empty(count)
    state = seed
    for place in range(count):
        state = (1664525 * state + 1013904223) % (1 << 32)
        values[place] = state
    return values / 2.0**31 - 1.0


def pcm(wave: Wave) -> Pcm:
    """`wave`, of shape (frames,) or (frames, channels), as 16-bit samples: 32767 times as much, rounded to even."""
    columns = wave if wave.ndim > 1 else wave[:, np.newaxis]
    return np.rint(32767.0 * columns).astype(np.int16)


def am70() -> Pcm:
    """1 kHz, its amplitude modulated by 70 Hz."""
    time = np.arange(_FIVE_SECONDS)
    return pcm(0.25 * (1 + np.sin(2 * np.pi * 70 * time / RATE)) * np.sin(2 * np.pi * 1000 * time / RATE))


def clicks() -> Pcm:
    """Single samples, two a second."""
    return pcm(np.where(np.arange(_FIVE_SECONDS) % 22050 == 11025, 0.9, 0.0))


def decay06() -> Pcm:
    """Noise that begins every second and decays by 60 dB in 0.6 s."""
    place = np.arange(_FIVE_SECONDS) % RATE
    return pcm(0.5 * noise(_FIVE_SECONDS) * 10 ** (-3 * place / (0.6 * 44100)))


def low50() -> Pcm:
    """50 Hz."""
    return pcm(0.5 * np.sin(2 * np.pi * 50 * np.arange(_FIVE_SECONDS) / RATE))


def pink() -> Pcm:
    """Noise whose power falls by 3 dB an octave. A sample at its peak is a tie, which rounds either way."""
    spectrum = np.fft.rfft(noise(_FIVE_SECONDS))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0.0
    wave = np.fft.irfft(spectrum, _FIVE_SECONDS)
    return pcm(wave * (0.5 / np.abs(wave).max()))


def short() -> Pcm:
    """Half a second: a decaying 440 Hz, then silence."""
    time = np.arange(22050)
    return pcm(np.where(time < 4410, 0.5 * np.exp(-time / 882) * np.sin(2 * np.pi * 440 * time / RATE), 0.0))


def sine1k() -> Pcm:
    """1 kHz."""
    return pcm(0.5 * np.sin(2 * np.pi * 1000 * np.arange(_FIVE_SECONDS) / RATE))


_PLUCKS = (  # when, how many Hz, how loud, how far to the right
    (0.05, 110.0, 0.30, 0.5),
    (0.55, 164.8, 0.22, 0.2),
    (1.10, 220.0, 0.25, 0.8),
    (1.40, 277.2, 0.18, 0.4),
    (2.30, 82.4, 0.35, 0.5),
    (2.95, 329.6, 0.20, 0.9),
    (3.60, 146.8, 0.28, 0.1),
    (4.80, 196.0, 0.24, 0.6),
)


def plucks(rate: int = RATE, channels: int = 2) -> Pcm:
    """Six seconds of decaying tones of up to eight harmonics below 8 kHz, panned; the sum of both sides in mono."""
    time = np.arange(6 * rate) / rate
    sides = np.zeros((len(time), 2))
    for when, pitch, level, right in _PLUCKS:
        after = np.maximum(time - when, 0.0)
        rise = np.where(time < when, 0.0, 0.5 - 0.5 * np.cos(np.pi * np.minimum(after / 0.004, 1.0)))
        for harmonic in range(1, 9):
            tone = np.sin(2 * np.pi * pitch * harmonic * after) / harmonic
            tone *= level * rise * np.exp(-after * (1.5 + 0.8 * harmonic))
            sides += tone[:, np.newaxis] * np.array([1.0 - right, right])
    return pcm(sides * 0.6 if channels == 2 else sides.sum(axis=1) * 0.6)  # stereo


def drums(channels: int = 2) -> Pcm:
    """Five seconds of thumps and bursts of noise, 110 a minute, each channel with noise of its own."""
    time = np.arange(_FIVE_SECONDS)
    beat = round(RATE * 60 / 110)
    wave = np.empty((_FIVE_SECONDS, channels))
    for channel in range(channels):
        hats = noise(_FIVE_SECONDS, seed=channel + 2) * np.exp(-(time % (beat // 2)) / 900)
        place = time % beat
        thump = np.sin(2 * np.pi * (55 * place + 40 * 2000 * (1 - np.exp(-place / 2000))) / RATE)
        wave[:, channel] = 0.12 * hats + (0.35 + 0.05 * channel) * thump * np.exp(-place / 6000)
    return pcm(wave * 0.8)


def drone() -> Pcm:
    """Four seconds of a chord of sawtooth-like voices with vibrato, swelling."""
    time = np.arange(4 * RATE) / RATE
    wave = np.zeros(len(time))
    for voice, pitch in enumerate((130.8, 155.6, 196.0, 233.1)):
        phase = 2 * np.pi * pitch * time + 0.9 * np.sin(2 * np.pi * (4.5 + 0.3 * voice) * time)
        for harmonic in range(1, 21):
            wave += np.sin(harmonic * phase + voice) / harmonic**1.2
    return pcm(0.06 * wave * (0.3 + 0.7 * np.sin(np.pi * time / 4.0) ** 2))


SIGNALS: Mapping[str, Callable[[], Pcm]] = {
    "am70": am70,
    "clicks": clicks,
    "decay06": decay06,
    "low50": low50,
    "pink": pink,
    "short": short,
    "sine1k": sine1k,
    "plucks": plucks,
    "plucks_mono": lambda: plucks(channels=1),
    "drums": drums,
    "drums_quad": lambda: drums(channels=4),
    "drone": drone,
}
"""Those at 44.1 kHz."""
