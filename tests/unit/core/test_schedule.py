"""The schedule of one dataset: what holds jobs back, for how long, and what an operator overrides of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from audiobatchd.core.schedule import NOT_LOOKED, Conditions, MachineFacts, Reason, Schedule, rests
from audiobatchd.vocabulary.hours import Hours, hours_in

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
NIGHTS = hours_in(["22:00-07:00"])
GIB = 1 << 30


def seen(
    hour: float = 12,
    load: float | None = 0.0,
    free: int | None = 64 * GIB,
    *,
    battery: bool | None = False,
    memory: int | None = None,
) -> MachineFacts:
    """A look at the machine at that hour of a Monday."""
    return MachineFacts(NOON + timedelta(hours=hour - 12), UTC, load, free, battery, memory)


def remarks(conditions: Conditions, *looks: tuple[float, MachineFacts]) -> list[str]:
    """The remark after each look, which comes so many seconds after the start."""
    schedule, told = Schedule(conditions), []
    for now, facts in looks:
        schedule.look(facts, now)
        told.append(schedule.remark)
    return told


@pytest.mark.parametrize(
    ("conditions", "facts", "remark"),
    [
        (Conditions(), seen(load=99.0, free=0, battery=True), ""),
        (Conditions(hours=NIGHTS), seen(), "until 22:00"),
        (Conditions(hours=NIGHTS), seen(23), ""),
        (Conditions(hours=NIGHTS), seen(6.99), ""),
        (Conditions(hours=hours_in(["sat"])), seen(), "until Sat 00:00"),
        (Conditions(max_load=4), seen(load=9.13), "load 9.1 above 4"),
        (Conditions(max_load=4), seen(load=4.0), ""),
        (Conditions(max_load=4), seen(load=None), "load not known yet"),
        (Conditions(NIGHTS, 4, GIB, on_battery=False), seen(23, load=None, free=None, battery=None),
         "load, free memory, battery not known yet"),
        (Conditions(NIGHTS, max_load=4), seen(load=None), "load not known yet; until 22:00"),
        (Conditions(NIGHTS), seen(23, load=None, free=None, battery=None), ""),
        (Conditions(min_free_memory=2 * GIB), seen(free=GIB * 4 // 5), "free memory 819 MiB below 2 GiB"),
        (Conditions(min_free_memory=2 * GIB), seen(free=2 * GIB), ""),
        (Conditions(min_free_memory=2 * GIB), seen(free=None), "free memory not known yet"),
        (Conditions(min_free_memory=16 * GIB), seen(free=3 * GIB, memory=8 * GIB),
         "free memory 3.0 GiB below 16 GiB, more than the 8.0 GiB of this machine"),
        (Conditions(on_battery=False), seen(battery=True), "on battery"),
        (Conditions(on_battery=False), seen(), ""),
        (Conditions(NIGHTS, 4, None, on_battery=False), seen(load=5.0, battery=True),
         "until 22:00; load 5.0 above 4; on battery"),
    ],
)  # fmt: skip
def test_remark_says_what_is_not_met(conditions: Conditions, facts: MachineFacts, remark: str) -> None:
    assert remarks(conditions, (0.0, facts)) == [remark]


def test_load_goes_on_when_it_was_well_below_for_a_while() -> None:
    told = remarks(
        Conditions(max_load=4),
        *((0, seen(load=4.1)), (1, seen(load=3.9)), (2, seen(load=2.9)), (20, seen(load=3.5))),
        *((21, seen(load=2.9)), (50, seen(load=2.9)), (51, seen(load=2.9)), (52, seen(load=3.9))),
    )
    waits = "load {}, to be below 3 for 30 s"
    first = ["load 4.1 above 4", waits.format("3.9"), waits.format("2.9"), waits.format("3.5")]
    assert told == [*first, waits.format("2.9"), waits.format("2.9"), "", ""]


def test_memory_goes_on_when_there_was_more_for_a_while() -> None:
    told = remarks(
        Conditions(min_free_memory=2 * GIB), (0, seen(free=GIB)), (1, seen(free=3 * GIB)), (31, seen(free=3 * GIB))
    )
    assert told == ["free memory 1.0 GiB below 2 GiB", "free memory 3.0 GiB, to be 2.5 GiB for 30 s", ""]


def test_memory_goes_on_where_a_quarter_more_is_more_than_there_is() -> None:
    looks = ((0, 5 * GIB), (1, 7 * GIB), (2, 7.5 * GIB), (32, 7.5 * GIB))
    told = remarks(
        Conditions(min_free_memory=7 * GIB), *((now, seen(free=int(free), memory=8 * GIB)) for now, free in looks)
    )
    waits = "free memory {} GiB, to be 7.5 GiB for 30 s"
    assert told == ["free memory 5.0 GiB below 7 GiB", waits.format("7.0"), waits.format("7.5"), ""]


def test_another_bound_counts_at_once() -> None:
    schedule = Schedule(Conditions(max_load=4))
    schedule.look(seen(load=9.0), 0.0)
    schedule.replan(Conditions(on_battery=False))
    schedule.look(seen(load=9.0), 1.0)
    assert schedule.remark == ""


@pytest.mark.parametrize(
    ("before", "after", "remark"),
    [
        (Conditions(hours=NIGHTS), Conditions(hours=hours_in(["13:00-14:00"])), "until 13:00"),
        (Conditions(max_load=4), Conditions(max_load=6), ""),
        (Conditions(max_load=4), Conditions(max_load=4, on_battery=False), "load 5.0 above 4"),
        (Conditions(min_free_memory=5 * GIB), Conditions(min_free_memory=GIB * 7 // 2), ""),
    ],
)
def test_what_held_by_other_conditions_counts_no_more(before: Conditions, after: Conditions, remark: str) -> None:
    schedule = Schedule(before)
    schedule.look(seen(load=5.0, free=4 * GIB), 0.0)
    schedule.replan(after)
    schedule.look(seen(load=5.0, free=4 * GIB), 1.0)
    assert schedule.remark == remark


def test_bound_that_stays_goes_on_waiting() -> None:
    schedule = Schedule(Conditions(max_load=4))
    schedule.look(seen(load=5.0), 0.0)
    schedule.replan(Conditions(max_load=4, on_battery=False))
    schedule.look(seen(load=3.5), 1.0)
    assert schedule.remark == "load 3.5, to be below 3 for 30 s"


def test_hours_that_never_come_are_looked_for_again_each_day(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter((None, NOON + timedelta(days=2)))
    monkeypatch.setattr(Hours, "next_change", lambda *_: next(found))
    told = remarks(Conditions(hours=NIGHTS), (0, seen(12)), (1, seen(12 + 9)), (2, seen(12 + 24)))
    assert told == ["its hours never come", "its hours never come", "until Wed 12:00"]


def test_clock_that_is_set_counts_at_once() -> None:
    told = remarks(
        Conditions(hours=hours_in(["mon 22:00-23:00", "sun 08:00-09:00"])),
        *((0, seen(12)), (1, seen(22)), (2, seen(23)), (3, seen(4)), (4, seen(24 * 6 + 8.5))),
    )
    assert told == ["until 22:00", "", "until Sun 08:00", "until 22:00", ""]


def test_zone_that_is_changed_counts_at_once() -> None:
    schedule = Schedule(Conditions(hours=NIGHTS))
    schedule.look(seen(20.5), 0.0)
    assert schedule.remark == "until 22:00"
    schedule.look(MachineFacts(seen(20.5).moment, ZoneInfo("Europe/Helsinki")), 1.0)
    assert schedule.remark == ""


# What an operator overrides


def test_override_ends_when_what_held_is_over_by_itself() -> None:
    schedule = Schedule(Conditions(hours=NIGHTS))
    schedule.look(seen(12), 0.0)
    assert schedule.override(None, 0.0)
    assert (schedule.remark, schedule.override_in_words(0.0)) == ("", "overridden: until 22:00")
    schedule.look(seen(21), 1.0)
    assert schedule.remark == ""
    schedule.look(seen(23), 2.0)
    assert schedule.override_in_words(2.0) == ""
    schedule.look(seen(31), 3.0)
    assert schedule.remark == "until 22:00", "the next day is held again"


def test_override_leaves_what_begins_later() -> None:
    schedule = Schedule(Conditions(hours=NIGHTS, max_load=4))
    schedule.look(seen(12), 0.0)
    schedule.override(None, 0.0)
    schedule.look(seen(13, load=5.0), 1.0)
    assert schedule.holding.keys() == {Reason.LOAD}


def test_override_for_a_while_is_of_everything() -> None:
    schedule = Schedule(Conditions(hours=NIGHTS, max_load=4))
    schedule.look(seen(23), 0.0)
    assert schedule.override(60.0, 0.0), "also where nothing is held back now"
    schedule.look(seen(32, load=5.0), 59.0)
    assert (schedule.remark, schedule.override_in_words(59.0)) == ("", "overridden for 1 s more")
    schedule.look(seen(32, load=5.0), 60.0)
    assert schedule.remark == "until 22:00; load 5.0 above 4"


def test_override_of_nothing_changes_nothing() -> None:
    schedule = Schedule(Conditions(hours=NIGHTS))
    schedule.look(seen(23), 0.0)
    assert not schedule.override(None, 0.0)


def test_before_the_first_look_jobs_are_held_back() -> None:
    assert Schedule(Conditions(max_load=4)).remark == NOT_LOOKED


def test_workers_rest_where_all_have_been_held_for_a_minute() -> None:
    held, working = Schedule(Conditions(hours=NIGHTS), held_since=0.0), Schedule(Conditions(hours=NIGHTS))
    assert [rests([held], now) for now in (59.0, 60.0)] == [False, True]
    assert not rests([held, working], 60.0)
