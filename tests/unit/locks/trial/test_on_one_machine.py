"""Trials of a file system's locks on one machine: with a second process, and where no trial can be made."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import kernel
from audiobatchd.locks.trial import on_one_machine
from audiobatchd.locks.trial.between_machines import Outcome
from audiobatchd.locks.trial.on_one_machine import Finding, try_locks
from support.lock_trials import ME, PARTNER, TIMEOUT, left_in, quiet

NAMES = ["file system", "second process", "flock", "killed holder", "gate", "re-check", "between machines"]


def ok_of(findings: list[Finding]) -> dict[str, bool | None]:
    assert [each.name for each in findings] == NAMES
    return {each.name: each.ok for each in findings}


def place_in(directory: Path, patience: float = TIMEOUT) -> on_one_machine._Place:
    return on_one_machine._Place(str(directory / "lock"), Kind.LOCAL, patience)


# On this machine


def test_alone_on_a_local_file_system(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / ME).touch()
    os.utime(tmp_path / ME, (0, 0))
    findings = try_locks(str(tmp_path), 0.2, said.append)
    assert ok_of(findings) == dict.fromkeys(NAMES, True) | {"between machines": None}
    assert findings[0].detail.endswith(": this machine alone has it")
    assert findings[-1].detail == (
        "no other machine took part within 0.2 s: start the same command there at the same time"
    )
    assert said[0].startswith(f"trying the locks of {tmp_path}")
    assert said[1] == "waiting up to 0.2 s for the same command on another machine"
    assert left_in(tmp_path) == []


def test_user_without_privileges_may_try(tmp_path: Path) -> None:
    """Let a file without a right to write be refused to its owner, as it is to all but root, and to root on SMB."""
    tmp_path.chmod(0o777)
    code = f"from audiobatchd.locks.trial.on_one_machine import *; print(try_locks({str(tmp_path)!r}, 0.0, id))"
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "ok=False" not in done.stdout
    assert done.stdout.count("ok=True") == len(NAMES) - 1
    assert left_in(tmp_path) == []


@dataclass(frozen=True)
class Mount:
    """A kind of file system, and what is said of it."""

    kind: Kind
    filesystem: str
    judged: bool
    words: str


@pytest.mark.parametrize(
    "mount",
    [
        Mount(Kind.NETWORK, "nfs4", True, "nfs4: its locks are shared between machines"),
        Mount(Kind.WEAK, "fuse.sshfs", False, "locks on fuse.sshfs are not shared between machines"),
    ],
    ids=lambda mount: mount.filesystem,
)
def test_other_kinds_of_file_systems(mount: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "of", lambda path: (mount.kind, mount.filesystem))
    findings = try_locks(str(tmp_path), 0.0, quiet)
    assert ok_of(findings) == dict.fromkeys(NAMES, True) | {
        "file system": mount.judged,
        "flock": None,
        "between machines": None,
    }
    assert findings[0].detail.startswith(mount.words)
    assert findings[5].detail == "an emptied file stays the lock"
    assert left_in(tmp_path) == []


def test_locks_that_exclude_no_process_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "take", lambda descriptor, *, local: True)
    findings = try_locks(str(tmp_path), 0.0, quiet)
    assert ok_of(findings) | {"gate": True, "re-check": True} == {
        "file system": True,
        "second process": False,
        "flock": False,
        "killed holder": None,
        "gate": True,
        "re-check": True,
        "between machines": None,
    }
    assert findings[1].detail == "two processes got the same lock"
    assert left_in(tmp_path) == []


def test_scripts_that_do_not_see_our_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = kernel.take
    # Ours without `flock`: what a script has is seen neither, so the first half is told to be fine.
    monkeypatch.setattr(on_one_machine, "_is_granted", lambda place: False)
    monkeypatch.setattr(kernel, "take", lambda descriptor, *, local: take(descriptor, local=False))
    assert on_one_machine._flock(place_in(tmp_path)) == Outcome(
        "a script that uses flock does not see our lock", ok=False
    )


def test_a_lock_that_outlives_its_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "take", lambda descriptor, *, local: False)
    # Patience with the second process, none with the lock.
    monkeypatch.setattr(on_one_machine._OtherProcess, "answer", lambda other: "held")
    outcome = on_one_machine._killed_holder(place_in(tmp_path, 0.1))
    assert outcome == Outcome("still held 0.1 s after its holder was killed", ok=False)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(descriptor: int, *, local: bool) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(kernel, "take", take)
    findings = try_locks(str(tmp_path), 0.0, quiet)
    assert {each.detail for each in findings[1:6]} == {"cannot use a lock there: No locks available"}
    assert {each.ok for each in findings[1:6]} == {False}
    assert left_in(tmp_path) == []


def test_lock_error_of_the_second_process_is_told_as_ours(tmp_path: Path) -> None:
    place = place_in(tmp_path / "no")
    with on_one_machine._OtherProcess("lock", place) as other, pytest.raises(FileNotFoundError):
        other.answer()


@pytest.mark.parametrize(
    ("program", "detail"),
    [
        ("/nonexistent", "cannot start a second process: No such file or directory"),
        ("/bin/true", "cannot run a second process: it ended without an answer"),
        ("#!/bin/sh\nread line", "the second process did not answer within 0.1 s"),
    ],
    ids=["missing", "ends", "silent"],
)
def test_no_second_process(
    program: str, detail: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program.startswith("#!"):
        script = tmp_path_factory.mktemp("bin") / "python"
        script.write_text(program)
        script.chmod(0o755)
        program = str(script)
    monkeypatch.setattr(sys, "executable", program)
    findings = try_locks(str(tmp_path), 0.0, quiet, patience=0.1 if "not answer" in detail else TIMEOUT)
    assert [(each.ok, each.detail) for each in findings[1:4]] == [(None, detail)] * 3
    assert [each.ok for each in findings[4:6]] == [True, True]
    assert left_in(tmp_path) == []


# What stands in the way


def test_a_dataset_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        try_locks(str(tmp_path / "gone\n"), 0.0, quiet)
    assert str(caught.value) == f"cannot read {tmp_path}/gone\\x0a: No such file or directory"
    assert caught.value.errno == errno.ENOENT


def test_a_dataset_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"^cannot read .*/file: Not a directory$"):
        try_locks(str(tmp_path / "file"), 0.0, quiet)


def test_a_dataset_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    command = [sys.executable, "-c", PARTNER, str(tmp_path), "m", "this machine", ""]
    # root without its capabilities is bound by the mode like any user.
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    tmp_path.chmod(0o755)
    assert done.stderr.splitlines()[-1] == f"PermissionError: cannot write in {tmp_path}: Permission denied"
    assert done.stdout == ""
    assert left_in(tmp_path) == []


def test_interrupted_with_a_second_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    processes: list[subprocess.Popen[bytes]] = []

    def interrupt(other: on_one_machine._OtherProcess) -> None:
        processes.append(other._process)
        raise KeyboardInterrupt

    monkeypatch.setattr(on_one_machine._OtherProcess, "must_hold", interrupt)
    with pytest.raises(KeyboardInterrupt):
        try_locks(str(tmp_path), 0.0, quiet)
    assert processes[0].returncode == -signal.SIGKILL
    assert left_in(tmp_path) == []
