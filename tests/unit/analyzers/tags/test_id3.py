"""ID3 tags picked frame by frame, against mutagen's reading of the whole tag, and by hand where that is hopeless."""

from __future__ import annotations

import io
import zlib

import pytest
from mutagen.id3 import APIC, ID3, TALB, TCON, TDRC, TIT2, TPE1, Encoding

from audiobatch_analyzers.tags.id3 import Bytes, length_at, read_id3

FRAMES = {"artist": "TPE1", "title": "TIT2", "album": "TALB", "year": "TDRC"}
PICTURE = APIC(mime="image/png", data=bytes(range(256)) * 8192)
"""2 MiB, whose size ends in bytes beyond 127 and reads differently by seven bits and by eight."""


def synchsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def tag(frames: bytes, version: int = 4, flags: int = 0) -> bytes:
    return b"ID3" + bytes([version, 0, flags]) + synchsafe(len(frames)) + frames


def frame(name: bytes, content: bytes, *, plain: bool = False, flags: bytes = b"\0\0") -> bytes:
    size = len(content).to_bytes(4, "big") if plain else synchsafe(len(content))
    return name + size + flags + content


def written(version: int, encoding: int) -> bytes:
    """A tag by mutagen, a picture first, with names that only some encodings have."""
    tags = ID3()
    name = "Björk" if encoding == Encoding.LATIN1 else "Björk 日本"
    tags.add(PICTURE)
    for each in (TPE1, TIT2, TALB):
        tags.add(each(encoding=encoding, text=[f"{name} {each.__name__}"]))
    tags.add(TDRC(encoding=Encoding.LATIN1, text="1997-09-16"))
    tags.add(TCON(encoding=encoding, text=["17", "Art Pop"] if version == 4 else ["(17)Art Pop"]))
    if version == 3:
        tags.update_to_v23()
    file = io.BytesIO(b"\xff\xfb\x90\0" * 100)
    tags.save(file, v2_version=version, v1=2)
    return file.getvalue()


@pytest.mark.parametrize(
    ("version", "encoding"),
    [
        (3, Encoding.LATIN1),
        (3, Encoding.UTF16),
        (4, Encoding.LATIN1),
        (4, Encoding.UTF16),
        (4, Encoding.UTF16BE),
        (4, Encoding.UTF8),
    ],
)
def test_tag_reads_as_mutagen_reads_all_of_it(version: int, encoding: int) -> None:
    content = written(version, encoding)
    whole = ID3(io.BytesIO(content))
    found = read_id3(Bytes(content))
    assert {field: [str(each) for each in whole[name].text] for field, name in FRAMES.items()} == {
        field: found[field] for field in FRAMES
    }
    assert found["genre"] == whole["TCON"].genres == (["Rock", "Art Pop"] if version == 4 else ["Rock/Art Pop"])
    assert found["year"] == ["1997-09-16"]


def test_version_2_2_has_names_of_three_letters() -> None:
    frames = b"".join(
        name + len(text).to_bytes(3, "big") + text
        for name, text in [(b"PIC", bytes(9000)), (b"TP1", b"\0Me"), (b"TT2", b"\0It"), (b"TYE", b"\x001999")]
    )
    content = tag(frames, 2)
    assert read_id3(Bytes(content)) == {"artist": ["Me"], "title": ["It"], "year": ["1999"]}
    assert str(ID3(io.BytesIO(content))["TPE1"]) == "Me"


def test_sizes_that_are_written_as_in_version_2_3_are_seen() -> None:
    frames = frame(b"APIC", bytes(0x1FF), plain=True) + frame(b"TPE1", b"\3me")
    assert read_id3(Bytes(tag(frames))) == {"artist": ["me"]}
    proper = frame(b"APIC", bytes(0x1FF)) + frame(b"TPE1", b"\3me") + bytes(20)
    assert read_id3(Bytes(tag(proper))) == {"artist": ["me"]}


