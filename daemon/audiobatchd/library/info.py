"""Records for people's own scripts: reading one, and adding to it as safely as the daemon does."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import msgspec

from audiobatchd.core import provenance
from audiobatchd.core.assessment import Offer
from audiobatchd.core.discovery import companions
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.disk import record
from audiobatchd.disk.listing import read_names
from audiobatchd.disk.members import decoded, is_nothing
from audiobatchd.errors import RecordError
from audiobatchd.library.tracks import Folder, absolute
from audiobatchd.locks.folder_lock import FolderLock, held_here
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.vocabulary.names import shown
from audiobatchd.worker.process.analyzers import make

_BUDGET = 60.0

_momentary: set[FolderLock] = set()
"""Locks that are held for one call alone: another thread must not take one for its own."""

_saving = threading.Lock()
"""Threads that share a folder's lock write its record one after the other, or one would undo what another wrote."""


def read_info(folder: Folder) -> dict[str, Any]:
    """The record of `folder` as Python's `json` gives it; empty where there is none yet.

    A feature of the installed analyzers that is no finite number is missing: it is left out, and `has_features` says
    so, too. Values of other tools are given whatever they are, NaN and infinities among them; bytes outside UTF-8 come
    as halves of surrogate pairs, as in file names. Raises RecordError where the record is there and is no JSON object,
    or too large, and OSError where it cannot be read.
    """
    found = record.read_in(absolute(folder))
    nothing = {key for key, raw in found.values.items() if is_nothing(bytes(raw)) and bytes(raw) != b"null"}
    ours = _features() if nothing else frozenset()
    return {key: _decoded(key, bytes(raw)) for key, raw in found.values.items() if key not in nothing & ours}


def save_to_info(folder: Folder, results: Mapping[str, Any]) -> None:
    """Add `results` to the record of `folder`, in one step that no crash can tear; all other keys stay as they are.

    Values are what JSON can hold, numpy's numbers included. The folder's lock is checked where this process holds it,
    and else taken for the moment. Raises ValueError for what JSON cannot hold, a number that is not finite among it,
    and for the key `_audiobatch`; RecordError where the record cannot be replaced; LockBusyError and LockLostError
    where the folder is not ours; OSError. Nothing is written then.
    """
    values = {key: _checked(key, value) for key, value in results.items()}
    path = absolute(folder)
    name = record.name_in(path)
    with gate_of(path) as gate, record.opened(path) as descriptor, _saving:
        record.refuse_unwritable(name, descriptor)
        sources = read_names(path).sources.values()
        record.publish(name, descriptor, values, {}, first=record.rights_like(descriptor, sources), gate=gate)


@contextmanager
def gate_of(folder: Folder, budget: float = _BUDGET) -> Iterator[Callable[[], None]]:
    """The gate of the folder's lock: of the one that this process holds, else of one that is held meanwhile."""
    path = absolute(folder)
    lock = held_here(path)
    if lock is not None and lock not in _momentary:
        yield lock.gate
        return
    lock = FolderLock(path, budget)
    _momentary.add(lock)
    try:
        lock.acquire()
        yield lock.gate
    finally:
        lock.release()
        _momentary.discard(lock)


def present_in(folder: Folder) -> frozenset[str]:
    """The keys that hold something in the record of `folder`: `null`, and what is no finite number, count as missing.

    Raises as `read_info` does.
    """
    return record.read_in(absolute(folder)).present()


def companions_of(folder: Folder) -> frozenset[str]:
    """The features of `folder` that are files beside its record, as ".BEATS_GRID"; none where it cannot be read."""
    path = absolute(folder)
    try:
        return companions(read_names(path), os.path.basename(path))
    except OSError:
        return frozenset()


def _decoded(key: str, value: bytes) -> object:
    try:
        return decoded(value)
    except RecursionError as error:
        message = f"cannot understand the record: key '{shown(key)}' is nested too deeply for Python"
        raise RecordError(message) from error


@cache
def _features() -> frozenset[str]:
    """Names of the features that the installed analyzers give: they are asked for, and no analyzer is loaded."""
    made = [each for each in make(WorkerSettings()) if not isinstance(each, Offer)]
    return frozenset(feature.name for each in made for role in ROLES for feature in each.features(role))


def _checked(key: object, value: object) -> object:
    """`value` as it will be written."""
    if not isinstance(key, str):
        message = f"cannot save {key!r}: a key is text"
        raise ValueError(message)  # noqa: TRY004  # one error for all that cannot be saved
    if key == provenance.KEY:
        message = f"cannot save {key}: that key is audiobatchd's own"
        raise ValueError(message)
    try:
        plain = msgspec.to_builtins(value, enc_hook=_number)
        msgspec.json.encode({key: plain})  # it refuses more: halves of characters, keys that are no text
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        message = f"cannot save {shown(key)}: {error}"
        raise ValueError(message) from error
    if not _is_finite(plain):
        message = f"cannot save {shown(key)}: {value} is not finite"
        raise ValueError(message)
    return plain


def _number(value: object) -> object:
    """A number of numpy's as Python's own."""
    item = getattr(value, "item", None)
    if item is None:
        message = f"{type(value).__name__} is nothing that JSON can hold"
        raise TypeError(message)
    return item()


def _is_finite(value: object) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case dict():
            return all(map(_is_finite, value.values()))
        case list() | tuple():
            return all(map(_is_finite, value))
    return True


# A child of a fork must not wait for a thread that it does not have.
os.register_at_fork(before=_saving.acquire, after_in_parent=_saving.release, after_in_child=_saving.release)
