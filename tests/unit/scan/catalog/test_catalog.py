"""The catalog as a whole: one of the version before, a dataset of another name, and what is pruned."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from audiobatchd.core.near_misses import Miss
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import Shape
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.scan.values import Found, number_of
from audiobatchd.vocabulary.files import FileId, FolderKey, MissKind
from audiobatchd.vocabulary.states import Attempt, Outcome
from support.catalog_rig import CRASH, MEMORY, SONG, filled, statements

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


def test_sightings_of_version_before_are_looked_at_again(path: Path) -> None:
    with closing(Catalog(path)) as catalog:
        catalog.sightings.note("/music", [Sighting("A", 7, "s", "a", Finding.COMPLETE)])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE value_table; DROP TABLE value_key; PRAGMA user_version = 3")
    with closing(Catalog(path)) as catalog:
        [known] = catalog.sightings.all("/music")
        assert (known.time, known.signature, known.access, known.finding) == (0, "s", "", Finding.COMPLETE)
        put(catalog, "/music", "B")
        assert values_of(catalog, "/music") == ["B"]
    with closing(Catalog(path)) as catalog:
        assert next(catalog.sightings.all("/music")).time == 0
        assert values_of(catalog, "/music") == ["B"], "it is taken over once"


# Values


def put(catalog: Catalog, dataset: str, *paths: str) -> None:
    """Note folders with a value each."""
    found = {path: Found(path, Finding.COMPLETE, "", {"bpm": 120.0}) for path in paths}
    catalog.sightings.note(dataset, [Sighting(path, 1, "s", "a", Finding.COMPLETE) for path in paths], {}, found)


def values_of(catalog: Catalog, dataset: str) -> list[str]:
    """The folders of which there are values."""
    number = number_of(catalog._connection, dataset)
    rows = catalog.ask(f"SELECT path FROM values_{number} ORDER BY path", ()) if number else []  # noqa: S608  # a number of ours
    return [os.fsdecode(row[0]) for row in rows]


def test_values_come_and_go_with_their_sightings(path: Path) -> None:
    with closing(Catalog(path)) as catalog:
        put(catalog, "/music", "A", "B", "C")
        known = catalog.sightings.recall("/music", "ABC")
        catalog.sightings.forget("/music", ["A"])
        catalog.sightings.note("/music", [Sighting("B", 2)], known)
        assert values_of(catalog, "/music") == ["C"]


def test_values_are_not_written_again_where_nothing_changed(path: Path) -> None:
    with closing(Catalog(path)) as catalog:
        put(catalog, "/music", "A")
        known = catalog.sightings.recall("/music", "A")
        found = {"A": Found("A", Finding.COMPLETE, "", {"bpm": 120.0})}
        for time, access, writes in ((1, "a", 0), (2, "a", 0), (2, "b", 1)):
            changed = msgspec.structs.replace(known["A"], time=time, access=access)
            with statements(catalog) as executed:
                catalog.sightings.note("/music", [changed], known, found)
            assert sum("INTO values_" in each for each in executed) == writes


def test_values_that_cannot_be_written_leave_no_sighting(path: Path) -> None:
    with closing(Catalog(path)) as catalog:
        put(catalog, "/music", "A")
        catalog._connection.execute("DROP TABLE values_1")
        catalog._connection.commit()
        put(catalog, "/music", "B")
        assert [each.path for each in catalog.sightings.all("/music")] == ["A"]


def test_values_of_a_removed_file_are_made_again(path: Path) -> None:
    with closing(Catalog(path)) as catalog:
        put(catalog, "/music", "A")
        path.unlink()
        put(catalog, "/music", "B")
        assert values_of(catalog, "/music") == ["B"]


def test_values_go_by_the_name_of_their_dataset(path: Path) -> None:
    with closing(Catalog(path)) as catalog:
        put(catalog, "/old", *map(str, range(2500)))
        put(catalog, "/kept", "A")
        catalog.rename("/old", "/new")
        assert (len(values_of(catalog, "/new")), values_of(catalog, "/old")) == (2500, [])
        assert _spend(catalog.prune(lambda: ["/kept"])) > 3
        assert (values_of(catalog, "/new"), values_of(catalog, "/kept")) == ([], ["A"])
        assert catalog.ask("SELECT count(*) FROM value_table", ()) == [(1,)]


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
    assert _spend(catalog.prune(lambda: ["/ours"], "/ours")) > 10
    left = [f"Song {number:04}" for number in range(10)]
    assert catalog.ask("SELECT dataset, path FROM folder", ()) == [(b"/ours", name.encode()) for name in left]
    assert [each.path for each in sightings.all("/ours")] == left
    assert [each.path for each in sightings.all("/dropped")] == []
    assert [each.shape.present for each in sightings.all("/ours")] == [(name,) for name in left]
    assert catalog.ask("SELECT count(*) FROM shape", ()) == [(10,)]
    assert (catalog.facts.root("/ours"), catalog.facts.root("/dropped")) == ((1, 2), None)
    catalog.close()


def test_pruning_spares_what_is_added_meanwhile(path: Path) -> None:
    catalog = Catalog(path)
    ours = {"/ours"}
    for dataset in ("/again", "/dropped"):
        put(catalog, dataset, *(f"{number:04}" for number in range(2500)))
    steps = catalog.prune(lambda: ours)
    next(steps)
    ours |= {"/added", "/again"}
    put(catalog, "/added", "Song")
    key = FolderKey("/added", "Song")
    catalog.folders.note({key: MEMORY})
    catalog.facts.note_root("/added", FileId(1, 2), "/disk/added")
    catalog.facts.note_pause("/added", None)
    _spend(steps)
    assert (values_of(catalog, "/added"), catalog.folders.recall(key)) == (["Song"], MEMORY)
    assert (catalog.facts.root("/added"), catalog.facts.place("/added")) == (FileId(1, 2), "/disk/added")
    assert catalog.facts.pauses(0.0) == {"/added": None}
    assert 0 < catalog.sightings.size("/again") < 2500, "no more of it is removed"
    assert catalog.sightings.size("/dropped") == 0
    catalog.close()


def test_pruning_spares_folders_before_a_walk(path: Path) -> None:
    catalog = Catalog(path)
    catalog.folders.note({SONG: MEMORY})
    _spend(catalog.prune(lambda: [SONG.dataset]))
    assert catalog.folders.recall(SONG) == MEMORY, "no full walk has been believed"
    _spend(catalog.prune(lambda: [SONG.dataset], SONG.dataset))
    assert catalog.folders.recall(SONG) == FolderMemory()
    catalog.close()


def test_shape_that_was_pruned_is_put_again(path: Path) -> None:
    catalog = Catalog(path)
    one, other = (Shape(("full_mix",), (name,), ()) for name in ("one", "other"))
    walk = catalog.sightings
    walk.note("/m", [Sighting("A", 7, finding=Finding.DUE, shape=one)])
    walk.forget("/m", ["A"])
    _spend(catalog.prune(lambda: ["/m"]))
    catalog.sightings.note("/m", [Sighting("B", 7, finding=Finding.DUE, shape=other)])
    _spend(catalog.prune(lambda: ["/m"]))
    walk.note("/m", [Sighting("A", 7, finding=Finding.DUE, shape=one)])
    again = catalog.sightings.recall("/m", ["A", "B"])
    assert (again["A"].shape, again["B"].shape) == (one, other)
    catalog.close()
