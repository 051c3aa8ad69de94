"""Chunks of RIFF and FORM files: found, followed, and searched from the end."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.audio.chunks import (
    Chunk,
    Order,
    check_alone,
    chunk_at,
    chunk_behind,
    lead_to_end,
    trailing_chunks,
)
from audiobatchd.audio.window import Literally
from audiobatchd.errors import DamagedFileError

LITTLE, BIG = "<I", ">I"


def chunk(name: bytes, content: bytes, size: int | None = None, form: str = LITTLE, *, pad: bool = True) -> bytes:
    """A chunk as EA IFF 85 has it; `size` is what it claims."""
    claimed = len(content) if size is None else size
    return name + struct.pack(form, claimed) + content + bytes(len(content) % 2 if pad else 0)


@pytest.mark.parametrize(("order", "form"), [("little", LITTLE), ("big", BIG)])
def test_header_is_read_in_the_file_s_order(order: Order, form: str) -> None:
    found = chunk_at(Literally(b"??" + chunk(b"fmt ", b"12345", form=form)), 2, order)
    assert found == Chunk(b"fmt ", 10, 5)
    assert found.end == 15


@pytest.mark.parametrize("content", [b"fmt \x01\x00\x00", b"\x00mt \x01\x00\x00\x00", b"fm\x7f \x01\x00\x00\x00", b""])
def test_no_chunk_where_there_is_no_name_or_no_room(content: bytes) -> None:
    assert chunk_at(Literally(content), 0, "little") is None


@pytest.mark.parametrize("pad", [True, False], ids=["padded", "unpadded"])
def test_next_chunk_is_found_padded_or_not(pad: bool) -> None:
    first = chunk(b"odd ", b"123", pad=pad)
    window = Literally(first + chunk(b"data", b"samples!"))
    assert chunk_behind(window, 11, "little") == Chunk(b"data", len(first) + 8, 8)


def test_of_two_places_that_fit_the_samples_are_taken() -> None:
    """Behind a pad byte there would be an empty chunk called "ata "."""
    window = Literally(chunk(b"odd ", b"123", pad=False) + chunk(b"data", bytes(32)))
    assert chunk_at(window, 12, "little") == Chunk(b"ata ", 20, 0)
    assert chunk_behind(window, 11, "little") == Chunk(b"data", 19, 32)


CHUNKS = st.lists(st.tuples(st.sampled_from([b"LIST", b"id3 ", b"bext"]), st.binary(max_size=31)), max_size=6)
"""Chunks whose sizes are no letters: without a pad byte those might be read as a part of the name."""


@given(CHUNKS, st.booleans())
def test_whole_chunks_lead_to_the_end(chunks: list[tuple[bytes, bytes]], pad: bool) -> None:
    whole = b"".join(chunk(name, content, pad=pad) for name, content in chunks)
    assert lead_to_end(Literally(whole), 0, "little")


@pytest.mark.parametrize("content", [chunk(b"LIST", b"abcd")[:-1], chunk(b"LIST", b"abcd") + b"rest of it"])
def test_chunks_that_break_off_do_not(content: bytes) -> None:
    assert not lead_to_end(Literally(content), 0, "little")


SILENCE = bytes(1001)


@given(CHUNKS.filter(bool), st.booleans())
def test_search_from_the_end_finds_the_first_of_a_row(chunks: list[tuple[bytes, bytes]], pad: bool) -> None:
    whole = b"".join(chunk(name, content, pad=pad) for name, content in chunks)
    assert trailing_chunks(Literally(SILENCE + whole), 0, "little") == len(SILENCE)
    assert trailing_chunks(Literally(whole + SILENCE), 0, "little") == len(whole) + len(SILENCE)


def test_search_keeps_behind_its_start() -> None:
    """What lies before it is the file's own header."""
    whole = chunk(b"LIST", b"abcd") * 3
    assert trailing_chunks(Literally(whole), 12, "little") == 12


@pytest.mark.parametrize("form", [b"WAVE", b"AIFF", b"AIFC"])
def test_another_file_among_samples_is_refused(form: bytes) -> None:
    head = (b"RIFF" if form == b"WAVE" else b"FORM") + bytes(4) + form
    with pytest.raises(DamagedFileError, match="another file behind its own: at byte 1001"):
        check_alone(Literally(SILENCE + head + SILENCE), 0, 9999)
    check_alone(Literally(SILENCE + head + SILENCE), 0, 1000)
    check_alone(Literally(SILENCE + b"????" + head[4:] + SILENCE), 0, 9999)
