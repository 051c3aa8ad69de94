"""Healthy files: what every container, codec and sample format decodes to, and what is too much to be measured."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import digest
from audiobatchd.errors import UnmeasurableError
from audiobatchd.vocabulary.files import EXTENSIONS
from support.audio_files import CONTAINERS, Samples, music, path_of, quantized, tone, write_audio
from support.audio_rig import Decoded, Opened

STEREO = ("FL", "FR")
PADDING = {"ogg": 64, "m4a": 1024, "aac": 2048}
"""Frames that the encoder's delay and padding may leave on top, where the container does not tell them."""
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def likeness(ours: Samples, theirs: Samples) -> float:
    """Compare the first channels, 1.0 at best, where ours is late by as much as lossy codecs make it."""
    first, second = ours[:, 0].astype(np.float64), theirs[:, 0].astype(np.float64)
    size = first.size + second.size
    correlation = np.fft.irfft(np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size)), size)
    return float(correlation[:4096].max() / np.sqrt((first**2).sum() * (second**2).sum()))


def wav(data: int, rate: int, channels: int, bits: int) -> bytes:
    """The header of a WAV of `data` bytes of PCM."""
    width = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * width, width, bits)
    return b"RIFF" + struct.pack("<I", 36 + data) + b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", data)


# Containers


def test_every_extension_is_shown_here() -> None:
    assert set(CONTAINERS) == set(EXTENSIONS)


@dataclass(frozen=True)
class Case:
    """A file as it is written, which is as it is read."""

    extension: str
    rate: int
    channels: tuple[str, ...] = STEREO
    lossless: bool = False

    @property
    def name(self) -> str:
        return f"{self.extension} {self.rate} {len(self.channels)}"


PCM = [
    Case(extension, rate, channels, lossless=True)
    for extension in ("flac", "wav", "aiff", "aif")
    for rate, channels in [
        (8000, ("FC",)),
        (11025, STEREO),
        (44100, ("FC",)),
        (44100, STEREO),
        (48000, STEREO),
        (88200, STEREO),
        (96000, STEREO),
        (192_000, STEREO),
    ]
]
SURROUNDS = [
    Case("flac", 48000, SURROUND, lossless=True),
    Case("wav", 48000, SURROUND, lossless=True),
    # CHAN knows 5.1 with its surround channels at the sides alone.
    Case("aiff", 48000, ("FL", "FR", "FC", "LFE", "SL", "SR"), lossless=True),
    Case("opus", 48000, SURROUND),
    Case("m4a", 48000, SURROUND),
    Case("aac", 48000, SURROUND),
]
EIGHT = ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")
EIGHTS = [
    Case("flac", 48000, EIGHT, lossless=True),
    Case("wav", 48000, EIGHT, lossless=True),
    # AIFF gives them an order of its own.
    Case("aiff", 48000, ("FL", "FR", "FC", "LFE", "SL", "SR", "BL", "BR"), lossless=True),
    Case("opus", 48000, EIGHT),
    Case("m4a", 48000, EIGHT),
    Case("aac", 48000, EIGHT),
]
LOSSY = [
    Case("mp3", 8000, ("FC",)),
    Case("mp3", 22050),
    Case("mp3", 44100, ("FC",)),
    Case("mp3", 44100),
    Case("mp3", 48000),
    Case("ogg", 8000),
    Case("ogg", 44100),
    Case("ogg", 96000),
    Case("ogg", 192_000),
    Case("opus", 48000, ("FC",)),
    Case("opus", 48000),
    Case("m4a", 8000, ("FC",)),
    Case("m4a", 44100),
    Case("m4a", 96000),
    Case("aac", 8000, ("FC",)),
    Case("aac", 44100),
    Case("aac", 96000),
]


