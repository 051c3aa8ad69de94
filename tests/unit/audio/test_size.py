"""Files with far more bytes than their promise can take, nearly all of them a hole: told at once, and hardly read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import SourceFile
from audiobatchd.errors import DamagedFileError, UnmeasurableError
from support.audio_rig import Healthy, Opened

FEW = 20_000
"""Readings of a file; one of 43 GB takes hundreds of thousands to be read."""


def with_a_hole(tmp_path: Path, opened: Opened, whole: bytes, size: float) -> tuple[SourceFile, list[None]]:
    """A file of `size` bytes that begins with a healthy one, and what counts how often it is read."""
    path = tmp_path / "a.bin"
    path.write_bytes(whole)
    os.truncate(path, int(size))
    source, readings = opened(path), list[None]()
    source.on_progress = lambda: readings.append(None)
    return source, readings


HANDED_WHOLE = ("flac", "m4a", "m4a faststart")
"""Kinds of which the decoder reads on to the end of the file."""

HANDED_AUDIO = ("wav", "aiff", "mp3", "ogg", "opus", "ogg flac")


@pytest.mark.parametrize("kind", HANDED_AUDIO)
def test_hole_of_gigabytes_behind_counted_audio_is_no_reason(
    tmp_path: Path, opened: Opened, healthy: Healthy, kind: str
) -> None:
    source, readings = with_a_hole(tmp_path, opened, healthy(kind), 4e9)
    assert decode(source, "full_mix", 7200.0).duration == pytest.approx(2.0, abs=0.1)
    assert len(readings) < FEW


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        *((kind, size) for kind in HANDED_WHOLE for size in (4e9, 43e9, 5e12)),
        *((kind, size) for kind in HANDED_AUDIO for size in (12e9, 5e12)),
    ],
)
def test_hole_behind_a_short_file_is_refused(
    tmp_path: Path, opened: Opened, healthy: Healthy, kind: str, size: float
) -> None:
    source, readings = with_a_hole(tmp_path, opened, healthy(kind), size)
    promises: list[float | None] = []
    with pytest.raises(DamagedFileError):
        decode(source, "full_mix", 7200.0, promises.append)
    assert promises == []
    assert len(readings) < FEW


def test_hole_behind_flac_that_counts_nothing_is_refused(tmp_path: Path, opened: Opened, healthy: Healthy) -> None:
    whole = bytearray(healthy("flac"))
    whole[21] &= 0xF0
    whole[22:26] = bytes(4)
    source, readings = with_a_hole(tmp_path, opened, bytes(whole), 43e9)
    with pytest.raises(DamagedFileError, match="zeros"):
        decode(source, "full_mix", 7200.0)
    assert len(readings) < FEW


def test_hole_behind_flac_that_counts_too_much_is_refused(tmp_path: Path, opened: Opened, healthy: Healthy) -> None:
    whole = bytearray(healthy("flac"))
    whole[21] |= 0x08
    source, readings = with_a_hole(tmp_path, opened, bytes(whole), 43e9)
    with pytest.raises(DamagedFileError, match="zeros"):
        decode(source, "full_mix", 7200.0)
    assert len(readings) < FEW


def test_hole_alone_is_no_audio(tmp_path: Path, opened: Opened) -> None:
    source, readings = with_a_hole(tmp_path, opened, b"", 5e12)
    with pytest.raises(DamagedFileError, match=r"^is of no kind that is read"):
        decode(source, "full_mix", 7200.0)
    assert len(readings) < FEW


def test_streamed_wav_of_a_hole_is_too_long(tmp_path: Path, opened: Opened, healthy: Healthy) -> None:
    whole = healthy("wav")
    data = whole.index(b"data") + 4
    source, readings = with_a_hole(tmp_path, opened, whole[:data] + bytes(4), 43e9)
    with pytest.raises(UnmeasurableError, match=r"^longer than 2 h"):
        decode(source, "full_mix", 7200.0)
    assert len(readings) < FEW


def test_large_things_beside_the_audio_are_no_reason(tmp_path: Path, opened: Opened, healthy: Healthy) -> None:
    source, _ = with_a_hole(tmp_path, opened, healthy("m4a"), 300e6)
    assert decode(source, "full_mix", 7200.0).duration == pytest.approx(2.0, abs=0.1)
