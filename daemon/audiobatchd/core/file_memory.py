"""Memory of source files beyond their records: what the catalog keeps of each, and how it goes on when they change."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from audiobatchd.vocabulary.files import FileStamp


class FileMemory(Struct, frozen=True):
    """Memory of one source file beyond its record, for as long as it has this stamp."""

    stamp: FileStamp
    digest: str | None = None
    """The digest of its content."""
    adopted: tuple[str, ...] = ()
    """The analyzers with keys in the record that were taken over."""
    failure: str | None = None
    """The damage that was found in it."""
    judges: str = ""
    """The analyzers that found it, as `judges` names them."""
    whole: str | None = None
    """The digest of all of its bytes."""
    disowned: tuple[str, ...] = ()
    """The features that are not to be taken over from other tools, whatever the file: an operator wants them measured,
    or struck out where there is no such file."""
    outdated: tuple[str, ...] = ()
    """The analyzers with keys in the record that were taken over from a file before this one."""

    @property
    def says_nothing(self) -> bool:
        """Tell whether nothing is remembered."""
        return self == FileMemory(self.stamp)

    def known(self, *, whole_file: bool) -> str | None:
        """Return the digest of its content, or of all of its bytes, as far as it is known."""
        return self.whole if whole_file else self.digest


_NO_FILE = FileStamp(b"", 0, 0)


def disowning(memory: Mapping[str, FileMemory], disowned: Mapping[str, tuple[str, ...]]) -> dict[str, FileMemory]:
    """Add `disowned` features to the memory of files, both by role; some of the files may not be there."""
    made = dict(memory)
    for role, names in disowned.items():
        old = made.get(role, FileMemory(_NO_FILE))
        made[role] = msgspec.structs.replace(old, disowned=tuple(dict.fromkeys((*old.disowned, *names))))
    return made


def outdated(memory: FileMemory, stamp: FileStamp) -> tuple[str, ...]:
    """Name the analyzers with keys that were taken over from a file before the one with this `stamp`."""
    return memory.outdated if memory.stamp == stamp else (*memory.outdated, *memory.adopted)


def adopting(old: FileMemory | None, new: FileMemory, measured: frozenset[str] = frozenset()) -> FileMemory:
    """Add to the `new` memory of a file which analyzers' keys were taken over, by the `old` one.

    Also those of analyzers that are not here now, or were not asked; not of those that have `measured` it since.
    """
    if old is None:
        return new
    adopted = (*(old.adopted if old.stamp == new.stamp else ()), *new.adopted)
    before = outdated(old, new.stamp)
    return msgspec.structs.replace(
        new,
        adopted=tuple(name for name in dict.fromkeys(adopted) if name not in measured),
        outdated=tuple(name for name in dict.fromkeys(before) if name not in measured and name not in new.adopted),
    )
