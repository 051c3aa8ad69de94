"""The two sources of values: the catalog, fed by readings, and the records on disk; they tell the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiobatchd.control.results import Query
from audiobatchd.core.assessment import Policy
from audiobatchd.core.readings import Finding
from audiobatchd.disk.record import Record
from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.results.figures import Results
from audiobatchd.results.sources import open_catalog, open_disk
from audiobatchd.scan import values
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from support.results_rig import ToldStates, dataset

KEYS = st.sampled_from(["bpm", "BPM", "lufs", "key", "folder", "a b", 'q"', "é", "_audiobatch2", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = SCALARS | st.dictionaries(st.text(max_size=3), SCALARS, max_size=3) | st.lists(SCALARS, max_size=2)
RECORDS = st.dictionaries(KEYS, VALUES, max_size=6) | st.sampled_from(["{", "", "[]", '{"bpm": 1, "bpm": 2}'])
STEPS = st.lists(st.tuples(st.sampled_from("abc"), RECORDS | st.just("gone")), max_size=8)


def told(results: Results) -> list[object]:
    """All that a source tells."""
    with results:
        rows = list(results.rows(Query()))
        return [results.columns(), rows, list(results.rows(Query(("folder", "why")))), list(results.summary())]


@given(STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_catalog_tells_what_the_records_tell(steps: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as place, closing(Catalog(Path(place, "catalog.sqlite"))) as catalog:
        root = dataset(Path(place, "music"), stays={"bpm": 1})  # a root with nothing in it would be a lost mount
        reader = FolderReader(str(root), (), Policy(), (), True, catalog)
        reader.read("stays")
        for name, record in steps:
            shutil.rmtree(root / name, ignore_errors=True)
            if record != "gone":
                dataset(root, **{name: record})
            reader.read(name)
        readings = {name: reader.read(name) for name in "abc"}
        blocked = {
            name: ("blocked", each.reasons[""]) for name, each in readings.items() if each.finding is Finding.BLOCKED
        }
        served = told(open_catalog(Path(place, "catalog.sqlite"), str(root), ToldStates(**blocked)))
        assert served == told(open_disk(str(root)))


def test_state_is_that_which_is_known_now(tmp_path: Path) -> None:
    root = dataset(tmp_path / "music", a={"n": 1}, b={"n": 2}, c={"n": 3}, d="{")
    with closing(Catalog(tmp_path / "catalog.sqlite")) as catalog:
        reader = FolderReader(str(root), (), Policy(), (), True, catalog)
        for name in "abcd":
            reader.read(name)
        states = ToldStates(b=("failed", "its end is missing \udce9"), d=("running", ""))
        with open_catalog(tmp_path / "catalog.sqlite", str(root), states) as results:
            asked = Query(("folder", "state", "why"), "state <> 'complete' or n = 1")
            assert list(results.rows(asked)) == [
                ("a", "complete", ""),
                ("b", "failed", "its end is missing \\udce9"),
                ("d", "running", ""),  # it was blocked
            ]


def test_a_judge_tells_what_is_complete(tmp_path: Path) -> None:
    root = dataset(tmp_path, a={"n": 1}, b={}, c="{")

    def judge(_folder: str, record: Record) -> Finding:
        return Finding.COMPLETE if record.values else Finding.DUE

    with open_disk(str(root), judge=judge) as results:
        states = [row[1] for row in results.rows(Query(("folder", "state")))]
    assert states == ["complete", "incomplete", "blocked"]


def test_record_above_the_limit_is_trouble(tmp_path: Path) -> None:
    root = dataset(tmp_path, a={"n": "x" * 100})
    with open_disk(str(root), limit=50) as results:
        [(state, why)] = results.rows(Query(("state", "why")))
    assert state == "blocked"
    assert "more than" in str(why)


def test_catalog_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").write_text("no database" * 100)
    for name in ("catalog.sqlite", "nowhere"):
        with pytest.raises(UsageError, match="cannot read the values in"):
            open_catalog(tmp_path / name, "/music", ToldStates())


def test_reading_leaves_the_catalog_as_it_is(tmp_path: Path) -> None:
    root = dataset(tmp_path / "music", a={"n": 1})
    path = tmp_path / "catalog.sqlite"
    with closing(Catalog(path)) as catalog:
        FolderReader(str(root), (), Policy(), (), True, catalog).read("a")
        with open_catalog(path, str(root), ToldStates()) as results, pytest.raises(sqlite3.Error):
            results._guard.rows("DELETE FROM values_1")
        assert json.loads((root / "a" / "a.INFO").read_text()) == {"n": 1}


def test_full_temporary_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small").mkdir()
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path / "small"))
    monkeypatch.setattr(values, "SCHEMA", values.SCHEMA + "PRAGMA max_page_count = 8;")
    root = dataset(tmp_path / "music", a={each: each * 16_000 for each in "abc"})
    with pytest.raises(AudiobatchError, match=r"small: database or disk is full; make room there, or ") as raised:
        open_disk(str(root))
    assert not isinstance(raised.value, UsageError), "nothing is wrong with the command"


def test_root_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_disk(str(tmp_path / "nowhere"))
