"""The manifest of an import: what is about to be done, line by line, each synced before the act.

`<dataset>/.audiobatch-imports/<id>.jsonl`, hidden from walks and watches. What stands in it is enough to go on after
the end of the process at any moment, and to undo the import exactly. Names are as `vocabulary.names.shown` has them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from audiobatchd.disk import interrupts
from audiobatchd.errors import AudiobatchError, LockBusyError
from audiobatchd.locks import kernel
from audiobatchd.vocabulary.names import parsed, shown

DIRECTORY = ".audiobatch-imports"
_LOCK = "lock"
_SUFFIX = ".jsonl"
_LINE_LIMIT = 1 << 20
_FORMAT = 1


class Mode(StrEnum):
    """The ways in which files are brought in."""

    AUTO = "auto"
    """A reflink where the file system has them, else a copy."""
    REFLINK = "reflink"
    HARDLINK = "hardlink"
    COPY = "copy"
    MOVE = "move"
    LINK = "link"
    """A symbolic link."""


class Begin(Struct, frozen=True, tag="begin"):
    """The first line: what was asked for."""

    id: str
    """Name of the import, as `new_id` makes it."""
    sources: tuple[str, ...]
    """Paths that are imported."""
    mode: Mode
    name: str
    """Template of the folders' names."""
    stems: str = ""
    """Pattern by which stems are told, as the user gave it; "" where there is none."""
    started: float = 0.0
    """Wall-clock time, for people."""
    format: int = _FORMAT
    """Version of this file format."""
    inbox: bool = False
    """True where the service moved it in from an inbox."""


class Origin(Struct, frozen=True, array_like=True):
    """A file of a library: where it lay, and how it was when it was looked at."""

    source: str
    """Absolute path."""
    size: int
    """Bytes."""
    mtime_ns: int


class Build(Struct, frozen=True, tag="build"):
    """A track folder is about to be built."""

    number: int
    """Counts the track folders of the import: no two lines of its kind have the same."""
    folder: str
    """Name that it will have in the dataset."""
    files: dict[str, Origin]
    """Its files, by the names that they get."""
    marker: str = ""
    """Name of the empty file that says that the folder is ready; "" where the dataset needs none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files in the folder."""
        return (*self.files, parsed(self.marker)) if self.marker else (*self.files,)


class Placed(Struct, frozen=True, array_like=True):
    """A file as it was put into the track folder."""

    size: int
    """Bytes."""
    mtime_ns: int
    ctime_ns: int
    """Change of anything at it, which no program can set back."""
    inode: int


class Publish(Struct, frozen=True, tag="publish"):
    """The folder is built and synced, and is about to get its name."""

    number: int
    """As in `Build`; the same goes for all lines below."""
    inode: int
    """Inode of the folder."""
    files: dict[str, Placed]
    """Its files, by their names."""

    def holds(self, folder: str) -> bool:
        """Tell whether these files lie in a folder, with the sizes and times that they had."""
        try:
            now = {name: os.lstat(os.path.join(folder, name)) for name in self.files}
        except OSError:
            return False
        return all(
            (now[name].st_size, now[name].st_mtime_ns) == (was.size, was.mtime_ns) for name, was in self.files.items()
        )


class Remove(Struct, frozen=True, tag="remove"):
    """The folder has its name; the files that it was moved from are about to be removed."""

    number: int


class Done(Struct, frozen=True, tag="done"):
    """The folder is there."""

    number: int


class Dropped(Struct, frozen=True, tag="dropped"):
    """The folder was not built after all: nothing is left of it."""

    number: int


class Undoing(Struct, frozen=True, tag="undoing"):
    """The folder is about to be taken out again."""

    number: int


class Undone(Struct, frozen=True, tag="undone"):
    """The folder is gone, and what was moved is where it came from."""

    number: int


class End(Struct, frozen=True, tag="end"):
    """The import came to its end; lines of its undoing may follow."""

    failed: int = 0
    """Number of tracks that could not be imported."""


Line = Begin | Build | Publish | Remove | Done | Dropped | Undoing | Undone | End
_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class Step(StrEnum):
    """Steps of a track folder, in their order."""

    BUILD = "build"
    PUBLISH = "publish"
    REMOVE = "remove"
    DONE = "done"
    DROPPED = "dropped"
    UNDOING = "undoing"
    UNDONE = "undone"


_STEPS: Mapping[type[Struct], Step] = {
    Remove: Step.REMOVE,
    Done: Step.DONE,
    Dropped: Step.DROPPED,
    Undoing: Step.UNDOING,
    Undone: Step.UNDONE,
}


@dataclass
class Entry:
    """A track folder of an import, as its lines tell."""

    build: Build
    step: Step = Step.BUILD
    """The last one that a line tells of."""
    publish: Publish | None = None
    """None as long as it has not come so far."""

    @property
    def is_there(self) -> bool:
        """Tell whether the folder should be in the dataset."""
        return self.step is Step.DONE

    @property
    def is_open(self) -> bool:
        """Tell whether something was begun and not brought to its end."""
        return self.step in (Step.BUILD, Step.PUBLISH, Step.REMOVE, Step.UNDOING)


