"""A library: the audio files below the paths that are imported, and all else that lies there, passed over and counted.

Nothing is opened here; names and stats tell what a file is.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from audiobatchd.core.discovery import NEVER_ENTERED, is_temporary
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.files import EXTENSIONS, UNREAD_EXTENSIONS, FileId
from audiobatchd.vocabulary.names import shown

_KINDS = {
    **dict.fromkeys(("bmp", "gif", "ico", "jpeg", "jpg", "png", "psd", "svg", "tif", "tiff", "webp"), "picture"),
    **dict.fromkeys(("asx", "m3u", "m3u8", "pls", "wpl", "xspf"), "playlist"),
    **dict.fromkeys(("avi", "flv", "m2ts", "m4v", "mkv", "mov", "mpeg", "mpg", "ts", "vob", "webm", "wmv"), "video"),
}
OTHER, HIDDEN, LINKED, FILE_LINK, UNREAD, UNFINISHED = (
    "other file",
    "hidden name",
    "directory link",
    "file link",
    "unread audio file",
    "unfinished file",
)
VIDEO = "video"


@dataclass(frozen=True)
class SourceFile:
    """An audio file of a library, as it was found."""

    path: str
    """Absolute, through no linked directory."""
    below: tuple[str, ...]
    """Names of the directories between the path that is imported and the file."""
    name: str
    size: int
    """Bytes."""
    mtime_ns: int
    identity: FileId
    """File behind the name: of several names of one file one counts."""
    is_link: bool
    """True where the name is a symbolic link to the file."""

    @property
    def directory(self) -> str:
        """The directory that it lies in."""
        return os.path.dirname(self.path)

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return self.name.rpartition(".")[0]

    @property
    def extension(self) -> str:
        """The extension in small letters, without its dot."""
        return self.name.rpartition(".")[2].lower()


@dataclass(frozen=True)
class Trouble:
    """A file or directory that cannot be imported, and the reason."""

    path: str
    """As it was found, for people to be shown."""
    why: str


@dataclass
class Library:
    """Contents of all paths that are imported."""

    audio: list[SourceFile] = field(default_factory=list)
    """In the order of their paths' bytes, each file once."""
    cues: list[str] = field(default_factory=list)
    """Paths of cue sheets."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """Number of files and directories that are none of an import's business, by kind: "picture", "playlist"."""
    troubles: list[Trouble] = field(default_factory=list)
    """Files and directories that cannot be read, and empty files."""


def refuse_unfit(sources: Iterable[str], dataset: str) -> None:
    """Raise UsageError for a source that is not there, or lies in `dataset`, a path without links."""
    for source in sources:
        place = os.path.realpath(source)
        if place == dataset or place.startswith(os.path.join(dataset, "")):
            message = (
                f"cannot import from {shown(source)}: it lies in the dataset {shown(dataset)}; "
                "make the dataset beside it, in a directory of its own"
            )
            raise UsageError(message)
        try:
            os.stat(place)
        except OSError as error:
            message = f"cannot import from {shown(source)}: {error.strerror}"
            raise UsageError(message) from error


def kind_of(name: str) -> str:
    """Name the kind of a file that is no audio which is read: "picture", "playlist"."""
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    return _KINDS.get(extension, UNREAD if extension in UNREAD_EXTENSIONS else OTHER)


def read(sources: Iterable[str], dataset: str, only: Collection[str] | None = None, *, links: bool = True) -> Library:
    """Find what lies below `sources`, files and directories; never enters `dataset`, a path without links.

    `only`: the names right in the sources that are taken, where not all are; without `links` no link is followed.
    Directories that are links, hidden, or of NAS systems and the like are not entered. Raises as `refuse_unfit` does.
    """
    sources = tuple(sources)
    refuse_unfit(sources, dataset)
    reading = _Reading(dataset, only, follows=links)
    for source in sources:
        place = os.path.realpath(source)
        if Path(place).is_dir():
            reading.tree(place)
        else:
            reading.file(place, (), is_link=False)
    reading.links()
    found = reading.found
    found.audio.sort(key=lambda each: os.fsencode(each.path))
    found.cues = sorted(set(found.cues))
    return found


class _Reading:
    """Fills one library."""

    def __init__(self, dataset: str, only: Collection[str] | None, *, follows: bool) -> None:
        self.found = Library()
        self._dataset = dataset
        self._only = only
        self._follows = follows
        self._directories: set[FileId] = set()
        self._files: set[str] = set()
        self._links: list[tuple[str, tuple[str, ...]]] = []

    def tree(self, root: str) -> None:
        """Take in a directory with all below it."""
        waiting: list[tuple[str, tuple[str, ...]]] = [(root, ())]
        while waiting:
            directory, below = waiting.pop()
            try:
                itself = FileId.of(os.stat(directory))
                # A mount may show a directory within itself.
                if itself in self._directories or directory == self._dataset:
                    continue
                self._directories.add(itself)
                with os.scandir(directory) as entries:
                    listed = [each for each in entries if below or self._only is None or each.name in self._only]
            except OSError as error:
                self.found.troubles.append(Trouble(directory, f"cannot read the directory: {error.strerror}"))
                continue
            waiting += [(each.path, (*below, each.name)) for each in self._entered(listed)]
            for each in listed:
                if not _is_dir(each):
                    self.file(each.path, below, is_link=each.is_symlink())

    def file(self, path: str, below: tuple[str, ...], *, is_link: bool) -> None:
        """Take in a file by its name."""
        name = os.path.basename(path)
        extension = name.rpartition(".")[2].lower() if "." in name else ""
        if name.startswith("."):
            self.found.passed_over[HIDDEN] += 1
        elif is_temporary(name):
            self.found.passed_over[UNFINISHED] += 1
        elif extension == "cue":
            self.found.cues.append(path)
        elif extension in EXTENSIONS and is_link and not self._follows:
            self.found.passed_over[FILE_LINK] += 1
        elif extension in EXTENSIONS and is_link:
            self._links.append((path, below))
        elif extension in EXTENSIONS:
            self._audio(path, below, is_link=False)
        else:
            self.found.passed_over[kind_of(name)] += 1

    def links(self) -> None:
        """Take in the files that are links: last, so that of a file and a link to it the file counts."""
        for path, below in self._links:
            self._audio(path, below, is_link=True)

    def _audio(self, path: str, below: tuple[str, ...], *, is_link: bool) -> None:
        try:
            status = os.stat(path)
            place = os.path.realpath(path) if is_link else path
        except OSError as error:
            self.found.troubles.append(Trouble(path, f"cannot read it: {error.strerror}"))
            return
        if place in self._files:
            return
        self._files.add(place)
        if not stat.S_ISREG(status.st_mode):
            self.found.troubles.append(Trouble(path, "cannot read it: it is no regular file"))
        elif status.st_size == 0:
            self.found.troubles.append(Trouble(path, "it is empty"))
        else:
            size, mtime = status.st_size, status.st_mtime_ns
            identity = FileId.of(status)
            self.found.audio.append(SourceFile(path, below, os.path.basename(path), size, mtime, identity, is_link))

    def _entered(self, listed: list[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        """Yield the directories to enter; the others are counted."""
        for entry in listed:
            if not _is_dir(entry):
                continue
            if entry.is_symlink():
                self.found.passed_over[LINKED] += 1
            elif entry.name.startswith(".") or entry.name in NEVER_ENTERED:
                self.found.passed_over[HIDDEN] += 1
            else:
                yield entry


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
