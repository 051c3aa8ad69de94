"""The outbox: what is in it outlives the process, and a disk that is full or damaged loses nothing that can be kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audiobatchd.hooks.outbox import Entry, Outbox
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
