"""Headers, counts and rows of MP3 frames, on bytes made by hand."""

from __future__ import annotations

import pytest

from audiobatchd.audio import frames, mp3
from audiobatchd.audio.promise import promised
from audiobatchd.audio.window import Literally
from audiobatchd.errors import DamagedFileError
from support.frames_by_hand import AAC, ID3V1, LYRICS, ape, id3v2


@pytest.mark.parametrize(
    ("header", "length", "samples", "rate"),
    [
        (0xFFFB90, 417, 1152, 44100),
        (0xFFFB92, 418, 1152, 44100),
        (0xFFFB94, 384, 1152, 48000),
        (0xFFFBE8, 1440, 1152, 32000),
        (0xFFFD90, 522, 1152, 44100),
        (0xFFFF92, 316, 384, 44100),
        (0xFFF380, 208, 576, 22050),
        (0xFFE390, 522, 576, 11025),
        (0xFFF590, 522, 1152, 22050),
    ],
    ids=["III", "padded", "48 kHz", "320 kbit/s", "II", "I padded", "MPEG 2", "MPEG 2.5", "MPEG 2 II"],
)
def test_frame_headers(header: int, length: int, samples: int, rate: int) -> None:
    """Bit rates and lengths by hand from the tables of ISO/IEC 11172-3 and 13818-3."""
    content = header.to_bytes(3, "big") + bytes(1)
    assert mp3.header_at(Literally(b"x" + content), 1) == mp3.FrameHeader(length, samples, rate)


@pytest.mark.parametrize(
    "header", [0xFFFB00, 0xFFFBF0, 0xFFFB9C, 0xFFEB90, 0xFFF990, 0xFFDB90, 0xFEFB90],
    ids=["free format", "bad bit rate", "bad rate", "reserved version", "reserved layer", "no sync", "no sync at all"],
)  # fmt: skip
def test_no_frame_header(header: int) -> None:
    assert mp3.header_at(Literally(header.to_bytes(3, "big") + bytes(1)), 0) is None
    assert mp3.header_at(Literally(b"\xff\xfb\x90"), 0) is None


FRAME = b"\xff\xfb\x90\x00".ljust(417, b"\0")
"""128 kbit/s, 44.1 kHz, stereo."""


def counting(frames_: int | None = None, octets: int | None = None, trimmed: tuple[int, int] | None = None) -> bytes:
    """A frame with a Xing header, and LAME's tag behind it where something is trimmed."""
    fields = b"" if frames_ is None else frames_.to_bytes(4, "big")
    fields += b"" if octets is None else octets.to_bytes(4, "big")
    flags = (frames_ is not None) | (octets is not None) << 1
    lame = (
        b"" if trimmed is None else b"LAME3.100".ljust(21, b"\0") + (trimmed[0] << 12 | trimmed[1]).to_bytes(3, "big")
    )
    return (FRAME[:36] + b"Xing" + flags.to_bytes(4, "big") + fields + lame).ljust(417, b"\0")


@pytest.mark.parametrize(
    ("frame", "count"),
    [
        (counting(7, 4000, (576, 1000)), mp3.Count(7, 4000, 1576)),
        (counting(7, 4000), mp3.Count(7, 4000, 0)),
        (counting(7), mp3.Count(7, 0, 0)),
        (counting(octets=4000), mp3.Count(0, 4000, 0)),
        (counting(), mp3.Count(0, 0, 0)),
        (FRAME[:36] + b"VBRI" + bytes(10) + b"\0\0\0\x07", mp3.Count(7, 0, 0)),
        (b"\xff\xfb\x90\xc0" + bytes(17) + b"Info\0\0\0\1\0\0\0\x07", mp3.Count(7, 0, 0)),
        (b"\xff\xf3\x90\x00" + bytes(17) + b"Info\0\0\0\1\0\0\0\x07", mp3.Count(7, 0, 0)),
        (b"\xff\xf3\x90\xc0" + bytes(9) + b"Info\0\0\0\1\0\0\0\x07", mp3.Count(7, 0, 0)),
        (FRAME, None),
        (b"\xff\xfb", None),
    ],
    ids=["LAME", "no LAME", "frames", "bytes", "nothing", "VBRI", "mono", "MPEG 2", "MPEG 2 mono", "music", "short"],
)
def test_first_frame_is_read_as_a_count(frame: bytes, count: mp3.Count | None) -> None:
    assert mp3.info_count(frame) == count


