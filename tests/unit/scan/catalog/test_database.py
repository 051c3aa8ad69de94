"""What is remembered between runs: it comes back as it was, and losing it costs nobody a service."""

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

from audiobatchd.core.assessment import FileMemory
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import Shape
from audiobatchd.scan.catalog.database import Catalog, FolderMemory, Note
from audiobatchd.scan.catalog.sightings import Sighting, Sightings
from audiobatchd.vocabulary.files import FileStamp, FolderKey
from audiobatchd.vocabulary.states import Attempt, Outcome
from support.core_rig import key, stamp

SONG = key("Song")
MEMORY = FolderMemory({"full_mix": FileMemory(stamp(), failure="its end is missing", judges="loudness-1")})
VERDICT = FolderMemory(verdict="given up", signature="v1", judges="loudness-1")
CRASH = Attempt(Outcome.ERROR, "killed by signal 11", charged=True, worker=7, signal=11, lines=("last words",))


def filled(path: Path, folders: int = 0) -> Path:
    """A catalog that remembers `SONG` and so many more."""
    catalog = Catalog(path)
    catalog.note([Note(SONG, MEMORY), *(Note(key(f"Song {number}"), VERDICT) for number in range(folders))])
    catalog.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture(autouse=True)
def _all_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# History


def test_the_last_attempts_of_each_folder_are_kept_the_latest_first(path: Path) -> None:
    catalog = Catalog(path)
    for number in range(12):
        catalog.keep(SONG, msgspec.structs.replace(CRASH, seconds=float(number)))
    catalog.keep(key("Another"), CRASH)
    catalog.close()
    again = Catalog(path)
    assert [attempt.seconds for attempt in again.attempts(SONG)] == [float(number) for number in range(11, 1, -1)]
    assert again.attempts(key("Another")) == [CRASH]
    assert again.attempts(key("A third")) == []
    again.close()


def test_the_history_as_a_whole_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.catalog.database._OF_ALL_FOLDERS", 5)
    catalog = Catalog(path)
    for number in range(8):
        catalog.keep(key(f"Song {number}"), CRASH)
    assert [len(catalog.attempts(key(f"Song {number}"))) for number in range(8)] == [0, 0, 0, 1, 1, 1, 1, 1]
    catalog.close()


def test_a_catalog_of_the_version_before_is_taken_over(path: Path) -> None:
    connection = sqlite3.connect(filled(path))
    connection.executescript("DROP TABLE attempt; PRAGMA user_version = 1")
    connection.close()
    catalog = Catalog(path)
    catalog.keep(SONG, CRASH)
    assert (catalog.recall(SONG), catalog.attempts(SONG)) == (MEMORY, [CRASH])
    catalog.close()


def test_a_pardon_forgets_what_keeps_a_folder_from_being_tried_and_no_more(path: Path) -> None:
    catalog = Catalog(path)
    files = {
        "full_mix": FileMemory(stamp(), digest="flac:00", failure="damaged", judges="loudness-1"),
        "drums": FileMemory(stamp("drums.flac"), failure="damaged", judges="loudness-1"),
    }
    catalog.note([Note(SONG, FolderMemory(files, "given up", "v1", "loudness-1", charges=3, suspicions=1))])
    catalog.keep(SONG, CRASH)
    catalog.pardon([SONG])
    assert catalog.recall(SONG) == FolderMemory({"full_mix": FileMemory(stamp(), digest="flac:00")})
    assert catalog.attempts(SONG) == [CRASH]
    catalog.pardon([key("Another")])
    assert catalog.recall(key("Another")) == FolderMemory()
    catalog.close()


# Remembering


@pytest.mark.parametrize(
    "memory",
    [
        MEMORY,
        VERDICT,
        FolderMemory({"drums": FileMemory(stamp("drums.flac"), digest="flac:00", adopted=("loudness", "key"))}),
        FolderMemory({"full_mix": FileMemory(FileStamp(b"full_mix.flac", 2**62, -1))}, "why", "v2", "x"),
    ],
)
def test_what_was_noted_is_recalled_also_by_the_next_run(path: Path, memory: FolderMemory) -> None:
    catalog = Catalog(path)
    assert catalog.recall(SONG) == FolderMemory()
    catalog.note([Note(SONG, memory)])
    assert catalog.recall(SONG) == memory
    assert catalog.recall(key("Another song")) == FolderMemory()
    assert catalog.recall(key("Song", "/another dataset")) == FolderMemory()
    catalog.close()
    again = Catalog(path)
    assert again.recall(SONG) == memory
    again.close()


