"""Faults of processes, and of what they share: database, socket, descriptors, watches, the room on the disk."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass

from stress.deeds import ANSWER, Deed, Say, until_it_answers
from stress.ground import Ground
from stress.keeper import Keeper
from support.namespaces import allow_inotify

_ANY_WORKER = 0.15
"""Share of workers that boot or wait: few, for one that comes to no job is started again later and later."""

_LOOKS, _BETWEEN_LOOKS = 20, 0.1
_STOPS = ((0.1, 1.0), (0.5, 3.0), (8.0, 16.0))
"""Seconds; a job has ten."""

INOTIFY = {"instances": 1000, "watches": 100_000}
"""Limits on inotify in the daemon's own user namespace."""

_DESCRIPTORS = 1024
_WORKERS_TOO = 0.3
_FREEZES = (12.0, 16.0)
_TO_ALL = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGRTMIN + 1)


@dataclass
class Processes:
    """Faults of processes: kills, stops, full tables and deletions."""

    keeper: Keeper
    ground: Ground
    limits_inotify: bool = False
    hits: int = 0
    """Number of workers that were met at work."""
    _is_frozen: bool = False

    def deeds(self) -> dict[str, tuple[int, Deed]]:
        """Deeds by name, with the weight of each."""
        return {
            "worker killed": (12, lambda dice, say: self.signal(dice, say, signal.SIGKILL)),
            "worker crashed": (4, lambda dice, say: self.signal(dice, say, signal.SIGSEGV)),
            "worker stopped": (6, self.stop),
            "daemon killed": (2, self.kill_daemon),
            "daemon told to stop": (1, self.stop_daemon),
            "pass beside": (2, self.pass_beside),
            "catalog deleted": (3, self.delete_catalog),
            "catalog held": (3, self.hold_catalog),
            "all frozen": (1, self.freeze),
            "all signalled": (6, self.signal_all),
            "descriptors used up": (3, self.use_up_descriptors),
            "socket removed": (4, self.remove_socket),
            **({"inotify used up": (4, self.use_up_inotify)} if self.limits_inotify else {}),
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
        self.keeper.hurt(worker)
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
        """Have another process of ours work on the same dataset for a while, then kill it."""
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

    def hold_catalog(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Have another process hold the database for a while."""
        try:
            with closing(sqlite3.connect(f"file:{self.ground.state}/catalog.sqlite?mode=rw", uri=True)) as holder:
                holder.execute("PRAGMA busy_timeout = 0")
                holder.execute("BEGIN EXCLUSIVE")
                say("held")
                yield dice.uniform(1.0, 8.0)
                say("given back")
        except sqlite3.Error as error:
            say(f"{error}")

    def freeze(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Stop the daemon and all workers for longer than a job has, and have them go on one after the other."""
        daemon = self.keeper.daemon()
        if daemon is None or self._is_frozen:
            say("none answers")
            return
        self._is_frozen = True
        known = self.keeper.log_path.stat().st_size
        frozen = [daemon, *self.keeper.workers()]
        for process in frozen:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGSTOP)
        say(f"PIDs {[process.pid for process in frozen]}")
        with self.keeper.muted():
            yield dice.uniform(*_FREEZES)
            for process in dice.sample(frozen, len(frozen)):
                if process.is_there():
                    os.kill(process.pid, signal.SIGCONT)
                yield dice.uniform(0.0, 0.5)
        say("all go on")
        start = time.monotonic()
        while daemon.is_there() and "stood-still" not in self._logged_since(known):
            if min(self.keeper.unchanged, time.monotonic() - start) > ANSWER:
                self.keeper.troubles.append("the daemon said nothing of its standstill")
                break
            yield _BETWEEN_LOOKS
        self._is_frozen = False

    def _logged_since(self, size: int) -> str:
        with self.keeper.log_path.open("rb") as log:
            log.seek(size)
            return log.read().decode(errors="replace")

    def signal_all(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Send the daemon and all that it has started a signal, as `systemctl kill` does."""
        daemon, number = self.keeper.daemon(), dice.choice(_TO_ALL)
        for process in [daemon, *self.keeper.workers()] if daemon else []:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        say(f"{signal.strsignal(number)}" if daemon else "none answers")
        return ()

    def use_up_descriptors(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Leave the daemon no descriptor, or a few, for a while; at times its workers too."""
        daemon = self.keeper.daemon()
        if daemon is None:
            say("none answers")
            return
        short = [daemon, *(self.keeper.workers() if dice.random() < _WORKERS_TOO else [])]
        say(f"PIDs {[process.pid for process in short]}")
        with self.keeper.muted():
            for process in short:
                with suppress(OSError):
                    used = len(os.listdir(f"/proc/{process.pid}/fd"))
                    _limit(process.pid, dice.choice((3, used, used + 2)))
            yield dice.uniform(1.0, 6.0)
            for process in short:
                if process.is_there():
                    with suppress(OSError):
                        _limit(process.pid, _DESCRIPTORS)
        say("given back")
        yield from until_it_answers(self.keeper, "after its descriptors were given back")

    def use_up_inotify(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Leave the daemon no instance or no watch of inotify for a while."""
        daemon, kind = self.keeper.daemon(), dice.choice(list(INOTIFY))
        if daemon is None:
            say("none answers")
            return
        with suppress(subprocess.CalledProcessError):  # it ended just now
            allow_inotify(daemon.pid, **{kind: dice.choice((0, 1, 20))})
            say(f"few {kind}")
            yield dice.uniform(2.0, 8.0)
            if daemon.is_there():
                allow_inotify(daemon.pid, **INOTIFY)
                say("given back")

    def remove_socket(self, _dice: random.Random, say: Say) -> Iterable[float]:
        """Remove the control socket, which has to be there again soon."""
        self.keeper.socket.unlink(missing_ok=True)
        say("now")
        return until_it_answers(self.keeper, "after its socket was removed")

    def fill(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Leave no room for a while."""
        self.ground.fill()
        say("full")
        yield dice.uniform(0.5, 3.0)
        self.ground.empty()
        say("emptied")


def _limit(pid: int, soft: int) -> None:
    """Let a running process have so many descriptors."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))