@pytest.mark.parametrize("case", [*PCM, *SURROUNDS, *EIGHTS, *LOSSY], ids=lambda case: case.name)
def test_length_rate_and_channels(tmp_path: Path, decoded: Decoded, case: Case) -> None:
    samples = music(1, case.rate, 3, len(case.channels))
    audio = decoded(write_audio(tmp_path / f"full_mix.{case.extension}", samples, case.rate))
    assert (audio.role, audio.rate, audio.channels) == ("full_mix", case.rate, case.channels)
    assert audio.view().dtype == np.float32
    assert audio.view().shape[1] == len(case.channels)
    assert case.rate <= audio.view().shape[0] <= case.rate + PADDING.get(case.extension, 0)
    if case.lossless:
        np.testing.assert_array_equal(audio.view(), quantized(samples, 16))
    else:
        assert likeness(audio.view(), samples) > 0.95


@dataclass(frozen=True)
class Coding:
    """Coding of a file that is bit-exact at `bits` per sample; None: as floats."""

    extension: str
    codec: str
    bits: int | None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.codec} {self.bits} in {self.extension}"


CODINGS = [
    Coding("wav", "pcm_u8", 8),
    Coding("wav", "pcm_s16le", 16),
    Coding("wav", "pcm_s24le", 24),
    Coding("wav", "pcm_s32le", 24),
    Coding("wav", "pcm_f32le", None),
    Coding("wav", "pcm_f64le", None),
    Coding("aiff", "pcm_s8", 8),
    Coding("aiff", "pcm_s16be", 16),
    Coding("aiff", "pcm_s24be", 24),
    Coding("aiff", "pcm_s32be", 24),
    Coding("aiff", "pcm_s16le", 16),
    Coding("aiff", "pcm_f32be", None),
    Coding("aiff", "pcm_f64be", None),
    Coding("flac", "flac", 16, {"sample_format": "s16"}),
    Coding("flac", "flac", 24, {"sample_format": "s32"}),
    Coding("m4a", "alac", 16, {"sample_format": "s16p"}),
    Coding("m4a", "alac", 24, {"sample_format": "s32p"}),
    Coding("ogg", "flac", 16, {"sample_format": "s16"}),
    Coding("m4a", "flac", 16, {"muxer": "mp4", "sample_format": "s16"}),
]


@pytest.mark.parametrize("coding", CODINGS, ids=lambda coding: coding.name)
def test_sample_formats_are_exact(tmp_path: Path, decoded: Decoded, coding: Coding) -> None:
    samples = music(1, 44100, 4)
    # Full scale both ways is where a conversion overflows.
    samples[:2, 0] = -1.0, 1.0
    muxers = {"wav": "wav", "aiff": "aiff", "flac": "flac", "m4a": "ipod", "ogg": "ogg"}
    options = {"muxer": muxers[coding.extension], "codec": coding.codec, **coding.more}
    audio = decoded(write_audio(tmp_path / f"a.{coding.extension}", samples, 44100, **options))
    np.testing.assert_array_equal(audio.view(), samples if coding.bits is None else quantized(samples, coding.bits))


def test_all_32_bits_are_rounded_once(tmp_path: Path, decoded: Decoded) -> None:
    values = np.random.default_rng(5).integers(-(1 << 31), 1 << 31, 8000, dtype=np.int64).astype("<i4")
    (tmp_path / "a.wav").write_bytes(wav(32000, 8000, 1, 32) + values.tobytes())
    samples = decoded(tmp_path / "a.wav").view()[:, 0]
    np.testing.assert_array_equal(samples, (values / 2.0**31).astype(np.float32))


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        ("mp3", "wav"),
        ("wav", "flac"),
        ("flac", "mp3"),
        ("m4a", "ogg"),
        ("opus", "aiff"),
        ("aiff", "m4a"),
        ("aac", "mp3"),
    ],
)
def test_the_content_says_how_it_is_read_and_not_the_name(
    tmp_path: Path, decoded: Decoded, healthy: Callable[[str], bytes], kind: str, extension: str
) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_bytes(healthy(kind))
    assert likeness(decoded(path).view(), music(2, 48000, 1)) > 0.95


