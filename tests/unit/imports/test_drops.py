"""What is dropped into an inbox once more: found by its content, and by what was undone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from audiobatchd.imports import session
from audiobatchd.imports.manifest import Mode
from audiobatchd.imports.session import Request, Result
from support.import_once import undo_all
from support.music_library import tree, write

SONG = "Album/01 Song.flac"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "dataset").mkdir()
    return tmp_path / "dataset"


def moved(inbox: Path, dataset: Path) -> Result:
    request = Request((str(inbox),), str(dataset), Mode.MOVE, inbox=frozenset(os.listdir(inbox)))
    return session.run(request, dict, lambda *_: None)


def why(result: Result) -> list[str]:
    assert (result.imported, result.failed, result.stopped) == ({}, [], "")
    return [each.why for each in result.plan.troubles]


def test_the_same_content_stays_whatever_it_is_called(tmp_path: Path, dataset: Path) -> None:
    inbox = write(tmp_path / "inbox", SONG)
    content = (inbox / SONG).read_bytes()
    first = moved(inbox, dataset)
    (folder,) = first.imported
    (inbox / "again.flac").write_bytes(content)
    assert why(moved(inbox, dataset)) == [f"the same as {folder}, which import {first.id} brought in: remove it"]
    (dataset / folder).rename(dataset / "Mine")
    assert why(moved(inbox, dataset)) == [f"the same as Mine, which import {first.id} brought in: remove it"]
    shutil.rmtree(dataset / "Mine")
    assert list(moved(inbox, dataset).imported.values()) == [str(inbox / "again.flac")]


def test_another_content_of_the_same_size_is_moved(tmp_path: Path, dataset: Path) -> None:
    inbox = write(tmp_path / "inbox", SONG)
    size = (inbox / SONG).stat().st_size
    moved(inbox, dataset)
    write(inbox, SONG)
    (inbox / SONG).write_bytes(b"x" * size)
    assert len(moved(inbox, dataset).imported) == 1


def test_what_was_undone_stays_until_it_is_touched(tmp_path: Path, dataset: Path) -> None:
    inbox = write(tmp_path / "inbox", SONG)
    before = tree(inbox)
    first = moved(inbox, dataset)
    assert undo_all(str(dataset)) == []
    assert tree(inbox) == before
    (told,) = why(moved(inbox, dataset))
    assert told.startswith(f"import {first.id} moved it, and was undone: touch it")
    (inbox / SONG).touch()
    assert list(moved(inbox, dataset).imported.values()) == [str(inbox / SONG)]
