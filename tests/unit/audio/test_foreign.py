"""Files that hold no audio that is read, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from audiobatchd.errors import DamagedFileError
from support.audio_files import CONTAINERS, tone, write_audio
from support.audio_rig import Decoded

NO_AUDIO: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "one byte": (b"f", "is text, which is not read"),
    "text": (b"these are no samples\n" * 500, "is text, which is not read"),
    "web page": (b"<!DOCTYPE html><html><body>404</body></html>", r"is a web page \(HTML\), which is not read"),
    "zeros": (bytes(50000), "is nothing but zeros"),
    "random bytes": (
        np.random.default_rng(1).bytes(50000),
        "is of no kind that is read: no audio begins in its first 64 KiB",
    ),
    "magic alone": (b"fLaC", "cannot be decoded: its beginning is damaged"),
    "WAV without samples": (
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\2\0\x44\xac\0\0\x10\xb1\2\0\4\0\x10\0data\0\0\0\0",
        "holds no samples",
    ),
    "WAV without data": (b"RIFF\x04\0\0\0WAVE", "holds no samples: its header ends without a data chunk"),
}


@pytest.mark.parametrize("extension", CONTAINERS)
@pytest.mark.parametrize("content", NO_AUDIO)
def test_no_audio_at_all(tmp_path: Path, decoded: Decoded, content: str, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_bytes(NO_AUDIO[content][0])
    with pytest.raises(DamagedFileError, match=f"^{NO_AUDIO[content][1]}$"):
        decoded(path)


@pytest.mark.parametrize(
    ("muxer", "codec", "name"),
    [
        ("matroska", "flac", "Matroska/WebM"),
        ("webm", "libopus", "Matroska/WebM"),
        ("asf", "pcm_s16le", "WMA/ASF"),
        ("wv", "wavpack", "WavPack"),
        ("tta", "tta", "True Audio"),
        ("au", "pcm_s16be", "Sun audio \\(AU\\)"),
        ("caf", "pcm_s16le", "Core Audio \\(CAF\\)"),
        ("w64", "pcm_s16le", "Sony Wave64 \\(W64\\)"),
        ("ac3", "ac3", "AC-3"),
        ("latm", "aac", "AAC in LATM"),
        ("mpegts", "aac", "an MPEG transport stream"),
        ("avi", "pcm_s16le", "an AVI video"),
    ],
)
def test_containers_that_are_not_read_are_named(
    tmp_path: Path, decoded: Decoded, muxer: str, codec: str, name: str
) -> None:
    """Refuse files that would decode without a sign of whether they are whole."""
    path = write_audio(tmp_path / "a.wav", tone(1, 48000), 48000, muxer=muxer, codec=codec)
    with pytest.raises(DamagedFileError, match=f"^is {name}, which is not read$"):
        decoded(path)
