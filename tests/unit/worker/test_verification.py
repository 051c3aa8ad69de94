"""The process that verifies: what it tells, and what is told where it dies."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

from audiobatchd.errors import AudiobatchError
from audiobatchd.worker.verification import Verification, Verified, verify
from support.service import eventually


def request(root: Path) -> Verification:
    return Verification(str(root), (), 1 << 20, {})


def test_each_folder_is_told_by_a_process_that_gives_way(tmp_path: Path) -> None:
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "full_mix.wav").touch()
    assert list(verify(request(tmp_path))) == [Verified(name, unknown=("full_mix.wav",)) for name in ("A", "B")]


def test_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AudiobatchError, match="No such file"):
        list(verify(request(tmp_path / "gone")))


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("kill -9 $$", "the process ended with -9"),
        ("echo last words >&2; exit 1", "last words"),
        ('printf \'{"folder": "A\'; exit 3', "the process ended with 3"),
    ],
)
def test_death_of_the_process_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(AudiobatchError) as caught:
        list(verify(request(Path("/music"))))
    assert str(caught.value) == f"cannot verify /music: {told}"


@pytest.mark.parametrize("script", ['echo \'{"f\'; echo \'{"folder": "B"}\'', "printf '{\"f'", "echo '{\"f'; exit 3"])
def test_line_that_is_no_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho \'{{"folder": "A"}}\'\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    found = verify(request(Path("/music")))
    assert next(found) == Verified("A")
    with pytest.raises(AudiobatchError, match=r'^cannot verify /music: the process .* gave no answer, but: {"f \('):
        next(found)


def test_nothing_stays_behind_of_one_that_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\necho $$ > pid\necho \'{"folder": "A"}\'\nexec sleep 1000\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.chdir(tmp_path)
    with closing(verify(request(Path("/music")))) as folders:
        assert next(folders) == Verified("A")
        pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        eventually(lambda: os.kill(pid, 0))