def test_the_last_note_counts_and_an_empty_one_forgets(path: Path) -> None:
    catalog = Catalog(path)
    catalog.note([Note(SONG, MEMORY), Note(SONG, VERDICT)])
    assert catalog.recall(SONG) == VERDICT
    catalog.note([Note(SONG), Note(key("never there"))])
    assert catalog.recall(SONG) == FolderMemory()
    catalog.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM folder").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    "name", ["", "Album/Song", "caf\udce9", "line\nfeed", "日本", "x" * 4000, "'; DROP TABLE folder"]
)
def test_names_are_bytes(path: Path, name: str) -> None:
    catalog = Catalog(path)
    catalog.note([Note(key(name, "/mus\udcffic"), MEMORY), Note(key(name + "2"), VERDICT)])
    assert catalog.recall(key(name, "/mus\udcffic")) == MEMORY
    catalog.close()
    connection = sqlite3.connect(path)
    assert (b"/mus\xffic", os.fsencode(name)) in connection.execute("SELECT dataset, path FROM folder").fetchall()
    connection.close()


def test_notes_are_one_transaction(path: Path) -> None:
    catalog = Catalog(path)

    def breaking_off() -> Iterator[Note]:
        yield Note(SONG, MEMORY)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        catalog.note(breaking_off())
    assert catalog.recall(SONG) == FolderMemory()
    catalog.note([Note(SONG, MEMORY)])
    assert catalog.recall(SONG) == MEMORY
    catalog.close()


