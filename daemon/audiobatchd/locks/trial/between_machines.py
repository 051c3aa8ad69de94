"""Two machines that try one lock between them: they meet by files in the dataset's root, and share nothing else.

Each participant has one file, its note, and writes to no other one's. It says which others it sees, whom it met, and
how far it got; both follow it step by step. A note that is gone is a farewell, one that stays as it is a participant
that was killed: the waiting ends after a time. No clock of one machine is compared with another's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct

from audiobatchd.disk import bounded
from audiobatchd.disk.boot import boot_id
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import kernel
from audiobatchd.locks.folder_lock import age_of
from audiobatchd.vocabulary.names import shown

LOCK = ".audiobatch-trial.lock"
POLL = 0.05
OLD = 600.0
"""Seconds after which a file of a trial is what a killed process left; one in use is written again long before."""

_REFRESH = 60.0
_LIMIT = 1 << 16
_NOTE = re.compile(r"\.audiobatch-trial-(.+)-(\d+)-[0-9a-f]{16}")
_ANY_FILE = re.compile(_NOTE.pattern + r"(\.file)?|" + re.escape(LOCK))
_NOT_THERE_YET = (errno.ENOENT, errno.ESTALE)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """Result of a trial."""

    detail: str
    """Text for the user."""
    ok: bool | None = field(default=None, kw_only=True)
    """None where the trial could not be made."""


class Phase(StrEnum):
    """Step that a participant has reached: HERE, HOLDING, RELEASED the holder; HERE, TRIED, FINISHED the other one."""

    HERE = "here"
    HOLDING = "holding"
    TRIED = "tried"
    RELEASED = "released"
    FINISHED = "finished"


_IN_WORDS = {
    Phase.HOLDING: "held the lock",
    Phase.TRIED: "tried the lock",
    Phase.RELEASED: "released the lock",
    Phase.FINISHED: "tried the lock again",
}


class Note(Struct, frozen=True):
    """File in which a participant tells the others where it stands."""

    v: int
    """Version of these fields."""
    boot_id: str
    """Boot of the participant's kernel: containers and network namespaces of one machine share it."""
    device: int = 0
    """Device number of the dataset: in one kernel two mounts with one number are one client of a file server."""
    hears: tuple[str, ...] = ()
    """Names of the notes that it sees."""
    partner: str = ""
    """Name of the note of the participant that it met."""
    phase: Phase = Phase.HERE
    refused: bool = False
    """The challenger was refused the lock while the holder held it."""
    seconds: float | None = None
    """Time from the release until the challenger got the lock; None: it never did."""
    trouble: str = ""
    """Cause that keeps it from going on."""


def own_name() -> str:
    """Name the files of this process as no other process does."""
    host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname()) or "unnamed"
    return f".audiobatch-trial-{host}-{os.getpid()}-{secrets.token_hex(8)}"


def clear_leftovers(dataset: str) -> None:
    """Remove what killed trials left more than ten minutes ago, by the file system's own clock."""
    with os.scandir(dataset) as entries:
        paths = [entry.path for entry in entries if _ANY_FILE.fullmatch(entry.name)]
    for path in paths:
        # What another user left cannot always be removed, and does no harm.
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | kernel.OPEN_FLAGS)
            try:
                if age_of(path, descriptor) > OLD:
                    os.unlink(path)
            finally:
                os.close(descriptor)


def meet(dataset: str, kind: Kind, wait: float, patience: float, say: Say) -> Outcome:
    """Try the lock with one other participant that comes within `wait` seconds, here or on another machine.

    Each later step of the other one is waited for `patience` seconds. Leaves no file. Raises OSError where there can be
    no notes.
    """
    with _Participant(dataset, patience) as me:
        say(f"waiting up to {wait:g} s for the same command on another machine")
        partner = _find_partner(me, wait)
        if isinstance(partner, Outcome):
            return partner
        say(f"met {_who(partner)}")
        holder = min(me.name, partner)
        try:
            with _Lock(dataset, kind, holder) as lock:
                hold_or_challenge = _hold if holder == me.name else _challenge
                return hold_or_challenge(me, lock, partner, say)
        except OSError as error:
            return me.give_up(partner, f"{_who(me.name)} cannot try {LOCK}: {error.strerror or error}")


