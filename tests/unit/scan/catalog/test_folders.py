"""Memory and attempts of folders: they come back as they were, also in the next run."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

import msgspec
import pytest

from audiobatchd.core.file_memory import FileMemory
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.vocabulary.files import FileStamp
from support.catalog_rig import CRASH, MEMORY, SONG, VERDICT, filled
from support.core_rig import key, stamp


@pytest.fixture(autouse=True)
def _all_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# Attempts


def test_last_attempts_of_each_folder_are_kept_latest_first(path: Path) -> None:
    catalog = Catalog(path)
    for number in range(12):
        catalog.folders.add_attempt(SONG, msgspec.structs.replace(CRASH, seconds=float(number)))
    catalog.folders.add_attempt(key("Another"), CRASH)
    catalog.close()
    again = Catalog(path)
    assert [attempt.seconds for attempt in again.folders.attempts(SONG)] == [
        float(number) for number in range(11, 1, -1)
    ]
    assert again.folders.attempts(key("Another")) == [CRASH]
    assert again.folders.attempts(key("A third")) == []
    again.close()


def test_attempts_of_all_folders_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.catalog.folders._OF_ALL_FOLDERS", 5)
    catalog = Catalog(path)
    for number in range(8):
        catalog.folders.add_attempt(key(f"Song {number}"), CRASH)
    assert [len(catalog.folders.attempts(key(f"Song {number}"))) for number in range(8)] == [0, 0, 0, 1, 1, 1, 1, 1]
    catalog.close()


# Memory


@pytest.mark.parametrize(
    "memory",
    [
        MEMORY,
        VERDICT,
        FolderMemory({"drums": FileMemory(stamp("drums.flac"), digest="flac:00", adopted=("loudness", "key"))}),
        FolderMemory({"full_mix": FileMemory(FileStamp(b"full_mix.flac", 2**62, -1))}, "why", "v2", "x"),
    ],
)
def test_note_is_recalled_also_by_the_next_run(path: Path, memory: FolderMemory) -> None:
    catalog = Catalog(path)
    assert catalog.folders.recall(SONG) == FolderMemory()
    catalog.folders.note({SONG: memory})
    assert catalog.folders.recall(SONG) == memory
    assert catalog.folders.recall(key("Another song")) == FolderMemory()
    assert catalog.folders.recall(key("Song", "/another dataset")) == FolderMemory()
    catalog.close()
    again = Catalog(path)
    assert again.folders.recall(SONG) == memory
    again.close()


def test_the_last_note_counts_and_an_empty_one_forgets(path: Path) -> None:
    catalog = Catalog(path)
    catalog.folders.note({SONG: MEMORY})
    catalog.folders.note({SONG: VERDICT})
    assert catalog.folders.recall(SONG) == VERDICT
    catalog.folders.note({SONG: FolderMemory(), key("never there"): FolderMemory()})
    assert catalog.folders.recall(SONG) == FolderMemory()
    catalog.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM folder").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize(
    "name", ["", "Album/Song", "caf\udce9", "line\nfeed", "日本", "x" * 4000, "'; DROP TABLE folder"]
)
def test_names_are_bytes(path: Path, name: str) -> None:
    catalog = Catalog(path)
    catalog.folders.note({key(name, "/mus\udcffic"): MEMORY, key(name + "2"): VERDICT})
    assert catalog.folders.recall(key(name, "/mus\udcffic")) == MEMORY
    catalog.close()
    connection = sqlite3.connect(path)
    assert (b"/mus\xffic", os.fsencode(name)) in connection.execute("SELECT dataset, path FROM folder").fetchall()
    connection.close()


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
    assert catalog.folders.recall(SONG) == FolderMemory()
    catalog.folders.note({SONG: VERDICT})
    assert catalog.folders.recall(SONG) == VERDICT
    catalog.close()
    assert caplog.records == []


def test_memory_of_later_program_is_read_as_far_as_known(path: Path) -> None:
    later = b"\x82\xa7verdict\xa3why\xa5later\x01"
    connection = sqlite3.connect(filled(path))
    connection.execute("UPDATE folder SET memory = ?", (later,))
    connection.commit()
    connection.close()
    catalog = Catalog(path)
    assert catalog.folders.recall(SONG) == FolderMemory(verdict="why")
    catalog.close()


def test_recall_answers_by_expected_memory(path: Path) -> None:
    catalog = Catalog(path)
    catalog.folders.expect(SONG, MEMORY)
    assert catalog.folders.recall(SONG) == MEMORY
    catalog.folders.expect(SONG, VERDICT)
    catalog.folders.note({SONG: MEMORY})
    assert catalog.folders.recall(SONG) == VERDICT, "the second one is still to come"
    catalog.folders.note({SONG: VERDICT})
    assert catalog.folders.recall(SONG) == VERDICT
    nothing = FolderMemory()
    catalog.folders.expect(SONG, nothing)
    assert catalog.folders.recall(SONG) == FolderMemory()
    catalog.folders.note({SONG: nothing})
    catalog.close()
    again = Catalog(path)
    assert again.folders.recall(SONG) == FolderMemory()
    again.close()


# Forgetting


def test_folder_that_is_gone_leaves_nothing(path: Path) -> None:
    catalog = Catalog(path)
    catalog.folders.note({SONG: MEMORY, key("Another"): MEMORY})
    catalog.folders.add_attempt(SONG, CRASH)
    catalog.folders.expect(SONG)
    assert catalog.folders.recall(SONG) == FolderMemory(), "at once"
    catalog.folders.forget([SONG])
    assert (catalog.folders.recall(SONG), catalog.folders.attempts(SONG)) == (FolderMemory(), [])
    assert catalog.folders.recall(key("Another")) == MEMORY
    catalog.folders.note({SONG: VERDICT})
    assert catalog.folders.recall(SONG) == VERDICT, "another folder of that name"
    catalog.close()


def test_pardon_forgets_verdict_counts_and_damage_only(path: Path) -> None:
    catalog = Catalog(path)
    files = {
        "full_mix": FileMemory(stamp(), digest="flac:00", failure="damaged", judges="loudness-1"),
        "drums": FileMemory(stamp("drums.flac"), failure="damaged", judges="loudness-1"),
        "bass": FileMemory(stamp("bass.flac"), whole="blake2b:00"),
    }
    catalog.folders.note({SONG: FolderMemory(files, "given up", "v1", "loudness-1", charges=3, suspicions=1)})
    catalog.folders.add_attempt(SONG, CRASH)
    catalog.folders.pardon([SONG])
    kept = {"full_mix": FileMemory(stamp(), digest="flac:00"), "bass": files["bass"]}
    assert catalog.folders.recall(SONG) == FolderMemory(kept)
    assert catalog.folders.attempts(SONG) == [CRASH]
    catalog.folders.pardon([key("Another")])
    assert catalog.folders.recall(key("Another")) == FolderMemory()
    catalog.close()


# What is not to be taken over


def test_disowned_features_come_back_and_outlive_a_pardon(path: Path) -> None:
    disowned = {"full_mix": ("lufs",), "drums": ("lufs_drums",)}
    memory = FolderMemory({"full_mix": FileMemory(stamp(), failure="damaged", judges="x")}, "given up")
    catalog = Catalog(path)
    catalog.folders.note({SONG: memory})
    catalog.folders.disown(SONG, disowned)
    assert catalog.folders.recall(SONG).verdict == "given up"
    catalog.folders.pardon([SONG])
    catalog.close()
    again = Catalog(path)
    known = again.folders.recall(SONG)
    assert {role: each.disowned for role, each in known.files.items()} == disowned
    assert (known.verdict, known.files["full_mix"].failure) == ("", None)
    again.close()


def test_memory_of_a_pass_is_not_pruned(path: Path) -> None:
    for place, kept in ((None, True), (path, False)):
        catalog = Catalog(place)
        catalog.folders.disown(SONG, {"full_mix": ("lufs",)})
        for _ in catalog.prune(lambda: [SONG.dataset], SONG.dataset):
            pass
        assert bool(catalog.folders.recall(SONG).files) is kept, "no sighting of it is kept in a pass"
        catalog.close()
