"""The SQLite file: damage, removal and times when nothing can be written cost no more than what it remembered."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.catalog.sightings import Sighting
from support.catalog_rig import CRASH, MEMORY, SONG, VERDICT, filled
from support.core_rig import key


@pytest.fixture(autouse=True)
def _all_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# Transactions


def test_notes_are_one_transaction(path: Path) -> None:
    catalog, other = Catalog(path), sqlite3.connect(path)
    seen: list[int] = []

    def look(_: str) -> None:
        seen.extend(other.execute("SELECT count(*) FROM folder").fetchone())

    catalog._connection.set_trace_callback(look)
    catalog.folders.note({SONG: MEMORY, key("Another"): MEMORY})
    catalog._connection.set_trace_callback(None)
    assert seen == [0] * 4, "before BEGIN, each of the two, and COMMIT"
    look("")
    assert seen[-1] == 2
    other.close()
    catalog.close()


def test_reader_waits_for_end_of_transaction() -> None:
    catalog = Catalog(None)
    recalled: list[FolderMemory] = []
    waited: list[bool] = []
    reader = threading.Thread(target=lambda: recalled.append(catalog.folders.recall(SONG)))

    def read(statement: str) -> None:
        if statement == "COMMIT":
            reader.start()
            reader.join(0.1)
            waited.append(reader.is_alive())

    catalog._connection.set_trace_callback(read)
    catalog.folders.note({SONG: MEMORY})
    reader.join()
    assert (waited, recalled) == ([True], [MEMORY])
    catalog.close()


def test_many_threads_at_once(path: Path) -> None:
    catalog = Catalog(path)
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(25):
            memory = FolderMemory(verdict=f"{number} {turn}")
            catalog.folders.note({key(f"Song {number}"): memory, key("shared"): memory})
            if catalog.folders.recall(key(f"Song {number}")) != memory:
                wrong.append(f"{number} {turn}")
            if " " not in catalog.folders.recall(key("shared")).verdict:
                wrong.append("shared")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [catalog.folders.recall(key(f"Song {number}")).verdict for number in range(8)] == [
        f"{n} 24" for n in range(8)
    ]
    catalog.close()


def test_database_without_path_ends_with_the_run() -> None:
    catalog, other = Catalog(None), Catalog(None)
    catalog.folders.note({SONG: MEMORY})
    assert catalog.folders.recall(SONG) == MEMORY
    assert other.folders.recall(SONG) == FolderMemory()
    catalog.close()
    other.close()


# Damage


def _garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def _a_word(path: Path) -> None:
    path.write_bytes(b"garbage")


def _truncated(path: Path) -> None:
    os.truncate(filled(path, 2000), 5000)


def _beheaded(path: Path) -> None:
    content = filled(path, 100).read_bytes()
    path.write_bytes(content[100:])


def _another_version(path: Path) -> None:
    connection = sqlite3.connect(filled(path))
    connection.execute("PRAGMA user_version = 7")
    connection.close()


@pytest.mark.parametrize("spoil", [_garbage, _a_word, _truncated, _beheaded, _another_version])
def test_foreign_file_is_set_aside_and_made_again(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    spoil(path)
    before = path.read_bytes()
    path.with_name("catalog.sqlite-wal").write_bytes(b"left of the old one")
    catalog = Catalog(path)
    assert catalog.folders.recall(SONG) == FolderMemory()
    catalog.folders.note({SONG: MEMORY})
    catalog.close()
    assert [entry.message for entry in caplog.records] == ["catalog-remade"]
    assert path.with_name("catalog.sqlite.broken").read_bytes()[100:] == before[100:]
    again = Catalog(path)
    assert again.folders.recall(SONG) == MEMORY
    again.close()


def test_an_empty_file_becomes_a_database(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.touch()
    catalog = Catalog(path)
    catalog.folders.note({SONG: MEMORY})
    assert catalog.folders.recall(SONG) == MEMORY
    catalog.close()
    assert caplog.records == []


def _directory(path: Path) -> None:
    (path / "below").mkdir(parents=True)


def _no_such_place(path: Path) -> None:
    path.symlink_to("no/such/directory/catalog.sqlite")


def _full(path: Path) -> None:
    path.symlink_to("/dev/full")


def _cannot_be_set_aside(path: Path) -> None:
    _garbage(path)
    _directory(path.with_name("catalog.sqlite.broken"))


@pytest.mark.parametrize("spoil", [_directory, _no_such_place, _full, _cannot_be_set_aside])
def test_service_works_where_no_database_can_be(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    spoil(path)
    catalog = Catalog(path)
    assert caplog.records[-1].message == "catalog-fails"
    catalog.folders.note({SONG: MEMORY})
    assert catalog.folders.recall(SONG) == MEMORY
    catalog.close()
    assert path.is_dir() or path.is_symlink() or path.read_bytes().startswith(b"garbage")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_a_directory_that_cannot_be_written(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = filled(Path(place) / "catalog.sqlite")
        Path(place).chmod(0o755)
        os.seteuid(65534)
        try:
            catalog = Catalog(path)
            catalog.folders.note({SONG: VERDICT})
            recalled = catalog.folders.recall(SONG)
            catalog.close()
        finally:
            os.seteuid(0)
        again = Catalog(path)
        assert again.folders.recall(SONG) == MEMORY
        again.close()
    assert recalled == VERDICT
    assert [entry.message for entry in caplog.records] == ["catalog-fails"]


def _spoilt_pages(path: Path) -> None:
    content = bytearray(filled(path, 2000).read_bytes())
    content[4096:40960] = b"\xaa" * (40960 - 4096)
    path.write_bytes(content)


def _another_table(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE folder (x)")
    connection.close()


def test_database_found_damaged_later_is_made_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _spoilt_pages(path)
    catalog = Catalog(path)
    assert catalog.folders.recall(SONG) == FolderMemory()
    catalog.folders.note({SONG: VERDICT})
    catalog.folders.add_attempt(SONG, CRASH)
    assert (catalog.folders.recall(SONG), catalog.folders.attempts(SONG)) == (VERDICT, [CRASH])
    catalog.close()
    assert [entry.message for entry in caplog.records] == ["catalog-remade"]
    assert path.with_name("catalog.sqlite.broken").exists()
    again = Catalog(path)
    assert again.folders.recall(SONG) == VERDICT
    again.close()


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
def test_database_removed_while_open_is_made_again(
    path: Path, caplog: pytest.LogCaptureFixture, suffixes: tuple[str, ...]
) -> None:
    catalog = Catalog(filled(path))
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    catalog.folders.note({SONG: VERDICT})
    assert catalog.folders.recall(SONG) == VERDICT
    catalog.close()
    assert [entry.message for entry in caplog.records] == ["catalog-remade"]
    again = Catalog(path)
    assert again.folders.recall(SONG) == VERDICT
    again.close()


def test_question_notices_that_the_file_was_removed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(path)
    sighting = Sighting("Song", 7)
    catalog.sightings.note("/music", [sighting])
    path.unlink()
    known = catalog.sightings.recall("/music", ["Song"])
    assert known == {}, "it would be lost with this run"
    catalog.sightings.note("/music", [sighting], known)
    catalog.close()
    assert [entry.message for entry in caplog.records] == ["catalog-remade"]
    again = Catalog(path)
    assert again.sightings.recall("/music", ["Song"]) == {"Song": sighting}
    again.close()


def test_failing_database_is_logged_once_and_recalls_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _another_table(path)
    catalog = Catalog(path)
    for _ in range(3):
        assert catalog.folders.recall(SONG) == FolderMemory()
        catalog.folders.note({SONG: MEMORY})
    catalog.close()
    reasons = [str(vars(entry)["fields"]["reason"]) for entry in caplog.records]
    assert {entry.message for entry in caplog.records} == {"catalog-fails"}
    assert len(reasons) == len(set(reasons)) > 0


# Times when nothing can be written


HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("held", flush=True)
sys.stdin.read()
"""
MODE = "PRAGMA locking_mode = EXCLUSIVE"
BEGIN = "BEGIN EXCLUSIVE"


