"""Windows on bytes: excerpts, joined and swapped ones, and the reader of a decoder."""

from __future__ import annotations

from itertools import pairwise

from audiobatchd.audio.window import Excerpt, Joined, Literally, Swapped, WindowReader, only_zeros


def test_an_excerpt_has_nothing_around_it() -> None:
    excerpt = Excerpt(Literally(b"0123456789"), 2, 7)
    assert excerpt.size == 5
    assert [excerpt.at(0, 99), excerpt.at(3, 1), excerpt.at(4, 5)] == [b"23456", b"5", b"6"]
    assert [excerpt.at(-1, 2), excerpt.at(5, 1), excerpt.at(99, 1)] == [b"", b"", b""]
    assert Excerpt(Literally(b"0123"), 3, 99).at(0, 99) == b"3"
    assert Excerpt(Literally(b"0123"), 3, 1).size == 0


def test_windows_put_together_read_as_one() -> None:
    whole = b"0123456789"
    for cuts in ((0, 10), (0, 0, 3, 3, 7, 10), (0, 1, 2, 9, 10)):
        joined = Joined(*(Literally(whole[a:b]) for a, b in pairwise(cuts)))
        assert joined.size == 10
        for offset in range(12):
            for length in range(12):
                assert joined.at(offset, length) == whole[offset : offset + length]
    assert [Joined().at(0, 1), joined.at(-1, 2)] == [b"", b""]
    assert [only_zeros(Literally(bytes(3) + b"x"), 0, end) for end in (3, 4, 99)] == [True, False, False]


def test_swapped_numbers_can_be_read_from_any_byte_on() -> None:
    swapped = Swapped(Literally(b"0123456789x"), 3)
    assert swapped.size == 9
    for offset in range(11):
        for length in range(11):
            assert swapped.at(offset, length) == b"210543876"[offset : offset + length]
    assert swapped.at(-1, 3) == b""


def test_a_reader_is_a_file_and_keeps_the_first_fault() -> None:
    reader = WindowReader(Literally(b"0123456789"))
    assert [reader.read(3), reader.tell(), reader.seek(-2, 1), reader.read(2)] == [b"012", 3, 1, b"12"]
    assert [reader.seek(-3, 2), reader.read(99), reader.read(1)] == [7, b"789", b""]
    assert [reader.seek(99), reader.read(1), reader.seek(-99, 1)] == [99, b"", 0]

    class Failing(Literally):
        def at(self, offset: int, length: int) -> bytes:
            raise OSError(5, f"{length} at {offset}")

    failing = WindowReader(Failing(b"0123456789"))
    assert [failing.read(1), failing.seek(4), failing.read(1)] == [b"", 4, b""]
    assert str(failing.fault) == "[Errno 5] 1 at 0"
