"""Stress of the lock: many processes on few folders, some killed at any moment, and never two living holders.

The witness is memory that all processes share, not the lock. With `--guide-peers` every other process locks in the
manner of the batch guide's scripts. `--break-recheck` leaves out step 2 of the protocol, to show that the witness sees
what follows. With `--hosts` the processes run on hosts in namespaces of this machine in turn, and the folders may lie
on what these mount. One line of figures is printed; the exit code is 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import math
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path

from audiobatchd.disk import filesystems
from audiobatchd.errors import LockBusyError, LockLostError
from audiobatchd.locks import kernel
from audiobatchd.locks.folder_lock import MAKING, FolderLock, path_of
from audiobatchd.locks.reaper import Terms, reap

BUDGET = 60.0
TICK = 0.002
DEATH = 1.0
"""Seconds that the death of a killed process may take to be seen."""
GRACE = 30.0
"""Seconds after the limit at which processes that still run are killed, and called a violation."""
HOLDS_LONGER, ASKS_GATE, CLEANS_UP = 0.3, 0.02, 0.2

Gate = Callable[[], None]


@dataclass(frozen=True)
class Options:
    """The command line."""

    processes: int
    cycles: int
    folders: int
    seconds_limit: float
    seed: int
    guide_peers: bool
    kill_rate: float
    kills: int
    break_recheck: bool
    directory: str
    hosts: list[int]


class Count(IntEnum):
    """Counter of a process. DOUBLE and LOST are violations."""

    CYCLES = 0
    BUSY = 1
    GATES = 2
    REAPED = 3
    DOUBLE = 4
    LOST = 5


class Witness:
    """Table of the processes at work by folder, and of every process's counters, in memory that outlives them."""

    def __init__(self, folders: int, slots: int) -> None:
        self._folders = folders
        self._slots = slots
        self._cells = memoryview(mmap.mmap(-1, 8 * (1 + folders + slots * len(Count)))).cast("q")

    @property
    def over(self) -> bool:
        """Tell whether the reaper may end."""
        return bool(self._cells[0])

    def end(self) -> None:
        """Let the reaper end."""
        self._cells[0] = 1

    def enter(self, folder: int, slot: int) -> None:
        """Note that this process begins to work in `folder`: no other living process may be at work there."""
        other = self._cells[1 + folder]
        if other not in {0, os.getpid()} and self._lives(folder, other):
            self.add(slot, Count.DOUBLE)
        self._cells[1 + folder] = os.getpid()

    def leave(self, folder: int, slot: int) -> None:
        """Note that this process ends its work in `folder`, where no other one may have begun to."""
        if self._cells[1 + folder] != os.getpid():
            self.add(slot, Count.DOUBLE)
        self._cells[1 + folder] = 0

    def add(self, slot: int, count: Count) -> None:
        """Count one."""
        self._cells[self._place(slot, count)] += 1

    def of(self, slot: int, count: Count) -> int:
        """Return a counter of one process, and of those before it in its slot."""
        return self._cells[self._place(slot, count)]

    def sum(self, count: Count) -> int:
        """Return the sum of a counter over all processes."""
        return sum(self.of(slot, count) for slot in range(self._slots))

    def _place(self, slot: int, count: Count) -> int:
        return 1 + self._folders + slot * len(Count) + count

    def _lives(self, folder: int, pid: int) -> bool:
        """Tell whether the process that was at work there goes on; a killed one needs a while to be gone."""
        deadline = time.monotonic() + DEATH
        while time.monotonic() < deadline:
            if self._cells[1 + folder] != pid:
                return True
            if is_dead_or_dying(pid):
                return False
            time.sleep(TICK)
        return True