@contextlib.contextmanager
def held(path: Path, *statements: str) -> Iterator[None]:
    """Another process has the database."""
    command = [sys.executable, "-c", HOLDER, str(path), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate()


def filled_up(catalog: Catalog) -> None:
    """The disk is full from now on."""
    catalog._connection.execute("PRAGMA max_page_count = 4")


def has_room(catalog: Catalog) -> None:
    """The disk is full no more."""
    catalog._connection.execute("PRAGMA max_page_count = 100000")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    """The events so far, with their levels."""
    return [(entry.message, entry.levelno) for entry in caplog.records]


FAILS, WORKS = ("catalog-fails", logging.WARNING), ("catalog-works", logging.INFO)


def test_full_disk_keeps_lasting_writes_until_there_is_room(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(filled(path))
    filled_up(catalog)
    huge = FolderMemory(verdict="x" * 100_000)
    for _ in range(3):
        catalog.folders.note({SONG: VERDICT, key("Another"): huge})
        catalog.retry()
    assert catalog.folders.recall(SONG) == VERDICT
    assert catalog.trouble == f"cannot write the catalog {path}: database or disk is full"
    assert told(caplog) == [FAILS]
    has_room(catalog)
    catalog.retry()
    assert (catalog.trouble, told(caplog)) == ("", [FAILS, WORKS])
    catalog.close()
    again = Catalog(path)
    assert (again.folders.recall(SONG), again.folders.recall(key("Another"))) == (VERDICT, huge)
    again.close()


def test_lock_of_another_process_holds_nothing_up(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(filled(path))
    catalog.facts.note(b"old", b"1")
    sightings = catalog.sightings
    with held(path, BEGIN):
        for number in range(200):  # 200 waits of a second would end this test
            catalog.folders.note({SONG: FolderMemory(verdict=str(number))})
            catalog.folders.add_attempt(SONG, msgspec.structs.replace(CRASH, reason=str(number)))
            sightings.note("/music", [Sighting("Song", number)])
        catalog.folders.note({key("Other"): VERDICT})
        catalog.folders.note({key("Other"): FolderMemory()})
        catalog.facts.note(b"old", None)
        catalog.facts.note(b"new", b"2")
        assert catalog.folders.recall(SONG).verdict == "199"
        assert catalog.folders.recall(key("Other")) == FolderMemory()
        assert [each.reason for each in catalog.folders.attempts(SONG)][:3] == ["199", "198", "197"]
        assert (catalog.facts.get(b"old"), catalog.facts.get(b"new"), catalog.facts.get(b"none")) == (None, b"2", None)
        catalog.retry()
        assert catalog.trouble == f"cannot write the catalog {path}: database is locked"
        assert told(caplog) == [FAILS]
    catalog.retry()
    catalog.retry()
    assert (catalog.trouble, told(caplog)) == ("", [FAILS, WORKS])
    catalog.close()
    again = Catalog(path)
    assert again.folders.recall(SONG).verdict == "199"
    assert [each.reason for each in again.folders.attempts(SONG)] == [str(199 - back) for back in range(10)]
    assert (again.facts.get(b"old"), again.facts.get(b"new")) == (None, b"2")
    again.close()


def test_second_lock_is_logged_again(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(filled(path))
    for _ in range(2):
        with held(path, BEGIN):
            catalog.folders.note({SONG: VERDICT})
        catalog.retry()
    assert told(caplog) == [FAILS, WORKS, FAILS, WORKS]
    catalog.close()


def test_catalog_that_was_locked_at_the_start_is_used_afterwards(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(path)
    with held(path, MODE, BEGIN, "DELETE FROM folder WHERE path = x'00'"):
        catalog = Catalog(path)
        assert (catalog.folders.recall(SONG), catalog.lasts) == (FolderMemory(), False)
        catalog.folders.note({key("Other"): VERDICT})
        assert catalog.folders.recall(key("Other")) == VERDICT
        catalog.retry()
        assert told(caplog) == [FAILS]
    catalog.retry()
    assert (catalog.folders.recall(SONG), catalog.folders.recall(key("Other")), catalog.lasts) == (
        MEMORY,
        VERDICT,
        True,
    )
    assert told(caplog) == [FAILS, WORKS]
    catalog.close()


def test_opening_waits_for_no_writer(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(path)
    with held(path, BEGIN):
        catalog = Catalog(path)
        assert catalog.folders.recall(SONG) == MEMORY
        assert told(caplog) == []
        catalog.close()


def test_close_writes_kept_writes(path: Path) -> None:
    catalog = Catalog(filled(path))
    with held(path, BEGIN):
        catalog.folders.note({SONG: VERDICT})
    catalog.close()
    again = Catalog(path)
    assert again.folders.recall(SONG) == VERDICT
    again.close()


def test_kept_writes_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.catalog.database._MOST_KEPT", 3)
    catalog = Catalog(filled(path))
    with held(path, BEGIN):
        for number in range(5):
            catalog.folders.note({key(str(number)): VERDICT})
        assert [catalog.folders.recall(key(str(number))) == VERDICT for number in range(5)] == [
            False,
            False,
            True,
            True,
            True,
        ]
    catalog.close()


def test_use_after_the_end_is_no_crash(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(path)
    catalog.close()
    catalog.folders.note({SONG: MEMORY})
    assert catalog.folders.recall(SONG) == FolderMemory()
    assert "catalog-fails" in caplog.text
