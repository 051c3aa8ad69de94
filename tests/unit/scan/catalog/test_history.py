"""The history of jobs: counted in memory, written now and then, summed into days later, and never too large."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiobatchd.core.actions import CountJob
from audiobatchd.scan.catalog import history
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.history import (
    AUDIO,
    BUSY,
    CAUSE,
    COST,
    DAY,
    DAYS_KEPT,
    HOUR,
    HOURS_KEPT,
    MOST_NAMES,
    OTHERS,
    OUTCOME,
    Counts,
    Period,
    largest,
)
from audiobatchd.vocabulary.states import Outcome
from support.catalog_rig import statements, verbs

START = 1_790_000_000 // DAY * DAY
MUSIC, OTHER = "/music", "/caf\udce9"
DONE = CountJob(MUSIC, Outcome.DONE, "", 2.0, 180.0, {"loudness": 0.5, "decoding": 0.25})
FAILED = CountJob(MUSIC, Outcome.FAILED, "full_mix.flac: damaged at 7.5 s", 1.0, 0.0, {"decoding": 0.25})


@pytest.fixture(name="catalog")
def _catalog(path: Path) -> Iterator[Catalog]:
    made = Catalog(path)
    yield made
    made.close()


def spend(steps: Iterable[None]) -> int:
    return sum(1 for _ in steps)


def in_all(catalog: Catalog, *datasets: str, since: float = 0.0) -> Counts:
    """All counts, whatever period they are in."""
    found: Counter[tuple[str, str]] = Counter()
    for counts in catalog.history.since(datasets or [MUSIC], since).values():
        for key, number in counts.items():
            found[key] += number  # type: ignore[assignment]  # a Counter's values may be floats
    return dict(found)


def test_jobs_of_an_hour_are_added_up(catalog: Catalog) -> None:
    catalog.history.count(DONE, START + 10, 100.0)
    catalog.history.flush()
    catalog.history.count(FAILED, START + 20, 110.0)
    expected = {
        (OUTCOME, "done"): 1.0,
        (OUTCOME, "failed"): 1.0,
        (AUDIO, ""): 180.0,
        (BUSY, ""): 3.0,
        (COST, "loudness"): 0.5,
        (COST, "decoding"): 0.5,
        (CAUSE, "full_mix.flac: damaged at #.# s"): 1.0,
    }
    assert catalog.history.since([MUSIC], 0) == {Period(START, HOUR): expected}, "half in memory, half in the table"
    catalog.history.flush()
    assert catalog.history.since([MUSIC], 0) == {Period(START, HOUR): expected}
    assert not catalog.history.has_news


def test_history_is_known_to_the_next_run(catalog: Catalog, path: Path) -> None:
    catalog.history.count(DONE, START, 100.0)
    catalog.history.flush()
    catalog.history.count(DONE, START, 200.0)  # as if it were killed before this is written
    again = Catalog(path)
    assert in_all(again)[OUTCOME, "done"] == 1.0
    again.close()


def test_a_flush_is_one_transaction_however_many_jobs(catalog: Catalog) -> None:
    with statements(catalog) as executed:
        for number in range(1000):
            catalog.history.count(DONE, START + number, float(number))
    assert executed == []
    with statements(catalog) as executed:
        catalog.history.flush()
    assert verbs(executed).count("COMMIT") == 1
    assert verbs(executed).count("INSERT") == 6, "five of the dataset, and for how long anything was at work"


def test_time_that_jobs_share_is_counted_once(catalog: Catalog) -> None:
    other = CountJob(OTHER, Outcome.DONE, "", 8.0)
    for job, now in ((DONE, 100.0), (other, 101.0), (DONE, 101.5)):
        catalog.history.count(job, START, now)
    assert in_all(catalog)[BUSY, ""] == 3.5
    assert in_all(catalog, OTHER)[BUSY, ""] == 8.0
    assert in_all(catalog, MUSIC, OTHER)[BUSY, ""] == pytest.approx(3.5)
    assert in_all(catalog, MUSIC, OTHER)[OUTCOME, "done"] == 3.0


def test_only_the_hours_that_are_asked_for(catalog: Catalog) -> None:
    for hour in range(4):
        catalog.history.count(DONE, START + hour * HOUR, 0.0)
    catalog.history.flush()
    found = catalog.history.since([MUSIC], START + 2 * HOUR + 1800)
    assert [period.start for period in found] == [START + 2 * HOUR, START + 3 * HOUR]


def test_old_hours_become_days(catalog: Catalog) -> None:
    for hour in range(30):
        catalog.history.count(DONE, START + hour * HOUR, 10.0 * hour)
    catalog.history.flush()
    before = in_all(catalog)
    assert spend(catalog.history.prune(START + HOURS_KEPT + DAY)) > 0
    periods = list(catalog.history.since([MUSIC], 0))
    assert periods[0] == Period(START, DAY)
    assert {each.span for each in periods[1:]} == {HOUR}
    assert in_all(catalog) == before
    catalog.history.count(DONE, START, 400.0)  # a clock that goes back counts in the same day
    catalog.history.flush()
    spend(catalog.history.prune(START + HOURS_KEPT + 2 * DAY))
    assert in_all(catalog)[OUTCOME, "done"] == 31.0
    assert list(catalog.history.since([MUSIC], 0)) == [Period(START, DAY), Period(START + DAY, DAY)]


def test_old_days_and_those_ahead_go(catalog: Catalog) -> None:
    for moment in (START, START + DAYS_KEPT, START + DAYS_KEPT + 40 * DAY):
        catalog.history.count(DONE, moment, 0.0)
    catalog.history.flush()
    spend(catalog.history.prune(START + DAYS_KEPT + DAY))
    assert [each.start for each in catalog.history.since([MUSIC], 0)] == [START + DAYS_KEPT]


def test_causes_of_an_hour_are_bounded(catalog: Catalog) -> None:
    for number in range(100):
        reason = f"cause {'x' * number}"
        for _ in range(1 + (number == 0)):
            catalog.history.count(CountJob(MUSIC, Outcome.FAILED, reason), START, 0.0)
        if number % 10 == 0:
            catalog.history.flush()
    catalog.history.flush()
    counts = in_all(catalog)
    causes = {name: count for (kind, name), count in counts.items() if kind == CAUSE}
    assert len(causes) == MOST_NAMES[CAUSE] + 1
    assert (causes["cause "], causes[OTHERS], sum(causes.values())) == (2.0, 80.0, 101.0)


def test_there_are_never_too_many_rows(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_ROWS", 50)
    for hour in range(400):
        catalog.history.count(DONE, START + hour * HOUR, 0.0)
    catalog.history.flush()
    assert catalog.history.rows() > 1500
    spend(catalog.history.prune(START + 400 * HOUR))
    assert catalog.history.rows() <= 150, "the day of now stays whole: 24 hours of six rows at most"
    assert Period(START + 399 * HOUR, HOUR) in catalog.history.since([MUSIC], 0)


def test_history_goes_with_its_dataset(catalog: Catalog) -> None:
    for number in range(600):
        catalog.history.count(DONE, START + number * HOUR, 0.0)
    catalog.history.count(CountJob(OTHER, Outcome.DONE), START, 0.0)
    catalog.history.flush()
    catalog.rename(OTHER, "/renamed")
    assert spend(catalog.prune(lambda: ["/renamed"])) > 3
    assert in_all(catalog).keys() == set()
    assert in_all(catalog, "/renamed")[OUTCOME, "done"] == 1.0


def test_counts_outlast_a_full_disk(catalog: Catalog, path: Path) -> None:
    blocker = sqlite3.connect(path)
    blocker.execute("BEGIN EXCLUSIVE")
    catalog.history.count(DONE, START, 10.0)
    catalog.history.flush()  # waits for a second, then stands back
    assert catalog.trouble
    catalog.history.count(DONE, START, 20.0)
    catalog.history.flush()
    assert in_all(catalog)[OUTCOME, "done"] == 2.0
    blocker.rollback()
    blocker.close()
    catalog.retry()
    catalog.history.flush()
    assert in_all(catalog)[OUTCOME, "done"] == 2.0
    with sqlite3.connect(path) as reader:
        found = reader.execute("SELECT sum(number) FROM history WHERE kind = 'outcome'").fetchone()
    reader.close()
    assert found == (2.0,)


def test_what_waits_in_memory_is_bounded(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_MOST_PENDING", 10)
    for hour in range(100):
        catalog.history.count(DONE, START + hour * HOUR, 0.0)
    assert len(catalog.history.since([MUSIC], 0)) == 5


def test_hostile_names_are_kept_as_they_are_shown(catalog: Catalog) -> None:
    job = CountJob(OTHER, Outcome.ERROR, "caf\udce9\0\n<b>'", 0.0, 0.0, {"x\udcff": 1.0})
    catalog.history.count(job, START, 0.0)
    catalog.history.flush()
    names = {name for kind, name in in_all(catalog, OTHER) if kind in (CAUSE, COST)}
    assert names == {"caf\\xe9\\x00\\x0a<b>'", "x\\xff"}


def test_a_database_of_the_version_before_gets_the_table(path: Path) -> None:
    before = Catalog(path)
    before.close()
    with sqlite3.connect(path) as connection:
        connection.executescript("DROP TABLE history; PRAGMA user_version = 4")
    connection.close()
    again = Catalog(path)
    again.history.count(DONE, START, 0.0)
    again.history.flush()
    assert in_all(again)[OUTCOME, "done"] == 1.0
    assert not again.trouble
    again.close()


_JOBS = st.lists(
    st.tuples(
        st.sampled_from([MUSIC, OTHER]),
        st.sampled_from(Outcome),
        st.text("abc", max_size=3),
        st.integers(0, 100 * 24),
        st.dictionaries(st.sampled_from(["loudness", "rhythm", "decoding"]), st.integers(0, 1000).map(float)),
        st.integers(0, 4).map(float),
    ),
    max_size=60,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_JOBS, st.integers(0, 300))
def test_sums_are_the_same_by_hours_and_by_days(
    jobs: list[tuple[str, Outcome, str, int, dict[str, float], float]], ahead: int
) -> None:
    catalog = Catalog(None)
    expected: Counter[str] = Counter()
    for dataset, outcome, reason, hour, costs, audio in jobs:
        catalog.history.count(
            CountJob(dataset, outcome, reason, 0.0, audio, costs),
            START + hour * HOUR,
            0.0,
        )
        expected.update({OUTCOME: 1, CAUSE: bool(reason)})
        expected[COST] += sum(costs.values())  # type: ignore[assignment]  # a Counter's values may be floats
        expected[AUDIO] += audio  # type: ignore[assignment]  # likewise
        if hour % 3 == 0:
            catalog.history.flush()
    for moment in (START + HOURS_KEPT, START + HOURS_KEPT + ahead * DAY):
        found: Counter[str] = Counter()
        for (kind, _), number in in_all(catalog, MUSIC, OTHER).items():
            found[kind] += number  # type: ignore[assignment]  # likewise
        del found[BUSY]
        assert +found == +expected
        catalog.history.flush()
        spend(catalog.history.prune(moment + 20 * DAY))
    catalog.close()


def test_the_largest_causes_keep_their_names() -> None:
    counts = {(CAUSE, f"c{number}"): float(number) for number in range(40)} | {(CAUSE, OTHERS): 5.0}
    kept = largest(counts)
    assert len(kept) == MOST_NAMES[CAUSE] + 1
    assert kept[CAUSE, "c39"] == 39.0
    assert kept[CAUSE, OTHERS] == 5.0 + sum(range(20))
    assert sum(kept.values()) == sum(counts.values())
