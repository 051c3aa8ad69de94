"""Witness of every publish, as the kernel tells it: inotify on renames onto `*.INFO`. It asks the service nothing.

The rule that no folder is measured twice is held against what stands in the records, one publish after the other. A
record is one name in one directory; a *site* is one analyzer on one source file, and its fingerprint (name, size, time,
digest) stands in the record's provenance. Of every publish must hold:

1. It brings something: for one site at least another fingerprint than that which stood there before.

2. What it brings was never published in this record before: nothing is measured twice, nothing old comes back.

3. A site whose fingerprint stays was not measured again: its time of measurement stays too.

What stood there, and what was ever published, is forgotten when the chaos removes or spoils the record, or writes over
it what stood there before the last publish. A renamed folder has a record of a new name, a folder that is made again is
another directory. Deaths, stops, full disks, removed locks and the loss of the database are no excuse.

Beside that publishes are counted: no more than there were causes, which the chaos tells. One whose record had gone
again before it could be read (`unread`) is held against nothing but that.
"""

from __future__ import annotations

import codecs
import ctypes
import json
import os
import select
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

_MOVED_TO, _Q_OVERFLOW, _ONLYDIR = 0x80, 0x4000, 0x1000000
_HEADER = struct.Struct("iIII")
_NICE = -10
_PAUSE = 0.2
GAP = 0.5
"""Seconds. What others write without a lock between the service's last look and its rename is lost, and no fault."""

Site = tuple[str, str]
Print = tuple[str, int, int, str]
Identity = tuple[int, int]
"""Identity of a file: its inode, which may be given to another one some day, and when it was written."""


class _Fingerprint(msgspec.Struct, frozen=True):
    file: str
    size: int
    mtime_ns: int
    digest: str


class _Entry(msgspec.Struct, frozen=True):
    fingerprint: _Fingerprint
    measured: str = ""


class _Provenance(msgspec.Struct):
    analyzers: dict[str, dict[str, _Entry]] = {}


class _Record(msgspec.Struct):
    provenance: _Provenance = msgspec.field(name="_audiobatch", default_factory=_Provenance)


@dataclass(frozen=True)
class Measured:
    """Measurement of one site by a record: the file that was measured, and when."""

    fingerprint: Print
    when: str


def sites_of(content: bytes) -> dict[Site, Measured] | None:
    """Parse a record's provenance; None where it cannot be understood. A file without content is no record."""
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        record = msgspec.json.decode(content, type=_Record) if content.strip(b"\0 \n") else _Record()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        try:  # Python reads what it writes, NaN and halves of surrogate pairs as well
            record = msgspec.convert(json.loads(content), type=_Record)
        except (ValueError, msgspec.ValidationError):
            return None
    return {
        (analyzer, role): Measured(msgspec.structs.astuple(entry.fingerprint), entry.measured)
        for analyzer, entries in record.provenance.analyzers.items()
        for role, entry in entries.items()
    }


def identity_of(status: os.stat_result) -> Identity:
    """Identify a file."""
    return status.st_ino, status.st_mtime_ns


@dataclass
class History:
    """History of one record."""

    causes: int = 1
    times: list[float] = field(default_factory=list)
    standing: dict[Site, Measured] = field(default_factory=dict)
    published: set[tuple[Site, Print]] = field(default_factory=set)
    last: Identity = (0, 0)
    """The record that was read last."""

    def forget(self) -> None:
        """Whatever comes is new."""
        self.standing = {}
        self.published = set()

    def faults_of(self, found: dict[Site, Measured]) -> Iterator[str]:
        """Yield what is wrong with publishing this after all that was before."""
        brought = {
            site: now
            for site, now in found.items()
            if site not in self.standing or now.fingerprint != self.standing[site].fingerprint
        }
        if not brought:
            yield "published again what stood there already"
        for site, now in brought.items():
            if (site, now.fingerprint) in self.published:
                yield f"published a second time: {' of '.join(site)}"
        for site, now in found.items():
            if site not in brought and now.when != self.standing[site].when:
                yield f"measured a second time: {' of '.join(site)}"

    def take(self, found: dict[Site, Measured]) -> None:
        """Take note that this stands in the record now, put there by the service."""
        self.standing = found
        self.published |= {(site, now.fingerprint) for site, now in found.items()}


