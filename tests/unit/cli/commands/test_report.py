"""`audiobatchctl report`: exit codes, and where it refuses to write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiobatchd.cli import control
from support.export_rig import make_dataset


def report(dataset: Path, target: Path, *options: str) -> int:
    """Make a report without a service; the exit code."""
    nowhere = str(dataset.parent / "no.sock")
    return control.main(["--socket", nowhere, "report", str(dataset), "-o", str(target), *options])


def test_report_tells_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset, target = make_dataset(tmp_path / "music"), tmp_path / "report.html"
    assert report(dataset, target) == 0
    assert capsys.readouterr().out == f"A report about 3 folders is in {target}\n"
    assert report(dataset, tmp_path / "two.html", "--where", "bpm > 200", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"folders": 1, "output": str(tmp_path / "two.html")}


@pytest.mark.parametrize(
    ("target", "options", "code", "said"),
    [
        ("there.html", [], 2, "it is there already"),
        ("music/report.html", [], 2, "it is inside of the dataset"),
        ("x.html", ["--where", "bpm > 1000"], 1, "No folder meets the condition."),
        ("x.html", ["--where", "bmp > 1"], 2, "bpm"),
    ],
)
def test_refusals(  # a table of cases
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str, options: list[str], code: int, said: str
) -> None:
    dataset = make_dataset(tmp_path / "music")
    (tmp_path / "there.html").write_text("old")
    before = sorted(tmp_path.rglob("*"))
    assert report(dataset, tmp_path / target, *options) == code
    told = capsys.readouterr()
    assert said in told.err + told.out
    assert sorted(tmp_path.rglob("*")) == before


def test_dataset_without_folders_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "music").mkdir()
    assert report(tmp_path / "music", tmp_path / "x.html") == 1
    assert "No track folder was found." in capsys.readouterr().out