@pytest.mark.parametrize("kind", ["mp3 uncounted", "m4a faststart"])
def test_other_ways_of_writing(tmp_path: Path, decoded: Decoded, healthy: Callable[[str], bytes], kind: str) -> None:
    (tmp_path / "a.bin").write_bytes(healthy(kind))
    audio = decoded(tmp_path / "a.bin")
    assert 96000 <= len(audio.view()) <= 98304
    assert likeness(audio.view(), music(2, 48000, 1)) > 0.95


@pytest.mark.parametrize("kind", ["ogg", "opus", "ogg flac"])
def test_ogg_may_be_a_chain(tmp_path: Path, decoded: Decoded, healthy: Callable[[str], bytes], kind: str) -> None:
    (tmp_path / "a.ogg").write_bytes(healthy(kind) * 3)
    assert 3 * 96000 <= len(decoded(tmp_path / "a.ogg").view()) <= 3 * 96000 + 2 * 8192


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_ogg_may_begin_late(tmp_path: Path, decoded: Decoded, opened: Opened, kind: str) -> None:
    """Count its samples from the beginning of the broadcast that it was recorded from."""
    path = write_audio(tmp_path / f"a.{kind}", music(1, 48000), 48000, muxer_options={"output_ts_offset": "3"})
    assert len(decoded(path).view()) == 48000
    lengths: list[float | None] = []
    decode(opened(path), "drums", 1.5, lengths.append)
    assert lengths == [pytest.approx(1.0, abs=0.03)]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_short_files(tmp_path: Path, decoded: Decoded, extension: str) -> None:
    """Decode less than a block of Vorbis, and one page of Ogg."""
    path = write_audio(tmp_path / f"a.{extension}", music(0.05, 48000), 48000)
    assert 2400 <= len(decoded(path).view()) <= 2400 + 2048


@pytest.mark.parametrize("start", [b"RF64", b"BW64"])
def test_wav_beyond_4_gib_has_its_size_elsewhere(tmp_path: Path, decoded: Decoded, start: bytes) -> None:
    samples = music(1, 44100)
    path = write_audio(tmp_path / "a.wav", samples, 44100, muxer_options={"rf64": "always"})
    path.write_bytes(start + path.read_bytes()[4:])
    np.testing.assert_array_equal(decoded(path).view(), quantized(samples, 16))


@pytest.mark.parametrize(
    "name",
    [b"caf\xe9 \xff.flac", b"http:x.flac", b"-i.flac", b"new\nline.flac", b"a%03d.flac", "\N{SNOWMAN}.flac".encode()],
    ids=repr,
)
def test_no_name_is_taken_for_anything_else(tmp_path: Path, decoded: Decoded, opened: Opened, name: bytes) -> None:
    path = path_of(tmp_path, name)
    samples = tone(0.5)
    write_audio(path, samples, 44100)
    assert [os.fsencode(entry.name) for entry in tmp_path.iterdir()] == [name]
    np.testing.assert_array_equal(decoded(path).view(), quantized(samples, 16))
    source = opened(path)
    assert source.stamp.name == name
    assert digest(source).startswith("flac:")


