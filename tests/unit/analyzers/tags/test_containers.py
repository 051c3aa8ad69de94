"""Tags of every container: written by mutagen, by FFmpeg and by hand, and read by mutagen from the path as well."""

from __future__ import annotations

import io
import struct
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mutagen
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen.aiff import AIFF
from mutagen.apev2 import APEv2
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, TALB, TCON, TDRC, TIT2, TPE1
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from audiobatch_analyzers.tags import reading
from audiobatch_analyzers.tags.containers import read_tags
from audiobatch_analyzers.tags.reading import TagsTooLargeError
from support.audio_files import CONTAINERS, tone, write_audio

VALUES = {
    "artist": ["Björk", "日本"],
    "title": ["Jóga"],
    "album": ["Homogenic"],
    "year": ["1997-09-16"],
    "genre": ["Art"],
}
PICTURE = bytes(range(256)) * 12_000
"""3 MiB."""
FFMPEG = {"artist": "Björk", "title": "Jóga", "album": "Homogenic", "date": "1997", "genre": "Art"}


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of every extension, without tags."""
    folder = tmp_path_factory.mktemp("silent")
    for extension in CONTAINERS:
        rate = 48000 if extension == "opus" else 44100
        write_audio(folder / f"full_mix.{extension}", tone(0.05, rate), rate)
    write_audio(folder / "flac.ogg", tone(0.05), 44100, muxer="ogg", codec="flac")
    return folder


def tags_in(content: bytes) -> dict[str, list[str]]:
    return {field: list(values) for field, values in read_tags(io.BytesIO(content), len(content)).items()}


def with_id3(tags: ID3) -> None:
    for frame in (TPE1, TIT2, TALB, TDRC, TCON):
        field = {"TPE1": "artist", "TIT2": "title", "TALB": "album", "TDRC": "year", "TCON": "genre"}[frame.__name__]
        tags.add(frame(encoding=3, text=VALUES[field]))
    tags.add(APIC(mime="image/png", data=PICTURE))


def write_id3(path: Path) -> None:
    tags = ID3()
    with_id3(tags)
    tags.save(path)


def write_chunk(kind: type[Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        file = kind(path)
        file.add_tags()
        with_id3(file.tags)
        file.save()

    return write


def write_comments(kind: type[Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        file = kind(path)
        picture = Picture()
        picture.data = PICTURE
        if kind is FLAC:
            file.add_picture(picture)
        else:
            file["metadata_block_picture"] = [b64encode(picture.write()).decode("ascii")]
        for field, values in VALUES.items():
            file["Date" if field == "year" else field.upper()] = values
        file.save()

    return write


def write_atoms(path: Path) -> None:
    file = MP4(path)
    file["covr"] = [MP4Cover(PICTURE)]
    for name, field in {"ART": "artist", "nam": "title", "alb": "album", "day": "year", "gen": "genre"}.items():
        file[f"\xa9{name}"] = VALUES[field]
    file.save()


WRITERS: Mapping[str, Callable[[Path], None]] = {
    "full_mix.mp3": write_id3,
    "full_mix.aac": write_id3,
    "full_mix.flac": write_comments(FLAC),
    "full_mix.ogg": write_comments(OggVorbis),
    "full_mix.opus": write_comments(OggOpus),
    "full_mix.m4a": write_atoms,
    "full_mix.mp4": write_atoms,
    "full_mix.wav": write_chunk(WAVE),
    "full_mix.aiff": write_chunk(AIFF),
}


@pytest.mark.parametrize("name", WRITERS)
def test_tags_by_mutagen_are_read(silent: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / name
    path.write_bytes((silent / name).read_bytes())
    WRITERS[name](path)
    if path.suffix not in {".ogg", ".opus"}:
        # Pictures are passed over, but in Ogg, whose pages have to be read for what follows.
        monkeypatch.setattr(reading, "MOST_BYTES", len(PICTURE))
        assert path.stat().st_size > len(PICTURE)
    assert tags_in(path.read_bytes()) == VALUES


@pytest.mark.parametrize("extension", sorted(CONTAINERS.keys() - {"aac", "aiff", "aif", "aifc"}))
def test_tags_by_ffmpeg_are_read(tmp_path: Path, extension: str) -> None:
    rate = 48000 if extension == "opus" else 44100
    path = write_audio(tmp_path / f"a.{extension}", tone(0.05, rate), rate, metadata=FFMPEG)
    assert tags_in(path.read_bytes()) == {
        "artist": ["Björk"],
        "title": ["Jóga"],
        "album": ["Homogenic"],
        "year": ["1997"],
        "genre": ["Art"],
    }
    told: Any = mutagen.File(path, easy=True)
    if extension not in {"wav", "wave"}:  # of which mutagen does not read what RIFF has for tags
        assert (told["artist"], told["title"], told["date"]) == (["Björk"], ["Jóga"], ["1997"])


def test_name_and_author_of_aiff_are_read(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.aiff", tone(0.05), 44100, metadata={"title": "Jóga", "author": "Björk"})
    assert tags_in(path.read_bytes()) == {"title": ["Jóga"], "artist": ["Björk"]}


@pytest.mark.parametrize("extension", CONTAINERS)
def test_file_without_tags_has_none(silent: Path, extension: str) -> None:
    assert tags_in((silent / f"full_mix.{extension}").read_bytes()) == {}


def test_flac_in_ogg_is_read(silent: Path, tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.ogg", tone(0.05), 44100, muxer="ogg", codec="flac", metadata=FFMPEG)
    assert tags_in(path.read_bytes())["title"] == ["Jóga"]


def test_ape_fills_what_id3_lacks(silent: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes((silent / "full_mix.mp3").read_bytes())
    tags = ID3()
    tags.add(TPE1(encoding=3, text=["ID3"]))
    tags.add(TIT2(encoding=3, text=[""]))
    tags.save(path)
    ape: Any = APEv2()
    ape["Artist"], ape["Title"], ape["Year"] = "APE", ["One", "Two"], "1999"
    ape.save(path)
    assert tags_in(path.read_bytes()) == {"artist": ["ID3"], "title": ["One", "Two"], "year": ["1999"]}


def test_unreadable_tags_take_no_better_ones_along() -> None:
    ape = struct.pack("<II", 2, 0) + b"Title\0\xff\xfe"
    ape += b"APETAGEX" + struct.pack("<IIII", 2000, len(ape) + 32, 1, 0) + bytes(8)
    with pytest.raises(mutagen.MutagenError):
        tags_in(b"\xff\xfb\x90\0" * 20 + ape)
    v2 = b"ID3\4\0\0\0\0\0\x0d" + b"TPE1\0\0\0\3\0\0\3Me"
    assert tags_in(v2 + b"\xff\xfb\x90\0" * 20 + ape) == {"artist": ["Me"]}


def test_id3_before_flac_fills_what_its_comments_lack(silent: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes((silent / "full_mix.flac").read_bytes())
    file = FLAC(path)
    file["artist"] = "Comments"
    file.save()
    front = tmp_path / "front"
    front.write_bytes(b"")
    tags = ID3()
    with_id3(tags)
    tags.save(front, v1=0)
    found = tags_in(front.read_bytes() + path.read_bytes())
    assert found == {**VALUES, "artist": ["Comments"]}


# By hand


def comments(*entries: bytes, count: int | None = None) -> bytes:
    block = struct.pack("<I", 4) + b"hand" + struct.pack("<I", len(entries) if count is None else count)
    block += b"".join(struct.pack("<I", len(entry)) + entry for entry in entries)
    return b"fLaC\x84" + len(block).to_bytes(3, "big") + block


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def mp4(*items: bytes) -> bytes:
    ilst = box(b"ilst", b"".join(items))
    return box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", box(b"udta", box(b"meta", bytes(4) + ilst)))


def riff(*chunks: tuple[bytes, bytes], order: str = "<", kind: bytes = b"RIFF") -> bytes:
    body = b"".join(name + struct.pack(f"{order}I", len(each)) + each + bytes(len(each) % 2) for name, each in chunks)
    return kind + struct.pack(f"{order}I", 4 + len(body)) + b"WAVE" + body


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (comments(b"TITLE=a=b", b"title=c", b"year=1999"), {"title": ["a=b", "c"], "year": ["1999"]}),
        (comments(b"YEAR=1999", b"DATE=2003"), {"year": ["2003", "1999"]}),
        (comments(b"ARTIST=caf\xe9", b"no equals sign", b"=x", b"ALBUM="), {"artist": ["caf\ufffd"]}),
        (comments(b"ARTIST=\xff\xfe", b"TITLE=" + b"x" * 100_000), {"artist": ["\ufffd\ufffd"]}),
        (mp4(box(b"gnre", box(b"data", bytes(8) + b"\0\x12"))), {"genre": ["Rock"]}),
        (mp4(box(b"\xa9ART", box(b"data", b"\0\0\0\1\0\0\0\0caf\xe9"))), {}),
        (mp4(), {}),
        (
            riff((b"LIST", b"INFO" + b"IART\3\0\0\0Me\0\0" + b"INAM\5\0\0\0caf\xe9\0"), (b"data", b"")),
            {"artist": ["Me"], "title": ["caf\xe9"]},
        ),
        (
            riff((b"LIST", b"INFO" + b"IART\0\0\0\3Me\0\0"), order=">", kind=b"RIFX"),
            {"artist": ["Me"]},
        ),
        (riff((b"LIST", b"adtl")), {}),
        (riff((b"LIST", b"")) + b"INFOIART\2\0\0\0Me", {}),
        (b"", {}),
        (b"\0" * 50, {}),
        (b"x" * 5000, {}),
    ],
)
def test_tags_by_hand(content: bytes, found: Mapping[str, Sequence[str]]) -> None:
    given = tags_in(content)
    if "title" in given and len(given["title"][0]) > 1000:
        del given["title"]  # cut, and too long all the same
    assert given == found


def page(number: int, *packets: bytes, flags: int = 0) -> bytes:
    """A page of whole packets, each of fewer than 255 bytes."""
    head = struct.pack("<qIIIB", 0, 1, number, 0, len(packets)) + bytes(map(len, packets))
    return b"OggS\0" + bytes([flags]) + head + b"".join(packets)


OGG_HEAD = page(0, b"\1vorbis" + bytes(23), flags=2)
ENTRY = struct.pack("<I", 7) + b"TITLE=x"


def test_comments_end_where_their_packet_ends() -> None:
    def ogg(count: int) -> bytes:
        return OGG_HEAD + page(1, b"\3vorbis" + struct.pack("<II", 0, count) + ENTRY, ENTRY) + page(2, ENTRY)

    assert tags_in(ogg(1)) == {"title": ["x"]}
    with pytest.raises(mutagen.MutagenError):
        tags_in(ogg(2))


@pytest.mark.parametrize(
    "content",
    [
        comments(b"A=b", count=1 << 31),
        comments(*[b"A=b"] * 60_000),
        comments(struct.pack("<I", 1 << 31)),
        OGG_HEAD,
        OGG_HEAD + b"OggS\0\0" + bytes(300),
        OGG_HEAD + b"OggS\0\0" + struct.pack("<qIIIB", 0, 1, 1, 0, 1) + bytes([255]) + b"\3vorbis" + bytes(248),
        b"\0\0\0\1moov\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\x07moov" + bytes(100),
        b"\x7f\0\0\0moov" * 5000,
        mp4(struct.pack(">I4s", 1 << 30, b"\xa9ART")),
        box(b"moov", b"\0\0\0\x08free" * 3000),
        riff((b"ID3 ", b"ID3\x05\0\0\0\0\0\x10" + bytes(20))),
        riff(*[(b"LIST", b"")] * 9000),
        b"\xff\xfb\x90\0" + b"APETAGEX" + struct.pack("<IIII", 2000, 1 << 31, 1 << 31, 0) + bytes(8),
        b"\xff\xfb\x90\0" + b"\0" * 60 + b"APETAGEX" + struct.pack("<IIII", 2000, 64, 1 << 31, 0) + bytes(8),
    ],
)
def test_hostile_tags_end_in_no_time(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_READS", 2000)
    try:
        found = tags_in(content)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # whatever it is, the analyzer takes it
        return
    assert found.keys() <= {"artist"}


def test_endless_parts_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_READS", 2000)
    with pytest.raises(TagsTooLargeError, match="readings"):
        tags_in(box(b"moov", b"\0\0\0\x08free" * 3000))
    with pytest.raises(TagsTooLargeError, match="comments"):
        tags_in(comments(*[b"A=b"] * 60_000))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_leaves_text_or_an_error(silent: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(WRITERS)))
    content = bytearray((silent / name).read_bytes())
    if name in {"full_mix.mp3", "full_mix.aac"}:
        content[:0] = b"ID3\4\0\0\0\0\0\x1eTPE1\0\0\0\x06\0\0\3Bj\xc3\xb6rkTIT2\0\0\0\2\0\0\3x"
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(content), 3000) - 1))
        content[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        found = tags_in(bytes(content))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # whatever it is, the analyzer takes it
        return
    assert all(isinstance(value, str) for values in found.values() for value in values)
