"""Durations, numbers and sizes: said as people say them, and read as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from audiobatchd.vocabulary.quantities import duration, exact_size, moment, seconds_in, significant, size_in_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45", 45), ("30s", 30), ("90 min", 5400), ("2h", 7200), ("1 h 30 min", 5400), ("1.5H", 5400), ("2 days", 172800)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert seconds_in(text) == seconds


@pytest.mark.parametrize(
    "text", ["", " ", "0", "-1", "h", "2 weeks", "1 2", "1 h 30", "1e3", "nan", "inf", "٣", "9" * 20]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration like"):
        seconds_in(text)


@pytest.mark.parametrize("seconds", [1, 59, 60, 61, 3600, 3660, 86400, 90000])
def test_a_duration_that_is_shown_can_be_given(seconds: int) -> None:
    assert seconds_in(duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7805, "2 h 10 min"),
        (86400, "1 d"),
        (277200, "3 d 5 h"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("number", "words"), [(0.834, "0.83"), (8.34, "8.3"), (83.2, "83"), (1240.4, "1,240")])
def test_significant(number: float, words: str) -> None:
    assert significant(number) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1000, "1,000 bytes"), (2048, "2 KiB"), (16 << 20, "16 MiB"), (3 << 30, "3 GiB")],
)
def test_sizes_are_told_in_the_largest_unit_without_rest(size: int, words: str) -> None:
    assert exact_size(size) == words


@pytest.mark.parametrize("size", [1 << 10, 100 << 20, 16 << 20, 3 << 30, 5 << 40])
def test_a_size_that_is_shown_can_be_given(size: int) -> None:
    assert size_in_bytes(exact_size(size)) == size


@pytest.mark.parametrize("text", ["", "4", "4 GB", "4 gib", "-1 GiB", "1e3 MiB", "4  GiB", "٣ GiB", "9" * 400 + " TiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size like"):
        size_in_bytes(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2h", 1_790_000_000 - 7200),
        ("7 days", 1_790_000_000 - 7 * 86400),
        ("2026-09-01", datetime(2026, 9, 1).astimezone().timestamp()),
        (" 2026-09-01 14:30 ", datetime(2026, 9, 1, 14, 30).astimezone().timestamp()),
        ("2026-09-01T14:30+00:00", datetime(2026, 9, 1, 14, 30, tzinfo=UTC).timestamp()),
    ],
)
def test_a_moment_is_read(text: str, found: float) -> None:
    assert moment(text, 1_790_000_000) == found


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-09-01 25:00", "0001-01-01", "7x", "2999-01-01"])
def test_what_is_no_moment_that_has_passed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a (duration|moment)"):
        moment(text, 1_790_000_000)
