"""Bounds of the reading of tags."""

from __future__ import annotations

import io

import pytest

from audiobatch_analyzers.tags import reading
from audiobatch_analyzers.tags.reading import LONGEST_ENTRY, Comments, Rationed, TagsTooLargeError


def test_rationed_file_reads_as_the_file_does() -> None:
    file = Rationed(io.BytesIO(b"0123456789"), 10)
    assert (file.read(3), file.tell(), file.seek(-2, 2), file.read(), file.at(1, 2)) == (b"012", 3, 8, b"89", b"12")
    assert list(file.chunks(4, 100)) == [b"456789"]
    assert file.read(1 << 62) == b""


def test_ration_of_bytes_ends() -> None:
    file = Rationed(io.BytesIO(bytes(100)), 100, 250)
    assert len(file.at(0, 100) + file.at(0, 100)) == 200
    with pytest.raises(TagsTooLargeError, match="0 MiB"):
        file.at(0, 100)


def test_ration_of_readings_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_READS", 3)
    file = Rationed(io.BytesIO(bytes(100)), 100)
    assert [file.at(0, 1) for _ in range(3)] == [b"\0"] * 3
    with pytest.raises(TagsTooLargeError, match="3 readings"):
        file.at(0, 1)


def test_comments_are_passed_over_chunks_and_cut_where_long() -> None:
    comments = Comments(iter([b"ab", b"", b"cdef", b"x" * (LONGEST_ENTRY + 10), b"end"]))
    # An empty chunk ends the block: what gives the chunks gives none but at its end.
    assert comments.read(3) == b"ab"
    comments = Comments(iter([b"ab", b"cdef", b"x" * LONGEST_ENTRY, b"y" * 10, b"end"]))
    assert (comments.read(3), comments.tell(), comments.read(3)) == (b"abc", 3, b"def")
    assert comments.read(LONGEST_ENTRY + 10) == b"x" * LONGEST_ENTRY
    assert (comments.tell(), comments.read(9), comments.read(1)) == (LONGEST_ENTRY + 16, b"end", b"")


def test_number_of_comments_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_ENTRIES", 2)
    comments = Comments(iter([b"x" * 100]))
    for _ in range(4):
        comments.read(1)
    with pytest.raises(TagsTooLargeError, match="2 comments"):
        comments.read(1)
