"""How files of every container hold their audio, against what was written, what decodes, FFmpeg and libsndfile."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import av
import pytest
import soundfile

from audiobatchd.audio.decode import decode
from audiobatchd.audio.encoding import encoding_of
from audiobatchd.audio.source import SourceFile, open_source
from audiobatchd.errors import BeyondLimitError, DamagedFileError
from audiobatchd.plugin_api import FULL_MIX, Encoding
from support.audio_files import tone, write_audio

SECONDS = 1.37
FORMS = {
    # name: muxer, codec, sample rate, channels, bits, and what else the writer is told
    "a.flac": ("flac", "flac", 44100, 2, 16, {}),
    "deep.flac": ("flac", "flac", 96000, 1, 32, {"sample_format": "s32"}),
    "a.wav": ("wav", "pcm_s16le", 44100, 2, 16, {}),
    "deep.wav": ("wav", "pcm_s24le", 48000, 6, 24, {}),
    "float.wav": ("wav", "pcm_f32le", 44100, 2, 32, {}),
    "small.wav": ("wav", "pcm_u8", 8000, 1, 8, {}),
    "mulaw.wav": ("wav", "pcm_mulaw", 8000, 1, None, {}),
    "adpcm.wav": ("wav", "adpcm_ms", 44100, 2, None, {}),
    "a.mp3": ("mp3", "libmp3lame", 44100, 2, None, {}),
    "uncounted.mp3": ("mp3", "libmp3lame", 44100, 2, None, {"muxer_options": {"write_xing": "0"}}),
    "a.ogg": ("ogg", "vorbis", 44100, 2, None, {}),
    "flac.ogg": ("ogg", "flac", 44100, 2, 16, {}),
    "a.opus": ("opus", "libopus", 48000, 2, None, {}),
    "a.m4a": ("ipod", "aac", 44100, 2, None, {}),
    "alac.m4a": ("ipod", "alac", 44100, 2, 24, {}),
    "a.aac": ("adts", "aac", 44100, 2, None, {}),
    "a.aiff": ("aiff", "pcm_s16be", 44100, 2, 16, {}),
    "order.aiff": ("aiff", "pcm_s16be", 48000, 8, 16, {}),
    "little.aifc": ("aiff", "pcm_s16le", 44100, 2, 16, {}),
}
CODECS = {"libmp3lame": "mp3", "libopus": "opus"}
UNTRIMMED = {"a.m4a"}
"""Whose last packet FFmpeg decodes whole: its container knows better."""
ESTIMATED = {"a.aac", "uncounted.mp3", "a.opus"}
"""Whose length FFmpeg estimates from the bit rate, or (Opus) tells with what is skipped at the beginning."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, (muxer, codec, rate, channels, _, more) in FORMS.items():
        write_audio(folder / name, tone(SECONDS, rate, channels), rate, muxer=muxer, codec=codec, **more)  # type: ignore[arg-type]  # a table of several kinds
    return folder


def opened(path: Path) -> SourceFile:
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return open_source(descriptor, path.name.encode())
    finally:
        os.close(descriptor)


def read(path: Path, max_duration: float = 60.0) -> Encoding:
    with opened(path) as source:
        return encoding_of(source, max_duration)


@pytest.mark.parametrize("name", FORMS)
def test_form_is_what_was_written(files: Path, name: str) -> None:
    _, codec, rate, channels, bits, _ = FORMS[name]
    found = read(files / name)
    assert (found.codec, found.rate, found.channels, found.bits) == (CODECS.get(codec, codec), rate, channels, bits)


@pytest.mark.parametrize("name", FORMS)
def test_length_is_that_of_what_decodes(files: Path, name: str) -> None:
    found = read(files / name).seconds
    if name in UNTRIMMED:
        assert found == pytest.approx(SECONDS, abs=0.001)
        return
    with opened(files / name) as source:
        decoded = decode(source, FULL_MIX, 60.0).duration
    assert found == pytest.approx(decoded, abs=1e-9)
    assert decoded == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("name", sorted(FORMS.keys() - ESTIMATED))
