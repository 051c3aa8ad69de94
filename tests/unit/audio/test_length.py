"""Promises of a length that the bytes contradict: damage, and never "longer than" what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiobatchd.audio.decode import decode
from audiobatchd.errors import BeyondLimitError, DamagedFileError, UnmeasurableError
from fuzz.checksums import sealed
from support.audio_files import music, write_audio
from support.audio_rig import Healthy, Opened

HOURS = 1 << 30
"""Number of samples that are 6 h at 48 kHz."""


def flipped(content: bytes, place: int, bits: int, bit: int) -> bytes:
    """The content with one bit of the big-endian number of `bits` bits at `place` turned over."""
    octets = bits // 8
    number = int.from_bytes(content[place : place + octets], "big") ^ bit
    return content[:place] + number.to_bytes(octets, "big") + content[place + octets :]


def last_granule(content: bytes) -> bytes:
    """An Ogg of which the last page ends 6 h late, its checksum as it was."""
    place = content.rindex(b"OggS") + 6
    granule = int.from_bytes(content[place : place + 8], "little") ^ HOURS
    return content[:place] + granule.to_bytes(8, "little") + content[place + 8 :]


def first_delta(content: bytes) -> bytes:
    return flipped(content, content.index(b"stts") + 16, 32, HOURS)


def media_length(content: bytes) -> bytes:
    return flipped(content, content.index(b"mdhd") + 20, 32, HOURS)


CONTRADICTIONS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "flac": ("flac", lambda content: flipped(content, 18, 64, HOURS)),
    "flac, most": ("flac", lambda content: flipped(content, 18, 64, 1 << 35)),
    "ogg": ("ogg", last_granule),
    "ogg, right checksum": ("ogg", lambda content: sealed(last_granule(content))),
    "opus": ("opus", last_granule),
    "opus, right checksum": ("opus", lambda content: sealed(last_granule(content))),
    "ogg flac, right checksum": ("ogg flac", lambda content: sealed(last_granule(content))),
    "chain": ("ogg", lambda content: content + sealed(last_granule(content))),
    "aiff": ("aiff", lambda content: flipped(content, content.index(b"COMM") + 10, 32, HOURS)),
}


@pytest.mark.parametrize(("kind", "spoil"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_length_that_the_bytes_contradict_is_damage(
    tmp_path: Path, opened: Opened, healthy: Healthy, kind: str, spoil: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "a.bin").write_bytes(spoil(healthy(kind)))
    lengths: list[float | None] = []
    with pytest.raises(DamagedFileError):
        decode(opened(tmp_path / "a.bin"), "full_mix", 60.0, lengths.append)
    assert lengths == []


EDITLESS = {"muxer": "ipod", "codec": "aac", "muxer_options": {"use_editlist": "0"}}
FRAGMENTS = {"muxer": "ipod", "codec": "aac", "muxer_options": {"movflags": "frag_keyframe+empty_moov"}}
DASH = {"muxer": "ipod", "codec": "aac", "muxer_options": {"movflags": "dash+frag_keyframe+empty_moov+global_sidx"}}


@pytest.mark.parametrize(
    ("options", "box", "place", "bit"),
    [
        (EDITLESS, b"mdhd", 12, 7),
        (FRAGMENTS, b"trun", 12, 5),
        (FRAGMENTS, b"tfdt", 5, 7),
        (DASH, b"sidx", 14, 7),
        (DASH, b"sidx", 16, 7),
    ],
    ids=["time scale", "length of a packet", "time of a fragment", "earliest time", "earliest time, less"],
)
def test_mp4_that_its_packets_contradict_is_damage(
    tmp_path: Path, opened: Opened, options: dict[str, Any], box: bytes, place: int, bit: int
) -> None:
    content = write_audio(tmp_path / "a.m4a", music(2, 48000, 1), 48000, **options).read_bytes()
    (tmp_path / "a.bin").write_bytes(flipped(content, content.index(box) + 4 + place, 8, 1 << bit))
    with pytest.raises(DamagedFileError, match=r"^ends too early: it promises \d+\.\d+ s, and holds \d\.\d+ s$"):
        decode(opened(tmp_path / "a.bin"), "full_mix", 60.0)


@pytest.mark.parametrize("spoil", [first_delta, media_length])
@pytest.mark.parametrize("kind", ["m4a", "m4a alac"])
def test_longer_one_of_two_lengths_is_not_believed(
    tmp_path: Path, opened: Opened, healthy: Healthy, kind: str, spoil: Callable[[bytes], bytes]
) -> None:
    """Take an MP4 whose index and header each say one: the file is as long as it was, or damaged."""
    (tmp_path / "a.bin").write_bytes(spoil(healthy(kind)))
    with suppress(DamagedFileError):
        assert decode(opened(tmp_path / "a.bin"), "full_mix", 60.0).duration == pytest.approx(2.0, abs=0.1)


def test_contradicted_length_is_told_with_what_is_there(tmp_path: Path, opened: Opened, healthy: Healthy) -> None:
    (tmp_path / "a.bin").write_bytes(flipped(healthy("flac"), 18, 64, HOURS))
    with pytest.raises(DamagedFileError, match=r"^ends too early: it promises 22371\.621 s, and holds 2\.000 s$"):
        decode(opened(tmp_path / "a.bin"), "full_mix", 60.0)


def test_rate_beyond_reason_is_no_reason_to_be_too_long(tmp_path: Path, opened: Opened, healthy: Healthy) -> None:
    whole = healthy("aiff")
    (tmp_path / "a.bin").write_bytes(flipped(whole, whole.index(b"COMM") + 17, 8, 1 << 3))
    with pytest.raises(UnmeasurableError, match=r"^has a sample rate of 187\.5 Hz$"):
        decode(opened(tmp_path / "a.bin"), "full_mix", 60.0)


def test_flac_with_a_lower_rate_is_not_too_long(tmp_path: Path, opened: Opened, healthy: Healthy) -> None:
    """The frames say 48 kHz, STREAMINFO 15232 Hz, at which 2 s would be 6."""
    (tmp_path / "a.bin").write_bytes(flipped(healthy("flac"), 18, 64, 1 << 59))
    with pytest.raises(DamagedFileError):
        decode(opened(tmp_path / "a.bin"), "full_mix", 4.0)


SILENT: dict[str, tuple[str, dict[str, Any]]] = {
    "flac": ("flac", {}),
    "mp3": ("mp3", {}),
    "ogg": ("ogg", {}),
    "opus": ("opus", {}),
    "ogg flac": ("ogg", {"muxer": "ogg", "codec": "flac"}),
    "m4a": ("m4a", {}),
    "m4a alac": ("m4a", {"muxer": "ipod", "codec": "alac"}),
    "mov pcm": ("mp4", {"muxer": "mov", "codec": "pcm_s16le"}),
    "mp4 flac": ("mp4", {"muxer": "mp4", "codec": "flac"}),
    "mp4 opus": ("mp4", {"muxer": "mp4", "codec": "libopus"}),
    "m4a in fragments": ("m4a", FRAGMENTS),
    "aac": ("aac", {}),
    "wav": ("wav", {}),
    "aiff": ("aiff", {}),
}


@pytest.mark.parametrize("kind", SILENT)
def test_long_silence_is_too_long_and_no_damage(tmp_path: Path, opened: Opened, kind: str) -> None:
    """Hardly any bytes a second: no size tells it from a promise that is wrong, its frames do."""
    extension, options = SILENT[kind]
    path = write_audio(tmp_path / f"a.{extension}", np.zeros((48000 * 90, 2), np.float32), 48000, **options)
    lengths: list[float | None] = []
    with pytest.raises(BeyondLimitError, match=r"^longer than 1 min$") as raised:
        decode(opened(path), "full_mix", 60.0, lengths.append)
    assert 60.0 < raised.value.seconds < 91.0
    assert lengths == []
