"""Audits of datasets on disk: the adopted values of every record, held against the rules of `core.audit`."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec import Struct

from audiobatchd.core.audit import Auditor, Flaw
from audiobatchd.disk import record
from audiobatchd.disk.listing import walk
from audiobatchd.errors import RecordError
from audiobatchd.vocabulary.files import RECORD_LIMIT
from audiobatchd.vocabulary.names import folder_at, folder_shown


class Audited(Struct, frozen=True):
    """A track folder that was audited."""

    folder: str
    """Its path below the dataset, as it is shown."""
    adopted: int = 0
    """Number of values that nothing here has measured."""
    findings: tuple[Flaw, ...] = ()
    """Flaws of those that were asked for."""
    trouble: str = ""
    """Reason why it cannot be read."""


def audit_disk(
    root: str, auditor: Auditor, ignore: tuple[str, ...] = (), limit: int = RECORD_LIMIT
) -> Iterator[Audited]:
    """Audit the track folders at and below `root`, ordered by path, one record in memory at a time.

    A record of more than `limit` bytes is the trouble of its folder. Raises OSError for the root.
    """
    for path, names in walk(root, ignore):
        if isinstance(names, OSError):
            yield Audited(folder_shown(path), trouble=f"cannot read the folder: {names.strerror}")
        elif names.is_track:
            yield _audited(folder_at(root, path), folder_shown(path), frozenset(names.sources), auditor, limit)


def _audited(folder: str, name: str, roles: frozenset[str], auditor: Auditor, limit: int) -> Audited:
    try:
        found = record.read_in(folder, limit)
        there = {key: found.values[key] for key in found.present() if key in found.values}
        adopted = auditor.adopted(there, found.provenance.entry)
    except RecordError as error:
        return Audited(name, trouble=str(error))
    except OSError as error:
        return Audited(name, trouble=f"cannot read it: {error.strerror or os.strerror(error.errno or 0)}")
    return Audited(name, len(auditor.asked_of(adopted)), tuple(auditor.findings(adopted, roles)))
