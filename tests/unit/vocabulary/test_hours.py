"""Hours of the week: what is read, what is refused, and when they begin and end where clocks are changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from audiobatchd.vocabulary.hours import hours_in, until_in_words

DAY = 24 * 60


def minutes(entries: list[str]) -> int:
    """Number of minutes that the entries have in a week."""
    return sum(end - begin for begin, end in hours_in(entries).spans)


@pytest.mark.parametrize(
    ("entries", "spans"),
    [
        (["sat"], [(5 * DAY, 6 * DAY)]),
        (["Saturday", " SUN "], [(5 * DAY, 7 * DAY)]),
        (["fri-mon"], [(0, DAY), (4 * DAY, 7 * DAY)]),
        (["tue 9:00-17:30"], [(DAY + 540, DAY + 1050)]),
        (["tue 22:00-07:00"], [(DAY + 1320, 2 * DAY + 420)]),
        (["sun 22:00-07:00"], [(0, 420), (6 * DAY + 1320, 7 * DAY)]),
        (["wed 18:00-24:00", "thu 00:00-01:00"], [(2 * DAY + 1080, 3 * DAY + 60)]),
        (["mon 08:00-12:00", "mon 10:00-14:00"], [(480, 840)]),
        (["mon-sun", "22:00-07:00"], [(0, 7 * DAY)]),
        (["00:00-24:00"], [(0, 7 * DAY)]),
    ],
)
def test_entries_are_read(entries: list[str], spans: list[tuple[int, int]]) -> None:
    assert hours_in(entries).spans == tuple(spans)


def test_range_of_days_and_a_night_have_each_night_once() -> None:
    assert minutes(["mon-fri 22:00-07:00"]) == 5 * 9 * 60
    assert minutes(["22:00-07:00"]) == 7 * 9 * 60
    assert minutes(["fri-mon 22:00-07:00"]) == 4 * 9 * 60


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("", "expected hours like"),
        ("at night", "expected hours like"),
        ("22", "expected hours like"),
        ("22-7", "expected hours like"),
        ("22:00", "expected hours like"),
        ("sat,sun", "expected hours like"),
        ("mon-fri22:00-23:00", "expected hours like"),
        ("mon-tue-wed", "expected hours like"),
        ("22:00-07:00 mon", "expected hours like"),
        ("mo", "mo in 'mo' is no day: expected one of mon, tue"),
        ("mon-fry 22:00-23:00", "fry in"),
        ("25:00-07:00", "25:00 in '25:00-07:00' is no time of day: expected 00:00 to 23:59"),
        ("22:60-07:00", "22:60 in"),
        ("24:00-07:00", "24:00 in"),
        ("22:00-24:01", "24:01 in '22:00-24:01' is no time of day: expected 00:00 to 24:00"),
        ("22:00-22:00", "'22:00-22:00' begins when it ends"),
        ("٢٢:00-07:00", "expected hours like"),
    ],
)
def test_what_is_no_hours_is_refused_by_name(entry: str, told: str) -> None:
    with pytest.raises(ValueError, match="^" + told.replace("(", r"\(")):
        hours_in(["sat", entry])


# Held against the clocks of a year, by means that are not ours

NIGHTS = ["22:00-07:00", "sat", "sun"]
AWKWARD = ["02:15-02:45", "mon-fri 12:00-13:30", "sun 23:00-01:00"]


def is_night(day: int, clock: str) -> bool:
    return day >= 5 or not "07:00" <= clock < "22:00"


def is_awkward(day: int, clock: str) -> bool:
    noon = day < 5 and "12:00" <= clock < "13:30"
    late = (day == 6 and clock >= "23:00") or (day == 0 and clock < "01:00")
    return "02:15" <= clock < "02:45" or noon or late


YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def flips(zone: ZoneInfo, allowed: Callable[[int, str], bool]) -> list[tuple[datetime, bool]]:
    """Every minute of the year at which the clock on the wall begins or ends what is allowed, and which of the two.

    In quarters of an hour, of which all entries are made; minute by minute on a day on which the clock is changed, and
    the days beside it.
    """
    found: list[tuple[datetime, bool]] = []
    moment, before = YEAR[0], None
    day, step = timedelta(days=1), timedelta(minutes=1)
    while moment < YEAR[1]:
        local = moment.astimezone(zone)
        now = allowed(local.weekday(), f"{local:%H:%M}")
        if before is not None and now != before:
            found.append((moment, now))
        if moment.time() == datetime.min.time():
            is_near = (moment - day).astimezone(zone).utcoffset() != (moment + 2 * day).astimezone(zone).utcoffset()
            step = timedelta(minutes=1 if is_near else 15)
        moment, before = moment + step, now
    return found


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"])
@pytest.mark.parametrize(("entries", "allowed"), [(NIGHTS, is_night), (AWKWARD, is_awkward)])
def test_a_year_of_hours_is_as_the_clock_shows(
    name: str, entries: list[str], allowed: Callable[[int, str], bool]
) -> None:
    hours, zone = hours_in(entries), ZoneInfo(name)
    told, moment = [], YEAR[0]
    while (change := hours.next_change(moment, zone)) is not None and change < YEAR[1]:
        told.append((change, hours.include(change.astimezone(zone))))
        moment = change
    assert told == flips(zone, allowed)


def test_hours_within_the_hour_that_is_left_out_do_not_come() -> None:
    berlin, hours = ZoneInfo("Europe/Berlin"), hours_in(["sun 02:15-02:45"])
    night = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    change = hours.next_change(night, berlin)
    assert change == datetime(2026, 4, 5, 0, 15, tzinfo=UTC), "a week later, for this Sunday has no such hour"
    assert until_in_words(change, night, berlin) == "until Sun 02:15"


def test_hours_that_are_left_out_next_week_come_in_the_week_after() -> None:
    change = hours_in(["sun 02:00-03:00"]).next_change(
        datetime(2026, 3, 22, 2, 0, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    )
    assert change == datetime(2026, 4, 5, 0, 0, tzinfo=UTC)


def test_hours_without_an_end_do_not_change() -> None:
    assert hours_in(["mon-sun"]).next_change(YEAR[0], UTC) is None
    assert hours_in([]).next_change(YEAR[0], UTC) is None


def test_until_names_the_day_where_it_is_not_within_one() -> None:
    hours, noon = hours_in(["22:00-07:00"]), datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    change = hours.next_change(noon, UTC)
    assert change is not None
    assert until_in_words(change, noon, UTC) == "until 22:00"
    assert until_in_words(change, noon, ZoneInfo("Europe/Berlin")) == "until 23:00"
    assert until_in_words(change, noon - timedelta(days=1), UTC) == "until Mon 22:00"
