"""What a report tells, held against values that are known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiobatchd.report.findings import MOST_FOLDERS, Findings, find
from audiobatchd.results.sources import open_disk


@contextmanager
def found_in(root: Path, where: str = "") -> Iterator[Findings]:
    """Findings of the records below a directory."""
    with open_disk(str(root)) as results:
        yield find(results, where)


def folder(root: Path, name: str, text: str) -> None:
    """Make a track folder with this record."""
    (root / name).mkdir(parents=True)
    (root / name / "full_mix.flac").touch()
    (root / name / f"{name}.INFO").write_text(text)


@pytest.fixture(name="music", scope="module")
def _music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("music")
    for number in range(40):
        values: dict[str, object] = {"lufs": -10 - number / 10, "lra": 5, "duration": 90, "bpm": 120, "true_peak": -1}
        if number == 7:
            values |= {"lufs": 0.0, "true_peak": 1.5, "quality_false_stereo": True, "quality_clipped_share": 0.1}
        if number >= 30:
            values.pop("bpm")
        folder(root, f"Song {number:02}", json.dumps(values))
    folder(root, "Torn 1", "{")
    folder(root, "Torn 2", "{")
    return root


def test_sums_and_coverage(music: Path) -> None:
    with found_in(music) as found:
        assert found.total == 42
        assert found.hours == pytest.approx(1.0)
        assert dict(found.coverage)["bpm"] == 30
        assert dict(found.states)["blocked"] == 2


def test_outliers_name_their_folders(music: Path) -> None:
    with found_in(music) as found:
        (outliers,) = [each for each in found.outliers if each.title.startswith("lufs")]
        assert outliers.count == 1
        assert outliers.rows == (("Song 07", 0.0),)
        assert (found.loud.count, found.loud.rows) == (1, (("Song 07", 1.5),))


def test_failures_are_counted_by_cause(music: Path) -> None:
    with found_in(music) as found:
        assert sum(each.count for each in found.causes) == 2
        assert all(each.example.startswith("Torn") for each in found.causes)


def test_quality_findings_are_those_that_are_there(music: Path) -> None:
    with found_in(music) as found:
        assert [each.count for each in found.quality] == [1, 1]
        assert {row[0] for each in found.quality for row in each.rows} == {"Song 07"}


def test_condition_holds_for_all_of_it(music: Path) -> None:
    with found_in(music, "lufs < -11") as found:
        assert found.total == 29
        assert not found.causes
        assert not found.loud.count
        assert next(each for each in found.distributions if each.column.name == "lufs").count == 29


def test_lists_are_bounded_and_their_number_is_told(tmp_path: Path) -> None:
    for number in range(MOST_FOLDERS + 5):
        folder(tmp_path, f"Song {number}", '{"true_peak": 1, "quality_cut_end": true}')
    with found_in(tmp_path) as found:
        assert (found.loud.count, len(found.loud.rows)) == (MOST_FOLDERS + 5, MOST_FOLDERS)
        assert (found.quality[0].count, len(found.quality[0].rows)) == (MOST_FOLDERS + 5, MOST_FOLDERS)


def test_values_of_unexpected_kinds_are_passed_over(tmp_path: Path) -> None:
    folder(tmp_path, "Odd", '{"lufs": "loud", "bpm": {"a": 1}, "true_peak": true, "key": 7, "quality_cut_end": "x"}')
    folder(tmp_path, "Even", '{"lufs": -9, "lra": 3}')
    with found_in(tmp_path) as found:
        assert found.total == 2


def test_numbers_beyond_all_bounds_are_no_outliers(tmp_path: Path) -> None:
    for number, lufs in enumerate((-1.7e308, -1.6e308, 0, 1.6e308, 1.7e308)):
        folder(tmp_path, f"Song {number}", json.dumps({"lufs": lufs}))
    with found_in(tmp_path) as findings:
        assert (findings.total, findings.outliers) == (5, ())