@dataclass
class Manifest:
    """One import: its lines so far, and the file that the next ones go to."""

    path: str
    """Path of the file."""
    begin: Begin
    entries: dict[int, Entry] = field(default_factory=dict)
    """By their number."""
    ended: bool = False
    """True where the import came to its end."""
    length: int = 0
    """Bytes of whole lines: what stands behind them is the rest of one that a crash cut off."""
    _descriptor: int = -1
    """The open file; -1 where nothing is written to it."""

    @property
    def id(self) -> str:
        """The name of the import."""
        return self.begin.id

    def count(self, *steps: Step) -> int:
        """Count the track folders that are at one of these steps."""
        return sum(entry.step in steps for entry in self.entries.values())

    def write(self, line: Line, *, sync: bool = True) -> None:
        """Append a line, and wait until the disk has it. Raises OSError; then the act may not be done.

        Ctrl-C waits meanwhile: a line that is there and not known of would be written over in part.
        """
        with interrupts.held_back():
            if self._descriptor < 0:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._descriptor = os.open(self.path, flags, 0o666)
            # Of a line that failed, or that a crash cut off, nothing may stay behind the next one.
            os.ftruncate(self._descriptor, self.length)
            text = msgspec.json.encode(line) + b"\n"
            at, view = self.length, memoryview(text)
            while view:
                written = os.pwrite(self._descriptor, view, at)
                at, view = at + written, view[written:]
            if sync:
                os.fsync(self._descriptor)
            self.length = at
            self._take(line)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self, line: Line) -> None:
        match line:
            case Begin():
                self.begin = line
            case Build(number=number):
                self.entries[number] = Entry(line)
            case Publish(number=number):
                self.entries[number].publish = line
                self.entries[number].step = Step.PUBLISH
            case End():
                self.ended = True
            case _:
                self.entries[line.number].step = _STEPS[type(line)]


def read(path: str) -> Manifest | None:
    """Read a manifest; None where a crash left not even its first line.

    Raises AudiobatchError where it is no manifest, OSError where it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    made: Manifest | None = None
    with open(os.open(path, flags), "rb") as file:
        number = 0
        while (raw := file.readline(_LINE_LIMIT)).endswith(b"\n"):
            number += 1
            try:
                line = _DECODER.decode(raw)
                if made is None:
                    if not isinstance(line, Begin) or line.format != _FORMAT:
                        raise _wrong(path, number, "it is no manifest of this version")
                    made = Manifest(path, line)
                made._take(line)  # noqa: SLF001  # which only its reader and its writer call
            except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as error:
                raise _wrong(path, number, "it is no line of a manifest") from error
            made.length += len(raw)
        if len(raw) >= _LINE_LIMIT:
            raise _wrong(path, number + 1, "it is too long")
    return made


def all_in(dataset: str) -> list[Manifest]:
    """Read all manifests of a dataset, the oldest first. Raises as `read` does."""
    directory = os.path.join(dataset, DIRECTORY)
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(_SUFFIX))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (read(os.path.join(directory, name)) for name in names)
    made = [each for each in found if each is not None]
    return sorted(made, key=lambda each: (each.begin.started, each.id))


def new(dataset: str, begin: Begin) -> Manifest:
    """Make the manifest of an import that begins, with its first line synced. Raises OSError."""
    directory = os.path.join(dataset, DIRECTORY)
    made = Manifest(os.path.join(directory, begin.id + _SUFFIX), begin)
    made.write(begin)
    sync_directory(directory)
    return made


def new_id(dataset: str, now: float) -> str:
    """Make the name of an import that begins now, by the local time: "20261130-143012"; a second one has "-2"."""
    name = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    number, made = 1, name
    while os.path.lexists(os.path.join(dataset, DIRECTORY, made + _SUFFIX)):
        number += 1
        made = f"{name}-{number}"
    return made


@contextmanager
def held(dataset: str) -> Iterator[None]:
    """Keep every other import, and every undoing, from this dataset. Raises LockBusyError where one is at it."""
    directory = os.path.join(dataset, DIRECTORY)
    try:
        Path(directory).mkdir()
    except FileExistsError:
        pass
    else:
        sync_directory(dataset)
    descriptor = kernel.open_lock(os.path.join(directory, _LOCK), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not kernel.take(descriptor, local=False):
            message = f"cannot import into {shown(dataset)}: another import is at work there"
            raise LockBusyError(message)
        yield
    finally:
        kernel.close_lock(descriptor)


def sync_directory(path: str) -> None:
    """Wait until the disk has the names in a directory. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _wrong(path: str, number: int, why: str) -> AudiobatchError:
    return AudiobatchError(f"cannot understand the manifest {shown(path)}: line {number}: {why}; move it away")