def is_dead_or_dying(pid: int) -> bool:
    """Tell whether a process has ended, or has a SIGKILL before it: it does nothing more then."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
        if state in {"Z", "X"}:
            return True
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return True
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask & 1 << signal.SIGKILL - 1 for mask in pending)


class Host:
    """Host in namespaces of this machine, as a process there has them."""

    _NAMESPACES = ("net", "uts", "mnt")

    def __init__(self, pid: int) -> None:
        self._opened = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in self._NAMESPACES]

    def enter(self) -> None:
        """Have this process run there from now on."""
        libc = ctypes.CDLL(None, use_errno=True)
        for descriptor in self._opened:
            if libc.setns(descriptor, 0):
                raise OSError(ctypes.get_errno(), "cannot enter a namespace")
        os.chdir("/")


class Worker:
    """Process that locks folders at random until it has done its cycles."""

    def __init__(self, options: Options, directory: str, witness: Witness, slot: int, dice: random.Random) -> None:
        self._options = options
        self._directory = directory
        self._witness = witness
        self._slot = slot
        self._dice = dice

    def run(self, deadline: float) -> None:
        """Work until the cycles are done, the time is up, or the parent is gone."""
        parent = os.getppid()
        cycle = guide_lock if is_guide(self._options, self._slot) else own_lock
        while self._witness.of(self._slot, Count.CYCLES) < self._options.cycles:
            if time.monotonic() > deadline or os.getppid() != parent:
                return
            number = self._dice.randrange(self._options.folders)
            try:
                with cycle(folder_of(self._directory, number), self._dice) as gate:
                    if gate is not None:
                        self._hold(number, gate)
                self._witness.add(self._slot, Count.BUSY if gate is None else Count.CYCLES)
            except LockLostError:
                self._witness.add(self._slot, Count.LOST)

    def _hold(self, number: int, gate: Gate) -> None:
        self._witness.enter(number, self._slot)
        try:
            if self._dice.random() < HOLDS_LONGER:
                time.sleep(self._dice.random() * TICK)
            if self._dice.random() < ASKS_GATE:
                self._witness.add(self._slot, Count.GATES)
                gate()
        finally:
            self._witness.leave(number, self._slot)


@contextlib.contextmanager
def own_lock(folder: str, _dice: random.Random) -> Iterator[Gate | None]:
    """The lock by the project's protocol: its gate, or None where another process has it."""
    lock = FolderLock(folder, BUDGET)
    try:
        lock.acquire()
    except LockBusyError:
        yield None
        return
    try:
        yield lock.gate
    finally:
        lock.release()


@contextlib.contextmanager
def guide_lock(folder: str, dice: random.Random) -> Iterator[Gate | None]:
    """The lock as the batch guide's scripts have it: they make the file, take `flock`, and write three lines."""
    path = path_of(folder)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
    except FileExistsError:
        if dice.random() < CLEANS_UP:
            guide_clean_up(path)
        yield None
        return
    try:
        if not flocked(descriptor):
            yield None
            return
        started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        text = f"Processing started: {started}\nPID: {os.getpid()}\nFile: {os.path.basename(folder)}\n"
        os.write(descriptor, text.encode())
        yield lambda: refuse_vanished(path, descriptor)
        refuse_vanished(path, descriptor)
        os.unlink(path)
    finally:
        os.close(descriptor)