# How long, how many channels, which rate


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("flac", 2.0),
        ("wav", 2.0),
        ("aiff", 2.0),
        ("mp3", 2.0),
        ("mp3 uncounted", 97920 / 48000),
        ("ogg", 2.0),
        ("opus", 2.0),
        ("ogg flac", 2.0),
        ("m4a", 2.0),
        ("aac", 97280 / 48000),
    ],
)
def test_length_is_told_once_and_before_it_is_decoded(
    tmp_path: Path, opened: Opened, healthy: Callable[[str], bytes], kind: str, told: float
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(healthy(kind))
    lengths: list[float | None] = []
    decode(opened(path), "drums", 7200.0, lengths.append)
    assert lengths == [pytest.approx(told, abs=1e-9)]
    with pytest.raises(UnmeasurableError, match=r"^longer than 1 s$"):
        decode(opened(path), "drums", 1.0, lengths.append)
    assert len(lengths) == 1, "what is too long is not announced"


def test_no_length_is_told_where_there_is_no_promise(tmp_path: Path, opened: Opened) -> None:
    path = write_audio(tmp_path / "a.wav", tone(2), 44100, muxer="wav", codec="adpcm_ms")
    lengths: list[float | None] = []
    assert decode(opened(path), "drums", 2.1, lengths.append).duration == pytest.approx(2.0, abs=0.1)
    assert lengths == [None]
    with pytest.raises(UnmeasurableError, match=r"^longer than 1\.5 s$"):
        decode(opened(path), "drums", 1.5)


@pytest.mark.parametrize("kind", ["flac", "wav", "opus"])
def test_just_as_long_as_allowed_is_measured(
    tmp_path: Path, opened: Opened, healthy: Callable[[str], bytes], kind: str
) -> None:
    (tmp_path / "a.bin").write_bytes(healthy(kind))
    assert decode(opened(tmp_path / "a.bin"), "drums", 2.0).duration == 2.0


@pytest.mark.parametrize(
    ("limit", "words"),
    [(7200.0, "2 h"), (5400.0, "90 min"), (3600.0, "1 h"), (60.0, "1 min"), (45.0, "45 s"), (1.5, "1.5 s")],
)
def test_limits_are_told_as_they_are_configured(tmp_path: Path, opened: Opened, limit: float, words: str) -> None:
    """Three hours of nothing at 8 kHz: a hole behind a header, which is not decoded."""
    size = 3 * 3600 * 16000
    path = tmp_path / "a.wav"
    path.write_bytes(wav(size, 8000, 1, 16))
    os.truncate(path, 44 + size)
    with pytest.raises(UnmeasurableError, match=f"^longer than {words}$"):
        decode(opened(path), "full_mix", limit)


@pytest.mark.parametrize(
    ("extension", "rate", "reason"),
    [
        ("wav", 7999, "has a sample rate of 7999 Hz"),
        ("wav", 8000, ""),
        ("wav", 192_000, ""),
        ("wav", 192_001, "has a sample rate of 192001 Hz"),
        ("flac", 384_000, "has a sample rate of 384000 Hz"),
    ],
)
def test_rates_that_loudness_is_defined_for(
    tmp_path: Path, decoded: Decoded, extension: str, rate: int, reason: str
) -> None:
    path = write_audio(tmp_path / f"a.{extension}", tone(0.2, rate), rate)
    if reason:
        with pytest.raises(UnmeasurableError, match=f"^{reason}$"):
            decoded(path)
    else:
        assert decoded(path).rate == rate


@pytest.mark.parametrize(("channels", "reason"), [(8, ""), (9, "has 9 channels"), (64, "has 64 channels")])
def test_at_most_eight_channels(tmp_path: Path, decoded: Decoded, channels: int, reason: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(16000 * channels, 8000, channels, 16) + bytes(16000 * channels))
    if reason:
        with pytest.raises(UnmeasurableError, match=f"^{reason}$"):
            decoded(path)
    else:
        assert decoded(path).channels == ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")


@pytest.mark.parametrize(
    ("mask", "channels"),
    [
        (0, SURROUND),
        (0x3F, SURROUND),
        (0x60F, ("FL", "FR", "FC", "LFE", "SL", "SR")),
        (0x707, ("FL", "FR", "FC", "BC", "SL", "SR")),
    ],
)
def test_channels_are_named_by_the_mask_of_a_wav(
    tmp_path: Path, decoded: Decoded, mask: int, channels: tuple[str, ...]
) -> None:
    pcm = struct.pack("<HHI", 22, 16, mask) + bytes.fromhex("0100000000001000800000aa00389b71")
    form = struct.pack("<HHIIHH", 0xFFFE, 6, 8000, 96000, 12, 16) + pcm
    data = bytes(12 * 800)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    assert decoded(path).channels == channels