class _Participant:
    """Process that takes part: its own note while the context lasts, and its view of the notes of others."""

    def __init__(self, dataset: str, patience: float) -> None:
        self.name = own_name()
        self.note = Note(v=1, boot_id=boot_id(), device=os.stat(dataset).st_dev)
        self.patience = patience
        self._dataset = dataset
        self._path = os.path.join(dataset, self.name)
        self._descriptor = -1
        self._written = 0.0
        self._look = 0.0

    def __enter__(self) -> Self:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | kernel.OPEN_FLAGS
        self._descriptor = os.open(self._path, flags, 0o664)
        try:
            self._write()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._remove()

    def tell(self, **changes: Any) -> None:  # noqa: ANN401  # the fields of a note
        """Change the own note. One that is no longer young is written in any case: it must not pass for a leftover."""
        note = msgspec.structs.replace(self.note, **changes)
        if note != self.note or time.monotonic() - self._written > _REFRESH:
            self.note = note
            self._write()

    def others(self) -> list[str]:
        """List those that have a note there. Reading the directory first also makes new files visible on NFS."""
        start = time.monotonic()
        with os.scandir(self._dataset) as entries:
            names = sorted(entry.name for entry in entries if _NOTE.fullmatch(entry.name) and entry.name != self.name)
        self._look = time.monotonic() - start
        return names

    def note_of(self, name: str) -> Note | None:
        """The note of another one; None where it is half written, or cannot be read just now."""
        try:
            descriptor = os.open(os.path.join(self._dataset, name), os.O_RDONLY | kernel.OPEN_FLAGS)
        except OSError:
            return None
        try:
            # The first line alone: what is behind it is the end of an earlier and longer one.
            return msgspec.json.decode(os.pread(descriptor, _LIMIT, 0).partition(b"\n")[0], type=Note)
        except (OSError, msgspec.MsgspecError):
            return None
        finally:
            os.close(descriptor)

    def hear(self, partner: str, phase: Phase, within: float) -> Note | Outcome:
        """The partner's note when it has come to `phase`; an outcome where it will not."""
        deadline = time.monotonic() + within
        while True:
            if partner not in self.others():
                return Outcome(f"{_who(partner)} left before the end")
            note = self.note_of(partner)
            if note is not None:
                if note.trouble:
                    return Outcome(shown(note.trouble))
                if note.partner not in {"", self.name}:
                    return Outcome(f"{_who(partner)} is at it with another partner: try again")
                if note.phase is phase:
                    return note
            if time.monotonic() > deadline:
                missing = f"before it {_IN_WORDS[phase]} (waited {within:g} s)"
                return Outcome(f"{_who(partner)} took part, and stopped answering {missing}")
            self.pause()

    def see_off(self, partner: str) -> None:
        """Let the partner read the last words: wait until it has gone, but not for ever."""
        deadline = time.monotonic() + self.patience
        with contextlib.suppress(OSError):
            while partner in self.others() and time.monotonic() < deadline:
                self.pause()

    def pause(self) -> None:
        """Wait before the next look; longer where one look takes long, in a directory of very many folders."""
        time.sleep(max(POLL, self._look))

    def give_up(self, partner: str, trouble: str) -> Outcome:
        """Tell the partner why this cannot go on."""
        with contextlib.suppress(OSError):
            self.tell(trouble=trouble)
        self.see_off(partner)
        return Outcome(trouble)

    def _write(self) -> None:
        written = msgspec.json.encode(self.note) + b"\n"
        os.pwrite(self._descriptor, written, 0)
        os.ftruncate(self._descriptor, len(written))
        os.fsync(self._descriptor)
        self._written = time.monotonic()

    def _remove(self) -> None:
        # Closed first: NFS keeps a file of another name for one that is removed while it is open.
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        with contextlib.suppress(OSError):
            os.unlink(self._path)


class _Lock:
    """Lock that is tried. It carries its holder's name, so that no pair removes another pair's."""

    def __init__(self, dataset: str, kind: Kind, holder: str) -> None:
        self._path = os.path.join(dataset, LOCK)
        self._local = kind is Kind.LOCAL
        self._content = holder.encode() + b"\n"
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self.release()
        with contextlib.suppress(OSError):
            if bounded.read(self._path, _LIMIT)[0] == self._content:
                os.unlink(self._path)

    def hold(self) -> bool:
        """Take the lock and write to it; False where another one has it."""
        self._descriptor = kernel.open_lock(self._path, os.O_RDWR | os.O_CREAT, 0o664)
        if not kernel.take(self._descriptor, local=self._local):
            return False
        return self.still_holds()

    def still_holds(self) -> bool:
        """Write to the file, and tell whether it still has its name. Raises OSError (EIO: the lock was lost)."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, self._content, 0)
        os.fsync(self._descriptor)
        return kernel.names(self._path, self._descriptor)

    def release(self) -> None:
        """Give the lock back."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            kernel.close_lock(descriptor)

    def is_granted(self, me: _Participant) -> bool:
        """Try to take it, and give it back at once. Raises OSError where its file does not become visible in time."""
        deadline = time.monotonic() + me.patience
        while True:
            me.others()  # on NFS another machine's file may stay invisible without
            try:
                self._descriptor = kernel.open_lock(self._path, os.O_RDWR)
                return kernel.take(self._descriptor, local=self._local)
            except OSError as error:
                if error.errno not in _NOT_THERE_YET or time.monotonic() > deadline:
                    raise
            finally:
                self.release()
            me.pause()


