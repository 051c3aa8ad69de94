"""Damaged files of every container: what is noticed and said, and what cannot be noticed; and what is no damage."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from audiobatchd.audio import window
from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import SourceFile
from audiobatchd.errors import DamagedFileError, UnmeasurableError
from support.audio_files import music, tone, write_audio
from support.audio_rig import Decoded, Healthy
from support.frames_by_hand import ID3V1

Spoil = Callable[[bytes], bytes]


def packets(path: Path) -> list[tuple[int, int]]:
    """List offset and size of each packet of the audio, as FFmpeg finds them."""
    with av.open(path) as container:
        return [
            (packet.pos, packet.size) for packet in container.demux(audio=0) if packet.size and packet.pos is not None
        ]


def ogg_pages(whole: bytes) -> list[int]:
    """List where the pages begin, and where the last one ends (RFC 3533, 6)."""
    offsets = [0]
    while offsets[-1] < len(whole):
        head = offsets[-1] + 27
        body = head + whole[head - 1]
        offsets.append(body + sum(whole[head:body]))
    return offsets


def boxes(whole: bytes) -> Iterator[tuple[int, bytes]]:
    """Offset and kind of every box of the top level of an MP4."""
    offset = 0
    while offset < len(whole):
        yield offset, whole[offset + 4 : offset + 8]
        offset += int.from_bytes(whole[offset : offset + 4], "big")


# The same damage in every container


def cut(share: float) -> Spoil:
    return lambda whole: whole[: int(len(whole) * share)]


def noise(seed: int) -> Spoil:
    """Put 200 random bytes somewhere in the middle half."""

    def spoil(whole: bytes) -> bytes:
        random = np.random.default_rng(seed)
        place = int(random.integers(len(whole) // 4, 3 * len(whole) // 4))
        return whole[:place] + random.bytes(200) + whole[place + 200 :]

    return spoil


def flip(share: float) -> Spoil:
    def spoil(whole: bytes) -> bytes:
        place = int(len(whole) * share)
        return whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]

    return spoil


def zeros_from(share: float) -> Spoil:
    """Spoil a file like a download that made room for itself and was not finished."""
    return lambda whole: cut(share)(whole).ljust(len(whole), b"\0")


SHORT: Mapping[str, str] = {
    "flac": r"cannot be decoded: its audio is damaged at \d\.\d{3} s",
    "flac 24": r"cannot be decoded: its audio is damaged at \d\.\d{3} s",
    "wav": r"ends too early: its data chunk promises 384000 bytes and \d+ are there",
    "aiff": r"ends too early: its sound chunk promises 384008 bytes and \d+ are there",
    "aif": r"ends too early: its sound chunk promises 384008 bytes and \d+ are there",
    "mp3": r"ends too early: its last frame lacks \d+ bytes",
    "mp3 uncounted": r"ends too early: its last frame lacks \d+ bytes",
    "ogg": "ends too early: inside a page",
    "opus": "ends too early: inside a page",
    "ogg flac": "ends too early: inside a page",
    "m4a": r"ends too early: its (mdat|moov) box promises \d+ bytes and \d+ are there",
    "m4a alac": r"ends too early: its mdat box promises \d+ bytes and \d+ are there",
    "m4a faststart": r"ends too early: its mdat box promises \d+ bytes and \d+ are there",
    "aac": r"ends too early: its last frame lacks \d+ bytes",
}
UNREADABLE = "cannot be decoded: .+"
GARBLED: Mapping[str, str | None] = {
    "flac": UNREADABLE,
    "wav": None,
    "aiff": None,
    "mp3": rf"{UNREADABLE}|holds no frame at byte \d+: \d+ of the 85 frames that its header counts are there",
    "mp3 uncounted": rf"{UNREADABLE}|holds no frame at byte \d+",
    "ogg": r"holds a page with a wrong checksum|holds no page at byte \d+",
    "opus": r"holds a page with a wrong checksum|holds no page at byte \d+",
    "ogg flac": r"holds a page with a wrong checksum|holds no page at byte \d+",
    "m4a": UNREADABLE,
    "aac": rf"{UNREADABLE}|holds no frame at byte \d+",
}
FLIPPED: Mapping[str, str | None] = {
    "flac": UNREADABLE,
    "flac 24": UNREADABLE,
    "wav": None,
    "aiff": None,
    "ogg": "holds a page with a wrong checksum",
    "opus": "holds a page with a wrong checksum",
    "ogg flac": "holds a page with a wrong checksum",
}
UNFINISHED: Mapping[str, str | None] = {
    "flac": UNREADABLE,
    "wav": None,
    "aiff": None,
    "mp3": r"holds no frame at byte \d+: \d+ of the 85 frames that its header counts are there",
    "mp3 uncounted": r"holds no frame at byte \d+",
    "ogg": r"holds no page at byte \d+",
    "opus": r"holds no page at byte \d+",
    "m4a": "ends too early: it has no moov box",
    "aac": r"holds no frame at byte \d+",
}
DAMAGE: Mapping[str, tuple[Spoil, Mapping[str, str | None]]] = {
    "half": (cut(0.5), SHORT),
    "97 %": (cut(0.97), SHORT),
    "noise 1": (noise(1), GARBLED),
    "noise 2": (noise(2), GARBLED),
    "noise 3": (noise(3), GARBLED),
    "noise 4": (noise(4), GARBLED),
    "bit at 40 %": (flip(0.4), FLIPPED),
    "bit at 60 %": (flip(0.6), FLIPPED),
    "bit at 95 %": (flip(0.95), FLIPPED),
    "zeros from the middle": (zeros_from(0.5), UNFINISHED),
}


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        pytest.param(damage, kind, message, id=f"{damage}, {kind}")
        for damage, (_, table) in DAMAGE.items()
        for kind, message in table.items()
    ],
)
def test_damage(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, damage: str, kind: str, message: str | None
) -> None:
    """Accept None for what cannot be noticed: as many samples as there should be, and others."""
    whole, path = healthy(kind), tmp_path / "a.bin"
    path.write_bytes(whole)
    sound = decoded(path).view()
    path.write_bytes(DAMAGE[damage][0](whole))
    if message is not None:
        with pytest.raises(DamagedFileError, match=f"^({message})$"):
            decoded(path)
    else:
        spoilt = decoded(path).view()
        assert spoilt.shape == sound.shape
        assert not np.array_equal(spoilt, sound)


@pytest.mark.parametrize("kind", [*SHORT])
@pytest.mark.parametrize("missing", [1, 2, 9])
def test_the_last_bytes_are_missed(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str, missing: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(healthy(kind)[:-missing])
    with pytest.raises(DamagedFileError, match=r"^(ends too early: |cannot be decoded: )"):
        decoded(path)


@pytest.mark.parametrize(
    ("kind", "size", "message"),
    [
        ("flac", 8288, "holds no samples"),
        ("flac", 42, "cannot be decoded: its beginning is damaged"),
        ("wav", 78, "ends too early: its data chunk promises 384000 bytes and 0 are there"),
        ("wav", 36, "holds no samples: its header ends without a data chunk"),
        ("aiff", 54, "ends too early: its sound chunk promises 384008 bytes and 8 are there"),
        ("aiff", 38, "holds no samples: it has no SSND chunk"),
        ("mp3", 237, "ends too early: 0 of the 85 frames that its header counts are there"),
        ("mp3 uncounted", 49, "ends too early: its last frame lacks 380 bytes"),
        ("ogg", 3400, "ends too early: its last page is missing"),
        ("opus", 129, "ends too early: its last page is missing"),
        ("ogg flac", 157, "ends too early: its last page is missing"),
        ("m4a", 44, r"ends too early: its mdat box promises \d+ bytes and 8 are there"),
        ("m4a", 32, "holds no samples: it has no moov box"),
        ("aac", 7, r"ends too early: its last frame lacks \d+ bytes"),
    ],
)
def test_header_only(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str, size: int, message: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(healthy(kind)[:size])
    with pytest.raises(DamagedFileError, match=f"^{message}$"):
        decoded(path)


def test_a_picture_is_no_audio(tmp_path: Path, decoded: Decoded) -> None:
    path = tmp_path / "a.m4a"
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 16
        container.mux(stream.encode(av.VideoFrame(16, 16, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(DamagedFileError, match=r"^holds no audio$"):
        decoded(path)


# What each container knows of itself


@dataclass(frozen=True)
class Flac:
    """A FLAC file in pieces. What STREAMINFO says may be unset, as encoders leave it that could not go back."""

    head: bytes
    frames: tuple[bytes, ...]

    def without(self, *, md5: bool = False, count: bool = False) -> Flac:
        head = bytearray(self.head)
        if md5:
            head[26:42] = bytes(16)
        if count:
            head[21] &= 0xF0
            head[22:26] = bytes(4)
        return Flac(bytes(head), self.frames)

    def of(self, order: Callable[[int], list[int]]) -> bytes:
        return self.head + b"".join(self.frames[place] for place in order(len(self.frames)))


@pytest.fixture
def flac(tmp_path: Path, healthy: Healthy) -> Flac:
    path, whole = tmp_path / "healthy.flac", healthy("flac")
    path.write_bytes(whole)
    offsets = [offset for offset, _ in packets(path)]
    return Flac(whole[: offsets[0]], tuple(whole[a:b] for a, b in pairwise([*offsets, len(whole)])))


def everything(count: int) -> list[int]:
    return [*range(count)]


def cut_between(count: int) -> list[int]:
    return [*range(count // 2)]


def one_gone(count: int) -> list[int]:
    return [*range(8), *range(9, count)]


def one_twice(count: int) -> list[int]:
    return [*range(9), *range(8, count)]


def two_swapped(count: int) -> list[int]:
    return [*range(8), 9, 8, *range(10, count)]


EARLY = r"ends too early: \d+ of the 96000 samples that it promises could be decoded"


@pytest.mark.parametrize(
    ("order", "with_all", "without_md5", "without_either"),
    [
        (everything, None, None, None),
        (cut_between, EARLY, EARLY, None),
        (one_gone, EARLY, EARLY, "ends too early: 4608 samples are missing on the way"),
        (one_twice, *["holds more than it promises: 100608 samples instead of 96000"] * 2,
         "holds 4608 samples more than its frames count"),
        (two_swapped, "holds samples whose MD5 is not the one in STREAMINFO", None, None),
    ],
)  # fmt: skip
def test_flac_whose_frames_are_whole(
    tmp_path: Path,
    decoded: Decoded,
    flac: Flac,
    order: Callable[[int], list[int]],
    with_all: str | None,
    without_md5: str | None,
    without_either: str | None,
) -> None:
    """Leave every frame's checksum right: the count of samples, their MD5, and the frames' numbers have to tell."""
    path = tmp_path / "a.flac"
    for head, message in (
        (flac, with_all),
        (flac.without(md5=True), without_md5),
        (flac.without(md5=True, count=True), without_either),
    ):
        path.write_bytes(head.of(order))
        if message is None:
            decoded(path)
        else:
            with pytest.raises(DamagedFileError, match=f"^{message}$"):
                decoded(path)


@pytest.mark.parametrize("kind", ["flac", "flac 24"])
def test_flac_of_another_md5(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str) -> None:
    whole = bytearray(healthy(kind))
    whole[26] ^= 1
    (tmp_path / "a.flac").write_bytes(whole)
    with pytest.raises(DamagedFileError, match=r"^holds samples whose MD5 is not the one in STREAMINFO$"):
        decoded(tmp_path / "a.flac")


def test_flac_that_promises_hours_takes_no_memory_for_them(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    whole = bytearray(healthy("flac"))
    whole[22:26] = (7199 * 48000).to_bytes(4, "big")
    (tmp_path / "a.flac").write_bytes(whole)
    with pytest.raises(DamagedFileError, match=r"^ends too early: 96000 of the 345552000 samples"):
        decoded(tmp_path / "a.flac")


@pytest.mark.parametrize("kind", ["ogg", "opus", "ogg flac"])
def test_ogg_whose_pages_are_whole(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str) -> None:
    whole, path = healthy(kind), tmp_path / "a.ogg"
    *_, before_last, last, end = ogg_pages(whole)
    assert end == len(whole)
    path.write_bytes(whole[:last])
    with pytest.raises(DamagedFileError, match=r"^ends too early: its last page is missing$"):
        decoded(path)
    path.write_bytes(whole[:before_last] + whole[last:])
    with pytest.raises(DamagedFileError, match=f"^{EARLY}$"):
        decoded(path)
    path.write_bytes(whole[:last] + b"no page" + whole[last:])
    with pytest.raises(DamagedFileError, match=f"^holds no page at byte {last}$"):
        decoded(path)


def sealed(page: bytes) -> bytes:
    """The page with its right checksum: CRC-32 by the polynomial 0x04c11db7, most significant bit first."""
    page = page[:22] + bytes(4) + page[26:]
    checksum = 0
    for octet in page:
        checksum ^= octet << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)) & 0xFFFFFFFF
    return page[:22] + checksum.to_bytes(4, "little") + page[26:]


def test_flac_in_ogg_of_another_md5(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    whole, path = healthy("ogg flac"), tmp_path / "a.ogg"
    _, end, *_ = ogg_pages(whole)
    path.write_bytes(whole)
    right = hashlib.md5((decoded(path).view() * 32768).astype("<i2").tobytes(), usedforsecurity=False).digest()
    assert sealed(whole[:end]) == whole[:end]
    path.write_bytes(sealed(whole[: end - 16] + right) + whole[end:])
    assert len(decoded(path).view()) == 96000
    path.write_bytes(sealed(whole[: end - 16] + right[::-1]) + whole[end:])
    with pytest.raises(DamagedFileError, match=r"^holds samples whose MD5 is not the one in STREAMINFO$"):
        decoded(path)


@pytest.mark.parametrize("kind", ["ogg", "opus", "ogg flac"])
def test_ogg_whose_pages_are_not_in_order(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str) -> None:
    """FLAC's MD5 is not set there by all encoders, and FFmpeg plays the pages as they come."""
    whole, path = healthy(kind), tmp_path / "a.ogg"
    *_, first, second, third, end = ogg_pages(whole)
    assert end == len(whole)
    path.write_bytes(whole[:first] + whole[second:third] + whole[first:second] + whole[third:])
    with pytest.raises(
        DamagedFileError, match=f"^holds its pages in the wrong order at byte {first + third - second}$"
    ):
        decoded(path)


