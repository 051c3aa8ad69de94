"""The worker processes of the service: starting, talking to, ending them. The core decides which one does what.

Traps that this code steps around: the parent-death signal fires when the *thread* that spawned ends, so workers are
spawned from the main thread; `Popen.wait` would block, so a pidfd tells of the end; a datagram socket has no half
messages, so a worker that is stopped in the middle of one cannot hold up the service. Settings go by that socket, not
as an argument, which every user of the machine may read and `systemctl status` shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import psutil

from audiobatchd.core.events import OUT_OF_MEMORY, Event, WorkerBroke, WorkerExited, WorkerSaid
from audiobatchd.core.messages import PACKET_LIMIT, Start, ToWorker, WorkerSettings, decode_from_worker, encode
from audiobatchd.disk import interrupts
from audiobatchd.disk.probes import Sleepers
from audiobatchd.locks import oom

THREAD_CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_STDERR_LINES = 20
_LINE_LIMIT = 500
_OOM_SCORE_ADJ = "500"
_CHILDREN_EVERY = 5
"""Every so many measurements children are looked for: that goes through all processes of the machine."""


@dataclass
class _Worker:
    """One process."""

    slot: int
    process: subprocess.Popen[bytes]
    channel: socket.socket
    """Our end of the socket that it is talked to by."""
    pidfd: int
    """Tells of its end."""
    stderr: int
    """Our end of the pipe that it writes everything else to."""
    vitals: psutil.Process
    """The process, to be measured."""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_STDERR_LINES))
    """The last lines that it wrote there."""
    partial: bytes = b""
    """The beginning of a line that has not ended."""

    def note(self, line: bytes) -> None:
        """Keep a line, unless it is blank."""
        if line.strip():
            self.lines.append(line[:_LINE_LIMIT].decode(errors="backslashreplace"))


class Pool:
    """All worker processes of one service. Everything that happens to them is handed to `post`, in the event loop."""

    def __init__(self, settings: WorkerSettings, post: Callable[[Event], None]) -> None:
        self._settings = settings
        self._post = post
        self._workers: dict[int, _Worker] = {}
        self._spawned: set[int] = set()
        """The PIDs of all that were ever started."""
        self._measurements = itertools.count()
        self._kills = oom.Kills()
        self._sleepers = Sleepers()
        self._children: dict[int, list[psutil.Process]] = {}
        """The processes that workers have started themselves, by the worker's PID, as last looked for."""

    def replan(self, settings: WorkerSettings) -> None:
        """Start workers with other settings from now on."""
        self._settings = settings

    def pids(self) -> list[int]:
        """Return the PIDs of the worker processes."""
        return [worker.process.pid for worker in self._workers.values()]

    def owns(self, pid: int) -> bool:
        """Tell whether a process is, or was, a worker of this pool; asked from any thread."""
        return pid in self._spawned

    def resident(self) -> dict[int, int]:
        """Return the resident memory of each worker with its children's, in bytes by the worker's PID, without waiting.

        A process that cannot be seen is left out, and may live all the same; so is one while descriptors are used up.
        """
        self._kills.notice()
        if next(self._measurements) % _CHILDREN_EVERY == 0:
            with contextlib.suppress(psutil.Error, OSError):
                self._children = _grandchildren()
        found = {}
        for worker in self._workers.values():
            with contextlib.suppress(psutil.Error, OSError):
                pid = worker.process.pid
                found[pid] = worker.vitals.memory_info().rss + sum(map(_resident, self._children.get(pid, ())))
        return found

    def asleep(self, now: float) -> dict[int, float]:
        """Return for how many seconds each worker has not run at all, by its PID."""
        return self._sleepers.measured({pid: f"/proc/{pid}" for pid in self.pids()}, now)

    def spawn(self, slot: int) -> int:
        """Start a worker in `slot`, which is empty; return its PID. Raises OSError where the machine cannot."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as opened:  # at each step the descriptors may be used up
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            opened.callback(ours.close)
            ours.setblocking(False)
            with theirs:
                # Before there is a process, which would wait for it: settings that are too long end here.
                ours.send(encode(Start(slot, os.getpid(), self._settings)))
                errors, errors_end = os.pipe()
                opened.callback(os.close, errors)
                try:
                    process = _started(slot, theirs, errors_end)
                finally:
                    os.close(errors_end)
            opened.callback(process.wait)
            opened.callback(process.kill)
            pidfd, vitals = os.pidfd_open(process.pid), psutil.Process(process.pid)
            opened.pop_all()
        os.set_blocking(errors, False)
        worker = _Worker(slot, process, ours, pidfd, errors, vitals)
        self._workers[slot] = worker
        self._spawned.add(process.pid)
        offer_to_the_oom_killer(process.pid)
        give_way(process.pid, self._settings)
        loop.add_reader(ours.fileno(), self._hear, worker)
        loop.add_reader(errors, self._read_errors, worker)
        loop.add_reader(worker.pidfd, self._exited, worker)
        return process.pid

    def send(self, slot: int, message: ToWorker) -> None:
        """Send a message to the worker in `slot`. A worker that cannot hear ends, or misses its deadline."""
        worker = self._workers.get(slot)
        if worker is not None:  # it may have gone while the news of that is still in the queue
            with contextlib.suppress(OSError):
                worker.channel.send(encode(message))

    def kill(self, slot: int) -> None:
        """End the worker in `slot` and all that it started, now."""
        worker = self._workers.get(slot)
        if worker is not None:
            _kill_group(worker)

    def _hear(self, worker: _Worker) -> None:
        try:
            packet = worker.channel.recv(PACKET_LIMIT + 1)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            # The worker has closed its end; the pidfd, or the deadline, says what that means.
            asyncio.get_running_loop().remove_reader(worker.channel.fileno())
            return
        try:
            message = decode_from_worker(packet)
        except msgspec.MsgspecError as error:
            self._post(WorkerBroke(worker.slot, worker.process.pid, f"it sent no message: {error}"))
        else:
            self._post(WorkerSaid(worker.slot, worker.process.pid, message))

    def _read_errors(self, worker: _Worker) -> None:
        try:
            chunk = os.read(worker.stderr, 65536)
        except BlockingIOError:
            return
        if not chunk:
            asyncio.get_running_loop().remove_reader(worker.stderr)
            return
        *lines, worker.partial = (worker.partial + chunk).split(b"\n")
        worker.partial = worker.partial[-_LINE_LIMIT:]
        for line in lines:
            worker.note(line)

    def _exited(self, worker: _Worker) -> None:
        loop = asyncio.get_running_loop()
        # Not yet reaped, so its group's number is still its own: whatever it started ends with it.
        _kill_group(worker)  # not by its slot: another one may live there since this one was lost
        code = worker.process.wait()
        # What it still said before it ended counts.
        loop.remove_reader(worker.channel.fileno())
        self._drain(worker)
        self._read_errors(worker)
        worker.note(worker.partial)
        for descriptor in (worker.pidfd, worker.stderr):
            loop.remove_reader(descriptor)
            os.close(descriptor)
        worker.channel.close()
        if self._workers.get(worker.slot) is worker:
            del self._workers[worker.slot]
        killed = code == -signal.SIGKILL and self._kills.explains_one()
        self._post(
            WorkerExited(
                worker.slot,
                worker.process.pid,
                how_it_ended(code, worker.lines, out_of_memory=killed),
                signal=max(0, -code),
                exit_code=code if code >= 0 else None,
                from_outside=-code in interrupts.SENT,
                lines=tuple(worker.lines),
                out_of_memory=killed,
            )
        )

    def _drain(self, worker: _Worker) -> None:
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            while packet := worker.channel.recv(PACKET_LIMIT + 1):
                self._post(WorkerSaid(worker.slot, worker.process.pid, decode_from_worker(packet)))


def _started(slot: int, theirs: socket.socket, errors_end: int) -> subprocess.Popen[bytes]:
    descriptor = theirs.fileno()
    # What is sent to all processes of the service must not find one that cannot ignore it yet.
    with interrupts.kept_pending():
        return subprocess.Popen(
            [sys.executable, "-m", "audiobatchd.worker.process", "worker", str(slot), str(descriptor)],
            stdin=subprocess.DEVNULL,
            stdout=errors_end,
            stderr=errors_end,
            pass_fds=[descriptor],
            env={**os.environ, **dict.fromkeys(THREAD_CAPS, "1")},
            process_group=0,
        )


def _kill_group(worker: _Worker) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.process.pid, signal.SIGKILL)


def offer_to_the_oom_killer(pid: int) -> None:
    """Have the kernel end a worker when memory is used up, rather than the service that starts it again."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w", encoding="ascii") as file:
        file.write(_OOM_SCORE_ADJ)


