"""What is made of tags: values, or reasons why there is none."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import pytest

from audiobatch_analyzers.tags.analyzer import TagAnalyzer
from audiobatchd.plugin_api import (
    FULL_MIX,
    STEMS,
    Encoding,
    FileAnalyzer,
    Measurement,
    OptionError,
    Options,
    Settings,
    UnmeasurableError,
)

NAMES = ["artist", "title", "album", "year", "genre"]


@dataclass
class Content:
    """A file of these bytes."""

    content: bytes
    role: str = FULL_MIX
    name: str = "full_mix.flac"

    @property
    def size(self) -> int:
        return len(self.content)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)

    def encoding(self) -> Encoding:
        raise AssertionError("tags ask for no encoding")


def flac(**tags: str) -> bytes:
    entries = [f"{key}={value}".encode("utf-8", "surrogatepass") for key, value in tags.items()]
    block = bytes(4) + len(entries).to_bytes(4, "little")
    block += b"".join(len(entry).to_bytes(4, "little") + entry for entry in entries)
    return b"fLaC\x84" + len(block).to_bytes(3, "big") + block


def inspected(content: bytes) -> Measurement:
    analyzer = TagAnalyzer(Settings())
    analyzer.load()
    given = analyzer.inspect(Content(content))
    keys = sorted([*given.values, *given.unmeasurable])
    assert keys == sorted(each.name for each in analyzer.features(FULL_MIX))
    return given


def test_five_features_of_the_mix_alone() -> None:
    analyzer = TagAnalyzer(Settings())
    assert isinstance(analyzer, FileAnalyzer)
    assert [each.name for each in analyzer.features(FULL_MIX)] == [f"track_metadata_{name}" for name in NAMES]
    assert [analyzer.features(stem) for stem in STEMS] == [()] * 4
    with pytest.raises(OptionError, match="unknown option"):
        TagAnalyzer(Settings(Options({"stems": True})))


def test_values_are_text_and_the_year_a_number() -> None:
    given = inspected(flac(ARTIST="Björk", TITLE="Jóga\n", ALBUM="Homogenic", DATE="1997-09-16", GENRE="Art; Pop"))
    assert given.values == {
        "track_metadata_artist": "Björk",
        "track_metadata_title": "Jóga",
        "track_metadata_album": "Homogenic",
        "track_metadata_year": 1997,
        "track_metadata_genre": "Art; Pop",
    }
    assert given.unmeasurable == {}


def test_missing_long_and_odd_tags_have_reasons() -> None:
    given = inspected(flac(ARTIST="x" * 1001, TITLE="y" * 1000, ALBUM=" ", DATE="sometime"))
    assert given.values == {"track_metadata_title": "y" * 1000}
    assert given.unmeasurable == {
        "track_metadata_artist": "longer than 1,000 characters",
        "track_metadata_album": "has no such tag",
        "track_metadata_year": "names no year: sometime",
        "track_metadata_genre": "has no such tag",
    }


def test_lone_surrogate_does_not_reach_the_record() -> None:
    given = inspected(flac(TITLE="a\ud800b"))
    assert str(given.values["track_metadata_title"]).encode().decode().startswith("a\ufffd")


def test_unreadable_tags_are_the_reason_and_no_error() -> None:
    analyzer = TagAnalyzer(Settings())
    analyzer.load()
    with pytest.raises(UnmeasurableError, match="its tags cannot be read: ") as caught:
        analyzer.inspect(Content(flac(TITLE="x")[:-9]))
    assert len(str(caught.value)) <= 200


def test_shortage_of_memory_is_no_fault_of_the_tags(monkeypatch: pytest.MonkeyPatch) -> None:
    analyzer = TagAnalyzer(Settings())
    analyzer.load()

    def short(_file: BinaryIO, _size: int) -> dict[str, list[str]]:
        raise MemoryError

    monkeypatch.setattr(analyzer, "_read", short)
    with pytest.raises(MemoryError):
        analyzer.inspect(Content(b""))
