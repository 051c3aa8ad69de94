"""Membership in the service's group, by which a person may ask it: who has it, and since when it counts.

A login has the groups that its user had when it began; what has changed since counts from the next one on.
"""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
from collections.abc import Mapping

from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.vocabulary.names import shown

_GPASSWD = "/usr/bin/gpasswd"


def caller(environ: Mapping[str, str]) -> str:
    """Name the person who became root by sudo or pkexec; empty where it is root itself."""
    for name in ("SUDO_UID", "PKEXEC_UID"):
        uid = environ.get(name, "")
        if uid.isascii() and uid.isdecimal() and int(uid):
            try:
                return pwd.getpwuid(int(uid)).pw_name
            except (KeyError, OverflowError):
                continue
    return ""


def is_member(user: str, group: str) -> bool:
    """Tell whether a user who logs in now is a member of the group. Raises UsageError where either is missing."""
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        message = f"there is no user {shown(user)}"
        raise UsageError(message) from None
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        message = f"there is no group {group}: the package makes it"
        raise UsageError(message) from None
    return gid in os.getgrouplist(user, account.pw_gid)


def join(user: str, group: str) -> bool:
    """Make a user a member; False where it is one already. Raises UsageError, AudiobatchError."""
    if is_member(user, group):
        return False
    try:
        done = subprocess.run([_GPASSWD, "--add", user, group], capture_output=True, text=True, check=False)
    except OSError as error:
        message = f"cannot add {user} to the group {group}: {_GPASSWD}: {error.strerror}"
        raise AudiobatchError(message) from error
    if done.returncode:
        message = f"cannot add {user} to the group {group}: {done.stderr.strip()}"
        raise AudiobatchError(message)
    return True