WHOLE = 8 * len(FRAME)


@pytest.mark.parametrize(
    ("content", "frames_", "slack"),
    [
        (FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(7, WHOLE) + FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(7, WHOLE, (576, 1000)) + FRAME * 7, 7 * 1152 - 1576, (1152, 1576 + 1152)),
        # Not all encoders count the same frames. Their count of bytes settles it, or else one frame is forgiven.
        (counting(8, WHOLE) + FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(6, WHOLE) + FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(8) + FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(6) + FRAME * 7, 7 * 1152, (1152, 1152)),
        # Behind what was counted there may be what was not.
        (counting(7, WHOLE) + FRAME * 7 + bytes(1 << 16), 7 * 1152, (1152, 1152)),
        (counting(7, WHOLE) + FRAME * 7 + FRAME[:99], 7 * 1152, (1152, 1152)),
        (counting(7, WHOLE) + FRAME * 7 + b"junk", 7 * 1152, (1152, 1152)),
        (counting(6, WHOLE) + FRAME * 7 + b"junk", 7 * 1152, (1152, 1152)),
        (FRAME * 7 + bytes(4096), 7 * 1152, (1152, 1152)),
        (FRAME * 3 + id3v2(9) + FRAME * 4, 7 * 1152, (1152, 1152)),
        (FRAME * 3 + ID3V1 + id3v2(9) + FRAME * 4, 7 * 1152, (1152, 1152)),
    ],
    ids=[
        "uncounted", "counted", "trimmed", "one counted too many", "one too few", "too many, no bytes",
        "too few, no bytes", "zeros behind", "a part of a frame behind", "junk behind",
        "one too few, junk behind", "few zeros", "a tag between", "tags between",
    ],
)  # fmt: skip
def test_mp3(content: bytes, frames_: int | None, slack: tuple[int, int]) -> None:
    promise = promised(Literally(content))
    assert (promise.demuxer, promise.frames, (promise.below, promise.above)) == ("mp3", frames_, slack)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FRAME * 7 + FRAME[:400], "ends too early: its last frame lacks 17 bytes"),
        (FRAME * 7 + FRAME[:3], "ends too early: its last frame lacks 1 bytes"),
        (counting(8, WHOLE + 417) + FRAME * 7, "ends too early: 7 of the 8 frames that its header counts are there"),
        (counting(9) + FRAME * 7, "ends too early: 7 of the 9 frames that its header counts are there"),
        (counting(5) + FRAME * 7, "holds more than it promises: 7 frames where its header counts 5"),
        (counting(6, WHOLE - 417) + FRAME * 7, "holds more than it promises: 7 frames where its header counts 6"),
        (
            counting(7, WHOLE) + FRAME * 3 + b"junk" + FRAME * 4,
            "holds no frame at byte 1668: 3 of the 7 frames that its header counts are there",
        ),
        (FRAME + b"junk" + FRAME * 6, "holds no frame at byte 417"),
        (FRAME * 4 + b"junk" + FRAME * 2, "holds no frame at byte 1668"),
        (FRAME * 7 + FRAME[:200] + FRAME * 3, "holds no frame at byte 3336"),
        (FRAME * 7 + bytes(4097), "holds no frame at byte 2919"),
        (FRAME * 7 + b"junk", "holds no frame at byte 2919"),
        (counting(7, WHOLE) + FRAME * 7 + b"junk" + FRAME * 7, "holds no frame at byte 3336"),
        (counting(7, WHOLE) + FRAME * 14, "holds more than it promises: 14 frames where its header counts 7"),
    ],
    ids=[
        "cut", "cut in a header", "one lacks", "two lack", "two on top", "one on top", "hole, counted",
        "hole behind the first", "hole", "a frame too short", "many zeros", "junk", "frames behind junk",
        "frames that were not counted",
    ],
)  # fmt: skip
def test_damaged_mp3(content: bytes, message: str) -> None:
    with pytest.raises(DamagedFileError, match=rf"^{message}$"):
        promised(Literally(content))