def test_ogg_whose_second_link_is_cut(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    whole, path = healthy("opus"), tmp_path / "a.opus"
    path.write_bytes(whole + whole[: ogg_pages(whole)[-2]])
    with pytest.raises(DamagedFileError, match=r"^ends too early: its last page is missing$"):
        decoded(path)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (lambda frames: [*frames[:40]], "ends too early: 40 of the 85 frames that its header counts are there"),
        (
            lambda frames: [*frames[:40], *frames[41:]],
            "ends too early: 84 of the 85 frames that its header counts are there",
        ),
        (lambda frames: frames[:-1], "ends too early: 84 of the 85 frames that its header counts are there"),
        (lambda frames: [*frames, frames[-1]], "holds more than it promises: 86 frames where its header counts 85"),
        (
            lambda frames: [*frames[:40], b"junk", *frames[40:]],
            r"holds no frame at byte \d+: 40 of the 85 frames that its header counts are there",
        ),
        (
            lambda frames: [b"junk", *frames],
            r"holds no frame at byte \d+: 0 of the 85 frames that its header counts are there",
        ),
    ],
    ids=["cut", "one gone", "last gone", "one on top", "junk between", "junk behind the header"],
)
def test_mp3_that_counts_its_frames(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, place: Callable[[list[bytes]], list[bytes]], message: str
) -> None:
    whole, path = healthy("mp3"), tmp_path / "a.mp3"
    path.write_bytes(whole)
    found = packets(path)
    frames = [whole[offset : offset + size] for offset, size in found]
    path.write_bytes(whole[: found[0][0]] + b"".join(place(frames)))
    with pytest.raises(DamagedFileError, match=f"^{message}$"):
        decoded(path)