def test_nobody_sees_a_transaction_before_its_end() -> None:
    catalog = Catalog(None)
    recalled: list[FolderMemory] = []
    reader = threading.Thread(target=lambda: recalled.append(catalog.recall(SONG)))

    def breaking_off() -> Iterator[Note]:
        yield Note(SONG, MEMORY)
        reader.start()
        reader.join(0.1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        catalog.note(breaking_off())
    reader.join()
    assert recalled == [FolderMemory()]
    catalog.close()


def test_without_a_path_it_lasts_as_long_as_the_run() -> None:
    catalog, other = Catalog(None), Catalog(None)
    catalog.note([Note(SONG, MEMORY)])
    assert catalog.recall(SONG) == MEMORY
    assert other.recall(SONG) == FolderMemory()
    catalog.close()
    other.close()


def test_many_threads_at_once(path: Path) -> None:
    catalog = Catalog(path)
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(25):
            memory = FolderMemory(verdict=f"{number} {turn}")
            catalog.note([Note(key(f"Song {number}"), memory), Note(key("shared"), memory)])
            if catalog.recall(key(f"Song {number}")) != memory:
                wrong.append(f"{number} {turn}")
            if " " not in catalog.recall(key("shared")).verdict:
                wrong.append("shared")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [catalog.recall(key(f"Song {number}")).verdict for number in range(8)] == [f"{n} 24" for n in range(8)]
    catalog.close()


# What can be the matter with it


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
def test_what_is_no_database_of_ours_is_set_aside_and_made_anew(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    spoil(path)
    before = path.read_bytes()
    path.with_name("catalog.sqlite-wal").write_bytes(b"left of the old one")
    catalog = Catalog(path)
    assert catalog.recall(SONG) == FolderMemory()
    catalog.note([Note(SONG, MEMORY)])
    catalog.close()
    assert [entry.message for entry in caplog.records] == ["catalog-remade"]
    assert path.with_name("catalog.sqlite.broken").read_bytes()[100:] == before[100:]
    again = Catalog(path)
    assert again.recall(SONG) == MEMORY
    again.close()


def test_an_empty_file_becomes_a_database(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.touch()
    catalog = Catalog(path)
    catalog.note([Note(SONG, MEMORY)])
    assert catalog.recall(SONG) == MEMORY
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
def test_where_there_can_be_none_the_service_works_without(
    path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    spoil(path)
    catalog = Catalog(path)
    assert caplog.records[-1].message == "catalog-fails"
    catalog.note([Note(SONG, MEMORY)])
    assert catalog.recall(SONG) == MEMORY
    catalog.close()
    assert path.is_dir() or path.is_symlink() or path.read_bytes().startswith(b"garbage")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else takes root")
def test_a_directory_that_cannot_be_written(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = filled(Path(place) / "catalog.sqlite")
        Path(place).chmod(0o755)
        os.seteuid(65534)
        try:
            catalog = Catalog(path)
            catalog.note([Note(SONG, VERDICT)])
            recalled = catalog.recall(SONG)
            catalog.close()
        finally:
            os.seteuid(0)
        again = Catalog(path)
        assert again.recall(SONG) == MEMORY
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


def test_a_database_that_turns_out_to_be_spoilt_is_made_anew(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _spoilt_pages(path)
    catalog = Catalog(path)
    assert catalog.recall(SONG) == FolderMemory()
    catalog.note([Note(SONG, VERDICT)])
    catalog.keep(SONG, CRASH)
    assert (catalog.recall(SONG), catalog.attempts(SONG)) == (VERDICT, [CRASH])
    catalog.close()
    assert [entry.message for entry in caplog.records] == ["catalog-remade"]
    assert path.with_name("catalog.sqlite.broken").exists()
    again = Catalog(path)
    assert again.recall(SONG) == VERDICT
    again.close()


@pytest.mark.parametrize("suffixes", [("",), ("", "-wal", "-shm")])
def test_a_database_that_is_removed_under_a_daemon_is_made_anew(
    path: Path, caplog: pytest.LogCaptureFixture, suffixes: tuple[str, ...]
) -> None:
    catalog = Catalog(filled(path))
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    catalog.note([Note(SONG, VERDICT)])
    assert catalog.recall(SONG) == VERDICT
    catalog.close()
    assert [entry.message for entry in caplog.records] == ["catalog-remade"]
    again = Catalog(path)
    assert again.recall(SONG) == VERDICT
    again.close()


def test_a_database_that_fails_is_told_of_once_and_recalls_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _another_table(path)
    catalog = Catalog(path)
    for _ in range(3):
        assert catalog.recall(SONG) == FolderMemory()
        catalog.note([Note(SONG, MEMORY)])
    catalog.close()
    reasons = [str(vars(entry)["fields"]["reason"]) for entry in caplog.records]
    assert {entry.message for entry in caplog.records} == {"catalog-fails"}
    assert len(reasons) == len(set(reasons)) > 0


@pytest.mark.parametrize(
    "content", [b"", b"\xc1", b"garbage", b"\x93\x01\x02\x03", b"\x81\xa5files\x05", 5, "text", 1.5]
)
def test_memory_that_cannot_be_decoded_is_none(
    path: Path, caplog: pytest.LogCaptureFixture, content: bytes | str | float
) -> None:
    connection = sqlite3.connect(filled(path))
    connection.execute("UPDATE folder SET memory = ?", (content,))
    connection.commit()
    connection.close()
    catalog = Catalog(path)
    assert catalog.recall(SONG) == FolderMemory()
    catalog.note([Note(SONG, VERDICT)])
    assert catalog.recall(SONG) == VERDICT
    catalog.close()
    assert caplog.records == []


def test_memory_of_a_later_program_is_understood_as_far_as_it_goes(path: Path) -> None:
    later = b"\x82\xa7verdict\xa3why\xa5later\x01"
    connection = sqlite3.connect(filled(path))
    connection.execute("UPDATE folder SET memory = ?", (later,))
    connection.commit()
    connection.close()
    catalog = Catalog(path)
    assert catalog.recall(SONG) == FolderMemory(verdict="why")
    catalog.close()


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


def test_full_disk_keeps_what_is_to_last_until_there_is_room(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(filled(path))
    filled_up(catalog)
    huge = FolderMemory(verdict="x" * 100_000)
    for _ in range(3):
        catalog.note([Note(SONG, VERDICT), Note(key("Another"), huge)])
        catalog.retry()
    assert catalog.recall(SONG) == VERDICT
    assert catalog.trouble == f"cannot write the catalog {path}: database or disk is full"
    assert told(caplog) == [FAILS]
    has_room(catalog)
    catalog.retry()
    assert (catalog.trouble, told(caplog)) == ("", [FAILS, WORKS])
    catalog.close()
    again = Catalog(path)
    assert (again.recall(SONG), again.recall(key("Another"))) == (VERDICT, huge)
    again.close()


def test_lock_of_another_process_holds_nothing_up(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(filled(path))
    catalog.note_fact(b"old", b"1")
    sightings = Sightings(catalog)
    with held(path, BEGIN):
        for number in range(200):  # 200 waits of a second would end this test
            catalog.note([Note(SONG, FolderMemory(verdict=str(number)))])
            catalog.keep(SONG, msgspec.structs.replace(CRASH, reason=str(number)))
            sightings.note("/music", [Sighting("Song", number)])
        catalog.note([Note(key("Other"), VERDICT), Note(key("Other"), FolderMemory())])
        catalog.note_fact(b"old", None)
        catalog.note_fact(b"new", b"2")
        assert catalog.recall(SONG).verdict == "199"
        assert catalog.recall(key("Other")) == FolderMemory()
        assert [each.reason for each in catalog.attempts(SONG)][:3] == ["199", "198", "197"]
        assert (catalog.fact(b"old"), catalog.fact(b"new"), catalog.fact(b"none")) == (None, b"2", None)
        catalog.retry()
        assert catalog.trouble == f"cannot write the catalog {path}: database is locked"
        assert told(caplog) == [FAILS]
    catalog.retry()
    catalog.retry()
    assert (catalog.trouble, told(caplog)) == ("", [FAILS, WORKS])
    catalog.close()
    again = Catalog(path)
    assert again.recall(SONG).verdict == "199"
    assert [each.reason for each in again.attempts(SONG)] == [str(199 - back) for back in range(10)]
    assert (again.fact(b"old"), again.fact(b"new")) == (None, b"2")
    again.close()


def test_lock_is_told_of_again_after_it_was_over(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(filled(path))
    for _ in range(2):
        with held(path, BEGIN):
            catalog.note([Note(SONG, VERDICT)])
        catalog.retry()
    assert told(caplog) == [FAILS, WORKS, FAILS, WORKS]
    catalog.close()


def test_catalog_that_was_locked_at_the_start_is_used_afterwards(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(path)
    with held(path, MODE, BEGIN, "DELETE FROM folder WHERE path = x'00'"):
        catalog = Catalog(path)
        assert (catalog.recall(SONG), catalog.lasts) == (FolderMemory(), False)
        catalog.note([Note(key("Other"), VERDICT)])
        assert catalog.recall(key("Other")) == VERDICT
        catalog.retry()
        assert told(caplog) == [FAILS]
    catalog.retry()
    assert (catalog.recall(SONG), catalog.recall(key("Other")), catalog.lasts) == (MEMORY, VERDICT, True)
    assert told(caplog) == [FAILS, WORKS]
    catalog.close()


def test_opening_waits_for_no_writer(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(path)
    with held(path, BEGIN):
        catalog = Catalog(path)
        assert catalog.recall(SONG) == MEMORY
        assert told(caplog) == []
        catalog.close()


def test_end_writes_what_was_kept(path: Path) -> None:
    catalog = Catalog(filled(path))
    with held(path, BEGIN):
        catalog.note([Note(SONG, VERDICT)])
    catalog.close()
    again = Catalog(path)
    assert again.recall(SONG) == VERDICT
    again.close()


def test_kept_writes_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.catalog.database._MOST_KEPT", 3)
    catalog = Catalog(filled(path))
    with held(path, BEGIN):
        for number in range(5):
            catalog.note([Note(key(str(number)), VERDICT)])
        assert [catalog.recall(key(str(number))) == VERDICT for number in range(5)] == [False, False, True, True, True]
    catalog.close()


def test_use_after_the_end_is_no_crash(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    catalog = Catalog(path)
    catalog.close()
    catalog.note([Note(SONG, MEMORY)])
    assert catalog.recall(SONG) == FolderMemory()
    assert "catalog-fails" in caplog.text


def test_recall_answers_by_what_is_about_to_be_written(path: Path) -> None:
    catalog = Catalog(path)
    first, second = Note(SONG, MEMORY), Note(SONG, VERDICT)
    catalog.expect(first)
    assert catalog.recall(SONG) == MEMORY
    catalog.expect(second)
    catalog.note([first])
    assert catalog.recall(SONG) == VERDICT, "the second one is still to come"
    catalog.note([second])
    assert catalog.recall(SONG) == VERDICT
    nothing = Note(SONG)
    catalog.expect(nothing)
    assert catalog.recall(SONG) == FolderMemory()
    catalog.note([nothing])
    catalog.close()
    again = Catalog(path)
    assert again.recall(SONG) == FolderMemory()
    again.close()


# Forgetting


def _spend(steps: Iterator[None]) -> int:
    """Prune to the end; in how many steps."""
    return sum(1 for _ in steps)


def test_folder_that_is_gone_leaves_nothing(path: Path) -> None:
    catalog = Catalog(path)
    catalog.note([Note(SONG, MEMORY), Note(key("Another"), MEMORY)])
    catalog.keep(SONG, CRASH)
    catalog.expect(Note(SONG))
    assert catalog.recall(SONG) == FolderMemory(), "at once"
    catalog.forget([SONG])
    assert (catalog.recall(SONG), catalog.attempts(SONG)) == (FolderMemory(), [])
    assert catalog.recall(key("Another")) == MEMORY
    catalog.note([Note(SONG, VERDICT)])
    assert catalog.recall(SONG) == VERDICT, "another folder of that name"
    catalog.close()


def test_pruning_keeps_what_is_there_and_is_bounded_in_steps(path: Path) -> None:
    catalog = Catalog(path)
    sightings = Sightings(catalog)
    for dataset in ("/ours", "/dropped"):
        names = [f"Song {number:04}" for number in range(2500)]
        shapes = [Shape(("full_mix",), (name,), ()) for name in names]
        sightings.note(
            dataset,
            [Sighting(name, 7, finding=Finding.DUE, shape=shape) for name, shape in zip(names, shapes, strict=True)],
        )
        catalog.note([Note(FolderKey(dataset, name), MEMORY) for name in names])
        sightings.note_root(dataset, (1, 2))
    sightings.forget("/ours", [f"Song {number:04}" for number in range(10, 2500)])
    assert _spend(sightings.prune(["/ours"], "/ours")) > 10
    left = [f"Song {number:04}" for number in range(10)]
    assert catalog.ask("SELECT dataset, path FROM folder", ()) == [(b"/ours", name.encode()) for name in left]
    assert [each.path for each in sightings.all("/ours")] == left
    assert [each.path for each in sightings.all("/dropped")] == []
    assert [each.shape.present for each in sightings.all("/ours")] == [(name,) for name in left]
    assert catalog.ask("SELECT count(*) FROM shape", ()) == [(11,)], "the latest stays, so that no number comes twice"
    assert (sightings.root("/ours"), sightings.root("/dropped")) == ((1, 2), None)
    catalog.close()


def test_pruning_spares_folders_that_no_walk_has_told_of(path: Path) -> None:
    catalog = Catalog(path)
    catalog.note([Note(SONG, MEMORY)])
    _spend(Sightings(catalog).prune([SONG.dataset]))
    assert catalog.recall(SONG) == MEMORY, "no full walk has been believed"
    _spend(Sightings(catalog).prune([SONG.dataset], SONG.dataset))
    assert catalog.recall(SONG) == FolderMemory()
    catalog.close()


def test_shape_numbers_are_never_given_twice(path: Path) -> None:
    catalog = Catalog(path)
    one, other = (Shape(("full_mix",), (name,), ()) for name in ("one", "other"))
    walk = Sightings(catalog)
    walk.note("/m", [Sighting("A", 7, finding=Finding.DUE, shape=one)])
    walk.forget("/m", ["A"])
    _spend(Sightings(catalog).prune(["/m"]))
    Sightings(catalog).note("/m", [Sighting("B", 7, finding=Finding.DUE, shape=other)])
    _spend(Sightings(catalog).prune(["/m"]))
    walk.note("/m", [Sighting("A", 7, finding=Finding.DUE, shape=one)])
    again = Sightings(catalog).recall("/m", ["A", "B"])
    assert (again["A"], again["B"].shape) == (Sighting("A", 0), other), "A is read again, never taken for B"
    catalog.close()
