"""`audiobatchctl duplicates`: its words, its JSON and its exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.cli.commands import duplicates
from audiobatchd.cli.control import main
from audiobatchd.scan.duplicates import Duplicates

EXACT = [["A", "C/D"], ["B", "E"]]
NEAR = [[("A", 0.012), ("F", 0.012)]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Duplicates]:
    """What is found is what a test puts under "found"."""
    told = {"found": Duplicates(total=6, exact=EXACT)}

    def find(*_: object, **__: object) -> Duplicates:
        return told["found"]

    monkeypatch.setattr(duplicates, "find", find)
    return told


def test_groups_and_counts_are_told(
    tmp_path: Path, answers: dict[str, Duplicates], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["found"].near = NEAR
    assert main(["duplicates", str(tmp_path), "--near"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "The same file:",
        "  A",
        "  C/D",
        "The same file:",
        "  B",
        "  E",
        "Alike in sound:",
        "  A (1.2 %)",
        "  F (1.2 %)",
        "2 groups of exact duplicates, 1 group of near ones (up to 15 % of bits differ) in 6 folders",
    ]


def test_what_was_not_compared_is_told(
    tmp_path: Path, answers: dict[str, Duplicates], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["found"] = Duplicates(30, 1, 29, troubles={"A\x1b": "cannot read it: Is a directory"}, unread=3)
    assert main(["duplicates", str(tmp_path), "--near"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0 groups of exact duplicates, 0 groups of near ones (up to 15 % of bits differ) in 30 folders",
        "! 1 folder not compared: not measured since the full mix was put there",
        "! 29 folders not compared by sound: no fingerprint. In the configuration, "
        + duplicates.MAKES_THEM
        + " makes them",
        "! A\\x1b: cannot read it: Is a directory",
        "! 2 more that cannot be read",
    ]


@pytest.mark.parametrize(
    ("found", "near", "code"),
    [
        (Duplicates(total=6, exact=EXACT), False, 1),
        (Duplicates(total=6, near=NEAR), True, 1),
        (Duplicates(total=6), False, 0),
        (Duplicates(total=6), True, 0),
        (Duplicates(total=6, without_digest=5), False, 0),
        (Duplicates(total=6, without_digest=6), False, 1),
        (Duplicates(total=6, without_digest=6, without_fingerprint=2), True, 0),
        (Duplicates(total=6, without_digest=6, without_fingerprint=6), True, 1),
        (Duplicates(), False, 1),
    ],
    ids=["exact", "near", "none", "none near", "some compared", "nothing compared", "by sound", "by neither", "empty"],
)
def test_zero_means_compared_and_none_found(
    tmp_path: Path, answers: dict[str, Duplicates], found: Duplicates, near: bool, code: int
) -> None:
    answers["found"] = found
    assert main(["duplicates", str(tmp_path), *(["--near"] if near else [])]) == code


def test_without_a_track_folder_that_is_said(
    tmp_path: Path, answers: dict[str, Duplicates], capsys: pytest.CaptureFixture[str]
) -> None:
    answers["found"] = Duplicates()
    main(["duplicates", str(tmp_path)])
    assert capsys.readouterr().out == "No track folder was found: there is nothing to compare.\n"


@pytest.mark.parametrize("near", [False, True])
def test_json_has_it_all(
    tmp_path: Path, answers: dict[str, Duplicates], capsys: pytest.CaptureFixture[str], near: bool
) -> None:
    answers["found"] = Duplicates(6, 1, 2, EXACT, NEAR, {"X": "cannot read it"}, 1)
    assert main(["duplicates", str(tmp_path), "--json", *(["--near"] if near else [])]) == 1
    expected = {
        "dataset": str(tmp_path),
        "total": 6,
        "without_digest": 1,
        "unread": 1,
        "exact": EXACT,
        "troubles": {"X": "cannot read it"},
    }
    alike = [[{"folder": folder, "differs": 0.012} for folder in "AF"]]
    assert json.loads(capsys.readouterr().out) == expected | ({"without_fingerprint": 2, "near": alike} if near else {})


def test_no_dataset_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["duplicates", str(tmp_path / "nonesuch")]) == 2
    assert "no such dataset" in capsys.readouterr().err


def test_a_full_disk_is_told_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(*_: object, **__: object) -> Duplicates:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(duplicates, "find", find)
    assert main(["duplicates", str(tmp_path)]) == 1
    assert f"cannot look for duplicates in {tmp_path}: No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_drawn_on_a_terminal_alone_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    def find(*_: object, told: Callable[[str, int], None], **_options: object) -> Duplicates:
        told("folders read", 1000)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(duplicates, "find", find)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["duplicates", str(tmp_path)]) == 1
    drawn = "\r\x1b[K1,000 folders read\r\x1b[K"
    assert capsys.readouterr().err.startswith(f"{drawn if terminal else ''}audiobatchctl: cannot look")
