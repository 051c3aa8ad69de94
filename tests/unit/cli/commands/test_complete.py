"""`audiobatchctl complete`, as shells run it: names of a service and of disks, soon, and never an error."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.completion.candidates import MOST
from audiobatchd.control.status import Status
from audiobatchd.models.manifest import BY_NAME
from audiobatchd.vocabulary.log_events import LogEvent
from support.control_rig import serving
from support.service import configuration, run


def complete(path: Path, *arguments: str) -> list[str]:
    """The lines of the answer, which comes without any complaint."""
    code, out, err = run("audiobatchctl", "complete", *arguments, env={"AUDIOBATCHD_SOCKET": str(path)})
    assert (code, err) == (0, "")
    return out.splitlines()


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A dataset with names of all kinds, two of them below a directory that is no track folder."""
    root = tmp_path / "music"
    names = [b"Plain", b'It\'s "best" $HOME', b"New\nline", b"caf\xe9", b"Album/One", b"Album/Two", b".hidden"]
    for name in names:
        folder = root / os.fsdecode(name)
        folder.mkdir(parents=True)
        (folder / "full_mix.flac").touch()
    return root


def over(status: Status, root: Path, *failed: str) -> Status:
    """A service at that dataset, with these folders in trouble."""
    dataset = msgspec.structs.replace(status.datasets[0], path=str(root))
    troubles = [msgspec.structs.replace(status.troubles[0], folder=name) for name in failed]
    return msgspec.structs.replace(status, datasets=[dataset], workers=[], troubles=troubles)


def test_folders_are_named_as_the_service_shows_them(tmp_path: Path, music: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: over(busy, music)):
        told = complete(path, "--words", "explain", "")
        assert told[0] == "nothing"
        assert sorted(told[1:]) == ["Album/", 'It\'s "best" $HOME', r"New\x0aline", "Plain", r"caf\xe9"]
        assert sorted(complete(path, "--words", "bump", "Album/")[1:]) == ["Album/One", "Album/Two"]
        assert complete(path, "--words", "--socket", str(path), "bump", "New")[1:] == [r"New\x0aline"]
        assert complete(path, "--raw", "bump", r"New\\x0a")[1:] == [r"New\x0aline"]
        assert complete(path, "--line", "audiobatchctl bump It", "It")[1:] == [r"It\'s\ \"best\"\ \$HOME"]
        assert complete(path, "--line", 'audiobatchctl bump "It', '"It')[1:] == [r"It's \"best\" \$HOME"]
        assert complete(path, "--words", "rescan", "")[1:] == [str(music)]


def test_retry_offers_what_failed(tmp_path: Path, music: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: over(busy, music, "Plain")):
        assert complete(path, "--words", "retry", "") == ["nothing", "Plain"]
        assert complete(path, "--words", "retry", "Alb") == ["nothing", "Album/"]


@pytest.mark.parametrize(
    ("line", "part", "told"),
    [("--event=folder-do", "folder-do", "folder-done"), ("--event=", "=", "folder-done")],
)
def test_bash_is_given_the_part_that_it_replaces(tmp_path: Path, line: str, part: str, told: str) -> None:
    assert told in complete(tmp_path / "c.sock", "--line", f"audiobatchctl follow {line}", part)


def test_names_that_need_no_service(tmp_path: Path) -> None:
    path = tmp_path / "c.sock"
    assert complete(path, "--words", "follow", "--event", "")[1:] == [each.value for each in LogEvent]
    assert complete(path, "--words", "models", "fetch", "")[1:] == list(BY_NAME)
    assert {"lufs", "lufs_drums", "loudness"} <= set(complete(path, "--words", "features", "l")[1:])
    config = configuration(tmp_path / "c.toml", tmp_path / "music")
    assert complete(path, "--words", "--config", str(config), "check", "")[1:] == [str(tmp_path / "music")]


def test_many_folders_are_bounded(tmp_path: Path, busy: Status) -> None:
    for number in range(MOST + 50):
        (tmp_path / "music" / f"Song {number}").mkdir(parents=True)
    path = tmp_path / "c.sock"
    with serving(path, lambda: over(busy, tmp_path / "music")):
        assert len(complete(path, "--words", "bump", "")) == MOST + 1


@pytest.mark.parametrize("arguments", [[], ["--line"], ["--words"], ["--nothing", "a"], ["--words", "\udcff", "b"]])
def test_nonsense_is_answered_with_nothing(tmp_path: Path, arguments: list[str]) -> None:
    assert complete(tmp_path / "c.sock", *arguments)[:1] == ["nothing"]


def test_a_service_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "c.sock"))
        silent.listen(8)
        assert complete(tmp_path / "c.sock", "--words", "retry", "A") == ["directories"]
