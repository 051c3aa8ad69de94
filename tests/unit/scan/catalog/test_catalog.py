"""The catalog as a whole: one of the version before, a dataset of another name, and what is pruned."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from audiobatchd.core.near_misses import Miss
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import Shape
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.vocabulary.files import FileId, FolderKey, MissKind
from audiobatchd.vocabulary.states import Attempt, Outcome
from support.catalog_rig import CRASH, MEMORY, SONG, filled

MISS = Miss(MissKind.STEMS_ALONE, 1, "")


def test_catalog_of_version_before_is_taken_over(path: Path) -> None:
    connection = sqlite3.connect(filled(path))
    connection.executescript("DROP TABLE attempt; PRAGMA user_version = 1")
    connection.close()
    catalog = Catalog(path)
    catalog.folders.add_attempt(SONG, CRASH)
    assert (catalog.folders.recall(SONG), catalog.folders.attempts(SONG)) == (MEMORY, [CRASH])
    catalog.close()


def test_renamed_dataset_keeps_its_rows(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.sqlite")
    sightings, one, two = catalog.sightings, FolderKey("/mnt/music", "A"), FolderKey("/music", "A")
    sightings.note("/mnt/music", [Sighting("A", 7, finding=Finding.COMPLETE, misses=frozenset({MISS}))])
    catalog.facts.note_root("/mnt/music", FileId(1, 2))
    catalog.facts.note_pause("/mnt/music", None)
    catalog.folders.note({one: FolderMemory(verdict="hopeless")})
    catalog.folders.add_attempt(one, Attempt(Outcome.ERROR, "why"))
    catalog.rename("/mnt/music", "/music")
    assert (sightings.count("/mnt/music"), sightings.count("/music")) == (0, 1)
    assert ([each.kind for each in sightings.misses("/music")], sightings.misses("/mnt/music")) == ([MISS.kind], ())
    assert (catalog.facts.root("/music"), catalog.facts.pauses(0.0)) == ((1, 2), {"/music": None})
    assert catalog.folders.recall(two).verdict == "hopeless"
    assert [each.reason for each in catalog.folders.attempts(two)] == ["why"]
    assert (catalog.folders.recall(one), catalog.folders.attempts(one)) == (FolderMemory(), [])
    catalog.close()


# Pruning


def _spend(steps: Iterator[None]) -> int:
    """Prune to the end; in how many steps."""
    return sum(1 for _ in steps)


def test_pruning_keeps_known_folders_in_bounded_steps(path: Path) -> None:
    catalog = Catalog(path)
    sightings = catalog.sightings
    for dataset in ("/ours", "/dropped"):
        names = [f"Song {number:04}" for number in range(2500)]
        shapes = [Shape(("full_mix",), (name,), ()) for name in names]
        sightings.note(
            dataset,
            [Sighting(name, 7, finding=Finding.DUE, shape=shape) for name, shape in zip(names, shapes, strict=True)],
        )
        catalog.folders.note({FolderKey(dataset, name): MEMORY for name in names})
        catalog.facts.note_root(dataset, FileId(1, 2))
    sightings.forget("/ours", [f"Song {number:04}" for number in range(10, 2500)])
    assert _spend(catalog.prune(["/ours"], "/ours")) > 10
    left = [f"Song {number:04}" for number in range(10)]
    assert catalog.ask("SELECT dataset, path FROM folder", ()) == [(b"/ours", name.encode()) for name in left]
    assert [each.path for each in sightings.all("/ours")] == left
    assert [each.path for each in sightings.all("/dropped")] == []
    assert [each.shape.present for each in sightings.all("/ours")] == [(name,) for name in left]
    assert catalog.ask("SELECT count(*) FROM shape", ()) == [(10,)]
    assert (catalog.facts.root("/ours"), catalog.facts.root("/dropped")) == ((1, 2), None)
    catalog.close()


def test_pruning_spares_folders_before_a_walk(path: Path) -> None:
    catalog = Catalog(path)
    catalog.folders.note({SONG: MEMORY})
    _spend(catalog.prune([SONG.dataset]))
    assert catalog.folders.recall(SONG) == MEMORY, "no full walk has been believed"
    _spend(catalog.prune([SONG.dataset], SONG.dataset))
    assert catalog.folders.recall(SONG) == FolderMemory()
    catalog.close()


def test_shape_that_was_pruned_is_put_again(path: Path) -> None:
    catalog = Catalog(path)
    one, other = (Shape(("full_mix",), (name,), ()) for name in ("one", "other"))
    walk = catalog.sightings
    walk.note("/m", [Sighting("A", 7, finding=Finding.DUE, shape=one)])
    walk.forget("/m", ["A"])
    _spend(catalog.prune(["/m"]))
    catalog.sightings.note("/m", [Sighting("B", 7, finding=Finding.DUE, shape=other)])
    _spend(catalog.prune(["/m"]))
    walk.note("/m", [Sighting("A", 7, finding=Finding.DUE, shape=one)])
    again = catalog.sightings.recall("/m", ["A", "B"])
    assert (again["A"].shape, again["B"].shape) == (one, other)
    catalog.close()
