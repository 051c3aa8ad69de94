"""The person behind sudo, and membership in the service's group."""

from __future__ import annotations

import grp
import pwd
from pathlib import Path

import pytest

from audiobatchd.cli.rights import membership
from audiobatchd.errors import AudiobatchError, UsageError

BIN = pwd.getpwnam("bin")
ITS_GROUP = grp.getgrgid(BIN.pw_gid).gr_name


@pytest.mark.parametrize(
    ("environ", "person"),
    [
        ({}, ""),
        ({"SUDO_UID": str(BIN.pw_uid)}, "bin"),
        ({"PKEXEC_UID": str(BIN.pw_uid)}, "bin"),
        ({"SUDO_UID": "0"}, ""),
        ({"SUDO_UID": "0", "PKEXEC_UID": str(BIN.pw_uid)}, "bin"),
        ({"SUDO_UID": "4294967290"}, ""),
        ({"SUDO_UID": "9" * 40}, ""),
        ({"SUDO_UID": "-1"}, ""),
        ({"SUDO_UID": "\u0661"}, ""),
        ({"SUDO_USER": "bin"}, ""),
    ],
)
def test_caller_is_the_person_who_became_root(environ: dict[str, str], person: str) -> None:
    assert membership.caller(environ) == person


def test_member_by_the_account_s_own_group() -> None:
    assert membership.is_member("bin", ITS_GROUP)
    assert not membership.is_member("bin", "mail")
    assert not membership.join("bin", ITS_GROUP)


@pytest.mark.parametrize(("user", "group"), [("no-such-user", "mail"), ("bin", "no-such-group"), ("a\nb", "mail")])
def test_unknown_names_are_refused(user: str, group: str) -> None:
    with pytest.raises(UsageError, match=r"there is no (user|group) "):
        membership.join(user, group)


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("echo locked >&2; exit 1", "cannot add bin to the group mail: locked"),
        (None, "cannot add bin to the group mail: /"),
    ],
)
def test_failure_to_join_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, cause: str
) -> None:
    program = tmp_path / "gpasswd"
    if script:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setattr(membership, "_GPASSWD", str(program))
    with pytest.raises(AudiobatchError, match=cause):
        membership.join("bin", "mail")


def test_join_names_user_and_group_to_gpasswd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "gpasswd"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\n')
    program.chmod(0o755)
    monkeypatch.setattr(membership, "_GPASSWD", str(program))
    assert membership.join("bin", "mail")
    assert (tmp_path / "told").read_text() == "--add bin mail\n"
