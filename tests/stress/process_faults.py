"""Faults of processes, and of what they share: the database, the room on the disk."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from stress.deeds import Deed, Say
from stress.ground import Ground
from stress.keeper import Keeper

_ANY_WORKER = 0.15
"""Of those that boot or wait, few: one that comes to no job is started again later and later."""

_LOOKS, _BETWEEN_LOOKS = 20, 0.1
_STOPS = ((0.1, 1.0), (0.5, 3.0), (8.0, 16.0))
"""Seconds; a job has ten."""


@dataclass
class Processes:
    """Kills, stops, fills and deletes; `hits` counts the workers that were met at work."""

    keeper: Keeper
    ground: Ground
    hits: int = 0

    def deeds(self) -> dict[str, tuple[int, Deed]]:
        """By name, with the weight of each."""
        return {
            "worker killed": (12, lambda dice, say: self.signal(dice, say, signal.SIGKILL)),
            "worker crashed": (4, lambda dice, say: self.signal(dice, say, signal.SIGSEGV)),
            "worker stopped": (6, self.stop),
            "daemon killed": (2, self.kill_daemon),
            "daemon told to stop": (1, self.stop_daemon),
            "pass beside": (2, self.pass_beside),
            "catalog deleted": (3, self.delete_catalog),
            **({"disk filled": (2, self.fill)} if self.ground.is_small else {}),
        }

    def signal(self, dice: random.Random, say: Say, number: signal.Signals) -> Iterable[float]:
        """Send a signal to a worker, to one at work if there is one soon."""
        for _ in range(_LOOKS):
            busy = self.keeper.busy_workers()
            if busy:
                break
            yield _BETWEEN_LOOKS
        workers = busy or self.keeper.workers()
        if not workers or (not busy and dice.random() > _ANY_WORKER):
            say("none is at work")
            return
        worker = dice.choice(workers)
        with suppress(ProcessLookupError):
            os.kill(worker.pid, number)
        self.hits += worker in busy
        say(f"PID {worker.pid}{', at work' if worker in busy else ''}")
        if number == signal.SIGSTOP:
            yield dice.uniform(*dice.choice(_STOPS))
            if worker.is_there():
                os.kill(worker.pid, signal.SIGCONT)
                say(f"PID {worker.pid} goes on")

    def stop(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Stop a worker for a while, sometimes for longer than it has."""
        return self.signal(dice, say, signal.SIGSTOP)

    def kill_daemon(self, _dice: random.Random, say: Say) -> Iterable[float]:
        """Kill the daemon's own process."""
        say("now" if self.keeper.kill() else "there is none")
        return ()

    def stop_daemon(self, _dice: random.Random, say: Say) -> Iterable[float]:
        """Have the daemon end, as a restart by systemd does."""
        say("now" if self.keeper.tell_to_stop() else "there is none, or it ends already")
        return ()

    def pass_beside(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Have somebody else of us work on the same dataset for a while, then kill that one."""
        say("begins" if self.keeper.start_pass() else "there is one already")
        yield dice.uniform(3.0, 15.0)
        if self.keeper.kill_pass():
            say("killed")

    def delete_catalog(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Remove the database, with what belongs to it or without."""
        names = ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"][: dice.choice((1, 3))]
        for name in names:
            (self.ground.state / name).unlink(missing_ok=True)
        say(", ".join(names))
        return ()

    def fill(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Leave no room for a while."""
        self.ground.fill()
        say("full")
        yield dice.uniform(0.5, 3.0)
        self.ground.empty()
        say("emptied")
