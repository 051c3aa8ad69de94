"""What the service writes to the catalog, as a catalog that is opened later tells it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Policy
from audiobatchd.core.events import Event, FolderHint, MissesCounted, RetryAsked, Short
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.readings import Finding
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.catalog.history import DAYS_KEPT
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.service.catalog_writes import CatalogWrites
from audiobatchd.service.clock import SystemClock
from audiobatchd.service.planning import DatasetTerms
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.states import Attempt, Outcome
from support.catalog_rig import statements, verbs
from support.core_rig import offer, stamp
from support.service import eventually
from support.shortage import no_thread

GIB = 1 << 30
MEMORY = {"full_mix": FileMemory(stamp(), failure="damaged", judges="x")}
SONG = FolderKey("/music", "Song")


class Room:
    """A catalog on disk with one dataset, and everything that was posted and broken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[Event] = []
        self.broken: list[BaseException] = []
        self.catalog = Catalog(path)
        self.writes = CatalogWrites(self.catalog, SystemClock(), self.heard.append, self.broken.append)
        self.writes.take_terms({"/music": DatasetTerms("/music", Policy(), worker_memory=GIB)})
        self.writes.take_offers((offer(),))

    def end(self) -> Catalog:
        """Write what is asked, and open the catalog again."""
        self.writes.stop(20)
        self.catalog.close()
        assert self.broken == []
        self.catalog = Catalog(self.path)
        return self.catalog


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "catalog.sqlite")
    yield made
    made.writes.stop(20)
    made.catalog.close()


def test_what_counts_is_remembered_and_pardoned(room: Room) -> None:
    room.writes.perform(do.Remember(SONG, MEMORY, "v1", "given up", 3, 1))
    room.writes.perform(do.KeepAttempt(SONG, Attempt(Outcome.ERROR, "why")))
    eventually(lambda: room.catalog.folders.attempts(SONG))
    assert room.catalog.folders.recall(SONG) == FolderMemory(MEMORY, "given up", "v1", "loudness-1", 3, 1)
    assert room.catalog.folders.attempts(SONG)[0].at.endswith("+00:00")
    room.writes.pardon([SONG])
    eventually(lambda: room.heard == [RetryAsked(SONG)])
    assert room.catalog.folders.recall(SONG) == FolderMemory()


def test_verdict_by_memory_names_the_memory_it_holds_for(room: Room) -> None:
    room.writes.perform(do.Remember(SONG, {}, "v1", "too large", by_memory=True))
    assert room.end().folders.recall(SONG).judges == f"loudness-1 worker_memory={GIB}"


def test_what_is_remembered_counts_at_once(room: Room) -> None:
    go_on = threading.Event()
    room.writes._submit(lambda: assert_set(go_on))
    room.writes.perform(do.Remember(SONG, MEMORY))
    assert room.catalog.folders.recall(SONG) == FolderMemory(MEMORY), "a reading may begin before the thread is there"
    room.writes.perform(do.Forget("/music", ("Song",)))
    assert room.catalog.folders.recall(SONG) == FolderMemory()
    go_on.set()
    assert room.end().folders.recall(SONG) == FolderMemory()


def assert_set(event: threading.Event) -> None:
    assert event.wait(60)


def test_offers_root_and_pause_outlast_the_service(room: Room) -> None:
    room.writes.perform(do.NoteRoot("/music", FileId(1, 2), "/elsewhere"))
    room.writes.perform(do.KeepPause("/music", paused=True))
    known = room.end().facts
    assert known.offers() == (offer(),)
    assert (known.root("/music"), known.place("/music")) == ((1, 2), "/elsewhere")
    assert known.pauses(0.0) == {"/music": None}


def test_pause_that_is_over_is_forgotten(room: Room) -> None:
    room.writes.perform(do.KeepPause("/music", paused=True, seconds=3600.0))
    eventually(lambda: room.catalog.facts.pauses(0.0))
    room.writes.perform(do.KeepPause("/music", paused=False))
    assert room.end().facts.pauses(0.0) == {}


def test_dropped_dataset_is_removed_from_the_catalog(room: Room) -> None:
    room.writes.perform(do.Remember(SONG, MEMORY))
    room.writes.perform(do.NoteRoot("/music", FileId(1, 2)))
    eventually(lambda: room.catalog.facts.root("/music"))
    room.writes.take_terms({})
    eventually(lambda: room.catalog.facts.root("/music") is None)
    assert room.end().folders.recall(SONG) == FolderMemory()


def test_misses_are_counted_by_what_is_known(room: Room) -> None:
    room.writes.perform(do.CountMisses("/music"))
    eventually(lambda: room.heard == [MissesCounted("/music", ())])


