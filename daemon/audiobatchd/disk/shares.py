"""Directories of this machine that its Samba server gives to others in such a way that locks do not reach them.

A client of SMB that has a file to itself (an oplock, a lease) keeps its locks on it to itself too, and what opens the
file on the server does not end that. Found by trial with Samba 4.17 and Linux 6.1; see docs/explanation/locking.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from audiobatchd.disk import bounded, filesystems
from audiobatchd.disk.filesystems import Kind, is_at_or_below
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import Cause

SAMBA = Path("/etc/samba/smb.conf")
CURE = "veto oplock files = /*.lock/"
"""Line of smb.conf by which clients send their locks on our files to the server, and keep all other files."""

_OF_USERS = "/var/lib/samba/usershares"
_MOST_OF_USERS = 1000
_MOST_FILES = 50
"""Files that a configuration may be made of; one may name itself."""
_SECTION = re.compile(r"\[([^\]]*)\]")
_YES = frozenset({"yes", "true", "on", "1"})
_SYNONYMS = {"directory": "path", "writable": "writeable", "writeok": "writeable", "printok": "printable"}


@dataclass
class _Share:
    """Section of a configuration."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    """Values by names without blanks, in small letters: Samba reads them so."""

    def says(self, name: str, *, default: bool) -> bool:
        """The value of a setting that is yes or no."""
        value = self.settings.get(name)
        return default if value is None else value.lower() in _YES

    @property
    def path(self) -> str:
        """The directory that it shares, up to the first part of its path that is another one for each client."""
        before, macro, _ = self.settings.get("path", "").strip('"').partition("%")
        return os.path.normpath(before.rpartition("/")[0] or "/" if macro else before) if before else ""

    @property
    def is_written_to(self) -> bool:
        """Tell whether clients may write to it: a lock is a file that they write to."""
        if self.says("printable", default=False) or not self.says("available", default=True):
            return False
        read_only = self.says("readonly", default=True)
        return not read_only or bool(self.settings.get("writelist"))

    @property
    def passes_locks_on(self) -> bool:
        """Tell whether each lock of a client is to be seen here, and the other way around."""
        if not (self.says("locking", default=True) and self.says("posixlocking", default=True)):
            return False
        vetoed = self.settings.get("vetooplockfiles", "").split("/")
        return "*.lock" in vetoed or "*" in vetoed or not self.says("oplocks", default=True)


def of(path: str) -> tuple[Kind, str]:
    """Find what `filesystems.of` finds; WEAK also where Samba shares what is there, and keeps locks from us.

    Raises OSError where there is no path.
    """
    kind, filesystem = filesystems.of(path)
    share = _keeping_locks(path) if kind is Kind.LOCAL else None
    if share is None:
        return kind, filesystem
    return Kind.WEAK, f"{filesystem} that Samba shares as [{shown(share.name)}] without `{CURE}`"


def _keeping_locks(path: str) -> _Share | None:
    """The first share that has anything to do with the directory, and does not pass locks on."""
    sought = [each for each in _shares() if each.path and each.is_written_to and not each.passes_locks_on]
    names = filesystems.names_of(filesystems.without_links(path)) if sought else ()
    for share in sought:
        place = filesystems.without_links(share.path)
        if any(is_at_or_below(name, place) or is_at_or_below(place, name) for name in names):
            return share
    return None


def _shares() -> Iterator[_Share]:
    """Yield the shares, each with what [global] says for all."""
    sections: dict[str, _Share] = {}
    current = _Share("global")
    for name, value in _lines():
        if name == "[":
            current = sections.setdefault(value.strip().lower(), _Share(value.strip()))
        elif name == "copy" and value.lower() in sections:
            current.settings = sections[value.lower()].settings | current.settings
        else:
            _set(current.settings, name, value)
    common: Mapping[str, str] = sections.pop("global", _Share("")).settings
    for share in (*sections.values(), *_of_users(Path(common.get("usersharepath", _OF_USERS)))):
        share.settings = {**common, **share.settings}
        yield share


def _of_users(directory: Path) -> Iterator[_Share]:
    """Yield the shares that users have made by `net usershare`; none where we may not look."""
    try:
        names = sorted(each.name for each in islice(os.scandir(directory), _MOST_OF_USERS))
    except OSError:
        return
    for name in names:
        settings = {key: value for line in _lines_of(directory / name) for key, _, value in [line.partition("=")]}
        read_only = "no" if ":F" in settings.get("usershare_acl", "") else "yes"
        yield _Share(name, {"path": settings.get("path", ""), "readonly": read_only})


def _set(settings: dict[str, str], name: str, value: str) -> None:
    """Note a setting by the one name that is looked for."""
    name = _SYNONYMS.get(name, name)
    if name == "writeable":
        name, value = "readonly", "no" if value.lower() in _YES else "yes"
    settings[name] = value


def _lines() -> Iterator[tuple[str, str]]:
    """Yield settings in their order, those of included files in their place; `[` and a name begin a section."""
    left, waiting = _MOST_FILES, [iter(_lines_of(SAMBA))]
    while waiting:
        line = next(waiting[-1], None)
        if line is None:
            waiting.pop()
            continue
        if section := _SECTION.match(line):
            yield "[", section[1]
            continue
        name, _, value = line.partition("=")
        name, value = "".join(name.split()).lower(), value.strip()
        if name == "include" and left > 0:
            left -= 1
            waiting.append(iter(_lines_of(Path(value))))
        elif name:
            yield name, value


def _lines_of(path: Path) -> list[str]:
    """The lines of a file, whole and without comments; none where it cannot be read, as where there is no Samba."""
    try:
        text = bounded.read(path, bounded.SETTINGS_LIMIT)[0].decode(errors="surrogateescape")
    except OSError as error:
        if filesystems.cause_of(error) is Cause.SHORTAGE:
            raise
        return []
    lines = [line.strip() for line in re.sub(r"\\[ \t\r]*\n", "", text).split("\n")]
    return [line for line in lines if line and line[0] not in "#;"]
