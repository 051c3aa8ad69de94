"""Publishing of exports: whole or not at all, never over what is there, and what a killed one left is cleared away."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.exports.publish import published


def test_file_is_there_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    with published(target, is_directory=False) as hidden:
        hidden.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert [each.name for each in tmp_path.iterdir()] == ["table.csv"]


def test_directory_is_there_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "set"
    with published(target, is_directory=True) as hidden:
        (hidden / "audio").mkdir()
        (hidden / "audio" / "1.flac").symlink_to("/nowhere")
        assert not target.exists()
    assert (target / "audio" / "1.flac").is_symlink()
    assert [each.name for each in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("is_directory", [True, False])
def test_failure_leaves_nothing(tmp_path: Path, *, is_directory: bool) -> None:
    def interrupted() -> None:
        with published(tmp_path / "x", is_directory=is_directory) as hidden:
            (hidden / "half" if is_directory else hidden).write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("is_directory", [True, False])
def test_what_is_there_is_refused(tmp_path: Path, *, is_directory: bool) -> None:
    target = tmp_path / "x"
    target.symlink_to("/nowhere")
    with pytest.raises(UsageError, match="is there already"), published(target, is_directory=is_directory):
        pass


@pytest.mark.parametrize("is_directory", [True, False])
def test_what_came_meanwhile_is_not_replaced(tmp_path: Path, *, is_directory: bool) -> None:
    target = tmp_path / "x"

    def overtaken() -> None:
        with published(target, is_directory=is_directory) as hidden:
            (hidden / "new" if is_directory else hidden).write_text("new")
            target.write_text("old")

    with pytest.raises(UsageError, match="is there already"):
        overtaken()
    assert target.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no directory"), published(tmp_path / "a" / "b", is_directory=False):
        pass


@pytest.mark.parametrize("is_directory", [True, False])
def test_second_export_to_one_target_is_refused(tmp_path: Path, *, is_directory: bool) -> None:
    target = tmp_path / "x"
    with published(target, is_directory=is_directory) as hidden:
        (hidden / "first" if is_directory else hidden).write_text("first")
        with pytest.raises(AudiobatchError, match="another export"), published(target, is_directory=is_directory):
            pass
    assert (target / "first" if is_directory else target).read_text() == "first"


def test_leftovers_of_a_killed_export_are_cleared(tmp_path: Path) -> None:
    target = tmp_path / "x"
    left = tmp_path / ".x.audiobatch-export"
    (left / "audio").mkdir(parents=True)
    (left / "audio" / "old").write_text("old")
    with published(target, is_directory=True) as hidden:
        (hidden / "new").write_text("new")
    assert [each.name for each in target.iterdir()] == ["new"]
    with published(tmp_path / "y", is_directory=False) as hidden:
        hidden.write_text("much longer than")
        os._exit(0) if (pid := os.fork()) == 0 else os.waitpid(pid, 0)
    assert [each.name for each in sorted(tmp_path.iterdir())] == ["x", "y"]


def test_file_system_without_hard_links_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with published(tmp_path / "x", is_directory=False) as hidden:
        hidden.write_text("whole")
    assert (tmp_path / "x").read_text() == "whole"


def test_long_name_has_a_hidden_one_that_fits(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 127)
    with published(target, is_directory=False) as hidden:
        hidden.write_text("whole")
    assert target.read_text() == "whole"


@pytest.mark.parametrize("is_directory", [True, False])
def test_leftover_of_the_other_kind_is_cleared(tmp_path: Path, *, is_directory: bool) -> None:
    left = tmp_path / ".x.audiobatch-export"
    if is_directory:
        left.write_text("old")
    else:
        (left / "audio").mkdir(parents=True)
    with published(tmp_path / "x", is_directory=is_directory) as hidden:
        (hidden / "new" if is_directory else hidden).write_text("new")
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_published_file_outlives_its_hidden_name(tmp_path: Path) -> None:
    # A process that is killed between its link and its unlink leaves both names, and people rename what they have.
    (tmp_path / "old.csv").write_text("whole")
    (tmp_path / ".x.audiobatch-export").hardlink_to(tmp_path / "old.csv")
    with published(tmp_path / "x", is_directory=False) as hidden:
        hidden.write_text("new")
    assert ((tmp_path / "old.csv").read_text(), (tmp_path / "x").read_text()) == ("whole", "new")


def test_what_is_published_meanwhile_is_not_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, flock = tmp_path / "x", fcntl.flock

    def late(descriptor: int, how: int) -> None:
        # The other export comes to its end between our look at its hidden name and our lock on it.
        monkeypatch.setattr(fcntl, "flock", flock)
        first.__exit__(None, None, None)
        flock(descriptor, how)

    first = published(target, is_directory=False)
    first.__enter__().write_text("whole")
    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(UsageError, match="is there already"), published(target, is_directory=False):
        pass
    assert target.read_text() == "whole"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_fifo_in_the_way_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".x.audiobatch-export")
    with published(tmp_path / "x", is_directory=False) as hidden:
        hidden.write_text("new")
    assert (tmp_path / "x").read_text() == "new"
