"""Readings: what a look at a folder tells the core, made by `scan` and taken in by `transitions`."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from audiobatchd.core.file_memory import FileMemory
from audiobatchd.vocabulary.files import FolderKey


class Finding(StrEnum):
    """Sum of a reading."""

    GONE = "gone"
    """There is no such track folder."""
    COMPLETE = "complete"
    DUE = "due"
    """Something is to be measured."""
    FAILED = "failed"
    """Its files are damaged, or it was given up."""
    BLOCKED = "blocked"
    """Permissions or its record are in the way."""
    LOST = "lost"
    """The dataset itself is not there."""


class Reading(Struct, frozen=True):
    """Result of one look at one folder."""

    key: FolderKey
    finding: Finding
    signature: str = ""
    """Names, sizes and times of its source files, in short; empty where the directory cannot be read."""
    access: str = ""
    """Its permissions, in short."""
    on_their_way: bool = False
    """True where some files still have their temporary names."""
    waits_for: str = ""
    """One of these."""
    due: tuple[str, ...] = ()
    """The work that is due, in words, a file each."""
    reasons: dict[str, str] = {}
    """Reasons by file, or under "" for the folder as a whole."""
    warnings: tuple[str, ...] = ()
    unavailable: int = 0
    """Number of features that this machine cannot give."""
    memory: dict[str, FileMemory] = {}
    """Memory of its files, by role."""
    charges: int = 0
    """Errors that counted towards giving these files up, in this run and before."""
    suspicions: int = 0
    """Deaths over these files in a row, in this run and before."""
    at_rest: bool = False
    """True where its files are as they were when it was complete."""
    passed_over: bool = False
    """True where other files than before are passed over in it."""
    renewed: tuple[str, ...] = ()
    """The analyzers that are due where nothing else is: without them the folder was complete."""
    has_record: bool = False
    """Of one that is GONE: a record is left in the directory, so its files are being replaced rather than removed."""
    unclear: str = ""
    """A signature of the record where it says nothing that can be understood, and so may be half-written."""
