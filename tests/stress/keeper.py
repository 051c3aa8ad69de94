"""Keeps a daemon running as systemd does: what ends is started again. It tells when one ends unasked."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from audiobatchd.control.client import ControlClient
from audiobatchd.control.status import Status
from audiobatchd.core.holds import NO_ANSWER
from audiobatchd.errors import AudiobatchError
from stress.ground import Ground
from support.service import PROGRAMS, Service, service

_PR_SET_CHILD_SUBREAPER = 36
_RESTART = 0.3
_STOP = 40.0
_DEATH = 5.0
_EXPECTED = {"kill": (-signal.SIGKILL,), "stop": (0,), "stop early": (0, -signal.SIGTERM)}
_ANSWER = 2.0
_LAST_LINES = 5
_READY = re.compile(r" worker-ready worker=(\d+) pid=(\d+)")
_DIED = re.compile(r' worker-died worker=(\d+) reason="?(.*?)"?$')


@dataclass(frozen=True)
class Process:
    """Process that is named for good: a PID alone may be given to another one."""

    pid: int
    start: int

    def is_there(self) -> bool:
        """Tell whether it still runs, or was stopped; one that waits to be reaped does not."""
        fields = _stat(self.pid)
        return bool(fields) and int(fields[19]) == self.start and fields[0] not in ("Z", "X")


class Keeper:
    """Keeper of one daemon after the other, with their state and socket in the same place."""

    def __init__(
        self, directory: Path, config: Path, ground: Ground, env: dict[str, str], prefix: Sequence[str] = ()
    ) -> None:
        # What a killed daemon leaves becomes our child: no other process may reap it, where PID 1 is no init.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.troubles: list[str] = []
        self.starts = 0
        self._directory = directory
        self._config = config
        self._state = ground.state
        self._env = env
        self._prefix = prefix
        self._environ = {**os.environ, **env}
        self._stack = ExitStack()
        self._running: Service | None = None
        self._sessions: set[int] = set()
        self._told = ""
        self._deadline = 0.0
        self._start_at = 0.0
        self._doomed: list[tuple[float, Process]] = []
        self._pass: subprocess.Popen[bytes] | None = None
        self._keeps = True
        self._dataset = ground.root
        self._hurt: set[int] = set()
        self._mute = 0
        self._changed = 0.0
        self._holding = 0
        self._was_holding = False
        self._held_until = 0.0

    @property
    def log_path(self) -> Path:
        """Path of the log of all daemons."""
        return self._directory / "log"

    @property
    def socket(self) -> Path:
        """Path of the socket of all daemons."""
        return self._directory / "control.sock"

    @property
    def unchanged(self) -> float:
        """Seconds for which there has been a daemon to which nothing was done."""
        if self._running is None or self._told or self._mute:
            return 0.0
        return time.monotonic() - self._changed

    @contextmanager
    def muted(self) -> Iterator[None]:
        """The daemon cannot answer meanwhile, and is not asked."""
        self._mute += 1
        try:
            yield
        finally:
            self._mute -= 1
            self._changed = time.monotonic()

    @contextmanager
    def held_by_a_disk(self) -> Iterator[None]:
        """Grant time to what sleeps in the kernel meanwhile: nothing can end it, and it needs time afterwards."""
        self._holding += 1
        self._was_holding = True
        try:
            yield
        finally:
            self._holding -= 1
            self._held_until = time.monotonic()

    def hurt(self, worker: Process) -> None:
        """Note that this worker may die, or be killed by the daemon, of what is done to it."""
        self._hurt.add(worker.pid)

    def daemon(self) -> Process | None:
        """The daemon's own process; None while there is none, it was told to end, or does not answer yet."""
        if self._running is None or self._told or self.status() is None:
            return None
        fields = _stat(self._running.process.pid)
        return Process(self._running.process.pid, int(fields[19])) if fields else None

    def died_unhurt(self) -> Iterator[str]:
        """Yield the log's lines on workers that died although nothing was done to them."""
        ready: dict[str, int] = {}
        for line in self.log_path.read_text(errors="replace").splitlines():
            if " service-started " in line:
                ready = {}
            elif found := _READY.search(line):
                ready[found[1]] = int(found[2])
            elif (found := _DIED.search(line)) and ready.pop(found[1], 0) not in {0, *self._hurt}:
                if self._was_holding and found[2] == NO_ANSWER:
                    continue  # it slept over the disk that was made to hang, and is ended for that
                yield f"nothing was done to it: {line}"

    def status(self) -> Status | None:
        """Ask the daemon; None while there is none that answers."""
        if self._mute:
            return None
        with suppress(AudiobatchError, OSError):
            return ControlClient(self.socket, _ANSWER).status()
        return None

    def workers(self) -> list[Process]:
        """The worker processes."""
        return _children(self._running.process.pid) if self._running else []

    def busy_workers(self) -> list[Process]:
        """List the workers that are at a folder, as far as the daemon tells."""
        status = self.status()
        at_work = {worker.pid for worker in status.workers if worker.state == "busy"} if status else set()
        return [each for each in self.workers() if each.pid in at_work]

    def tick(self) -> None:
        """See what has ended, and start what is to run."""
        now = time.monotonic()
        if self._running is not None and self._running.process.poll() is not None:
            self._ended(self._running.process.returncode)
            self._start_at = now + _RESTART
        if self._running is not None and self._told.startswith("stop") and now > self._last_moment():
            self.troubles.append(f"the daemon did not stop within {_STOP:.0f} s")
            self._running.process.kill()
        if self._running is None and self._keeps and now >= self._start_at:
            self._start()
        if self._pass is not None and self._pass.poll() is not None:
            self._pass = None
        self._reap_others()
        for deadline, process in list(self._doomed):
            if now > max(deadline, self._free_at(_DEATH)):
                self._doomed.remove((deadline, process))
                if process.is_there():
                    self.troubles.append(f"worker {process.pid} outlived its daemon")

    def kill(self) -> bool:
        """End the daemon's own process, and nothing else; whether there was one."""
        if self._running is None:
            return False
        workers = _children(self._running.process.pid)
        # One that was told to stop before may be at its very end, with that code, and be held there by a disk.
        self._told = f"{self._told}, kill" if self._told else "kill"
        self._running.process.kill()
        if not self._free_at(_DEATH):
            self._running.process.wait()
        self._doomed += [(time.monotonic() + _DEATH, worker) for worker in workers]
        return True

    def tell_to_stop(self) -> bool:
        """Have the daemon end by itself; whether there was one."""
        if self._running is None or self._told:
            return False
        # Before it answers it may not have come to listening for signals.
        self._told = "stop" if self.status() else "stop early"
        self._deadline = time.monotonic() + _STOP
        self._running.process.terminate()
        return True

    def start_pass(self) -> bool:
        """Have `audiobatchd --once` work beside the daemon; whether none did already."""
        if self._pass is not None:
            return False
        program = PROGRAMS / "audiobatchd"
        command = list(map(str, [program, "--config", self._config, "--once", self._dataset, "--workers", 1]))
        with (self._directory / "pass.log").open("ab") as log:
            self._pass = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environ, start_new_session=True
            )
        self._sessions.add(self._pass.pid)
        return True

    def kill_pass(self) -> bool:
        """Kill the pass that works beside; whether there was one."""
        if self._pass is None or self._pass.poll() is not None:
            return False
        workers = _children(self._pass.pid)
        self._pass.kill()
        self._pass.wait()
        self._doomed += [(time.monotonic() + _DEATH, worker) for worker in workers]
        return True

    def stop(self) -> None:
        """End for good: nothing may be left."""
        self._keeps = False
        self.tell_to_stop()
        while self._running is not None or self._pass is not None or self._doomed:
            self.tick()
            time.sleep(0.05)
        self.troubles += [f"process {pid} was left, {state}" for pid, state in self._left().items()]

    def close(self) -> None:
        """Leave nothing behind, whatever happened."""
        self._keeps = False
        self._stack.close()
        self.kill_pass()
        for pid in self._left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reap_others()

    def zombies(self) -> list[int]:
        """Children of the daemon that it did not reap."""
        pid = self._running.process.pid if self._running else 0
        return [each for each in _pids() if (fields := _stat(each)) and int(fields[1]) == pid and fields[0] == "Z"]

    def _start(self) -> None:
        self._told = ""
        self._changed = time.monotonic()
        self.starts += 1
        self._running = self._stack.enter_context(
            service(self._directory, self._config, "--state-dir", self._state, env=self._env, prefix=self._prefix)
        )
        self._sessions.add(self._running.process.pid)

    def _last_moment(self) -> float:
        """Return when the daemon has to have ended that was told to."""
        return max(self._deadline, self._free_at(_STOP))

    def _free_at(self, seconds: float) -> float:
        """Return until when processes may be left that a disk holds, or held so long ago; 0 where none is held."""
        now = time.monotonic()
        free = now + 1.0 if self._holding else self._held_until + seconds
        return free if self._holding or free > now else 0.0

    def _ended(self, code: int) -> None:
        if not any(code in _EXPECTED[each] for each in self._told.split(", ") if each):
            last = " | ".join(self.log_path.read_text(errors="replace").splitlines()[-_LAST_LINES:])
            self.troubles.append(f"the daemon ended with code {code} ({self._told or 'it was not told to'}): {last}")
        self._stack.close()
        self._running = None

    def _reap_others(self) -> None:
        """Reap what became our child, but not what we started ourselves."""
        started = {self._running.process.pid if self._running else 0, self._pass.pid if self._pass else 0}
        with suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in started:
                    return  # the next tick sees to it
                os.waitpid(ended.si_pid, 0)

    def _left(self) -> dict[int, str]:
        """Processes of any of our daemons' sessions, with their state."""
        found = {}
        for pid in _pids():
            fields = _stat(pid)
            if fields and int(fields[3]) in self._sessions:
                found[pid] = fields[0]
        return found


def _children(parent: int) -> list[Process]:
    found = []
    for pid in _pids():
        fields = _stat(pid)
        if fields and int(fields[1]) == parent and fields[0] != "Z":
            found.append(Process(pid, int(fields[19])))
    return sorted(found, key=lambda process: process.pid)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the state on; empty where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
