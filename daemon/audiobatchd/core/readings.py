"""What a look at a folder tells the core: made by `scan`, taken in by `folders`."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from audiobatchd.core.assessment import FileMemory
from audiobatchd.vocabulary.files import FolderKey


class Finding(StrEnum):
    """What a reading of a folder amounts to."""

    GONE = "gone"
    COMPLETE = "complete"
    DUE = "due"
    FAILED = "failed"
    BLOCKED = "blocked"
    LOST = "lost"


class Reading(Struct, frozen=True):
    """One look at one folder, made by `scan`. `reasons` are by file, or under "" for the folder as a whole.

    `on_their_way`: some files still have their temporary names, `waits_for` among them. `charges` and `suspicions` are
    what counted towards giving these files up, in this run and before. `at_rest`: its files are as they were when it
    was complete. `passed_over`: other files than before are passed over in it.
    """

    key: FolderKey
    finding: Finding
    signature: str = ""
    access: str = ""
    on_their_way: bool = False
    waits_for: str = ""
    due: tuple[str, ...] = ()
    reasons: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    unavailable: int = 0
    memory: dict[str, FileMemory] = {}
    charges: int = 0
    suspicions: int = 0
    at_rest: bool = False
    passed_over: bool = False
    has_record: bool = False
    """Of one that is GONE: a record is left in the directory, so its files are being replaced rather than removed."""
    unclear: str = ""
    """A signature of the record where it says nothing that can be understood, and so may be half-written."""