def give_way(pid: int, settings: WorkerSettings) -> None:
    """Give a worker its nice value, class of input and output, and processors: what it starts inherits them.

    It has only just been started, and has no thread yet. What is refused is left as it is: nice values only rise.
    """
    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if settings.cpus is not None:
            process.cpu_affinity(list(settings.cpus))
        if settings.io_class is not None:
            process.ionice(psutil.IOPRIO_CLASS_IDLE if settings.io_class == "idle" else psutil.IOPRIO_CLASS_BE)
        if settings.nice is not None and settings.nice > process.nice():
            process.nice(settings.nice)


def how_it_ended(code: int, lines: deque[str], *, out_of_memory: bool) -> str:
    """Say an exit status in words, with the last line that the process wrote."""
    if out_of_memory:  # it came out of the blue: what was written before has nothing to do with it
        return OUT_OF_MEMORY
    how = f"killed by signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit code {code}"
    return f"{how} ({lines[-1]})" if lines else how


def _grandchildren() -> dict[int, list[psutil.Process]]:
    """Return the descendants of each child of this process, by the child's PID."""
    parents: dict[int, int] = {}
    descendants = psutil.Process().children(recursive=True)
    for process in descendants:
        with contextlib.suppress(psutil.Error, OSError):
            parents[process.pid] = process.ppid()
    found: dict[int, list[psutil.Process]] = {}
    for process in descendants:
        child = process.pid
        while parents.get(child) in parents:
            child = parents[child]
        if child != process.pid:
            found.setdefault(child, []).append(process)
    return found


def _resident(process: psutil.Process) -> int:
    """Return a process's resident bytes, 0 where it has ended."""
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
