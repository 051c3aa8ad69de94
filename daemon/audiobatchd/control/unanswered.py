"""The reason why no service answers on a socket, and what mends that: the group, the user and the command by name.

There may be two services: the machine's, which its group may ask, and one of the user's own.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

from audiobatchd.config.places import SERVICE_SOCKET, own_configuration, own_socket, service_is_installed
from audiobatchd.vocabulary.names import shown

_MAY_ASK = stat.S_IRGRP | stat.S_IWGRP


def why(path: Path, error: Exception, patience: float) -> tuple[str, str]:
    """Say why there is no answer at `path` within `patience` seconds, and what to do; the latter may be empty."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return _not_there(path)
        case PermissionError():
            return _not_allowed(path)
        case ConnectionRefusedError():
            return "nothing listens on it any more; audiobatchd has ended or was killed", _start(path)
        case TimeoutError() | BlockingIOError():
            return f"no answer within {patience:g} s", ""
        case ConnectionResetError() | BrokenPipeError():
            return "it broke off the connection", ""
        case OSError():
            return error.strerror or str(error), ""
        case _:
            return "what answers there is another program", ""


def user_name(uid: int) -> str:
    """Name a user; the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def as_root(command: str) -> str:
    """Write a command that takes root as this user types it."""
    return command if os.geteuid() == 0 else f"sudo {command}"


def no_operator() -> tuple[str, str]:
    """Say why the machine's service does not do what this user asks for, and what to do."""
    user = user_name(os.geteuid())
    return f"{user} is none of its operators", f"sudo audiobatchctl setup --operator {user}; once: sudo this command"


def _not_there(path: Path) -> tuple[str, str]:
    elsewhere = path not in (SERVICE_SOCKET, own_socket(os.environ, os.getuid()))
    return "there is no such socket", "is audiobatchd running?" if elsewhere else _start(path)


def _start(path: Path) -> str:
    """The command that starts the service of this socket; empty where it is none of the two."""
    machine = as_root("systemctl start audiobatchd") if service_is_installed() else ""
    if path == SERVICE_SOCKET:
        return f"start it: {machine}; why it ended: journalctl -u audiobatchd" if machine else ""
    if path != own_socket(os.environ, os.getuid()):
        return ""
    if _is_there(own_configuration(os.environ)):
        other = f"; or the machine's: {machine}" if machine else ""
        return f"start it: systemctl --user start audiobatchd{other}"
    return f"start the machine's: {machine}" if machine else "start one: audiobatchd DATASET"


def _not_allowed(path: Path) -> tuple[str, str]:
    gid, user = _group_of(path), user_name(os.geteuid())
    own = _own_service(path, os.environ)
    if gid is None:
        return f"permission denied: it is not open to {user}", f"ask as the user whose service it is{own}"
    group = _group_name(gid)
    if gid in (os.getegid(), *os.getgroups()):
        return f"permission denied, although {user} is in its group {group}", f"{as_root('audiobatchctl')} may{own}"
    if _is_member(gid):
        reason = f"permission denied: {user} has come into the group {group} after this login"
        return reason, f"log in again, or: newgrp {group}{own}"
    reason = f"permission denied: {user} is not in the group {group}"
    return reason, f"sudo usermod -aG {group} {user}, then log in again; once: sudo audiobatchctl{own}"


def _group_of(path: Path) -> int | None:
    """Find the group that may ask on a socket; None where that is no group's right, or root's group's."""
    for place, needed in ((path, _MAY_ASK), (path.parent, stat.S_IXGRP)):
        try:
            found = place.lstat()
        except OSError:
            continue  # not even seen: its directory is closed
        return found.st_gid if found.st_mode & needed == needed and found.st_gid else None
    return None


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _is_member(gid: int) -> bool:
    """Tell whether this user's next login is in the group."""
    try:
        account = pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return gid in os.getgrouplist(account.pw_name, account.pw_gid)


def _own_service(path: Path, environ: Mapping[str, str]) -> str:
    """Point to the user's own service, where it runs and another one was asked."""
    own = own_socket(environ, os.getuid())
    return f"; your own service: --socket {shown(str(own))}" if own != path and _is_there(own) else ""


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