def test_form_is_that_which_ffprobe_prints(files: Path, name: str) -> None:
    # FFmpeg's own reading, of the path and with its own guess of the container: what `ffprobe` prints.
    found = read(files / name)
    with closing(av.open(str(files / name))) as container:
        stream = container.streams.audio[0]
        # Whose own order is not looked at twice: the process would die of it.
        channels = found.channels if name == "order.aiff" else stream.codec_context.layout.nb_channels
        told = stream.codec_context.codec.canonical_name, stream.rate, channels
        assert container.duration is not None
        length = container.duration / 1e6
    assert (found.codec, found.rate, found.channels) == told
    assert found.seconds == pytest.approx(length, abs=1e-6)


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "deep.wav", "a.aiff", "little.aifc"])
def test_form_is_that_which_libsndfile_reads(files: Path, name: str) -> None:
    found, info = read(files / name), soundfile.info(files / name)
    assert (found.rate, found.channels) == (info.samplerate, info.channels)
    assert found.seconds == pytest.approx(info.frames / info.samplerate, abs=1e-9)
    assert found.bits == int(info.subtype.removeprefix("PCM_"))


def uncounted(content: bytes) -> bytes:
    """FLAC as it is written into a pipe, without a count of samples and without their MD5."""
    return content[:21] + bytes([content[21] & 0xF0]) + bytes(20) + content[42:]


def test_packets_are_counted_where_the_header_counts_none(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "piped.flac"
    path.write_bytes(uncounted((files / "a.flac").read_bytes()))
    assert read(path).seconds == pytest.approx(SECONDS, abs=1e-9)


def test_chain_is_as_long_as_its_links_together(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "chain.opus"
    path.write_bytes((files / "a.opus").read_bytes() * 3)
    with opened(path) as source:
        assert encoding_of(source, 60.0).seconds == pytest.approx(decode(source, FULL_MIX, 60.0).duration, abs=1e-9)


def test_files_put_together_count_together(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "row.mp3"
    path.write_bytes((files / "a.mp3").read_bytes() * 2)
    assert read(path).seconds == pytest.approx(2 * SECONDS, abs=1e-9)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("name", "spoil", "why"),
    [
        ("a.wav", cut, "ends too early"),
        ("a.mp3", cut, "ends too early"),
        ("a.m4a", cut, "ends too early"),
        ("a.wav", lambda _: b"", "is empty"),
        ("a.wav", lambda _: b"#EXTM3U\nfile:///etc/hostname\n", "is "),
        ("a.flac", lambda content: content[:60], "."),
    ],
)
def test_damage_of_the_container_is_seen(
    files: Path, tmp_path: Path, name: str, spoil: Callable[[bytes], bytes], why: str
) -> None:
    path = tmp_path / name
    path.write_bytes(spoil((files / name).read_bytes()))
    with pytest.raises(DamagedFileError, match=why):
        read(path)


def test_file_that_is_nearly_all_hole_is_not_gone_through(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "hole.flac"
    path.write_bytes((files / "a.flac").read_bytes())
    os.truncate(path, 1 << 40)
    with pytest.raises(DamagedFileError):
        read(path)
    path.write_bytes(uncounted((files / "a.flac").read_bytes()) + b"x")
    with path.open("r+b") as file:
        file.seek((1 << 40) - 1)
        file.write(b"x")
    with pytest.raises(BeyondLimitError, match="by its size"):
        read(path)


def test_promise_of_months_makes_no_hole_of_terabytes_possible(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "months.flac"
    content = (files / "a.flac").read_bytes()
    path.write_bytes(content[:21] + bytes([content[21] | 0x0F]) + b"\xff" * 4 + content[26:])
    assert (read(path).seconds or 0.0) > 1e6
    with path.open("r+b") as file:
        file.seek(1 << 42)
        file.write(b"x")
    with pytest.raises(BeyondLimitError, match="by its size"):
        read(path)


@pytest.mark.parametrize("short_of_memory", [False, True])
def test_header_that_asks_for_too_much_memory_is_damage(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_of_memory: bool
) -> None:
    content = bytearray((files / "a.m4a").read_bytes())
    place = content.index(b"stsd") + 12
    content[place : place + 4] = (0xB4).to_bytes(4, "big")
    (tmp_path / "a.m4a").write_bytes(content)
    monkeypatch.setattr("audiobatchd.audio.encoding.is_short_of_memory", lambda: short_of_memory)
    with pytest.raises(MemoryError if short_of_memory else DamagedFileError):
        read(tmp_path / "a.m4a")


def test_order_of_channels_of_its_own_is_read_again_and_again(files: Path) -> None:
    # FFmpeg and PyAV both free it; which one of two frees ends the process is chance.
    assert {read(files / "order.aiff").channels for _ in range(100)} == {8}
