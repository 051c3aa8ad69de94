"""`audiobatchctl list` and `summary`: what they show, their JSON and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiobatchd.cli.control import main
from audiobatchd.cli.terminal.text import cells
from support.results_rig import dataset

MUSIC = {
    "A song": {"bpm": 120.5, "lufs": -9, "key": "C major", "mine": 1},
    "B": {"bpm": 90, "lufs": -14.25, "key": "C major"},
    "C日本\x1b[1m": {"lufs": -30},
}


@pytest.fixture
def music(tmp_path: Path) -> str:
    return str(dataset(tmp_path / "music", **MUSIC))


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")


def test_list_has_units_and_order(music: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", music, "--disk", "--sort", "-bpm"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "folder          bpm    lufs  key      mine",
        "                BPM    LUFS",
        "A song        120.5      -9  C major     1",
        "B                90  -14.25  C major",
        "C日本\\x1b[1m            -30",
    ]


def test_list_takes_columns_condition_and_limit(music: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--columns", "lufs", "--where", "lufs < -9", "--sort", "lufs", "--limit", "1"]
    assert main(["list", music, "--disk", *words]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["C日本\\x1b[1m   -30"]


@pytest.mark.usefixtures("wide")
def test_list_fits_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = {f"feature_{number}": "x" * 30 for number in range(9)}
    root = dataset(tmp_path, **{"日本" * 30: record, "b" * 90: record})
    assert main(["list", str(root), "--disk"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert {cells(line) <= 60 for line in lines} == {True}
    assert last.startswith("(8 more columns")


@pytest.mark.parametrize("width", ["1", "12", "40", "80"])
def test_any_width_and_any_key_can_be_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    root = dataset(tmp_path, **{"a" * 50: {"\x1b[31m\u202e\n": "\x1b[31m\u202e\n", "n": 1, "m": {"\x07": 1}}})
    for words in ([], ["--columns", "n", "\x1b[31m\u202e\n", "m"]):
        assert main(["list", str(root), "--disk", *words]) == 0
        assert main(["summary", str(root), "--disk"]) == 0
        assert capsys.readouterr().out.replace("\n", "").isprintable()


@pytest.mark.usefixtures("wide")
def test_named_columns_are_shortened_and_not_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = dataset(tmp_path, **{"b" * 90: {"one": "x" * 90, "two": "y" * 50, "n": 1}, "c": "{"})
    assert main(["list", str(root), "--disk", "--columns", "one", "two", "n"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [cells(line) for line in lines] == [60, 60, 1]
    assert lines[0].split() == ["folder", "one", "two", "n"]
    assert main(["list", str(root), "--disk", "--columns", "why", "--where", "why <> ''"]) == 0
    assert [cells(line) for line in capsys.readouterr().out.splitlines()] == [11, 60], "all the room there is"


@pytest.mark.parametrize("where", ["bpm > 1000", "bpm is null and key is not null"])
def test_list_of_nothing_is_no_success(music: str, where: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", music, "--disk", "--where", where]) == 1
    assert capsys.readouterr().out == "No folder meets the condition.\n"
    assert main(["list", music, "--disk", "--where", where, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["folders"] == []


def test_list_shows_what_it_is_asked_by(music: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--where", "STATE <> 'failed'", "--sort", "-mine", "--limit", "1"]
    assert main(["list", music, "--disk", *words]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["folder", "state", "mine", "bpm", "lufs", "key"]


def test_condition_on_states_that_none_has_tells_which_there_are(
    music: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", music, "--disk", "--where", "state = 'failed, alas'"]) == 1
    assert capsys.readouterr().out.startswith("No folder meets the condition. State: ")


def test_empty_dataset_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", str(tmp_path), "--disk"]) == 1
    assert capsys.readouterr().out == "No track folder was found.\n"
    assert main(["summary", str(tmp_path), "--disk"]) == 1
    assert capsys.readouterr().out == "No record has a value.\n"


def test_list_as_json_is_one_object(music: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", music, "--disk", "--json", "--columns", "folder", "bpm"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [column["unit"] for column in told["columns"]] == ["", "BPM"]
    assert told["folders"] == [
        {"folder": "A song", "bpm": 120.5},
        {"folder": "B", "bpm": 90},
        {"folder": "C日本\\x1b[1m"},
    ]


@pytest.mark.parametrize("words", [["--columns", "bmp"], ["--sort", "-bmp"], ["--where", "bmp > 1"]])
def test_unknown_column_is_wrong_usage(music: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", music, "--disk", *words]) == 2
    assert 'cannot find the column "bmp": did you mean "bpm"?' in capsys.readouterr().err


def test_summary_draws_numbers_and_counts_labels(music: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", music, "--disk", "--features", "bpm", "key"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["bpm,", "BPM", "2", "values,", "1", "missing"]
    assert lines[1] == f"  █{' ' * 30}█  90 .. 120.5"
    assert lines[2:] == [
        "  25 %: 90   median: 90   75 %: 90   mean: 105.25",
        f"{'key':30}  2 values, 1 missing, 1 different",
        "  C major (2)",
    ]


def test_summary_as_json_has_all_features(music: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", music, "--disk", "--json", "--where", "bpm > 100"]) == 0
    told = json.loads(capsys.readouterr().out)["features"]
    assert {each["column"]["name"]: each["count"] for each in told} == {"bpm": 1, "key": 1, "lufs": 1, "mine": 1}


def test_state_without_a_service_takes_the_analyzers(
    music: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.toml").write_text('analyzers = ["loudness"]\n')
    config = ["--config", str(tmp_path / "c.toml")]
    assert main(["list", music, *config, "--columns", "state", "--where", "state = 'incomplete'", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["folders"]) == 3
