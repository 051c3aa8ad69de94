"""Types and tools of all deeds. A deed does its first step at once; it yields the seconds until the next one."""

from __future__ import annotations

import errno
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from stress.ground import Ground, Track
from stress.keeper import Keeper

ANSWER = 20.0
"""Seconds within which a daemon to which nothing is done has to answer, on a busy machine."""

_AT_WORK = 0.4
_PATIENCE = 0.3
_STICKY = 0o1000

Say = Callable[[str], None]
Deed = Callable[[random.Random, Say], Iterable[float]]


def patiently(work: Callable[[], object]) -> Iterator[float]:
    """Do it as soon as there is room."""
    while True:
        try:
            work()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
        else:
            return
        yield _PATIENCE


def pick(ground: Ground, dice: random.Random, *, whole: bool = False) -> Track:
    """Choose a folder, at times one that is worked on; `whole`: its record is not to be spoiled already."""
    at_work, start = dice.random() < _AT_WORK, dice.randrange(len(ground.tracks))
    turned = [
        track
        for track in ground.tracks[start:] + ground.tracks[:start]
        if not track.is_busy and (track.garbage is None or not whole)
    ]
    return next((track for track in turned if at_work and track.lock.exists()), turned[0])


def until_it_answers(keeper: Keeper, when: str, patience: float = math.inf) -> Iterator[float]:
    """Wait until the daemon answers, which it has to, but no longer than `patience`: something may keep it."""
    start = time.monotonic()
    while keeper.status() is None:
        waited = time.monotonic() - start
        if min(keeper.unchanged, waited) > ANSWER:
            keeper.troubles.append(f"the daemon did not answer within {ANSWER:.0f} s {when}")
        if min(keeper.unchanged, waited) > ANSWER or waited > patience:
            return
        yield _PATIENCE


def remove_bogus(lock: Path) -> None:
    """Remove a lock of the chaos's own: beside no folder it would be taken for data, and never go."""
    with suppress(FileNotFoundError):
        status = lock.stat()
        if status.st_size == 0 and not status.st_mode & _STICKY:
            lock.unlink()
