"""Ctrl-C at every step of some work with locks and records: a program, because tracing leaves marks in its process.

A step is where CPython looks whether a signal came: after a call, at the beginning of a function, and before it goes
round in a loop.
"""

from __future__ import annotations

import dis
import gc
import signal
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from audiobatchd import FileLock, read_info, save_to_info
from audiobatchd.locks import folder_lock
from audiobatchd.locks.folder_lock import FolderLock
from support.service import leftovers

if TYPE_CHECKING:
    from _typeshed import TraceFunction

_LOOKS = ("CALL", "RESUME", "JUMP_BACKWARD")
_SAVED = {"lufs": -14.0}


def interrupted(work: Callable[[], object], step: int) -> bool:
    """Do `work` with Ctrl-C at the step of that number; False where it has fewer."""
    left = step
    last: dict[FrameType, int] = {}

    def trace(frame: FrameType, event: str, _: object) -> TraceFunction:
        nonlocal left
        frame.f_trace_opcodes = True
        if event == "opcode":
            done = dis.opname[frame.f_code.co_code[last[frame]]] if frame in last else ""
            last[frame] = frame.f_lasti
            left -= done.startswith(_LOOKS)
            if left == 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return trace

    try:
        sys.settrace(trace)
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return left <= 0


def hold(folder: Path) -> None:
    """Hold the lock for a moment."""
    with FileLock(folder) as lock:
        assert lock.acquired


def save(folder: Path) -> None:
    """Save without a lock of one's own."""
    save_to_info(folder, _SAVED)


def save_under_a_lock(folder: Path) -> None:
    """Save with one."""
    with FileLock(folder):
        save_to_info(folder, _SAVED)


def at_every_step_of(work: Callable[[], object], folder: Path) -> int:
    """The number of steps. Each time the script ends, and has to leave nothing."""
    for step in count(1):
        came = interrupted(work, step)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, step
        folder_lock._give_back_all()
        assert leftovers(folder.parent) == [], step
        assert read_info(folder) in ({}, _SAVED), step
        hold(folder)
        if not came:
            return step
    raise AssertionError


def at_every_step_of_acquiring(folder: Path) -> int:
    """The number of steps. Each time the script goes on, and has to have nothing."""
    for step in count(1):
        lock = FolderLock(str(folder), 60.0)
        if not interrupted(lock.acquire, step):
            lock.release()
            return step
        assert not lock.held, step
        assert leftovers(folder.parent) == [], step
    raise AssertionError


def main() -> None:
    """Print how many steps there were. Arguments: the work, and a track folder."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    gc.disable()
    if name == "acquire":
        steps = at_every_step_of_acquiring(folder)
    else:
        work = {"hold": hold, "save": save, "save_under_a_lock": save_under_a_lock}[name]
        steps = at_every_step_of(partial(work, folder), folder)
    sys.stdout.write(f"{steps}\n")
