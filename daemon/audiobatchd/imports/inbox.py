"""An inbox as the service and its importer speak of it: what is asked, what is reported, and which machine has it.

The service starts a process of `importer` for each inbox, sends it the `Terms`, then an `Order` whenever that changes,
and is sent a `Report`: each a line of JSON, on the standard streams of the process.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from audiobatchd.disk import bounded
from audiobatchd.errors import AudiobatchError, ConfigError, LockBusyError, UsageError
from audiobatchd.imports import stems
from audiobatchd.imports.naming import Template
from audiobatchd.imports.settling import CLAIM
from audiobatchd.locks import kernel
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.states import InboxState

_MOST_OF_A_CLAIM = 4096
_MACHINE = Path("/etc/machine-id")


class Terms(Struct, frozen=True):
    """An inbox, and how it is worked."""

    path: str
    """As it is configured."""
    place: str
    """Its path without links, when the configuration was read."""
    dataset: str
    """Path of the dataset, as it is configured."""
    settle: float
    """Seconds of rest after which files are moved."""
    name: str
    """Template of the folders' names."""
    stems: str
    """Pattern by which stems are told; "" for the layouts that are known."""
    ignore: tuple[str, ...]
    """The dataset's patterns of directories that are not entered."""
    marker: str
    """The dataset's `ready_marker`; "" where it has none."""


class Order(Struct, frozen=True):
    """Word from the service whether anything may be moved now."""

    go: bool
    """True where it may."""
    why: str = ""
    """Reason why not."""
    root: FileId | None = None
    """The dataset's root, as the last walk saw it: another directory there is not the dataset."""


class Left(Struct, frozen=True):
    """A file, or what a directory holds besides music, that stays in the inbox."""

    path: str
    """As it is shown, below the inbox."""
    why: str
    """Reason why it stays."""


class Moved(Struct, frozen=True):
    """A track that was moved."""

    folder: str
    """Name of the track folder, as it is shown."""
    source: str
    """Path that its full mix had, as it is shown."""
    id: str
    """Name of the import."""


class Report(Struct, frozen=True):
    """The state of an inbox, and what has happened since the report before."""

    state: InboxState
    """State that people are told."""
    remark: str = ""
    """Reason why nothing is moved; empty where it is."""
    waiting: int = 0
    """Number of files that have not settled, or may not be moved yet."""
    left: tuple[Left, ...] = ()
    """The first of those that stay."""
    left_count: int = 0
    """Number of all that stay."""
    moved: tuple[Moved, ...] = ()
    """Tracks that were moved since."""
    told: tuple[Left, ...] = ()
    """What stays, and is told of for the first time."""


def refuse_unusable(name: str, pattern: str | None, where: str) -> None:
    """Raise ConfigError where an inbox's template or pattern cannot be used; `where` they stand."""
    try:
        Template(name)
        if pattern is not None:
            stems.pattern(pattern)
    except UsageError as error:
        # They are the same as the command's, whose options the message names.
        message = f"{str(error).replace(' --', ' ')} - at `{where}`"
        raise ConfigError(message) from error


class _Claim(Struct, frozen=True):
    """The content of the file by which a machine claims an inbox."""

    machine: str
    """The machine's ID, see machine-id(5)."""
    host: str
    """Its name, for people."""


@contextmanager
def claimed(inbox: str, machine: str | None = None) -> Iterator[None]:
    """Have an inbox for this machine and this process alone.

    Raises AudiobatchError where it is another machine's, LockBusyError where it is another process's, and OSError.

    The lock keeps other processes away for as long as files are moved. The content keeps other machines away for
    good: their clocks could not tell whether the one that wrote it is still there, and not every file system would
    show them the lock. A machine without an ID, as a container may be, claims nothing.
    """
    machine = _machine() if machine is None else machine
    path = os.path.join(inbox, CLAIM)
    descriptor = kernel.open_lock(path, os.O_RDWR | os.O_CREAT, 0o664)
    try:
        if not kernel.take(descriptor, local=False):
            message = f"another process is moving files out of {shown(inbox)}"
            raise LockBusyError(message)
        content = os.pread(descriptor, _MOST_OF_A_CLAIM, 0)
        try:
            claim = msgspec.json.decode(content, type=_Claim) if content else None
        except msgspec.MsgspecError:
            claim = _Claim("", "an unknown machine")
        if claim is None and machine:
            os.pwrite(descriptor, msgspec.json.encode(_Claim(machine, socket.gethostname())) + b"\n", 0)
            os.fsync(descriptor)
        elif claim is not None and machine and claim.machine != machine:
            message = (
                f"{shown(inbox)} is the inbox of {printable(claim.host)}, and one machine alone may have it: "
                f"take the table out of its configuration and remove {shown(path)}"
            )
            raise AudiobatchError(message)
        yield
    finally:
        kernel.close_lock(descriptor)


def _machine() -> str:
    try:
        return bounded.text(_MACHINE).strip()
    except (OSError, UnicodeDecodeError):
        return ""