def test_mp3_counted_by_a_vbri_header(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    whole, path = healthy("mp3 uncounted")[45:], tmp_path / "a.mp3"
    path.write_bytes(whole)
    found = packets(path)
    vbri = struct.pack(">4sHHHII", b"VBRI", 1, 0, 75, len(whole) + found[0][1], len(found))
    first = (whole[:4] + bytes(32) + vbri).ljust(found[0][1], b"\0")
    path.write_bytes(first + whole)
    assert len(decoded(path).view()) == len(found) * 1152
    # Not all encoders count the same frames: one is forgiven.
    path.write_bytes(first + whole[: found[-1][0]])
    assert len(decoded(path).view()) == (len(found) - 1) * 1152
    path.write_bytes(first + whole[: found[-2][0]])
    with pytest.raises(DamagedFileError, match=rf"^ends too early: {len(found) - 2} of the {len(found)} frames"):
        decoded(path)


@pytest.mark.parametrize("kind", ["mp3 uncounted", "aac"])
@pytest.mark.parametrize("junk", [bytes(3), b"\x55" * 10])
def test_hole_between_uncounted_frames_is_noticed(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str, junk: bytes
) -> None:
    """FFmpeg steps over it in silence, and over a frame with it."""
    whole, path = healthy(kind), tmp_path / "a.bin"
    path.write_bytes(whole)
    found = packets(path)
    start = found[0][0]
    for number in (1, 40, len(found) - 2):
        place = found[number][0]
        path.write_bytes(whole[:place] + junk + whole[place + found[number][1] :] + whole[found[-1][0] :])
        with pytest.raises(DamagedFileError, match=f"^holds no frame at byte {place - start}$"):
            decoded(path)


@pytest.mark.parametrize("kind", ["mp3 uncounted", "aac"])
def test_cut_between_uncounted_frames_is_not_noticed(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str
) -> None:
    """The one cut that cannot be noticed; it is measured without a part of a frame."""
    whole, path = healthy(kind), tmp_path / "a.bin"
    path.write_bytes(whole)
    whole_length, found = len(decoded(path).view()), packets(path)
    path.write_bytes(whole[: found[len(found) // 2][0]])
    frame = whole_length // len(found)
    assert len(decoded(path).view()) == len(found) // 2 * frame


@pytest.mark.parametrize("kind", ["mp3", "mp3 uncounted", "aac"])
@pytest.mark.parametrize("before", [bytes(100), b"junk" * 25, b"\xff\xfb" * 50], ids=["zeros", "junk", "like a header"])
def test_bytes_before_the_frames_hide_no_cut(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str, before: bytes
) -> None:
    path, whole = tmp_path / "a.bin", before + healthy(kind)
    path.write_bytes(healthy(kind))
    sound = decoded(path).view()
    path.write_bytes(whole)
    np.testing.assert_array_equal(decoded(path).view(), sound)
    path.write_bytes(cut(0.5)(whole))
    with pytest.raises(DamagedFileError, match=r"^ends too early: its last frame lacks \d+ bytes$"):
        decoded(path)


def test_m4a_whose_tables_disagree(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    """The number of samples in stsz against the duration in stts."""
    whole = bytearray(healthy("m4a"))
    place = whole.index(b"stsz") + 12
    count = int.from_bytes(whole[place : place + 4], "big")
    whole[place : place + 4] = (count // 2).to_bytes(4, "big")
    (tmp_path / "a.m4a").write_bytes(whole)
    with pytest.raises(DamagedFileError, match=r"^ends too early: \d+ of the \d+ samples that it promises"):
        decoded(tmp_path / "a.m4a")


@pytest.mark.parametrize("short_of_memory", [False, True])
def test_m4a_that_asks_for_more_memory_than_there_can_be(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, monkeypatch: pytest.MonkeyPatch, short_of_memory: bool
) -> None:
    """The first entry of stsd makes FFmpeg ask for it. Where there is enough, that is the file's fault."""
    whole = bytearray(healthy("m4a"))
    place = whole.index(b"stsd") + 12
    whole[place : place + 4] = (0xB4).to_bytes(4, "big")
    (tmp_path / "a.m4a").write_bytes(whole)
    monkeypatch.setattr("audiobatchd.audio.decode.is_short_of_memory", lambda: short_of_memory)
    with pytest.raises(MemoryError if short_of_memory else DamagedFileError, match="memory"):
        decoded(tmp_path / "a.m4a")


@pytest.mark.parametrize("kind", ["m4a", "m4a alac"])
def test_m4a_of_half_the_duration(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str) -> None:
    whole = bytearray(healthy(kind))
    place = whole.index(b"mdhd") + 20
    duration = int.from_bytes(whole[place : place + 4], "big")
    whole[place : place + 4] = (duration // 2).to_bytes(4, "big")
    (tmp_path / "a.m4a").write_bytes(whole)
    with pytest.raises(DamagedFileError, match=r"^holds more than it promises: \d+ samples instead of \d+$"):
        decoded(tmp_path / "a.m4a")


@pytest.mark.parametrize("kind", ["moof", "mdat"])
def test_m4a_cut_inside_a_fragment(tmp_path: Path, decoded: Decoded, kind: str) -> None:
    path = write_audio(
        tmp_path / "a.m4a", music(1, 48000), 48000, muxer="mp4", codec="aac",
        muxer_options={"movflags": "frag_keyframe+empty_moov", "frag_duration": "400000"},
    )  # fmt: skip
    assert len(decoded(path).view()) >= 48000
    whole = path.read_bytes()
    offset = [offset for offset, name in boxes(whole) if name == kind.encode()][-1]
    path.write_bytes(whole[: offset + 20])
    with pytest.raises(
        DamagedFileError, match=rf"^ends too early: its {kind} box promises \d+ bytes and 20 are there$"
    ):
        decoded(path)


def test_m4a_whose_fragments_cannot_be_reached(tmp_path: Path, decoded: Decoded) -> None:
    """FFmpeg ends before them, in silence; what stands behind the last one is left alone."""
    path = write_audio(
        tmp_path / "a.m4a", music(1, 48000), 48000, muxer="mp4", codec="aac",
        muxer_options={"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"},
    )  # fmt: skip
    whole, sound = path.read_bytes(), decoded(path).view()
    first, second, third, *_ = [offset for offset, kind in boxes(whole) if kind == b"moof"]
    longer = (second - first + 1).to_bytes(4, "big")
    for spoilt, place in (
        (whole[:second] + b"\xff\xff\xff" + whole[second:], second),
        (whole[:second] + bytes(8) + whole[second:], second),
        (whole[:first] + longer + whole[first + 4 :], second + 1),
        (whole[:second] + struct.pack(">I4s", len(whole), b"free") + whole[third:], second),
    ):
        path.write_bytes(spoilt)
        with pytest.raises(DamagedFileError, match=f"^holds no box at byte {place}$"):
            decoded(path)
    path.write_bytes(whole + b"\xff" * 100)
    np.testing.assert_array_equal(decoded(path).view(), sound)


def test_wav_whose_data_chunk_says_less(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    """The rest would be chunks; but what stands there are samples."""
    whole, path = bytearray(healthy("wav")), tmp_path / "a.wav"
    path.write_bytes(whole)
    sound = decoded(path).view()
    whole[74:78] = (192_000).to_bytes(4, "little")
    path.write_bytes(whole)
    with pytest.raises(DamagedFileError, match=r"^holds no chunk at byte 192078, behind its data chunk$"):
        decoded(path)
    whole[4:8] = bytes(4 * [0xFF])
    path.write_bytes(whole)
    np.testing.assert_array_equal(decoded(path).view(), sound[:48000])
    # Not all writers pad an odd size, and some fill up with zeros.
    tag = b"LIST\4\0\0\0INFO"
    for size, behind in ((192_000, tag), (191_999, tag), (191_999, b"\xff" + tag), (192_000, bytes(100))):
        whole[4:8] = (70 + size + len(behind)).to_bytes(4, "little")
        whole[74:78] = size.to_bytes(4, "little")
        path.write_bytes(whole[: 78 + size] + behind)
        np.testing.assert_array_equal(decoded(path).view(), sound[: size // 4])


@pytest.mark.parametrize("change", [-1, 1])
def test_aiff_that_counts_otherwise(tmp_path: Path, decoded: Decoded, healthy: Healthy, change: int) -> None:
    whole = bytearray(healthy("aiff"))
    place = whole.index(b"COMM") + 10
    whole[place : place + 4] = (96000 + change).to_bytes(4, "big")
    (tmp_path / "a.aiff").write_bytes(whole)
    message = "ends too early: 96000 of the 96001" if change > 0 else "holds more than it promises: 96000 samples"
    with pytest.raises(DamagedFileError, match=f"^{message}"):
        decoded(tmp_path / "a.aiff")


# In every container


@pytest.mark.parametrize("kind", ["m4a", "aac"])
def test_gain_beyond_any_encoder_is_damage(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str) -> None:
    """Make AAC 80 dB louder by one flipped bit, which its decoder does not notice."""
    whole, path = healthy(kind), tmp_path / "a.bin"
    path.write_bytes(whole)
    found = []
    for offset, _ in packets(path)[10:40]:
        for octet in range(offset, offset + 16):
            spoilt = bytearray(whole)
            spoilt[octet] ^= 0x40
            path.write_bytes(spoilt)
            try:
                assert np.abs(decoded(path).view()).max() < 32
            except DamagedFileError as error:
                found.append(str(error))
    assert any(
        re.fullmatch(r"holds samples \d+ dB above full scale, as no encoder writes them", each) for each in found
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("extension", "codec"), [("wav", "pcm_f32le"), ("wav", "pcm_f64le"), ("aiff", "pcm_f32be"), ("aiff", "pcm_f64be")]
)
def test_samples_that_are_not_finite(
    tmp_path: Path, decoded: Decoded, extension: str, codec: str, value: float
) -> None:
    samples = tone(3, 48000)
    path = tmp_path / f"a.{extension}"
    samples[48000, 1] = value
    write_audio(path, samples, 48000, muxer=extension, codec=codec)
    with pytest.raises(DamagedFileError, match=r"^holds 1 sample that is not finite, the first at 1\.000 s$"):
        decoded(path)
    samples[24000, 0] = samples[24000, 1] = samples[143_999, 0] = value
    write_audio(path, samples, 48000, muxer=extension, codec=codec)
    with pytest.raises(DamagedFileError, match=r"^holds 4 samples that are not finite, the first at 0\.500 s$"):
        decoded(path)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1)], ids=["rate", "channels"])
@pytest.mark.parametrize("extension", ["aac", "mp3"])
def test_a_stream_that_changes_on_the_way(
    tmp_path: Path, decoded: Decoded, extension: str, rate: int, channels: int
) -> None:
    path = tmp_path / f"a.{extension}"
    options = {} if extension == "aac" else {"write_xing": "0", "id3v2_version": "0"}
    first = write_audio(path, music(1, 48000), 48000, muxer_options=options).read_bytes()
    second = write_audio(path, music(1, rate, 0, channels), rate, muxer_options=options).read_bytes()
    path.write_bytes(first + second)
    with pytest.raises(DamagedFileError, match=r"^changes its sample rate or its channels at \d\.\d{3} s$"):
        decoded(path)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1)], ids=["rate", "channels"])
def test_an_ogg_whose_links_differ_is_healthy_and_unmeasurable(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, rate: int, channels: int
) -> None:
    path = tmp_path / "a.ogg"
    second = write_audio(path, music(1, rate, 0, channels), rate, muxer="ogg", codec="flac").read_bytes()
    path.write_bytes(healthy("ogg") + second)
    with pytest.raises(UnmeasurableError, match=r"^changes its sample rate or its channels on the way$"):
        decoded(path)


@pytest.mark.parametrize("kind", ["flac", "wav", "aiff", "mp3", "ogg", "opus", "m4a", "aac"])
def test_a_disk_that_fails_is_no_damage(
    tmp_path: Path,
    opened: Callable[[Path], SourceFile],
    healthy: Healthy,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """The decoder sees the end of the file there, and the promise is not kept."""
    path, whole = tmp_path / "a.bin", healthy(kind)
    path.write_bytes(whole)
    source = opened(path)
    pread = os.pread
    decoding: list[bool] = []

    def failing(fd: int, length: int, offset: int) -> bytes:
        if decoding and offset + length > len(whole) // 2:
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, length, offset)

    class Reader(window.WindowReader):
        """Reads what the decoder asks for: from its first moment on the disk fails."""

        def __init__(self, audio: window.Window) -> None:
            super().__init__(audio)
            decoding.append(True)

    monkeypatch.setattr("audiobatchd.audio.decode.WindowReader", Reader)
    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(OSError, match="Input/output error"):
        decode(source, "full_mix", 7200.0)


# What is no damage


def id3v2(*frames: bytes) -> bytes:
    size = sum(map(len, frames))
    return b"ID3\x03\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + b"".join(frames)


def ape(*, with_header: bool) -> bytes:
    """An APEv2 tag of one item."""
    item = struct.pack("<II", 4, 0) + b"Title\0tone"
    footer = struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(item) + 32, 1, 0x80000000 if with_header else 0)
    header = struct.pack("<8sIIII8x", b"APETAGEX", 2000, len(item) + 32, 1, 0xA0000000)
    return (header if with_header else b"") + item + footer


def lyrics(text: bytes) -> bytes:
    body = b"LYRICSBEGINLYR" + b"%05d" % len(text) + text
    return body + b"%06d" % len(body) + b"LYRICS200"


ID3 = id3v2(b"TIT2\0\0\0\x05\0\0\0tone")
BEHIND: Mapping[str, bytes] = {
    "ID3v1": ID3V1,
    "APEv2": ape(with_header=True),
    "APEv2 without header": ape(with_header=False),
    "Lyrics3": lyrics(b"la la la"),
    "all of them": ape(with_header=True) + lyrics(b"\xff\xfb\x90\0" * 30) + ID3V1,
    "zeros": bytes(3),
}


@pytest.mark.parametrize("kind", [*SHORT])
@pytest.mark.parametrize("behind", BEHIND)
def test_tags_and_zeros_around_the_audio(
    tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str, behind: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(healthy(kind))
    sound = decoded(path).view()
    for before in (b"", ID3, ID3 + ID3):
        path.write_bytes(before + healthy(kind) + BEHIND[behind])
        np.testing.assert_array_equal(decoded(path).view(), sound)


@pytest.mark.parametrize("kind", ["wav", "aiff", "ogg", "opus", "m4a"])
def test_odd_bytes_behind_what_says_its_size(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(healthy(kind))
    sound = decoded(path).view()
    for behind in (b"\n", np.random.default_rng(2).bytes(101)):
        path.write_bytes(healthy(kind) + behind)
        np.testing.assert_array_equal(decoded(path).view(), sound)


def test_aac_recorded_in_segments_has_tags_between(tmp_path: Path, decoded: Decoded, healthy: Healthy) -> None:
    path = tmp_path / "a.aac"
    path.write_bytes(ID3 + healthy("aac") + ID3 + healthy("aac"))
    assert len(decoded(path).view()) == 2 * 97280


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0xFFFFFF50, 0, 0x7FFFF000], ids=hex)
@pytest.mark.parametrize("partial", [0, 3])
def test_wav_that_was_streamed(tmp_path: Path, decoded: Decoded, healthy: Healthy, size: int, partial: int) -> None:
    """Leave its size open: it reaches to the end, and a cut cannot be noticed."""
    whole, path = bytearray(healthy("wav")), tmp_path / "a.wav"
    path.write_bytes(whole)
    sound = decoded(path).view()
    whole[4:8] = whole[74:78] = size.to_bytes(4, "little")
    path.write_bytes(whole + b"\1" * partial)
    np.testing.assert_array_equal(decoded(path).view(), sound)
    path.write_bytes(whole[: 78 + 4 * 48000 + partial])
    np.testing.assert_array_equal(decoded(path).view(), sound[:48000])


def test_wav_that_was_streamed_and_says_so_by_no_size_we_know(
    tmp_path: Path, decoded: Decoded, healthy: Healthy
) -> None:
    whole = bytearray(healthy("wav"))
    whole[74:78] = (0x7FFFEFFF).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(whole)
    with pytest.raises(DamagedFileError, match=r"^ends too early: its data chunk promises 2147479551 bytes"):
        decoded(tmp_path / "a.wav")


def png() -> bytes:
    """A red picture of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def flac_picture() -> bytes:
    """The PICTURE block of RFC 9639, 8.8, that Ogg carries too."""
    return struct.pack(">II9sIIIIII", 3, 9, b"image/png", 0, 1, 1, 24, 0, len(png())) + png()


def box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I", 8 + sum(map(len, parts))) + kind + b"".join(parts)


def with_cover(kind: str, whole: bytes) -> bytes:
    """The same file with a cover picture, made as tagging programs make it."""
    picture = png()
    if kind == "flac":
        block = flac_picture()
        return whole[:42] + b"\x06" + len(block).to_bytes(3, "big") + block + whole[42:]
    if kind == "m4a":
        start = whole.index(b"moov") - 4
        covr = box(b"covr", box(b"data", struct.pack(">II", 14, 0), picture))
        meta = box(b"meta", bytes(4), box(b"hdlr", bytes(8), b"mdirappl", bytes(9)), box(b"ilst", covr))
        return whole[:start] + box(b"moov", whole[start + 8 :], box(b"udta", meta))
    apic = b"\0image/png\0\3\0" + picture
    tag = id3v2(struct.pack(">4sIH", b"APIC", len(apic), 0) + apic)
    if kind == "wav":
        return whole + b"id3 " + struct.pack("<I", len(tag)) + tag + bytes(len(tag) % 2)
    return tag + whole


@pytest.mark.parametrize("kind", ["flac", "m4a", "mp3", "aac", "wav"])
def test_a_cover_picture_is_left_alone(tmp_path: Path, decoded: Decoded, healthy: Healthy, kind: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(healthy(kind))
    sound = decoded(path).view()
    path.write_bytes(with_cover(kind, healthy(kind)))
    with av.open(path) as container:
        assert container.streams.video or kind == "aac", "FFmpeg sees the picture"
    np.testing.assert_array_equal(decoded(path).view(), sound)
    path.write_bytes(cut(0.9)(with_cover(kind, healthy(kind))))
    with pytest.raises(DamagedFileError, match=r"^(ends too early|cannot be decoded): "):
        decoded(path)


def test_a_cover_picture_among_the_comments_of_ogg(tmp_path: Path, decoded: Decoded) -> None:
    picture = {"METADATA_BLOCK_PICTURE": base64.b64encode(flac_picture()).decode()}
    path = write_audio(tmp_path / "a.ogg", tone(1, 48000), 48000, metadata=picture)
    with av.open(path) as container:
        assert container.streams.video
    assert len(decoded(path).view()) == 48000
