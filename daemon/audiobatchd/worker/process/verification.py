"""Verification of files in the process that reads them: their content now against the digests in their provenance.

A file whose size and time changed is another file, and the service's to measure. One that kept both and has another
content was changed by no program that means well: a disk, a controller or a cable lost bits of it.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import msgspec
import psutil
from msgspec import Raw

from audiobatchd.core.provenance import Entry, Provenance
from audiobatchd.disk import record
from audiobatchd.disk.leases import open_recalled
from audiobatchd.disk.listing import read_folder, walk
from audiobatchd.disk.record import Record
from audiobatchd.errors import DamagedFileError, RecordError, SourceChangedError
from audiobatchd.vocabulary.files import FileStamp
from audiobatchd.vocabulary.names import folder_at, folder_shown, parsed
from audiobatchd.worker.process.measure import digests_of
from audiobatchd.worker.verification import Differing, Noted, Verification, Verified

_NICEST = 19
_Accounts = dict[str, list[tuple[str, str, Entry]]]
"""Accounts of one file, by the digest that they noted: the analyzer, the role of its features, and its entry."""


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer a request, the one line of `asked`, by a line of JSON for each track folder. Raises OSError."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICEST)
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
    request = msgspec.json.decode(asked.readline(), type=Verification)
    for each in verified(request):
        answers.write(msgspec.json.encode(each) + b"\n")
        answers.flush()


def verified(request: Verification) -> Iterator[Verified]:
    """Yield each track folder that comes after the one that was named, verified. Raises OSError for the root."""
    after = None if request.after is None else _place("" if request.after == "." else parsed(request.after))
    for path, names in walk(request.root, request.ignore):
        if after is not None and _place(path) <= after:
            continue
        if isinstance(names, OSError):
            yield Verified(folder_shown(path), troubles={"": f"cannot read the folder: {names.strerror}"})
        elif names.is_track:
            began = time.monotonic()
            found = _of_folder(request, path)
            yield found
            if request.rate:
                time.sleep(max(0.0, found.octets / request.rate - (time.monotonic() - began)))


def _place(path: str) -> tuple[str, ...]:
    """Give what a walk orders paths by."""
    return tuple(path.split("/")) if path else ()


def _of_folder(request: Verification, path: str) -> Verified:
    folder, name = folder_at(request.root, path), folder_shown(path)
    try:
        stamps = read_folder(folder).stamps
        known = record.read_in(folder, request.record_limit)
        accounts = {role: _accounts(known.provenance, stamp) for role, stamp in stamps.items()}
        with record.opened(folder) as descriptor:
            return _of_files(request, name, descriptor, stamps, known, accounts)
    except RecordError as error:
        return Verified(name, troubles={"": str(error)})
    except OSError as error:
        return Verified(name, troubles={"": f"cannot read it: {error.strerror}"})


def _of_files(
    request: Verification,
    name: str,
    folder: int,
    stamps: Mapping[str, FileStamp],
    known: Record,
    accounts: Mapping[str, _Accounts],
) -> Verified:
    intact = octets = 0
    unknown: list[str] = []
    changed: list[str] = []
    differing: list[Differing] = []
    troubles: dict[str, str] = {}
    for role, stamp in stamps.items():
        if not accounts[role]:
            unknown.append(stamp.shown)
            continue
        try:
            content, whole = _digests(folder, stamp)
        except SourceChangedError:
            changed.append(stamp.shown)
        except (DamagedFileError, OSError) as error:
            troubles[stamp.shown] = f"cannot read it: {getattr(error, 'strerror', None) or error}"
        else:
            octets += stamp.size
            others = {digest: those for digest, those in accounts[role].items() if digest not in {content, whole}}
            intact += not others
            if others:
                differing.append(_differing(stamp, content, others, known.values, request.features))
    return Verified(name, intact, tuple(unknown), tuple(changed), octets, tuple(differing), troubles)


def _accounts(provenance: Provenance, stamp: FileStamp) -> _Accounts:
    """Collect what analyzers noted of a file with this `stamp`. Raises RecordError."""
    found: _Accounts = {}
    for analyzer, by_role in provenance.analyzers.items():
        for role in by_role:
            entry = provenance.entry(analyzer, role)
            for each in (entry.fingerprint, *entry.others.values()) if entry is not None else ():
                if entry is not None and each.digest and each.is_of(stamp):
                    found.setdefault(each.digest, []).append((analyzer, role, entry))
    return found


def _digests(folder: int, stamp: FileStamp) -> tuple[str, str]:
    """Read the digests of a file from its disk. Raises DamagedFileError, SourceChangedError, OSError."""
    _forget_content(folder, stamp.name)  # what memory still has of it says nothing of the disk
    try:
        return digests_of(folder, stamp, lambda: None)
    finally:
        _forget_content(folder, stamp.name)  # which other programs have more use for


def _forget_content(folder: int, name: bytes) -> None:
    with contextlib.suppress(OSError):
        descriptor = open_recalled(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY, dir_fd=folder)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _differing(
    stamp: FileStamp,
    content: str,
    others: _Accounts,
    values: Mapping[str, bytes | Raw],
    features: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> Differing:
    noted = []
    kept: dict[str, Raw] = {}
    for digest, accounts in others.items():
        first = min((entry for _, _, entry in accounts), key=lambda entry: entry.measured)
        names = tuple(dict.fromkeys(analyzer for analyzer, _, _ in accounts))
        noted.append(Noted(digest, names, first.measured, first.host))
        for analyzer, role, _ in accounts:
            given = features.get(analyzer, {}).get(role, ())
            kept |= {name: _in_one_line(bytes(values[name])) for name in given if name in values}
    return Differing(stamp.shown, stamp.size, stamp.mtime_ns, content, tuple(noted), kept)


def _in_one_line(written: bytes) -> Raw:
    """Write a value of a record so that it fits into a line of JSON; what is no JSON, such as NaN, as a text."""
    text = written.decode(errors="backslashreplace")
    try:
        return Raw(msgspec.json.format(text, indent=-1))
    except (msgspec.MsgspecError, RecursionError):
        return Raw(msgspec.json.encode(text))