class Witness:
    """Sees publishes in a thread of its own. The chaos tells it what it does itself."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []
        """By folder, what broke the rule."""
        self.publishes = 0
        self.unread = 0
        self._histories: dict[tuple[int, str], History] = {}
        self._folders: dict[int, Path] = {}
        self._watches: dict[Path, int] = {}
        self._own: set[Identity] = set()
        self._lock = threading.RLock()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._inotify < 0:
            raise OSError(ctypes.get_errno(), "cannot watch")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="witness")
        self._thread.start()

    def stop(self) -> None:
        """See no more."""
        self._ending.set()
        self._thread.join()
        os.close(self._inotify)

    # What the chaos does

    def watch(self, folder: Path) -> None:
        """Look at this folder, which was made just now."""
        with self._lock:
            watch = self._libc.inotify_add_watch(self._inotify, os.fsencode(folder), _MOVED_TO | _ONLYDIR)
            if watch < 0:
                raise OSError(ctypes.get_errno(), "cannot watch", os.fspath(folder))
            self._folders[watch] = folder
            self._watches[folder] = watch

    @contextmanager
    def moving(self, folders: dict[Path, Path | None]) -> Iterator[None]:
        """Let these folders get other names meanwhile, or none."""
        with self._lock:
            self.drain()
            yield
            for old, new in folders.items():
                watch = self._watches.pop(old)
                if new is None:
                    del self._folders[watch]
                else:
                    self._folders[watch] = new
                    self._watches[new] = watch

    def cause(self, folder: Path) -> None:
        """Note that something changed for which the service should publish once."""
        with self._lock:
            self._history(folder).causes += 1

    @contextmanager
    def spoiling(self, folder: Path) -> Iterator[None]:
        """The record is removed or spoiled meanwhile."""
        with self._lock:
            self.drain()
            yield
            history = self._history(folder)
            history.forget()
            history.causes += 1

    @contextmanager
    def rewriting(self) -> Iterator[set[Identity]]:
        """A record is replaced by another tool meanwhile, which adds to the set what it puts there."""
        with self._lock:
            self.drain()
            yield self._own

    def published_within(self, folder: Path, start: float, seconds: float) -> bool:
        """Tell whether the service wrote the folder's record in this time."""
        with self._lock:
            return any(start <= moment <= start + seconds for moment in self._history(folder).times)

    def too_many(self) -> Iterator[tuple[str, str]]:
        """The folders in which there were more publishes than causes."""
        for (watch, name), history in self._histories.items():
            if len(history.times) > history.causes:
                folder = self._folders.get(watch, Path(name))
                yield folder.name, f"{len(history.times)} publishes of {name} by {history.causes} causes"

    # What the kernel tells

    def _look_on(self) -> None:
        # Later than the next publish it would not see what the first one was.
        if os.geteuid() == 0:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while not self._ending.is_set():
            if select.select([self._inotify], [], [], _PAUSE)[0]:
                self.drain()

    def drain(self) -> None:
        """Take note of everything up to now."""
        with self._lock:
            while True:
                try:
                    events = os.read(self._inotify, 1 << 16)
                except BlockingIOError:
                    return
                while events:
                    watch, mask, _, length = _HEADER.unpack_from(events)
                    name = events[_HEADER.size : _HEADER.size + length].rstrip(b"\0").decode()
                    events = events[_HEADER.size + length :]
                    if mask & _Q_OVERFLOW:
                        self.faults.append(("", "the kernel's queue ran over: not all was seen"))
                    elif name.endswith(".INFO") and watch in self._folders:
                        self._seen(watch, name)

    def _seen(self, watch: int, name: str) -> None:
        folder = self._folders[watch]
        history = self._histories.setdefault((watch, name), History())
        try:
            with (folder / name).open("rb") as file:
                identity, found = identity_of(os.fstat(file.fileno())), sites_of(file.read())
        except FileNotFoundError:
            identity, found = (0, 0), None
        if identity in self._own:
            self._own.discard(identity)
            if found is not None and found != history.standing:
                history.forget()
                history.causes += 1
                history.take(found)
            history.last = identity
            return
        self.publishes += 1
        history.times.append(time.monotonic())
        if found is None or identity == history.last:
            self.unread += 1
            history.forget()
            return
        history.last = identity
        self.faults += [(folder.name, f"{name}: {fault}") for fault in history.faults_of(found)]
        history.take(found)

    def _history(self, folder: Path) -> History:
        return self._histories.setdefault((self._watches[folder], f"{folder.name}.INFO"), History())
