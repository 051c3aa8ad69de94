"""The content of a lock file: its holder, and whether it is a lock file of ours at all.

The content only tells people, and the next holder, about the last one; the kernel alone knows whether the lock is held.
"""

from __future__ import annotations

import math
import os
import re
import socket
import stat
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from audiobatchd.disk import filesystems
from audiobatchd.disk.boot import boot_id
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import kernel, oom

_GUIDES_TEXT = re.compile(rb"Processing started: ([^\n]*)\nPID: (\d{1,10})\nFile: ([^\n\0]*)\n?", re.DOTALL)

_BEGIN = b'{"v":1,"host":"'
"""Beginning of every text of ours."""


class Holder(Struct, frozen=True):
    """Content of a lock file of ours."""

    v: int
    """Version of these fields."""
    host: str
    """Name of the machine."""
    boot_id: str
    """Boot of the machine: once it has another, no process of this holder lives."""
    pid: int
    pid_start: int
    """Clock ticks from the boot to the start of the process: with its PID they name one process for good."""
    started: float
    """Wall-clock time, for display."""
    budget_s: float
    """Seconds after which the holder should have come on with its work, and written another `token`."""
    token: str
    """Random text that changes as the work goes on: the sign of life on network file systems."""
    alone: bool = False
    """True where no other job of its daemon ran beside it."""
    oom_kills: int = -1
    """Processes that the kernel had killed for want of memory when the work began; -1 where it did not tell."""
    pid_namespace: int = 0
    """Number of the PID namespace in which `pid` counts: containers of one machine share its boot, and may share the
    name of their host; 0 where that is not told."""


class GuideText(Struct, frozen=True):
    """Content of a lock file of the batch guide's scripts."""

    started: str
    """Local time."""
    pid: int
    file: bytes
    """Name of the folder."""


class Empty(Struct, frozen=True):
    """Empty content: the file was just made, or was given back on a network file system."""


class Unreadable(Struct, frozen=True):
    """Content that cannot be read now: a file server keeps the file from all but its unknown holder."""

    unreadable: bool = True
    """Tells this one from the others where it is printed as JSON."""


Content = Holder | GuideText | Empty | Unreadable


def parse(raw: bytes) -> Content | None:
    """Parse the content of a lock file; None where it is not one of ours (`poetry.lock`), and may not be touched."""
    if not raw:
        return Empty()
    if text := _GUIDES_TEXT.fullmatch(raw):
        return GuideText(text[1].decode(errors="backslashreplace"), int(text[2]), text[3])
    try:
        # The first line alone: a holder that died between writing and truncating left the end of the one before it.
        return msgspec.json.decode(raw.partition(b"\n")[0], type=Holder)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read(descriptor: int) -> bytes:
    """Read the content of an open lock file. Raises PermissionError where an SMB server has it locked as a whole."""
    return os.pread(descriptor, kernel.CONTENT, 0)


def look_into(descriptor: int) -> Content | None:
    """Read and parse what is open; None where it is no lock file of ours."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    try:
        return content_of(read(descriptor), descriptor)
    except PermissionError:
        return Unreadable()


def content_of(raw: bytes, descriptor: int) -> Content | None:
    """Parse what was read of an open file, as `parse` does.

    A client of NFS may have the size of another machine's text for a moment: it shows zeros up to there where the file
    is empty, and cuts a longer text off. Such a file counts as empty: the kernel alone tells whether a lock is held.
    """
    found = parse(raw)
    if found is not None or len(raw) >= kernel.CONTENT:
        return found
    is_half_seen = not raw.strip(b"\0") or (raw.startswith(_BEGIN) and b"\n" not in raw)
    return Empty() if is_half_seen and filesystems.kind_of(descriptor) is not Kind.LOCAL else None


def of_this_process(
    started: float, budget: float, token: str, *, alone: bool = False, oom_kills: int | None = None
) -> bytes:
    """Describe this process for a lock that it holds; `oom_kills` is the present count where it is not given."""
    holder = Holder(
        v=1,
        host=socket.gethostname(),
        boot_id=boot_id(),
        pid=os.getpid(),
        pid_start=_pid_start(),
        started=started,
        # JSON has no infinity: it would come out as `null`, and the lock not be known for ours.
        budget_s=budget if math.isfinite(budget) else sys.float_info.max,
        token=token,
        alone=alone,
        oom_kills=oom.on_this_machine() if oom_kills is None else oom_kills,
        pid_namespace=_pid_namespace(),
    )
    return msgspec.json.encode(holder) + b"\n"


def speaks_against_its_folder(left: Content) -> bool:
    """Tell whether the folder may be what killed the holder that left this.

    Only a folder that was worked on alone can be. Where the machine is up as it was then, and has killed nothing for
    want of memory since, a person or a service manager ended the holder with its daemon: no work on a folder can do
    that.
    """
    if not isinstance(left, Holder) or not left.alone:
        return False
    is_up = left.boot_id == boot_id()
    return not (is_up and left.oom_kills >= 0 and left.oom_kills == oom.on_this_machine())


def is_of_this_place(holder: Holder) -> bool:
    """Tell whether the holder's PID means the same process here as it did to the holder."""
    here = (socket.gethostname(), boot_id())
    return (holder.host, holder.boot_id) == here and holder.pid_namespace in {0, _pid_namespace()}


def _pid_namespace() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _pid_start() -> int:
    fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    return int(fields[fields.rindex(")") + 2 :].split()[19])