def guide_clean_up(path: str) -> None:
    """Clean up as a careful script of the guide does a file whose `flock` it can get. An empty one may be just made."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if flocked(descriptor) and os.fstat(descriptor).st_size and is_named(path, descriptor):
            os.unlink(path)
    finally:
        os.close(descriptor)


def flocked(descriptor: int) -> bool:
    """Take `flock`, now or not at all; whether it was got."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_named(path: str, descriptor: int) -> bool:
    """Tell whether `path` names the open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def refuse_vanished(path: str, descriptor: int) -> None:
    """Raise where the lock file of a script of the guide is not there any more, or is another one."""
    if not is_named(path, descriptor):
        raise LockLostError(path)


class Stress:
    """The parent: starts the processes, kills some, starts others in their place, and looks at what is left."""

    def __init__(self, options: Options, directory: str, hosts: Sequence[Host]) -> None:
        self._options = options
        self._directory = directory
        self._hosts = hosts
        self._dice = random.Random(options.seed)
        self._reaper = options.processes
        self.witness = Witness(options.folders, options.processes + 1)
        self._deadline = time.monotonic() + options.seconds_limit
        self._running: dict[int, int] = {}
        self._generation = 0
        self._next_kill = time.monotonic() if options.kill_rate else math.inf
        self.kills = 0
        self.troubles: list[str] = []

    def run(self) -> None:
        """Run until all cycles are done or the time is up, then look at what is left."""
        for number in range(self._options.folders):
            folder = Path(folder_of(self._directory, number))
            folder.mkdir()
            (folder / "full_mix.flac").touch()
        for slot in range(self._options.processes + 1):
            self._start(slot)
        try:
            while self._running:
                self._wait_and_kill()
        finally:
            for pid in self._running:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        self._check_the_end()

    @property
    def _is_local(self) -> bool:
        return filesystems.of(self._directory)[0] is filesystems.Kind.LOCAL

    def _wait_and_kill(self) -> None:
        while self._running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            self._ended(*ended)
        if set(self._running.values()) == {self._reaper}:
            self.witness.end()
        elif self._running and self._kill_is_due():
            os.kill(self._dice.choice(list(self._running)), signal.SIGKILL)
            self.kills += 1
        if self._running and time.monotonic() > self._deadline + GRACE:
            self.troubles.append(f"{len(self._running)} processes did not end")
            for pid in self._running:
                os.kill(pid, signal.SIGKILL)
        time.sleep(TICK)

    def _kill_is_due(self) -> bool:
        if self._options.kills:
            # Spread evenly over the work, however long that takes.
            work = self._options.processes * self._options.cycles
            return self.witness.sum(Count.CYCLES) * (self._options.kills + 1) > (self.kills + 1) * work
        if time.monotonic() <= self._next_kill:
            return False
        self._next_kill += self._dice.expovariate(self._options.kill_rate)
        return True

    def _ended(self, pid: int, status: int) -> None:
        slot = self._running.pop(pid)
        if not os.WIFSIGNALED(status):
            if os.WEXITSTATUS(status):
                self.troubles.append(f"process {slot} failed")
        elif time.monotonic() < self._deadline + GRACE:
            self._start(slot)

    def _start(self, slot: int) -> None:
        self._generation += 1
        dice = random.Random(f"{self._options.seed} {self._generation}")
        worker = Worker(self._options, self._directory, self.witness, slot, dice)

        def body() -> None:
            if self._hosts:
                self._hosts[slot % len(self._hosts)].enter()
            if slot == self._reaper:
                self._reap_on()
            else:
                worker.run(self._deadline)

        self._running[fork(body)] = slot

    def _reap_on(self) -> None:
        parent = os.getppid()
        while not self.witness.over and os.getppid() == parent and time.monotonic() < self._deadline + GRACE:
            for removal in reap(self._directory, Terms()):
                if not removal.failure:
                    self.witness.add(self._reaper, Count.REAPED)

    def _check_the_end(self) -> None:
        """Kill a process in every folder. Half of them can be locked at once; one reaping leaves no file."""
        if self._options.guide_peers:
            time.sleep(MAKING)  # a script that was killed right after making its file is respected for so long
        for number in range(self._options.folders):
            self._die_in(number)
        self._lock_at_once(range(self._options.folders // 2))
        for removal in reap(self._directory, Terms()):
            if removal.failure:
                self.troubles.append(f"cannot reap {removal.path}: {removal.failure}")
        # On network file systems an emptied file stays.
        left = [path.name for path in Path(self._directory).glob("*.lock") if self._is_local or path.stat().st_size]
        if left:
            self.troubles.append(f"left after reaping: {', '.join(sorted(left))}")
        self._lock_at_once(range(self._options.folders))
        for slot in range(self._options.processes):
            if not self.witness.of(slot, Count.CYCLES):
                self.troubles.append(f"process {slot} never got a lock")

    def _lock_at_once(self, numbers: range) -> None:
        for number in numbers:
            lock = FolderLock(folder_of(self._directory, number), BUDGET)
            try:
                lock.acquire()
            except LockBusyError as error:
                self.troubles.append(str(error))
            lock.release()

    def _die_in(self, number: int) -> None:
        """Kill a process while it holds the lock of a folder; with guide's scripts about, every other one is such."""
        reading, writing = os.pipe()
        take = guide_lock if is_guide(self._options, number) else own_lock

        def hold() -> None:
            with take(folder_of(self._directory, number), random.Random()) as gate:
                os.write(writing, b"n" if gate is None else b"y")
                signal.pause()

        pid = fork(hold)
        os.close(writing)
        held = os.read(reading, 1) == b"y"
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        # A script of the guide does not take over what another process left.
        if not held and take is own_lock:
            self.troubles.append(f"cannot lock folder {number} after all have ended")