def test_unsynchronised_tag_of_version_2_3_is_restored() -> None:
    # The UTF-16 mark FF FE is no false synchronisation; FF 00 inside of it stands for FF.
    frames = frame(b"APIC", b"\xff\xe0" * 40, plain=True) + frame(b"TPE1", b"\1\xff\xfem\0e\0", plain=True)
    stored = frames.replace(b"\xff", b"\xff\x00")
    assert read_id3(Bytes(tag(stored, 3, 0x80))) == {"artist": ["me"]}


def test_extended_header_is_passed() -> None:
    frames = frame(b"TPE1", b"\3me")
    assert read_id3(Bytes(tag(synchsafe(6) + b"\1\0" + frames, 4, 0x40))) == {"artist": ["me"]}
    plain = frame(b"TPE1", b"\0me", plain=True)
    assert read_id3(Bytes(tag(b"\0\0\0\6" + bytes(6) + plain, 3, 0x40))) == {"artist": ["me"]}
    assert read_id3(Bytes(tag(plain, 3, 0x40))) == {"artist": ["me"]}, "the flag alone, and no such header"


def test_tag_behind_other_bytes_is_read_there() -> None:
    content = tag(frame(b"TIT2", b"\3It"))
    assert read_id3(Bytes(b"12345" + content), 5) == {"title": ["It"]}
    assert (length_at(Bytes(content), 0), length_at(Bytes(content), 1)) == (len(content), 0)


def test_no_tag_gives_nothing_and_version_1_is_read_where_wanted() -> None:
    v1 = b"TAG" + b"It".ljust(30, b"\0") + b"Me".ljust(30, b"\0") + bytes(30) + b"1999" + bytes(30) + b"\x11"
    assert read_id3(Bytes(b"")) == read_id3(Bytes(bytes(500))) == read_id3(Bytes(bytes(500) + v1)) == {}
    found = read_id3(Bytes(bytes(500) + v1), load_v1=True)
    assert found == {"artist": ["Me"], "title": ["It"], "year": ["1999"], "genre": ["Rock"]}
    both = read_id3(Bytes(tag(frame(b"TPE1", b"\3You")) + bytes(500) + v1), load_v1=True)
    assert (both["artist"], both["title"]) == (["You"], ["It"])


@pytest.mark.parametrize(
    "frames",
    [
        frame(b"TPE1", b"\3me") + b"AAAA\0\0\0\1\0\0x" * 1_000_000,
        b"AAAA\0\0\0\1\0\0x" * 5000 + frame(b"TPE1", b"\3me"),
        frame(b"TPE1", b"\3me") + b"TPE1\0\0\0\2\0\0\3x" * 500_000,
        frame(b"APIC", bytes(30 << 20)) + frame(b"TPE1", b"\3me"),
        frame(b"TALB", (16).to_bytes(4, "big") + zlib.compress(bytes(64 << 20)), flags=b"\0\x09")
        + frame(b"TPE1", b"\3me"),
        frame(b"TPE1", b"\3me") + b"TIT2\x7f\x7f\x7f\x7f\0\0\3far beyond the end",
        frame(b"TPE1", b"\3me") + b"TIT2",
    ],
    ids=[
        "unknown frames",
        "unknown frames before it",
        "known frames",
        "picture",
        "compressed zeros",
        "beyond the end",
        "half a header",
    ],
)
def test_monstrous_tag_costs_nothing_and_hides_nothing(frames: bytes) -> None:
    class Counted(Bytes):
        """Bytes that count how many of them are asked for."""

        asked = 0

        def at(self, offset: int, length: int) -> bytes:
            self.asked += length
            return super().at(offset, length)

    content = Counted(tag(frames))
    assert read_id3(content)["artist"][0] == "me"
    assert content.asked < 1 << 20


def test_long_text_is_cut_and_still_too_long() -> None:
    found = read_id3(Bytes(tag(frame(b"TPE1", b"\3" + b"x" * 1_000_000))))
    assert len(found["artist"][0]) == 8192