def test_write_that_breaks_is_told(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.catalog.folders, "add_attempt", lambda *_: 1 / 0)
    room.writes.perform(do.KeepAttempt(SONG, Attempt(Outcome.ERROR, "why")))
    eventually(lambda: [type(error) for error in room.broken] == [ZeroDivisionError])


def test_want_of_a_thread_is_told_and_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    catalog = Catalog(tmp_path / "catalog.sqlite")
    writes = CatalogWrites(catalog, SystemClock(), heard.append, lambda _: None)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        writes.perform(do.KeepAttempt(SONG, Attempt(Outcome.ERROR, "why")))
        writes.again()
        assert heard == [Short("can't start new thread")]
    writes.again()
    writes.stop(20)
    assert [each.reason for each in catalog.folders.attempts(SONG)] == ["why"]
    catalog.close()


def test_what_is_disowned_is_written_then_hinted(room: Room) -> None:
    room.catalog.sightings.note("/music", [Sighting("Song", 1, "v1", finding=Finding.COMPLETE)])
    room.writes.perform(do.Disown(SONG, {"full_mix": ("lufs",)}))
    eventually(lambda: FolderHint(SONG) in room.heard)
    catalog = room.end()
    assert catalog.folders.recall(SONG).files["full_mix"].disowned == ("lufs",)
    assert catalog.sightings.recall("/music", ["Song"]) == {}, "a walk reads it again, whatever happens before"


def test_a_pardon_tells_what_is_disowned(room: Room) -> None:
    room.writes.pardon([SONG], {"full_mix": ("lufs",)})
    eventually(lambda: RetryAsked(SONG, {"full_mix": ("lufs",)}) in room.heard)


class Hands(SystemClock):
    """Clocks that are set by hand."""

    def __init__(self) -> None:
        self.now, self.day, self.stood_still = 1000.0, 1_790_000_000.0, 0.0

    def monotonic(self) -> float:
        return self.now - self.stood_still

    def since_boot(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return datetime.fromtimestamp(self.day, UTC)

    def passes(self, seconds: float, jump: float = 0.0) -> None:
        self.now += seconds
        self.day += seconds + jump


def done(catalog: Catalog) -> float:
    """Number of jobs in the table."""
    return sum(row[0] or 0 for row in catalog.ask("SELECT sum(number) FROM history WHERE kind = 'outcome'", ()))


def test_counts_are_written_once_in_ten_seconds(tmp_path: Path) -> None:
    clock, catalog = Hands(), Catalog(tmp_path / "catalog.sqlite")
    writes = CatalogWrites(catalog, clock, lambda _: None, lambda _: None)
    with statements(catalog) as executed:
        for _ in range(60):
            for _ in range(20):
                writes.perform(do.CountJob("/music", Outcome.DONE, "", 0.1, 60.0, {"loudness": 0.1}))
            clock.passes(1.0)
            writes.again()
        eventually(lambda: not catalog.history.has_news)
        for _ in range(60):
            clock.passes(1.0)
            writes.again()
        writes.stop(20)
    assert 1 <= verbs(executed).count("COMMIT") <= 6, "1,200 jobs in a minute, and then none"
    assert done(catalog) == 1200.0
    catalog.close()


def test_counts_of_the_last_seconds_are_written_at_the_end(room: Room) -> None:
    room.writes.perform(do.CountJob("/music", Outcome.FAILED, "why"))
    assert done(room.catalog) == 0.0
    assert done(room.end()) == 1.0


def test_a_clock_that_jumps_makes_no_history_old(tmp_path: Path) -> None:
    clock, catalog = Hands(), Catalog(tmp_path / "catalog.sqlite")
    writes = CatalogWrites(catalog, clock, lambda _: None, lambda _: None)
    writes.perform(do.CountJob("/music", Outcome.DONE))
    catalog.history.flush()
    clock.passes(4000.0, jump=DAYS_KEPT * 2)
    writes.again()
    clock.passes(4000.0, jump=-DAYS_KEPT * 2)
    writes.again()
    clock.passes(4000.0)
    writes.again()
    writes._thread.stop(20)
    assert done(catalog) == 1.0
    catalog.close()


def test_history_grows_old_by_a_steady_clock(tmp_path: Path) -> None:
    clock, catalog = Hands(), Catalog(tmp_path / "catalog.sqlite")
    writes = CatalogWrites(catalog, clock, lambda _: None, lambda _: None)
    writes.perform(do.CountJob("/music", Outcome.DONE))
    catalog.history.flush()
    clock.passes(10.0, jump=DAYS_KEPT * 2)
    for _ in range(2):
        clock.passes(4000.0)
        clock.stood_still += 600.0  # a standstill is no jump of the time of day
        writes.again()
    eventually(lambda: done(catalog) == 0.0)
    writes.stop(20)
    catalog.close()