@pytest.mark.parametrize(
    "before",
    [b"", bytes(1000), b"junk", b"\xff\xe0\x00", b"\xff" * 99, id3v2(7), bytes(5) + id3v2(1 << 17)],
    ids=["nothing", "zeros", "junk", "half a header", "ones", "ID3v2", "zeros and a large ID3v2"],
)
@pytest.mark.parametrize("behind", [b"", bytes(100), ID3V1], ids=["nothing", "zeros", "ID3v1"])
def test_mp3_begins_behind_what_is_none(before: bytes, behind: bytes) -> None:
    promise = promised(Literally(before + FRAME * 7 + behind))
    assert promise.frames == 7 * 1152
    assert promise.audio.at(0, 1 << 20) == FRAME * 7


@pytest.mark.parametrize(
    "behind", [bytes(1 << 16), FRAME[:99], FRAME[:99] + bytes(7)], ids=["zeros", "a part of a frame", "both"]
)
def test_the_decoder_gets_what_was_counted(behind: bytes) -> None:
    content = counting(7, WHOLE) + FRAME * 7
    assert promised(Literally(content + behind)).audio.at(0, 1 << 20) == content


def parts(content: bytes) -> list[tuple[bytes, int | None]]:
    """The bytes of each part that is decoded by itself, and how many frames it promises."""
    first = promised(Literally(content))
    return [(part.audio.at(0, 1 << 20), part.frames) for part in (first, *first.behind)]


APE = ape(0, 0xA0000000) + ape(0, 0x80000000)
COUNTED = counting(3, 4 * len(FRAME), (576, 1000)) + FRAME * 3


@pytest.mark.parametrize("between", [b"", ID3V1, id3v2(300), ID3V1 + bytes(9) + id3v2(9), LYRICS + ID3V1, APE])
def test_mp3s_put_together_are_decoded_one_by_one(between: bytes) -> None:
    one = (COUNTED, 3 * 1152 - 1576)
    assert parts(COUNTED + between + COUNTED + between) == [one, one]
    assert parts(FRAME * 7 + between + COUNTED) == [(FRAME * 7, 7 * 1152), one]
    other = b"\xff\xfb\x94\x00".ljust(384, b"\0") * 7
    assert parts(FRAME * 7 + between + other) == [(FRAME * 7, 7 * 1152), (other, 7 * 1152)]
    assert parts(AAC * 5 + between + FRAME * 7) == [(AAC * 5, 5 * 1024), (FRAME * 7, 7 * 1152)]
    assert parts(AAC * 5 + between + AAC * 5) == [(AAC * 10, 10 * 1024)]


@pytest.mark.parametrize(("content", "samples"), [(FRAME * 5000, 1152), (AAC * 5000, 1024)], ids=["MP3", "ADTS"])
def test_a_walk_that_was_given_up_goes_on(content: bytes, samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_MOST_FRAMES", 300)
    assert promised(Literally(content)).frames == 5000 * samples


@pytest.mark.parametrize(
    ("content", "is_"),
    [
        (FRAME + b"junk", "of no kind that is read: .*"),
        (b"junk" * 1000, "text, which is not read"),
        (b"\xff\xfb\x90", "of no kind that is read: .*"),
        (b"", "a tag without any audio behind it"),
        (b"\xff" + b"j" * (1 << 16) + FRAME * 7, "of no kind that is read: no audio begins in its first 64 KiB"),
    ],
    ids=["one frame", "junk", "half a header", "nothing", "far behind"],
)
def test_single_frame_is_an_accident_and_the_search_ends(content: bytes, is_: str) -> None:
    with pytest.raises(DamagedFileError, match=f"^is {is_}$"):
        promised(Literally(content))
