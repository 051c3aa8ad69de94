"""Odd files that decoders get wrong in silence: measured as what they hold, or refused in our words.

The right samples are those that the file was made of; of lossy codecs those that FFmpeg gives for each part by itself.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import pyloudnorm
import pytest
import soundfile
from numpy.typing import NDArray

from audiobatchd.audio.decode import decode
from audiobatchd.errors import DamagedFileError, UnmeasurableError
from fuzz.checksums import pages, sealed
from support.audio_files import Samples, music, quantized, write_audio
from support.audio_rig import Decoded, Healthy, Opened
from support.containers import PCM_GUID, aifc, chunk, extensible, form, riff, rifx, wave
from support.frames_by_hand import ID3V1

RATE = 44100
GIB = 1 << 30
MUSIC = quantized(music(1, RATE, 7), 16)
PCM = (MUSIC * 32768).astype("<i2").tobytes()
SWAPPED = np.frombuffer(PCM, "<i2").astype(">i2").tobytes()
LIST = b"LIST\x04\0\0\0INFO"


def integers(bits: int, container: int, order: str = "<") -> tuple[bytes, Samples]:
    """The music in `bits`, left-justified in `container` bytes of that order; and what it decodes to."""
    samples = quantized(music(1, RATE, 7), bits)
    scaled = (samples.astype(np.float64) * (1 << 31)).astype(np.int64)
    octets = scaled.astype(">i4").tobytes() if order == ">" else scaled.astype("<i4").tobytes()
    rows = np.frombuffer(octets, np.uint8).reshape(-1, 4)
    kept = rows[:, :container] if order == ">" else rows[:, 4 - container :]
    return kept.tobytes(), samples


@pytest.fixture
def decoded_bytes(tmp_path: Path, decoded: Decoded) -> Callable[[bytes], Samples]:
    """Decodes a file of these bytes."""

    def decode_bytes(content: bytes) -> Samples:
        (tmp_path / "a.bin").write_bytes(content)
        return decoded(tmp_path / "a.bin").view()

    return decode_bytes


DecodedBytes = Callable[[bytes], Samples]


# Sizes that lie


STREAMED = (0, 0xFFFFFFFF, 0xFFFFFFD0, 0x7FFFF000)
BEHIND: Mapping[str, bytes] = {
    "nothing": b"",
    "LIST": LIST,
    "a picture": chunk(b"id3 ", np.random.default_rng(3).bytes(300_000)),
    "an odd one": chunk(b"id3 ", b"odd", pad=True),
    "an odd one, unpadded": chunk(b"id3 ", b"odd", pad=False),
    "three": LIST + chunk(b"bext", bytes(602)) + chunk(b"id3 ", bytes(9)),
    "a chunk and tags": LIST + ID3V1,
}


@pytest.mark.parametrize("size", STREAMED, ids=hex)
@pytest.mark.parametrize("behind", BEHIND)
def test_streamed_wav_ends_where_its_chunks_begin(decoded_bytes: DecodedBytes, behind: str, size: int) -> None:
    content = bytearray(wave(PCM, size=size, behind=BEHIND[behind]))
    for riff_size in (size, len(content) - 8):
        content[4:8] = struct.pack("<I", riff_size)
        np.testing.assert_array_equal(decoded_bytes(bytes(content)), MUSIC)


def test_streamed_files_put_together_are_refused(decoded_bytes: DecodedBytes) -> None:
    """The header of the second would be played with its samples."""
    for one in (wave(PCM, size=0xFFFFFFFF), aifc(SWAPPED, size=0)):
        with pytest.raises(
            DamagedFileError, match=rf"^holds another file behind its own(, or (RIFF|FORM) twice)?: at byte {len(one)}$"
        ):
            decoded_bytes(one + one)


@pytest.mark.parametrize("behind", [name for name in BEHIND if name != "nothing"])
def test_wav_of_chunks_and_no_samples_is_refused(decoded_bytes: DecodedBytes, behind: str) -> None:
    with pytest.raises(DamagedFileError, match=r"^holds no samples$"):
        decoded_bytes(wave(b"", size=0, behind=BEHIND[behind]))


def test_chunks_are_found_across_the_blocks_of_the_search(decoded_bytes: DecodedBytes) -> None:
    random = np.random.default_rng(4)
    for size in ((1 << 22) - 1, (1 << 22) - 9, 9_000_001):
        content = wave(PCM, size=0, behind=chunk(b"id3 ", random.bytes(size)) + LIST)
        np.testing.assert_array_equal(decoded_bytes(content), MUSIC)


@pytest.fixture
def sparse(tmp_path: Path) -> Callable[..., Path]:
    """Makes a file of these bytes with a hole behind them, and more behind that."""

    def make(content: bytes, hole: int, behind: bytes = b"") -> Path:
        path = tmp_path / "a.wav"
        with path.open("wb") as file:
            file.write(content)
            file.truncate(len(content) + hole)
            file.seek(0, os.SEEK_END)
            file.write(behind)
        return path

    return make


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("behind", [b"", LIST, chunk(b"id3 ", bytes(99))], ids=["nothing", "LIST", "odd chunk"])
def test_wav_with_overflowed_sizes_is_refused(
    sparse: Callable[..., Path], decoded: Decoded, behind: bytes, times: int
) -> None:
    """Beyond 4 GiB the upper bits of a size are lost: what is left promises the first second of seven hours."""
    path = sparse(wave(PCM), times * 4 * GIB, behind)
    with pytest.raises(DamagedFileError, match=r"^says sizes that overflowed: \d+ bytes follow its data chunk, "):
        decoded(path)
    path = sparse(wave(PCM) + PCM[:400], times * 4 * GIB + 1, behind)
    with pytest.raises(DamagedFileError, match=r"^says sizes that overflowed: "):
        decoded(path)


def test_wav_with_a_size_overflowed_to_0_is_read_to_its_end(sparse: Callable[..., Path], decoded: Decoded) -> None:
    with pytest.raises(UnmeasurableError, match=r"^longer than 2 h$"):
        decoded(sparse(wave(PCM, size=0), 4 * GIB - len(PCM)))


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000], ids=hex)
def test_streamed_wav_goes_on_behind_the_largest_size(sparse: Callable[..., Path], decoded: Decoded, size: int) -> None:
    """FFmpeg and SoX leave these sizes also where there is more."""
    path = sparse(wave(PCM, size=size), size + 4096 - len(PCM), b"\1" * 4096)
    with pytest.raises(UnmeasurableError, match=r"^longer than 2 h$"):
        decoded(path)


@pytest.mark.parametrize(
    ("hole", "behind"),
    [(4 * GIB + 6, b""), (4 * GIB - 44, b""), (64 << 20, b"junk"), (0, b"\xff" * 5000)],
    ids=["more than wraps", "less than wraps", "zeros and junk", "junk"],
)
def test_bytes_behind_a_healthy_wav_cost_nothing(
    sparse: Callable[..., Path],
    opened: Opened,
    monkeypatch: pytest.MonkeyPatch,
    hole: int,
    behind: bytes,
) -> None:
    source, read, pread = opened(sparse(wave(PCM), hole, behind)), [0], os.pread

    def counting(fd: int, length: int, offset: int) -> bytes:
        block = pread(fd, length, offset)
        read[0] += len(block)
        return block

    monkeypatch.setattr(os, "pread", counting)
    np.testing.assert_array_equal(decode(source, "full_mix", 7200.0).view(), MUSIC)
    assert read[0] < 2 * len(PCM) + (1 << 20)


def test_zeros_inside_the_riff_may_not_hide_samples(decoded_bytes: DecodedBytes) -> None:
    pause = PCM[: len(PCM) // 2] + bytes(20_000) + PCM[len(PCM) // 2 :]
    with pytest.raises(DamagedFileError, match=r"^holds no chunk at byte \d+, behind its data chunk$"):
        decoded_bytes(wave(pause, size=len(PCM) // 2))


def test_samples_that_look_like_a_name_are_no_chunk(decoded_bytes: DecodedBytes) -> None:
    half = len(PCM) // 2
    spoilt = PCM[:half] + b"abcd\x10\0\0\0" + PCM[half + 8 :]
    with pytest.raises(DamagedFileError, match=rf"^holds no chunk at byte {half + 44}, behind its data chunk$"):
        decoded_bytes(wave(spoilt, size=half))
    np.testing.assert_array_equal(decoded_bytes(wave(PCM, behind=chunk(b"mine", b"12345"))), MUSIC)


ODD: Mapping[str, bytes] = {
    "JUNK before": riff(chunk(b"JUNK", bytes(4096)), chunk(b"fmt ", form()), chunk(b"data", PCM)),
    "odd chunk before": riff(chunk(b"JUNK", b"odd"), chunk(b"fmt ", form()), chunk(b"data", PCM)),
    "odd chunk, unpadded": riff(chunk(b"JUNK", b"odd", pad=False), chunk(b"fmt ", form()), chunk(b"data", PCM)),
    "format behind": riff(chunk(b"data", PCM), chunk(b"fmt ", form())),
    "LIST behind": wave(PCM, behind=LIST),
    "LIST that is cut": wave(PCM, behind=LIST[:-2]),
    "zeros inside the RIFF": wave(PCM, behind=bytes(100_000)),
    "RIFF of no size": riff(chunk(b"fmt ", form()), chunk(b"data", PCM), size=0),
    "RIFF of half the size": riff(chunk(b"fmt ", form()), chunk(b"data", PCM), size=len(PCM) // 2),
    "RF64": riff(
        chunk(b"ds64", struct.pack("<QQQI", 0, len(PCM), 0, 0)),
        chunk(b"fmt ", form()),
        chunk(b"data", PCM, 0xFFFFFFFF),
        size=0xFFFFFFFF,
        start=b"RF64",
    ),
    "RF64, streamed": riff(
        chunk(b"ds64", bytes(28)),
        chunk(b"fmt ", form()),
        chunk(b"data", PCM, 0xFFFFFFFF),
        LIST,
        size=0xFFFFFFFF,
        start=b"RF64",
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_wavs_are_measured(decoded_bytes: DecodedBytes, kind: str) -> None:
    np.testing.assert_array_equal(decoded_bytes(ODD[kind]), MUSIC)


def test_data_of_half_a_frame_more_is_measured(decoded_bytes: DecodedBytes) -> None:
    np.testing.assert_array_equal(decoded_bytes(wave(PCM + b"abc")), MUSIC)


CONTRADICTING: Mapping[str, tuple[bytes, str]] = {
    "two data chunks": (
        wave(PCM, behind=chunk(b"data", PCM)),
        r"holds another file behind its own, or data twice: at byte \d+",
    ),
    "two formats": (
        riff(chunk(b"fmt ", form()), chunk(b"fmt ", form(bits=8)), chunk(b"data", PCM)),
        "holds another file behind its own, or fmt twice: at byte 36",
    ),
    "two WAVs": (wave(PCM) + wave(PCM), r"holds another file behind its own, or RIFF twice: at byte \d+"),
    "WAV in WAV": (wave(wave(PCM)), "holds another file where its samples should be: RIFF"),
    "FLAC in WAV": (wave(b"fLaC" + PCM), "holds another file where its samples should be: fLaC"),
    "ds64 says more": (
        riff(
            chunk(b"ds64", struct.pack("<QQQI", 0, 2 * len(PCM), 0, 0)),
            chunk(b"fmt ", form()),
            chunk(b"data", PCM),
            start=b"RF64",
        ),
        rf"says two sizes of its samples: {len(PCM)} bytes in its data chunk, {2 * len(PCM)} in its ds64 chunk",
    ),
    "24 bits in slots of 32": (
        wave(bytes(8000), form(bits=24, slot=4)),
        "holds samples of 24 bits in slots of 32 without saying where they lie in them: .*",
    ),
    "16 bits in slots of 24": (
        wave(bytes(6000), form(bits=16, slot=3)),
        "holds samples of 16 bits in slots of 24 without saying where they lie in them: .*",
    ),
    "24-bit floats": (
        wave(bytes(6000), form(3, 24)),
        "says what cannot be in its format chunk: samples of 24 bits in frames of 6 bytes, 2 channels, 44100 Hz",
    ),
    "no channels": (
        wave(PCM, form(channels=0)),
        "says what cannot be in its format chunk: samples of 16 bits in frames of 0 bytes, 0 channels, 44100 Hz",
    ),
}


@pytest.mark.parametrize("kind", CONTRADICTING)
def test_wavs_that_contradict_themselves_are_refused(decoded_bytes: DecodedBytes, kind: str) -> None:
    content, message = CONTRADICTING[kind]
    with pytest.raises(DamagedFileError, match=f"^{message}$"):
        decoded_bytes(content)


# Orders of bytes, and slots wider than samples


@pytest.mark.parametrize(
    ("bits", "container"), [(16, 2), (24, 3), (24, 4), (20, 3), (20, 4), (16, 3), (16, 4), (12, 2)]
)
def test_extensible_wav_is_as_wide_as_its_container(decoded_bytes: DecodedBytes, bits: int, container: int) -> None:
    data, samples = integers(bits, container)
    np.testing.assert_array_equal(decoded_bytes(wave(data, extensible(container * 8, bits))), samples)


@pytest.mark.parametrize(("bits", "container"), [(12, 2), (20, 3)])
def test_integers_that_fill_no_whole_bytes_are_left_justified(
    decoded_bytes: DecodedBytes, bits: int, container: int
) -> None:
    data, samples = integers(bits, container)
    np.testing.assert_array_equal(decoded_bytes(wave(data, form(bits=bits))), samples)


@pytest.mark.parametrize("bits", [16, 24, 32])
@pytest.mark.parametrize("guid", [b"", b"\0\0\0\1", b"\0\1\0\0"], ids=["plain", "extensible", "extensible by SoX"])
def test_rifx_of_integers_is_read_in_its_order(decoded_bytes: DecodedBytes, bits: int, guid: bytes) -> None:
    data, samples = integers(min(bits, 24), bits // 8, ">")
    shape = extensible(bits, bits, order=">", guid=guid + PCM_GUID[4:]) if guid else form(bits=bits, order=">")
    np.testing.assert_array_equal(decoded_bytes(rifx(data, shape)), samples)


@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"])
@pytest.mark.parametrize(("container", "order"), [("WAV", "LITTLE"), ("WAV", "BIG"), ("WAVEX", "LITTLE")])
def test_wav_by_libsndfile_is_as_libsndfile_reads_it(
    tmp_path: Path, decoded: Decoded, container: str, order: str, kind: str
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, MUSIC, RATE, subtype=kind, format=container, endian=order)
    assert path.read_bytes()[:4] == (b"RIFX" if order == "BIG" else b"RIFF")
    _same(decoded(path).view(), soundfile.read(path, dtype="float32")[0])


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        *((kind, order) for kind in ("PCM_16", "PCM_24", "PCM_32") for order in ("BIG", "LITTLE")),
        *((kind, "FILE") for kind in ("PCM_S8", "PCM_U8", "FLOAT", "DOUBLE", "ALAW", "ULAW")),
    ],
)
def test_aiff_by_libsndfile_is_as_libsndfile_reads_it(tmp_path: Path, decoded: Decoded, kind: str, order: str) -> None:
    path = tmp_path / "a.aiff"
    soundfile.write(path, MUSIC, RATE, subtype=kind, format="AIFF", endian=order)
    _same(decoded(path).view(), soundfile.read(path, dtype="float32")[0])


def _same(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(ours, theirs)
    loudness = [pyloudnorm.Meter(RATE).integrated_loudness(each.astype(np.float64)) for each in (ours, MUSIC)]
    assert loudness[0] == pytest.approx(loudness[1], abs=0.2)


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_aifc_of_little_endian_integers_goes_by_its_bits(decoded_bytes: DecodedBytes, bits: int) -> None:
    """Write `sowt` with samples of 24 and 32 bits too, as some programs do."""
    data, samples = integers(min(bits, 24), bits // 8)
    np.testing.assert_array_equal(decoded_bytes(aifc(data, bits, b"sowt")), samples)


@pytest.mark.parametrize(
    "behind", [b"", chunk(b"ID3 ", bytes(3000), order=">"), ID3V1], ids=["nothing", "ID3", "ID3v1"]
)
@pytest.mark.parametrize("size", [0, 0x7F000008, 0xFFFFFFFF], ids=hex)
def test_streamed_aiff_ends_where_its_chunks_begin(decoded_bytes: DecodedBytes, size: int, behind: bytes) -> None:
    content = aifc(SWAPPED, frames=size // 4, size=size)
    np.testing.assert_array_equal(decoded_bytes(content + behind), MUSIC)


def test_aiff_that_counts_its_samples_in_one_place_is_held_to_it(decoded_bytes: DecodedBytes) -> None:
    content = aifc(SWAPPED, size=0)
    np.testing.assert_array_equal(decoded_bytes(content), MUSIC)
    with pytest.raises(DamagedFileError, match=r"^ends too early: \d+ of the 44100 samples that it promises"):
        decoded_bytes(content[:-400])


def test_aiff_with_an_overflowed_size_is_not_measured_short(sparse: Callable[..., Path], decoded: Decoded) -> None:
    path = sparse(aifc(SWAPPED, frames=GIB, size=len(SWAPPED) + 8), 4 * GIB)
    with pytest.raises(UnmeasurableError, match=r"^longer than 2 h$"):
        decoded(path)


def test_zeros_behind_an_aiff_cost_nothing(sparse: Callable[..., Path], decoded: Decoded) -> None:
    np.testing.assert_array_equal(decoded(sparse(aifc(SWAPPED), 5 * GIB)).view(), MUSIC)


# Ogg


def by_itself(path: Path, content: bytes) -> Samples:
    """Decode a file by FFmpeg alone, without any of our code."""
    path.write_bytes(content)
    with av.open(path) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1).T


def opus_of(whole: bytes, gain: float, serial: int) -> bytes:
    """The same Opus with an output gain in dB (RFC 7845, 5.1), as another stream."""
    changed = bytearray(whole)
    head = changed.index(b"OpusHead")
    changed[head + 16 : head + 18] = round(gain * 256).to_bytes(2, "little", signed=True)
    for place in pages(whole)[:-1]:
        changed[place + 14 : place + 18] = serial.to_bytes(4, "little")
    return sealed(bytes(changed))


@pytest.mark.parametrize("gains", [(-6.0,), (0.0, -6.0), (-3.0, 2.0, 0.0)], ids=str)
def test_every_link_of_an_opus_has_its_own_gain(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, gains: tuple[float, ...]
) -> None:
    plain = by_itself(tmp_path / "b.opus", healthy("opus"))
    links = [opus_of(healthy("opus"), gain, serial) for serial, gain in enumerate(gains)]
    (tmp_path / "a.opus").write_bytes(b"".join(links))
    expected = np.concatenate([plain * 10 ** (gain / 20) for gain in gains])
    np.testing.assert_allclose(decoded(tmp_path / "a.opus").view(), expected, atol=1e-4)


def test_tags_for_a_players_volume_change_no_sample(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    tags = {"R128_TRACK_GAIN": "-1536", "REPLAYGAIN_TRACK_GAIN": "-6 dB"}
    path = write_audio(tmp_path / "a.opus", music(2, 48000, 1), 48000, metadata=tags)
    assert b"R128_TRACK_GAIN" in path.read_bytes()
    np.testing.assert_allclose(decoded(path).view(), by_itself(tmp_path / "b.opus", healthy("opus")), atol=1e-4)


def test_links_of_other_codecs_are_decoded_one_by_one(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    other = write_audio(tmp_path / "b.ogg", music(1, 48000, 5), 48000, bit_rate=48000).read_bytes()
    links = [healthy("ogg"), other, healthy("opus"), healthy("ogg")]
    expected = np.concatenate([by_itself(tmp_path / "b.ogg", link) for link in links])
    (tmp_path / "a.ogg").write_bytes(b"".join(links))
    np.testing.assert_array_equal(decoded(tmp_path / "a.ogg").view(), expected)


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_a_link_of_headers_alone_is_left_out(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str) -> None:
    """A radio station writes one for a title that it does not play."""
    path, whole = tmp_path / "a.ogg", healthy(kind)
    path.write_bytes(whole)
    sound = decoded(path).view()
    head = whole[: pages(whole)[2]]
    alone = sealed(head + b"OggS\0\4" + bytes(8) + head[14:18] + struct.pack("<I", 2) + bytes(4) + b"\0")
    for content in (alone + whole, whole + alone):
        path.write_bytes(content)
        np.testing.assert_array_equal(decoded(path).view(), sound)
    path.write_bytes(alone)
    with pytest.raises(DamagedFileError, match=r"^holds no samples$"):
        decoded(path)


@pytest.mark.parametrize("kind", ["ogg", "opus", "ogg flac"])
@pytest.mark.parametrize("lacing", [b"", b"\0"], ids=["no packet", "an empty packet"])
@pytest.mark.parametrize("granule", [0, -1, None], ids=["0", "none", "the same"])
def test_an_empty_last_page_changes_nothing(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str, lacing: bytes, granule: int | None
) -> None:
    """VLC and others put the mark of the end on a page of its own."""
    path, whole = tmp_path / "a.ogg", healthy(kind)
    path.write_bytes(whole)
    sound = decoded(path).view()
    last = bytearray(whole[(start := pages(whole)[-2]) :])
    last[5] &= ~4
    position = last[6:14] if granule is None else granule.to_bytes(8, "little", signed=True)
    number = int.from_bytes(last[18:22], "little") + 1
    end = b"OggS\0\4" + position + last[14:18] + number.to_bytes(4, "little") + bytes(4) + bytes([len(lacing)]) + lacing
    content = sealed(whole[:start] + last + end)
    path.write_bytes(content)
    np.testing.assert_array_equal(decoded(path).view(), sound)
    place = start + len(last) - 1
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(DamagedFileError, match=r"^holds a page with a wrong checksum$"):
        decoded(path)


# MP3


@pytest.mark.parametrize("between", [b"", ID3V1], ids=["nothing", "ID3v1"])
@pytest.mark.parametrize(("first", "second"), [("mp3", "mp3"), ("mp3 uncounted", "mp3")])
def test_mp3s_put_together_sound_like_one_after_the_other(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, first: str, second: str, between: bytes
) -> None:
    path, sounds = tmp_path / "a.mp3", []
    for kind in (first, second):
        path.write_bytes(healthy(kind))
        sounds.append(decoded(path).view())
    path.write_bytes(healthy(first) + between + healthy(second) + between)
    np.testing.assert_array_equal(decoded(path).view(), np.concatenate(sounds))


def test_frames_with_tags_between_go_to_one_decoder(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    path, whole = tmp_path / "a.mp3", healthy("mp3 uncounted")[45:]
    path.write_bytes(whole)
    sound = decoded(path).view()
    with av.open(path) as container:
        places = [packet.pos for packet in container.demux(audio=0) if packet.size and packet.pos is not None]
    place = places[40]
    path.write_bytes(whole[:place] + ID3V1 + whole[place:])
    np.testing.assert_array_equal(decoded(path).view(), sound)


# What a file is


def test_free_format_and_pointers_are_named(decoded_bytes: DecodedBytes) -> None:
    for content, message in (
        (b"\xff\xfb\x00\x64" + bytes(3000), "is free-format MP3, which is not read"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "is a Git LFS pointer, which is not read: fetch the audio itself with git lfs pull",
        ),
        (b"/annex/objects/SHA256E-s1--0.flac\n", "is a git-annex pointer, which is not read: fetch .*"),
        (b'{"error": 404}', "is JSON, which is not read"),
        (b"PK\3\4" + bytes(99), "is a ZIP archive, which is not read"),
        (b"ID3\4\0\0\0\0\0\0<html>", r"is a web page \(HTML\), which is not read"),
        ("Gr\u00fc\u00dfe".encode() * 999, "is text, which is not read"),
        (bytes(70_000) + b"x", "is of no kind that is read: .*"),
    ):
        with pytest.raises(DamagedFileError, match=f"^{message}$"):
            decoded_bytes(content)


def test_two_m4a_in_one_are_refused(decoded_bytes: DecodedBytes, healthy: Healthy) -> None:
    with pytest.raises(DamagedFileError, match=r"^holds another file behind its own: there are two moov boxes$"):
        decoded_bytes(healthy("m4a") * 2)
