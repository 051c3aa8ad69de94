"""Discovery of tracks by the names in a directory: source files, files on their way, directories to enter."""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.vocabulary.files import EXTENSIONS, ROLES, UNREAD_EXTENSIONS

NEVER_ENTERED = frozenset({"crops", "@eaDir", "lost+found", ".stfolder"})
_RSYNC_SUFFIX = 6
_COMPANION = re.compile(r"(?!\.INFO\Z)\.[A-Z][A-Z0-9_]*\Z")
_TEMPORARY_ENDINGS = (".part", ".partial", ".filepart", ".crdownload", ".!qb", ".!ut", ".download")


class Name(NamedTuple):
    """Entry of a directory. A symlink to a directory is `is_link` and `is_dir`."""

    name: str
    is_dir: bool
    is_link: bool


@dataclass
class PassedOver:
    """Files that are no source files, and look as if they were meant: numbers and first names alone."""

    unread: dict[str, str] = field(default_factory=dict)
    """First file, by role, that is called like it and is in no format that is read."""
    like_folder: str = ""
    """The first audio file that is called like the directory; letter case and the form of accents do not count."""
    audio: int = 0
    """Number of audio files with other names."""
    first_audio: str = ""
    links: int = 0
    """Number of links to directories."""
    first_link: str = ""

    def file(self, name: str, folder: str) -> None:
        """Take in a file that is no source file of the directory `folder`, by its name as `_folded` gives it."""
        stem, dot, extension = name.rpartition(".")
        extension = extension.lower()
        role = (stem if dot else name).lower()
        if name.startswith("."):  # macOS puts one beside every file on a foreign disk
            return
        if role in ROLES and (not dot or extension in UNREAD_EXTENSIONS):
            self.unread[role] = min(name, self.unread.get(role, name))
        elif dot and (extension in EXTENSIONS or extension in UNREAD_EXTENSIONS):
            if folder and _folded(stem) == folder:
                self.like_folder = min(name, self.like_folder or name)
            self.first_audio = min(name, self.first_audio or name)
            self.audio += 1

    def link(self, name: str) -> None:
        """Take in a link to a directory."""
        self.first_link = min(name, self.first_link or name)
        self.links += 1


@dataclass
class Contents:
    """Contents of a directory, by the names in it."""

    sources: dict[str, str] = field(default_factory=dict)
    """Source files, by role."""
    shadowed: list[str] = field(default_factory=list)
    """Source files that lose to an earlier extension of the same role."""
    temporaries: list[str] = field(default_factory=list)
    """Files that are still on their way."""
    companions: list[str] = field(default_factory=list)
    """Files that may be a feature that is a file of its own beside the record."""
    directories: list[str] = field(default_factory=list)
    """Directories to enter."""
    passed_over: PassedOver = field(default_factory=PassedOver, compare=False)

    @property
    def is_track(self) -> bool:
        """Tell whether the directory is a track folder."""
        return FULL_MIX in self.sources

    @property
    def lacks_mix(self) -> bool:
        """Tell whether there are stems but no full mix, so that they are not measured."""
        return bool(self.sources) and not self.is_track


def contents(
    names: Iterable[Name], ignore: tuple[str, ...] = (), marker: str | None = None, folder: str = ""
) -> Contents:
    """Sort out the names in the directory called `folder`. `ignore` are glob patterns of directories not to be entered.

    `marker` is a file that is put into a track folder last of all: until it is there, the folder is on its way.
    """
    found = Contents()
    marked = marker is None
    folder = _folded(folder)
    candidates: _Candidates = {}
    for entry in names:
        marked |= entry.name == marker
        role = _take_in(entry, candidates)
        if role is None and not entry.is_dir and is_temporary(entry.name):
            found.temporaries.append(entry.name)
        elif role is None and not entry.is_dir:
            if is_companion(_suffix(entry.name)):
                found.companions.append(entry.name)
            found.passed_over.file(entry.name, folder)
        if entry.is_dir and not entry.is_link and enters(entry.name, ignore):
            found.directories.append(entry.name)
        elif entry.is_dir and entry.is_link and role is None and enters(entry.name, ignore):
            found.passed_over.link(entry.name)
    for role in ROLES:
        if role in candidates:
            (_, (*_, found.sources[role])), *others = sorted(candidates[role])
            found.shadowed += [name for _, (*_, name) in others]
    if marker is not None and not marked and found.is_track:
        found.temporaries.append(marker)
    found.directories.sort()
    found.temporaries.sort()
    return found


