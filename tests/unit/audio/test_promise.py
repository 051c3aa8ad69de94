"""Promises of files: what may follow them, and that no bytes are too odd for a parser."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from audiobatchd.audio.promise import Promise, promised
from audiobatchd.audio.window import Literally
from audiobatchd.errors import DamagedFileError, UnmeasurableError
from support.audio_rig import Healthy

# Keeping a promise


@pytest.mark.parametrize(
    ("promise", "rate", "first", "least", "most"),
    [
        ({"frames": 1000, "rate": 8000.0}, 8000, 0, 1000, 1000),
        ({"frames": 1000, "rate": 8000.0}, 8000, 100, 1000, 1000),
        ({"frames": 1000, "rate": 8000.0, "late": True}, 8000, 100, 900, 900),
        ({"frames": 1000, "rate": 8000.0, "below": 10, "above": 20}, 8000, 0, 990, 1020),
        # Spectral band replication doubles the rate that the header says.
        ({"frames": 1000, "rate": 8000.0, "below": 10, "above": 20}, 16000, 0, 1980, 2040),
        ({"frames": None, "rate": 8000.0}, 8000, 0, 0, 1 << 40),
        ({"frames": 1000, "rate": 0.0}, 8000, 0, 0, 1 << 40),
    ],
)
def test_promise_is_kept_within_its_bounds(
    promise: Mapping[str, Any], rate: int, first: int, least: int, most: int
) -> None:
    given = Promise("x", Literally(b""), **promise)
    given.check(least, rate, first)
    given.check(most, rate, first)
    if least:
        with pytest.raises(DamagedFileError, match=rf"^ends too early: {least - 1} of the \d+ samples"):
            given.check(least - 1, rate, first)
        with pytest.raises(
            DamagedFileError, match=rf"^holds more than it promises: {most + 1} samples instead of \d+$"
        ):
            given.check(most + 1, rate, first)


@pytest.mark.parametrize(
    ("promise", "seconds"),
    [
        ({"frames": 12000, "rate": 8000.0}, 1.5),
        ({"frames": 12000, "rate": 8000.0, "late": True}, 1.0),
        ({"frames": 4, "rate": 8000.0, "late": True}, 0.0),
        ({"frames": 12000, "rate": 0.0}, None),
        ({}, None),
    ],
)
def test_promised_seconds(promise: Mapping[str, Any], seconds: float | None) -> None:
    assert Promise("x", Literally(b""), **promise).completed(Fraction(1, 2), None, 8000).seconds == seconds


# All of them


@pytest.mark.parametrize(
    ("kind", "demuxer"),
    [
        ("flac", "flac"), ("wav", "wav"), ("mp3", "mp3"), ("mp3 uncounted", "mp3"), ("ogg", "ogg"), ("opus", "ogg"),
        ("ogg flac", "ogg"), ("m4a", "mov"), ("m4a alac", "mov"), ("aac", "aac"), ("aiff", "aiff"), ("aif", "aiff"),
    ],
)  # fmt: skip
def test_no_bytes_are_too_odd_for_a_parser(healthy: Healthy, kind: str, demuxer: str) -> None:
    """Cut anywhere and stirred, a file is judged or left to the decoder; no parser comes to grief."""
    whole, random = healthy(kind), np.random.default_rng(6)
    assert promised(Literally(whole)).demuxer == demuxer
    for _ in range(200):
        content = bytearray(whole[: int(random.integers(1, 4000))])
        for place in random.integers(0, len(content), 4):
            content[place] = int(random.choice((0, 1, 0x7F, 0x80, 0xFF)))
        try:
            promise = promised(Literally(bytes(content)))
        except (DamagedFileError, UnmeasurableError):
            continue
        assert promise.seconds is None or promise.seconds >= 0
