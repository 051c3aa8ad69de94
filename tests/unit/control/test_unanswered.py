"""The reason why a service does not answer, and the command that mends it: a table of cases with their texts."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from audiobatchd.config import places
from audiobatchd.control import unanswered

WHY = "; why it ended: journalctl -u audiobatchd"
MAIL, BIN = grp.getgrnam("mail"), pwd.getpwnam("bin")
ITS_GROUP = grp.getgrgid(BIN.pw_gid).gr_name


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with the service's unit and a socket of its group, seen by the user `bin`, who is in no other group."""
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "audiobatchd.service").touch()
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(places, "_UNIT_PLACES", (str(tmp_path / "units"),))
    for module in (places, unanswered):
        monkeypatch.setattr(module, "SERVICE_SOCKET", tmp_path / "run" / "control.sock")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    seen_by(monkeypatch, BIN.pw_uid)
    return tmp_path


def seen_by(monkeypatch: pytest.MonkeyPatch, uid: int, *groups: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: groups[0] if groups else BIN.pw_gid)
    monkeypatch.setattr(os, "getgroups", lambda: list(groups))


def socket_of(world: Path, monkeypatch: pytest.MonkeyPatch, gid: int, mode: int = 0o660) -> Path:
    """A file in the socket's place that belongs to this group."""
    path = world / "run" / "control.sock"
    path.touch()
    path.chmod(mode)
    real = Path.lstat

    def lstat(self: Path) -> os.stat_result:
        status = real(self)
        return os.stat_result([*status[:5], gid, *status[6:10]]) if self == path else status

    monkeypatch.setattr(Path, "lstat", lstat)
    return path


def own(world: Path) -> Path:
    return world / "mine" / "audiobatchd" / "control.sock"


def test_user_outside_of_the_group(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = socket_of(world, monkeypatch, MAIL.gr_gid)
    assert unanswered.why(path, PermissionError(), 1) == (
        "permission denied: bin is not in the group mail",
        "sudo usermod -aG mail bin, then log in again; once: sudo audiobatchctl",
    )


def test_member_who_has_not_logged_in_again(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = socket_of(world, monkeypatch, BIN.pw_gid)
    seen_by(monkeypatch, BIN.pw_uid, MAIL.gr_gid)
    assert unanswered.why(path, PermissionError(), 1) == (
        f"permission denied: bin has come into the group {ITS_GROUP} after this login",
        f"log in again, or: newgrp {ITS_GROUP}",
    )


def test_member_whom_something_else_keeps_out(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = socket_of(world, monkeypatch, MAIL.gr_gid)
    seen_by(monkeypatch, BIN.pw_uid, MAIL.gr_gid)
    assert unanswered.why(path, PermissionError(), 1) == (
        "permission denied, although bin is in its group mail",
        "sudo audiobatchctl may",
    )


@pytest.mark.parametrize(("gid", "mode"), [(MAIL.gr_gid, 0o600), (0, 0o660)])
def test_another_user_s_socket_names_no_group(
    world: Path, monkeypatch: pytest.MonkeyPatch, gid: int, mode: int
) -> None:
    path = socket_of(world, monkeypatch, gid, mode)
    assert unanswered.why(path, PermissionError(), 1) == (
        "permission denied: it is not open to bin",
        "ask as the user whose service it is",
    )


def test_user_and_group_without_names_go_by_number(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = socket_of(world, monkeypatch, 54321)
    seen_by(monkeypatch, 65432)
    reason, cure = unanswered.why(path, PermissionError(), 1)
    assert reason == "permission denied: 65432 is not in the group 54321"
    assert cure.startswith("sudo usermod -aG 54321 65432, ")


def test_own_service_beside_the_refused_one_is_pointed_to(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = socket_of(world, monkeypatch, MAIL.gr_gid)
    own(world).parent.mkdir(parents=True)
    own(world).touch()
    _, cure = unanswered.why(path, PermissionError(), 1)
    assert cure.endswith(f"; your own service: --socket {own(world)}")


@pytest.mark.parametrize(
    ("asked", "uid", "installed", "configured", "cure"),
    [
        ("machine", 0, True, False, "start it: systemctl start audiobatchd" + WHY),
        ("machine", 2, True, False, "start it: sudo systemctl start audiobatchd" + WHY),
        ("machine", 2, False, False, ""),
        ("own", 2, True, False, "start the machine's: sudo systemctl start audiobatchd"),
        (
            "own", 2, True, True,
            "start it: systemctl --user start audiobatchd; or the machine's: sudo systemctl start audiobatchd",
        ),
        ("own", 2, False, True, "start it: systemctl --user start audiobatchd"),
        ("own", 2, False, False, "start one: audiobatchd DATASET"),
        ("other", 2, True, True, "is audiobatchd running?"),
    ],
)  # fmt: skip
def test_what_starts_a_service_that_does_not_run(
    world: Path, monkeypatch: pytest.MonkeyPatch, asked: str, uid: int, installed: bool, configured: bool, cure: str
) -> None:
    seen_by(monkeypatch, uid)
    if not installed:
        (world / "units" / "audiobatchd.service").unlink()
    if configured:
        (world / "config" / "audiobatchd").mkdir(parents=True)
        (world / "config" / "audiobatchd" / "audiobatchd.toml").touch()
    path = {"machine": world / "run" / "control.sock", "own": own(world), "other": world / "other.sock"}[asked]
    assert unanswered.why(path, FileNotFoundError(), 1) == ("there is no such socket", cure)
    reason, told = unanswered.why(path, ConnectionRefusedError(), 1)
    assert reason == "nothing listens on it any more; audiobatchd has ended or was killed"
    assert told == ("" if asked == "other" else cure)


def test_closed_directory_of_the_socket_names_its_group(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world / "run" / "control.sock"
    real = Path.lstat

    def lstat(self: Path) -> os.stat_result:
        if self == path:
            raise PermissionError
        status = real(self)
        return os.stat_result([0o40750, *status[1:5], MAIL.gr_gid, *status[6:10]])

    monkeypatch.setattr(Path, "lstat", lstat)
    assert unanswered.why(path, PermissionError(), 1)[0] == "permission denied: bin is not in the group mail"


def test_who_is_no_operator_is_told_the_command(world: Path) -> None:
    assert unanswered.no_operator() == (
        "bin is none of its operators",
        "sudo audiobatchctl setup --operator bin; once: sudo this command",
    )
