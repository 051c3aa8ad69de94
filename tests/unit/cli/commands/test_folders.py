"""`audiobatchctl failures`, `explain`, `retry` and `reload`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiobatchd.cli.control import main
from audiobatchd.control.requests import FolderName, RetryFolders
from audiobatchd.control.status import Status
from support.control_rig import Told, serving


def ctl(path: Path, *arguments: str) -> int:
    """Run the command."""
    return main([*arguments, "--socket", str(path)])


def test_failures_are_told_whole(tmp_path: Path, busy: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        assert ctl(path, "failures") == 1
        text = capsys.readouterr().out
        assert ctl(path, "failures", "--json") == 1
        told = json.loads(capsys.readouterr().out)
    assert [each["folder"] for each in told] == [trouble.folder for trouble in busy.troubles]
    assert text.count("holds 57.1 s of the 240.0 s") >= len(busy.troubles)
    assert "\x1b" not in text


def test_no_failures(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "failures") == 0
        assert ctl(path, "failures", "--dataset", "/srv/nowhere") == 2
    told = capsys.readouterr()
    assert told.out == "No folder failed or is blocked.\n"
    assert "no dataset of the daemon's: /srv/nowhere (/srv/music)" in told.err


def test_one_folder_explained(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "explain", "/srv/music/A - B") == 0
    assert capsys.readouterr().out.splitlines() == [
        "/srv/music/A - B",
        "  State:   backoff",
        "  Reason:  its worker ended",
        "  Since:   2026-11-25T09:00:00+00:00",
        "  Due:     full_mix: loudness, rhythm",
        "  Next:    it is tried again (in 12 s)",
        "  Lacking: 2 features unavailable on this machine",
        "  Charges: 1 of 3, then it is given up",
        "  Attempts that came to no good end, the latest first:",
        "    2026-11-25T09:00:00+00:00  error after 3 s, charged",
        "      killed by signal 11, Segmentation fault",
        "      while: rhythm of full_mix.mp3",
        "      | last words",
    ]


@pytest.mark.parametrize(
    ("folder", "code", "told"),
    [
        ("nowhere", 1, "there is no track folder nowhere in /music"),
        ("/elsewhere/A - B", 2, "/elsewhere/A - B is in no dataset of the daemon's (/srv/music)"),
    ],
)
def test_a_folder_that_is_none(
    tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str], folder: str, code: int, told: str
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "explain", folder) == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["/srv/music/A", "B/C"], RetryFolders([FolderName("/srv/music", "A"), FolderName("/srv/music", "B/C")])),
        ([r"caf\xe9"], RetryFolders([FolderName("/srv/music", r"caf\xe9")])),
        (["--all"], RetryFolders(all=True)),
        (["--dataset", "/srv/music"], RetryFolders(dataset="/srv/music")),
    ],
)
def test_what_a_retry_asks_for(tmp_path: Path, idle: Status, arguments: list[str], asked: RetryFolders) -> None:
    path = tmp_path / "control.sock"
    told = Told(lambda: idle)
    with serving(path, lambda: idle, told):
        assert ctl(path, "retry", *arguments) == 0
    assert told.asked == [asked]


@pytest.mark.parametrize("arguments", [[], ["A", "--all"], ["--all", "--dataset", "/srv/music"]])
def test_a_retry_of_nothing_or_of_too_much(
    tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "retry", *arguments) == 2
    assert "name folders, or --all, or --dataset DATASET" in capsys.readouterr().err


def test_a_reload_that_is_refused_says_why(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "reload") == 1
    assert "cannot have the configuration read again: c.toml: unknown key `worker`" in capsys.readouterr().err


def test_retry_with_features_names_folders(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "control.sock"
    told = Told(lambda: idle)
    with serving(path, lambda: idle, told):
        assert ctl(path, "retry", "/srv/music/A", "--features", "lufs", "rhythm") == 0
        assert ctl(path, "retry", "--all", "--features", "lufs") == 2
    assert told.asked == [RetryFolders([FolderName("/srv/music", "A")], features=["lufs", "rhythm"])]
    assert "--features goes with the names of folders" in capsys.readouterr().err
