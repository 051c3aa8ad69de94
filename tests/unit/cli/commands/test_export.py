"""`audiobatchctl export`: what it refuses, what it says, and its exit codes."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from audiobatchd.results.figures import Results
from support.export_rig import export, make_dataset


@pytest.mark.parametrize(
    ("form", "target", "options", "code", "said"),
    [
        ("csv", "there", [], 2, "it is there already"),
        ("csv", "music/x.csv", [], 2, "it is inside of the dataset"),
        ("csv", "link/x.csv", [], 2, "it is inside of the dataset"),
        ("csv", "nowhere/x.csv", [], 2, "there is no directory"),
        ("csv", "x", ["--with-audio"], 2, "--with-audio goes with huggingface, webdataset, stable-audio-tools"),
        ("parquet", "-", [], 2, "only csv, tsv, jsonl go to standard output"),
        ("csv", "x", ["--columns", "bmp"], 2, "bpm"),
        ("csv", "x", ["--where", "bmp > 1"], 2, "bpm"),
        ("csv", "x", ["--where", "bpm > 1000"], 1, "No folder meets the condition."),
    ],
)
def test_refusals(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    form: str,
    target: str,
    options: list[str],
    code: int,
    said: str,
) -> None:
    dataset = make_dataset(tmp_path / "music")
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to("music")
    before = sorted(tmp_path.rglob("*"))
    assert export(dataset, form, target if target == "-" else tmp_path / target, *options) == code
    told = capsys.readouterr()
    assert said in told.err + told.out
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there").read_text() == "old"


def test_dataset_without_folders_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "music").mkdir()
    assert export(tmp_path / "music", "csv", tmp_path / "x.csv") == 1
    assert "No track folder was found." in capsys.readouterr().out
    assert not (tmp_path / "x.csv").exists()


def test_table_goes_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(make_dataset(tmp_path / "music"), "jsonl", "-", "--where", "bpm > 200") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["bpm"] == 250


def test_clamp_bounds_numbers_to_their_ranges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(make_dataset(tmp_path / "music"), "jsonl", "-", "--where", "bpm > 200", "--clamp")
    line = json.loads(capsys.readouterr().out)
    assert (line["bpm"], line["brightness"], line["sample_rate"]) == (208.0, 100.0, 44100)


def test_complete_only_leaves_out_what_is_due(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(make_dataset(tmp_path / "music"), "csv", tmp_path / "x.csv", "--complete-only") == 1
    assert "No folder meets the condition." in capsys.readouterr().out


def test_states_are_asked_for_as_list_asks_for_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "music")
    assert export(dataset, "jsonl", "-", "--columns", "state") == 0
    assert {json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()} == {"incomplete"}


def test_sum_is_said_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "music")
    assert export(dataset, "huggingface", tmp_path / "a", "--stems") == 1
    assert capsys.readouterr().out.splitlines() == [
        f"1 folder exported to {tmp_path / 'a'}",
        "2 folders left out: no full mix, or not all stems",
    ]
    export(dataset, "csv", tmp_path / "b", "--json")
    assert json.loads(capsys.readouterr().out) == {"folders": 3, "output": str(tmp_path / "b"), "left_out": 0}


@pytest.mark.parametrize(("there", "code", "said"), [(1, 0, "1 folder exported to"), (0, 1, "0 folders exported to")])
def test_sum_is_of_what_was_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: int,
    code: int,
    said: str,
) -> None:
    rows = Results.rows
    monkeypatch.setattr(Results, "rows", lambda results, query: islice(rows(results, query), there))
    assert export(make_dataset(tmp_path / "music"), "csv", tmp_path / "x") == code
    assert said in capsys.readouterr().out
