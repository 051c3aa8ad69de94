"""Source files and folders: what they are called, what tells one content from another, and what is passed over."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from audiobatchd.plugin_api import FULL_MIX, STEMS
from audiobatchd.vocabulary.names import shown

ROLES = (FULL_MIX, *STEMS)
"""Every source file has one of these roles: the name before its extension."""


EXTENSIONS = ("flac", "wav", "mp3", "ogg", "opus", "m4a", "aac", "aiff", "aif", "oga", "m4b", "mp4", "aifc", "wave")
"""Extensions of source files, best first: where two files share a role, the earlier extension is measured."""


UNREAD_EXTENSIONS = frozenset(
    {
        *("3gp", "ac3", "amr", "ape", "au", "caf", "dff", "dsf", "dts", "eac3", "m4p", "mka", "mkv", "mov", "mp1"),
        *("mp2", "mpc", "ra", "rf64", "shn", "snd", "spx", "tak", "tta", "w64", "weba", "webm", "wma", "wv"),
    }
)
"""Extensions of other audio files. They are not looked into; that they are left out is told (`NearMiss`)."""


class MissKind(StrEnum):
    """The ways in which audio can lie in a dataset and be no track folder's source file."""

    UNREAD = "unread-format"
    NAMED_LIKE_FOLDER = "named-like-folder"
    STEMS_ALONE = "stems-alone"
    LOOSE = "loose"
    OTHER_NAMES = "other-names"
    LINKED = "linked"


class NearMiss(Struct, frozen=True):
    """Files or folders of a kind that are passed over and look as if they were meant, as they are shown."""

    kind: MissKind
    count: int
    example: str
    """The path of one of them below the dataset: the first by name."""
    what: str
    """The kind in a few words, with the number: "12 audio files named like their folder"."""
    todo: str
    """What makes track folders of them."""

    @property
    def line(self) -> str:
        """The whole in one sentence."""
        return f"{self.what} (such as {self.example}): {self.todo}"


_LIMIT = 1 << 63


def in_64_bits(nanoseconds: int) -> int:
    """Cut a time stamp to what records, messages and databases can carry: a file may be of the year 2600."""
    return nanoseconds if -_LIMIT <= nanoseconds < _LIMIT else max(-_LIMIT, min(nanoseconds, _LIMIT - 1))


class FileId(NamedTuple):
    """Tells a file or a directory from all others of this machine that are there at the same time."""

    device: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileId:
        """The identity of the file with this `status`."""
        return cls(status.st_dev, status.st_ino)


class FileStamp(Struct, frozen=True, array_like=True):
    """The size and time of a source file, as `stat` says them. Two equal stamps are taken for one content."""

    name: bytes
    """The name as the file system has it, which may be no text."""
    size: int
    mtime_ns: int

    @property
    def shown(self) -> str:
        """The name as records and terminals show it."""
        return shown(os.fsdecode(self.name))


class Fingerprint(Struct, frozen=True):
    """A source file as an analyzer read it: its stamp and the digest of its content (see `audio.source.digest`)."""

    file: str
    """The name, as `shown`."""
    size: int
    mtime_ns: int
    digest: str
    """The digest, with the name of its method before it."""

    def is_of(self, stamp: FileStamp) -> bool:
        """Tell whether the file that was read is the one with this `stamp`."""
        return (self.size, self.mtime_ns) == (stamp.size, stamp.mtime_ns) and self.file == stamp.shown


class FolderKey(Struct, frozen=True, array_like=True, order=True):
    """Names a track folder: the dataset's root and the path below it, both as `os.fsdecode` gives them."""

    dataset: str
    path: str


RECORD_LIMIT = 16 << 20
"""Bytes of a record, where the configuration says nothing else."""
