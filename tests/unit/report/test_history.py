"""The history by days and hours of this machine's clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from audiobatchd.control.history import Span
from audiobatchd.report.history import Stretch, by_day, by_hour, in_a_row, total

DAY = 86400


@pytest.fixture(name="berlin", autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def span(text: str, done: int, seconds: int = 3600) -> Span:
    """Make a span that begins at a time in UTC."""
    start = int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
    return Span(start, seconds, done, 1, {}, 1800.0 * done, 60.0, {"rhythm": 1.0 * done, "peaks": 2.0}, {"why": 1})


def test_a_day_is_that_of_this_machine() -> None:
    days = by_day([span("2026-07-01T21:00", 1), span("2026-07-01T22:00", 2), span("2026-07-02T21:00", 4)])
    assert [(each.name, each.done) for each in days] == [("2026-07-01", 1), ("2026-07-02", 6)]


def test_a_day_in_utc_keeps_its_name() -> None:
    days = by_day([span("2026-07-01T00:00", 1, DAY), span("2026-07-01T20:00", 2)])
    assert [(each.name, each.done) for each in days] == [("2026-07-01", 3)]


def test_the_hour_that_comes_twice_is_one() -> None:
    hours = by_hour([span("2026-10-25T00:00", 1), span("2026-10-25T01:00", 2), span("2026-10-25T02:00", 4)])
    assert [(each.name, each.done) for each in hours] == [("2026-10-25 02:00", 3), ("2026-10-25 03:00", 4)]


def test_the_hour_that_is_left_out_is_not_told() -> None:
    hours = by_hour([span("2026-03-29T00:00", 1), span("2026-03-29T01:00", 2)])
    assert [each.name for each in hours] == ["2026-03-29 01:00", "2026-03-29 03:00"]


def test_the_sum_has_all() -> None:
    whole = total([span("2026-07-01T20:00", 1), span("2026-07-09T20:00", 5)])
    assert (whole.done, whole.failed, whole.hours, whole.per_hour) == (6, 2, 3.0, 180.0)
    assert whole.costs_by_size() == [("rhythm", 6.0), ("peaks", 4.0)]
    assert whole.causes_by_size() == [("why", 2)]
    assert Stretch("", done=1).per_hour == 0.0, "too short to tell"


def test_days_without_work_are_in_the_row() -> None:
    days = [Stretch("2026-02-27", 1), Stretch("2026-03-02", 2)]
    names = ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]
    assert [each.name for each in in_a_row(days, 90)] == names
    assert [(each.name, each.done) for each in in_a_row(days, 2)] == [("2026-03-01", 0), ("2026-03-02", 2)]
    assert in_a_row([], 90) == []
