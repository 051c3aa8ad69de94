"""Directories that cannot be a dataset: those of the operating system, homes, and parents of many things.

Rights below a dataset are given to the service's user. In a directory of these that would wreck the machine or lay a
home open, so a path is judged by every name that leads to it.
"""

from __future__ import annotations

import os
import pwd
import unicodedata
from collections.abc import Iterable

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import is_at_or_below
from audiobatchd.disk.listing import read_names
from audiobatchd.vocabulary.names import shown

_SYSTEM = (
    "/bin", "/boot", "/dev", "/efi", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found", "/proc", "/run",
    "/sbin", "/snap", "/sys", "/usr", "/var",
)  # fmt: skip
_PARENTS = frozenset({"/home", "/media", "/mnt", "/opt", "/run/media", "/srv", "/tmp"})  # noqa: S108  # named, not used
# Where desktops mount a disk: /media/USER/DISK.
_DESKTOP = ("/media", "/run/media")
# So many of these in one directory make it the root of an operating system: a second disk, a container.
_OF_AN_OPERATING_SYSTEM = frozenset({"bin", "boot", "dev", "etc", "lib", "proc", "root", "sbin", "sys", "usr", "var"})
_ENOUGH = 4
_OF_A_HOME = frozenset({".bashrc", ".cache", ".config", ".local", ".profile", ".ssh", ".zshrc"})
_FEW = 2
_PERSONS = 1000
_LINE_ENDS = "\u2028\u2029"


def unsuitable(path: str, configured: Iterable[str]) -> str:
    """Say why the directory at a real path is no dataset, beginning with "it"; empty where it may be one.

    `configured` are the real paths of the datasets that there are already.
    """
    names = filesystems.names_of(path)
    for name in sorted(names):
        if why := _by_its_name(name):
            return why if name == path else f"it is {shown(name)}, and {why}"
    if why := _by_its_content(path):
        return why
    for dataset in configured:
        for name in filesystems.names_of(dataset) if dataset != path else ():
            if any(is_at_or_below(name, each) or is_at_or_below(each, name) for each in names):
                return f"two datasets overlap: {shown(path)} and {shown(dataset)}"
    return ""


def unwritable(path: str) -> str:
    """Say why a path cannot stand in the configuration and the unit; empty where it can."""
    if any(unicodedata.category(letter) == "Cc" or letter in _LINE_ENDS for letter in path):
        return "there are control characters in it"
    if any(unicodedata.category(letter) == "Cs" for letter in path):
        return "a path outside UTF-8 cannot be configured"
    return ""


def _by_its_name(path: str) -> str:
    if path == "/":
        return "it is the root of the file system"
    if path in _PARENTS or (os.path.dirname(path) in _DESKTOP and _is_for_disks(path)):
        return _is_a_parent(path)
    if any(is_at_or_below(path, system) for system in _SYSTEM) and not is_at_or_below(path, "/run/media"):
        return "it belongs to the operating system"
    return _of_homes(path)


def _is_for_disks(path: str) -> bool:
    mounts = filesystems.mount_points()
    return path not in mounts and any(is_at_or_below(mount, path) for mount in mounts)


def _is_a_parent(path: str) -> str:
    """A disk of its own there that is a dataset is a dataset all the same: a NAS on /mnt."""
    if path in filesystems.mount_points() and _holds_tracks(path):
        return ""
    return "it is a place for different things: name a directory in it"


def _holds_tracks(path: str) -> bool:
    try:
        return any(read_names(os.path.join(path, name)).is_track for name in read_names(path).directories)
    except OSError:
        return False


def _of_homes(path: str) -> str:
    accounts = {os.path.realpath(each.pw_dir): each for each in _accounts(path)}
    if path in accounts:
        return f"it is the home of {accounts[path].pw_name}"
    for home, account in accounts.items():
        if account.pw_uid and account.pw_uid < _PERSONS:
            continue
        if is_at_or_below(home, path):
            return f"the home of {account.pw_name} is in it"
        if is_at_or_below(path, home) and os.path.relpath(path, home).startswith("."):
            return f"it is among the hidden files of {account.pw_name}"
    return ""


def _accounts(path: str) -> list[pwd.struct_passwd]:
    """List all accounts, and the one that the path names: those of a directory service are not listed."""
    found = pwd.getpwall()
    for name in path.split("/"):
        try:
            found.append(pwd.getpwnam(name))
        except (KeyError, ValueError):
            continue
    return found


def _by_its_content(path: str) -> str:
    with os.scandir(path) as entries:
        names = {entry.name for entry in entries}
    if len(names & _OF_AN_OPERATING_SYSTEM) >= _ENOUGH:
        return "it holds an operating system"
    if len(names & _OF_A_HOME) >= _FEW:
        return "it is a home"
    return ""