def fork(body: Callable[[], object]) -> int:
    """Run `body` in a child process that ends with it; the child's PID."""
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        body()
        code = 0
    except BaseException:  # noqa: BLE001  # no exception may leave the child: it would go on as the parent
        traceback.print_exc()
    finally:
        os._exit(code)


def folder_of(directory: str, number: int) -> str:
    """The path of one folder."""
    return os.path.join(directory, f"Track {number}")


def is_guide(options: Options, number: int) -> bool:
    """Tell whether the process of this number locks as the batch guide's scripts do."""
    return options.guide_peers and number % 2 == 1


def parse(arguments: list[str] | None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=16, metavar="N")
    parser.add_argument("--cycles", type=int, default=2000, metavar="N", help="of each process (default: 2000)")
    parser.add_argument("--folders", type=int, default=8, metavar="N")
    parser.add_argument("--seconds-limit", type=float, default=600.0, metavar="S", help="stop in any case")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--guide-peers", action="store_true", help="every other process is like a script of the guide")
    parser.add_argument("--kill-rate", type=float, default=50.0, metavar="N", help="kills each second (default: 50)")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="so many instead, spread over the cycles")
    parser.add_argument("--directory", default="", metavar="DIR", help="where the folders are made (default: /tmp)")
    whose = "processes whose namespaces of names, network and mounts the others enter in turn"
    parser.add_argument("--hosts", type=int, nargs="+", default=[], metavar="PID", help=whose)
    parser.add_argument("--break-recheck", action="store_true", help="leave step 2 out: there will be violations")
    return Options(**vars(parser.parse_args(arguments)))


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code."""
    options = parse(arguments)
    if options.break_recheck:
        kernel.names = lambda path, descriptor: True
    start = time.monotonic()
    hosts = [Host(pid) for pid in options.hosts]
    if hosts:
        hosts[0].enter()
    directory = tempfile.mkdtemp(prefix="lock-stress-", dir=options.directory or None)
    try:
        stress = Stress(options, directory, hosts)
        stress.run()
    finally:
        shutil.rmtree(directory)
    counted = {count.name.lower(): stress.witness.sum(count) for count in Count}
    sys.stdout.write(
        f"{options.processes} processes x {options.cycles} cycles on {options.folders} folders"
        f"{', half of them guide-style' if options.guide_peers else ''}: "
        f"cycles {counted['cycles']}, kills {stress.kills}, busy {counted['busy']}, gates {counted['gates']}, "
        f"reaped {counted['reaped']}, double holders {counted['double']}, lost {counted['lost']}, "
        f"troubles {len(stress.troubles)}, seconds {time.monotonic() - start:.1f}\n"
    )
    for trouble in stress.troubles:
        sys.stderr.write(f"{trouble}\n")
    return 1 if counted["double"] or counted["lost"] or stress.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
