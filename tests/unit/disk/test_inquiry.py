"""The program that asks a disk: what it does there, what it leaves, and that it needs nothing but Python."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from audiobatchd.disk import inquiry
from support.service import eventually


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Start the program as the service does."""
    return subprocess.run(inquiry.command(*arguments), capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("depth", ["briefly", "thoroughly"])
def test_it_ends_in_silence_and_leaves_nothing(tmp_path: Path, depth: str) -> None:
    (tmp_path / "Song").mkdir()
    (tmp_path / "full_mix.flac").write_bytes(bytes(100_000))
    os.mkfifo(tmp_path / "pipe")
    for folder in (tmp_path, tmp_path / "gone"):
        done = run(depth, str(folder))
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert sorted(os.listdir(tmp_path)) == ["Song", "full_mix.flac", "pipe"]


def test_only_a_thorough_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(inquiry, "_write", written.append)
    inquiry.ask(str(tmp_path), briefly=True)
    assert written == []
    inquiry.ask(str(tmp_path), briefly=False)
    assert [os.path.dirname(path) for path in written] == [str(tmp_path)]


def test_links_are_resolved_whatever_the_name(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\nline")
    (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(name)
    assert run("resolve", str(tmp_path / "link")).stdout == os.fsencode(os.path.realpath(tmp_path / name))


def test_given_up_inquiry_is_killed_and_reaped() -> None:
    process = subprocess.Popen(["sleep", "600"])
    inquiry.let_go(process)
    eventually(lambda: process.returncode is not None)
    assert process.returncode == -9