def _find_partner(me: _Participant, wait: float) -> str | Outcome:
    """Wait for a partner: a note that says that it sees ours, which none of a killed process does."""
    deadline = time.monotonic() + wait
    while True:
        me.tell(hears=tuple(me.others()))
        there = [name for name in me.note.hears if _answers(me, me.note_of(name))]
        if len(there) > 1:
            return Outcome(f"more than one other takes part ({', '.join(map(_who, there))}): start two at a time")
        if there:
            me.tell(partner=there[0])
            return there[0]
        if time.monotonic() >= deadline:
            advice = "start the same command there at the same time"
            return Outcome(f"no other machine took part within {wait:g} s: {advice}")
        me.pause()


def _answers(me: _Participant, note: Note | None) -> bool:
    return note is not None and me.name in note.hears and note.partner in {"", me.name}


def _hold(me: _Participant, lock: _Lock, partner: str, say: Say) -> Outcome:
    if not lock.hold():
        return me.give_up(partner, f"{_who(me.name)} cannot hold {LOCK}: another process does")
    me.tell(phase=Phase.HOLDING)
    say("holding the lock")
    tried = me.hear(partner, Phase.TRIED, me.patience)
    if isinstance(tried, Outcome):
        return tried
    if not lock.still_holds():
        return me.give_up(partner, f"{_who(me.name)} cannot hold {LOCK}: another process removed it")
    lock.release()
    me.tell(phase=Phase.RELEASED)
    say("released the lock")
    # The partner may need its own patience until it gets the lock.
    finished = me.hear(partner, Phase.FINISHED, 2 * me.patience)
    if isinstance(finished, Outcome):
        return finished
    return _verdict(me.name, partner, finished, same_machine=_are_one(finished, me.note))


def _challenge(me: _Participant, lock: _Lock, partner: str, say: Say) -> Outcome:
    holding = me.hear(partner, Phase.HOLDING, me.patience)
    if isinstance(holding, Outcome):
        return holding
    refused = not lock.is_granted(me)
    me.tell(phase=Phase.TRIED, refused=refused)
    say("was refused the lock" if refused else "got the lock while it was held")
    # That the other one still held it is known only now: a killed holder says no more.
    released = me.hear(partner, Phase.RELEASED, me.patience)
    if isinstance(released, Outcome):
        return released
    me.tell(phase=Phase.FINISHED, seconds=_time_to_get(lock, me))
    say("got the lock after its release" if me.note.seconds is not None else "was refused the lock after its release")
    me.see_off(partner)
    return _verdict(partner, me.name, me.note, same_machine=_are_one(released, me.note))


def _are_one(one: Note, other: Note) -> bool:
    """Tell whether two participants are one client: then their locks may have reached no server."""
    return (one.boot_id, one.device) == (other.boot_id, other.device)


def _time_to_get(lock: _Lock, me: _Participant) -> float | None:
    start = time.monotonic()
    while not lock.is_granted(me):
        if time.monotonic() - start > me.patience:
            return None
        me.pause()
    return time.monotonic() - start


def _verdict(holder: str, challenger: str, note: Note, *, same_machine: bool) -> Outcome:
    """Put what the challenger found into the words that both sides print."""
    holds, challenges = _who(holder), _who(challenger)
    remark = " (both are this machine)" if same_machine else ""
    if not note.refused:
        found = f"{challenges} got the lock while {holds} held it: two would work on one folder"
        return Outcome(found + remark, ok=False)
    if note.seconds is None:
        found = f"{challenges} was refused the lock even after {holds} had released it"
        return Outcome(found + remark, ok=False)
    delay = f"{milliseconds(note.seconds)} after its release"
    found = f"{challenges} was refused the lock while {holds} held it, and got it {delay}"
    if same_machine:
        return Outcome(f"{found}; but both are this machine: start one of them on another")
    return Outcome(found, ok=True)


def milliseconds(seconds: float) -> str:
    """A short time for a person."""
    return f"{seconds * 1000:.0f} ms"


def _who(name: str) -> str:
    match = _NOTE.fullmatch(name)
    assert match is not None
    return f"process {match[2]} on {shown(match[1])}"