def sources(names: Iterable[Name]) -> dict[str, str]:
    """Find the source files among these names, by role, as `contents` does."""
    candidates: _Candidates = {}
    for entry in names:
        _take_in(entry, candidates)
    return {role: min(candidates[role])[1][-1] for role in ROLES if role in candidates}


def enters(directory: str, ignore: tuple[str, ...]) -> bool:
    """Tell whether a walk goes into a directory of this name."""
    if directory.startswith(".") or directory in NEVER_ENTERED:
        return False
    return not ignore or not any(fnmatch.fnmatchcase(directory, pattern) for pattern in ignore)


def is_temporary(name: str) -> bool:
    """Tell whether some program is still writing what will get another name: a browser, rsync, Syncthing, qBittorrent.

    rsync writes `.name.XXXXXX`, Syncthing `.syncthing.name.tmp` and `~syncthing~name.tmp`. A `.tmp` that carries no
    source file's name is none of ours and holds nothing up.
    """
    lower = name.lower()
    if lower.endswith(_TEMPORARY_ENDINGS):
        return True
    stem, dot, suffix = name.rpartition(".")
    if suffix.lower() == "tmp":
        inner = stem.removeprefix(".").removeprefix("syncthing.").removeprefix("~syncthing~")
    elif dot and name.startswith(".") and len(suffix) == _RSYNC_SUFFIX and suffix.isalnum():
        inner = stem[1:]
    else:
        return False
    return _role(inner)[0] is not None


def is_companion(suffix: str) -> bool:
    """Tell whether `<folder name><suffix>` would be a feature that is a file: a dot and capitals, as `.BEATS_GRID`."""
    return _COMPANION.match(suffix) is not None


def companions(found: Contents, folder_name: str) -> frozenset[str]:
    """The features of the folder of this name that are files, as their suffixes."""
    return frozenset(_suffix(name) for name in found.companions if name == folder_name + _suffix(name))


def is_relevant(name: str, folder: str | None = None, *, is_dir: bool = False) -> bool:
    """Tell whether a change of a file of this name can alter what is due in its folder, or what is said of its format.

    Audio of other names is left to passes: a directory may hold any number of it. `folder` is the folder's name, where
    that is known: a feature that is a file begins with it. `is_dir`: it is no file, but a directory, as `N.W.A` may be.
    """
    if _role(name)[0] is not None or is_temporary(name) or name.endswith(".INFO"):
        return True
    stem, dot, extension = name.rpartition(".")
    if dot and stem.lower() in ROLES and extension.lower() in UNREAD_EXTENSIONS:
        return True
    suffix = _suffix(name)
    return not is_dir and is_companion(suffix) and folder in (None, name.removesuffix(suffix))


def _folded(name: str) -> str:
    """A name without its letter case, and in one form of accents: macOS takes them apart."""
    return unicodedata.normalize("NFC", name).casefold()


def _suffix(name: str) -> str:
    return name[name.rfind(".") :] if "." in name else ""


_Rank = tuple[bool, int, str]
"""Rank of a name among those of its role: every one in small letters is before all others."""


_NO_ROLE: tuple[None, _Rank] = None, (True, 0, "")

_Candidates = dict[str, list[tuple[bool, _Rank]]]
"""Names for each role. A directory that is called like a source file is one only where no file is."""


def _take_in(entry: Name, candidates: _Candidates) -> str | None:
    """Put a name among the candidates; the role of it, None where it is no source file's."""
    role, rank = _role(entry.name)
    if role is not None:
        candidates.setdefault(role, []).append((entry.is_dir, rank))
    return role


def _role(name: str) -> tuple[str | None, _Rank]:
    stem, _, extension = name.rpartition(".")
    role = stem.lower()
    if role in ROLES and name.isascii() and (small := extension.lower()) in EXTENSIONS:
        return role, ((stem, extension) != (role, small), EXTENSIONS.index(small), name)
    return _NO_ROLE
