"""Sightings: they come back as they were, and one that is known already is not written again."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from audiobatchd.control.results import Query
from audiobatchd.core.near_misses import Miss
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import Shape
from audiobatchd.results.sources import open_catalog
from audiobatchd.scan.catalog import sightings
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.scan.values import Found
from audiobatchd.vocabulary.files import MissKind
from support.catalog_rig import statements, verbs
from support.results_rig import ToldStates

SHAPE = Shape(("full_mix",), ("lufs", "lra"), ())


def test_sightings_come_back_as_they_were(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.sqlite")
    first = catalog.sightings
    shape = Shape(("full_mix",), ("lufs", "lra"), ())
    made = [Sighting(f"caf\udce9/{n:05d}", n, "s", "a", Finding.COMPLETE, True, shape) for n in range(2500)]
    first.note("/music", made)
    first.note("/music", [Sighting("", 7), msgspec.structs.replace(made[3], finding=Finding.FAILED)])
    first.note("/other", made[:2])
    catalog.close()
    catalog = Catalog(tmp_path / "catalog.sqlite")
    again = catalog.sightings
    assert [each.path for each in again.all("/music")] == ["", *(each.path for each in made)]
    assert (again.count("/music"), again.count("/other"), again.count("/none")) == (2500, 2, 0)
    assert again.recall("/music", [made[3].path, made[4].path, "nowhere"]) == {
        made[3].path: msgspec.structs.replace(made[3], finding=Finding.FAILED),
        made[4].path: made[4],
    }
    again.forget("/music", [each.path for each in made[:2400]])
    assert again.count("/music") == 100
    assert catalog.ask("SELECT count(*) FROM shape", ()) == [(2,)], "shared by all"
    catalog.close()


def test_closed_catalog_knows_nothing(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "catalog.sqlite")
    catalog.close()
    closed = catalog.sightings
    closed.note("/music", [Sighting("A", 1)])
    assert (closed.recall("/music", ["A"]), list(closed.all("/music")), closed.count("/music")) == ({}, [], 0)
    assert (catalog.facts.offers(), catalog.facts.root("/music")) == (None, None)


def test_unknown_directories_are_told_part_by_part(path: Path) -> None:
    catalog = Catalog(path)
    catalog.sightings.note("/music", [Sighting(f"Song {number}", 1) for number in range(0, 2000, 2)])
    asked = [f"Song {number}" for number in range(1000)]
    first, *others = catalog.sightings.unknown("/music", asked)
    assert 0 < len(first) < 300, "one query does not have them all"
    assert [*first, *(each for part in others for each in part)] == [f"Song {n}" for n in range(1, 1000, 2)]
    catalog.close()


def test_near_misses_come_back_with_their_directory(path: Path) -> None:
    catalog = Catalog(path)
    stems, links = Miss(MissKind.STEMS_ALONE, 1, ""), Miss(MissKind.LINKED, 2, "caf\udce9")
    made = [Sighting("", 7), Sighting("A", 7, misses=frozenset({stems, links})), Sighting("B", 7)]
    catalog.sightings.note("/music", made)
    assert catalog.sightings.recall("/music", ["", "A", "B"]) == {each.path: each for each in made}
    assert list(catalog.sightings.all("/music")) == made
    assert [(each.kind, each.example) for each in catalog.sightings.misses("/music")] == [
        (MissKind.STEMS_ALONE, "A"),
        (MissKind.LINKED, r"A/caf\xe9"),
    ]
    catalog.sightings.note("/music", [Sighting("A", 8, misses=frozenset({links}))], {"A": made[1]})
    assert catalog.sightings.recall("/music", ["A"])["A"].misses == {links}
    catalog.sightings.forget("/music", ["A"])
    assert catalog.sightings.misses("/music") == ()
    catalog.close()


def test_all_are_told_once_however_many_misses_they_have(path: Path) -> None:
    catalog = Catalog(path)
    misses = frozenset(Miss(kind, 1, kind.value) for kind in MissKind)
    made = [Sighting(f"{number:04}", 7, misses=misses) for number in range(2100)]
    catalog.sightings.note("/music", made)
    assert list(catalog.sightings.all("/music")) == made
    catalog.close()


def test_only_what_differs_is_written_in_one_transaction(path: Path) -> None:
    catalog = Catalog(path)
    made = {name: Sighting(name, 7, finding=Finding.DUE, shape=SHAPE) for name in "ABC"}
    catalog.sightings.note("/music", made.values())
    with statements(catalog) as executed:
        catalog.sightings.note("/music", made.values(), made)
    assert executed == []
    changed = msgspec.structs.replace(made["B"], time=8)
    with statements(catalog) as executed:
        catalog.sightings.note("/music", [made["A"], changed, made["C"]], made)
    assert verbs(executed) == ["BEGIN", "INSERT", "INSERT", "COMMIT"], "the shape, which is known, and the sighting"
    assert catalog.sightings.recall("/music", "ABC") == {**made, "B": changed}
    catalog.close()


def test_shapes_are_decoded_once_and_dropped_when_too_many(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.scan.catalog.sightings._SHAPES", 3)
    catalog = Catalog(path)
    made = [
        Sighting(f"{number}", 7, finding=Finding.DUE, shape=Shape(("full_mix",), (f"key_{number % 2}",), ()))
        for number in range(4)
    ]
    catalog.sightings.note("/music", made)
    found = list(catalog.sightings.all("/music"))
    assert found == made
    assert found[0].shape is found[2].shape
    more = [Sighting(f"more {number}", 7, shape=Shape((), (f"{number}",), ())) for number in range(10)]
    catalog.sightings.note("/music", more)
    assert list(catalog.sightings.all("/music")) == [*made, *more]
    assert len(catalog.sightings._shapes) <= 3
    catalog.close()


def test_paths_with_an_end_are_given_as_far_as_asked_for(path: Path) -> None:
    catalog = Catalog(path)
    note = [Sighting(each, 1, finding=Finding.DUE) for each in ("A/Song", "B/Song", "C/No Song", "Song", "D/Songs")]
    catalog.sightings.note("/m", [*note, Sighting("E/Song", 1, finding=Finding.GONE)])
    catalog.sightings.note("/other", [Sighting("F/Song", 1, finding=Finding.DUE)])
    assert catalog.sightings.ending("/m", "Song") == ["A/Song", "B/Song"]
    assert catalog.sightings.ending("/m", "Song", most=1) == ["A/Song"]
    catalog.close()


def test_paths_that_are_alike_come_of_every_part(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "_PART", 3)
    monkeypatch.setattr(sightings, "_BEST", 1)
    catalog = Catalog(path)
    names = ("a", "b alike", "c", "d", "e alike", "f also", "g ALIKE", "h")
    catalog.sightings.note("/m", [Sighting(each, 1, finding=Finding.DUE) for each in names])
    assert catalog.sightings.alike("/m", ["ali", "ike"]) == ["b alike", "e alike", "g ALIKE"]
    assert catalog.sightings.alike("/m", []) == []
    clock = iter([0.0, 0.0, 10.0])
    assert catalog.sightings.alike("/m", ["ali"], lambda: next(clock)) == ["b alike"], "its time is over"
    catalog.close()


def test_commit_that_fails_leaves_no_values_to_be_mixed_up(path: Path) -> None:
    catalog = Catalog(path)
    connection = catalog._connection
    connection.executescript("""
        PRAGMA foreign_keys = ON;
        CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER refuses AFTER INSERT ON sighting BEGIN INSERT INTO child VALUES (1); END;
    """)

    def note(dataset: str, name: str) -> None:
        sighting = Sighting(name, 7, finding=Finding.COMPLETE)
        found = Found(name, Finding.COMPLETE, "", {"key": name})
        catalog.sightings.note(dataset, [sighting], found={name: found})

    note("/a", "lost")
    connection.execute("DROP TRIGGER refuses")
    for dataset, name in (("/b", "B"), ("/a", "A")):
        note(dataset, name)
    for dataset, name in (("/a", "A"), ("/b", "B")):
        with open_catalog(path, dataset, ToldStates()) as results:
            assert list(results.rows(Query(("folder", "key")))) == [(name, name)]
    catalog.close()
