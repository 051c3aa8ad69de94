"""The outbox: what is in it outlives the process, and a disk that is full or damaged loses nothing that can be kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audiobatchd.hooks.outbox import Entry, Outbox
from audiobatchd.scan.catalog import database
from audiobatchd.vocabulary.files import FolderKey

ODD = "caf\udce9"
SONG = FolderKey("/music", ODD)
ENTRY = Entry(3, "mail", ("/music", ODD), 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hooks.sqlite"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    with closing(Outbox(path)) as made:
        yield made


def test_a_message_takes_the_place_of_its_mark(outbox: Outbox, path: Path) -> None:
    outbox.begin(SONG)
    assert outbox.begun() == {SONG}
    assert outbox.unfinished() == {"/music"}
    outbox.put(ENTRY.subject, [(ENTRY, b"body")], finished=False)
    with closing(Outbox(path)) as another:
        assert another.entries() == [ENTRY]
        assert another.begun() == frozenset()
        assert another.unfinished() == {"/music"}
        assert another.body(3) == b"body"


def test_a_dataset_s_message_ends_that_it_is_unfinished(outbox: Outbox) -> None:
    outbox.begin(SONG)
    outbox.put(("/music", None), [(Entry(1, "mail", ("/music", None), 2), b"{}")], finished=True)
    assert outbox.begun() == {SONG}
    assert outbox.unfinished() == frozenset()
    assert outbox.entries()[0].subject == ("/music", None)


def test_thousands_of_messages_keep_their_order(outbox: Outbox) -> None:
    entries = [Entry(number, "mail", ("/music", "Song"), 2) for number in range(2500)]
    outbox.put(("/music", "Song"), [(entry, b"{}") for entry in entries], finished=False)
    assert outbox.entries() == entries
    outbox.drop(range(2499))
    assert outbox.entries() == entries[-1:]


def test_what_cannot_be_written_is_found_all_the_same(outbox: Outbox, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        outbox.put(ENTRY.subject, [(ENTRY, b"body")], finished=False)
        assert outbox.trouble
        assert outbox.body(3) == b"body"
    outbox.retry()
    assert (outbox.trouble, outbox.entries()) == ("", [ENTRY])


def test_what_memory_cannot_keep_is_lost_and_what_stands_in_the_file_is_not(
    outbox: Outbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_MOST_KEPT", 10)
    old, *new = (Entry(number, "mail", ("/music", f"{number}"), 4) for number in range(21))
    outbox.put(old.subject, [(old, b"body")], finished=False)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for each in new:
            outbox.put(each.subject, [(each, b"body")], finished=False)
        outbox._connection.close()  # so that the file cannot be read either
        outbox._connection = sqlite3.connect(":memory:")
        assert outbox.body(old.number) is None, "it will be read again"
        assert {outbox.body(each.number) for each in new[-5:]} == {b"body"}
        assert {outbox.body(each.number) for each in new[:5]} == {b""}


def test_a_damaged_outbox_is_set_aside(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    with closing(Outbox(path)) as outbox:
        outbox.begin(SONG)
        assert outbox.begun() == {SONG}
    assert path.with_name("hooks.sqlite.broken").exists()


def test_every_write_is_synced(outbox: Outbox) -> None:
    assert outbox.ask("PRAGMA synchronous", ()) == [(2,)], "FULL"


def test_wiped_it_is_empty(outbox: Outbox) -> None:
    outbox.begin(SONG)
    outbox.put(("/music", None), [(ENTRY, b"body")], finished=False)
    outbox.wipe()
    assert (outbox.entries(), outbox.begun(), outbox.unfinished()) == ([], frozenset(), frozenset())
