"""A Dask cluster with TLS: a scheduler, workers, and passes beside it, each process killed and started again at will.

As root it may lie in three network namespaces of own host names, joined by a bridge: `s` has the scheduler and the
passes, `a` and `b` have the workers.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.certificates import made_certificate
from support.service import PROGRAMS

_NET = "10.77.63"
_QUICK = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "30s",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__NANNY__PRE_SPAWN_ENVIRON__MALLOC_TRIM_THRESHOLD_": "0",
}
"""What docs/how-to/dask.md asks of the scheduler's and the workers' environment."""


def _free_port() -> int:
    """Find a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Cluster:
    """The processes of a cluster, by name: `scheduler`, `worker-N`, and passes by whatever they are called."""

    directory: Path
    env: Mapping[str, str] = field(default_factory=dict)
    namespaces: bool = False
    port: int = field(default_factory=_free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.certificate, self.key = made_certificate(self.directory, "cluster")

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return f"tls://{f'{_NET}.1' if self.namespaces else '127.0.0.1'}:{self.port}"

    @property
    def tls(self) -> list[str]:
        """Options of all programs, Dask's and ours."""
        certificate, key = str(self.certificate), str(self.key)
        return ["--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key]

    def start(
        self, name: str, command: Sequence[object], namespace: str = "s", log: str = ""
    ) -> subprocess.Popen[bytes]:
        """Start a process; what it writes goes to a file of its name."""
        if self.namespaces:
            named = ["ip", "netns", "exec", _named(namespace), "unshare", "--uts", "sh", "-c"]
            command = [*named, f'hostname {namespace}; exec "$@"', "sh", *command]
        with (self.directory / f"{log or name}.log").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                [str(each) for each in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **_QUICK, **self.env},
                process_group=0,
            )
        return self.processes[name]

    def start_scheduler(self) -> None:
        """Start the scheduler."""
        host = f"{_NET}.1" if self.namespaces else "127.0.0.1"
        where = ["--host", host, "--port", self.port, "--protocol", "tls", "--no-dashboard"]
        self.start("scheduler", [PROGRAMS / "dask", "scheduler", *where, *self.tls])

    def start_worker(self, number: int) -> None:
        """Start a worker, the even ones in `a`, the odd ones in `b`."""
        limits = ["--nthreads", 1, "--memory-limit", 0, "--no-dashboard", "--local-directory", self.directory]
        namespace = "ab"[number % 2]
        host = ["--host", f"{_NET}.{2 + number % 2}" if self.namespaces else "127.0.0.1"]
        command = [PROGRAMS / "dask", "worker", self.address, *limits, *host, *self.tls]
        self.start(f"worker-{number}", command, namespace)

    def start_pass(self, name: str, *arguments: object) -> subprocess.Popen[bytes]:
        """Start a pass that this cluster measures."""
        command = [PROGRAMS / "audiobatchd", "--once", *arguments, "--scheduler", self.address, *self.tls]
        return self.start(name, command)

    def log(self, name: str) -> str:
        """Text that a process has written so far."""
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def ended(self) -> list[str]:
        """Name the processes that have ended."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def dask_workers(self) -> list[psutil.Process]:
        """The processes of Dask's workers: children of the nannies."""
        return [
            child
            for name, process in self.processes.items()
            if name.startswith("worker-")
            for child in _children(process.pid)
            if "spawn_main" in _words(child)
        ]

    def children(self) -> list[psutil.Process]:
        """Our own worker processes on Dask's workers."""
        found = (child for worker in self.dask_workers() for child in _children(worker.pid))
        return [
            child
            for child in found
            if "audiobatchd.worker.process" in _words(child) or _title(child).startswith("audiobatchd w")
        ]

    def stop(self) -> None:
        """End all of them."""
        trees = [child for process in self.processes.values() for child in _children(process.pid, recursive=True)]
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for child in trees:
            with suppress(psutil.Error):
                child.kill()
        psutil.wait_procs(trees, timeout=20)


def _children(pid: int, *, recursive: bool = False) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=recursive)
    except psutil.Error:
        return []


def _words(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return ""


@contextmanager
def cluster(directory: Path, workers: int, **how: object) -> Iterator[Cluster]:
    """A cluster with so many workers."""
    made = Cluster(directory, **how)  # type: ignore[arg-type]  # checked by no caller's type
    with _network() if made.namespaces else nullcontext():
        try:
            made.start_scheduler()
            for number in range(workers):
                made.start_worker(number)
            yield made
        finally:
            made.stop()


# The network


def _named(namespace: str) -> str:
    return f"audiobatchd-{os.getpid()}-{namespace}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def _network() -> Iterator[None]:
    """Three namespaces, joined by a bridge in `s`."""
    names = [_named(each) for each in "sab"]
    try:
        for name in names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", names[0], "link", "add", "br0", "type", "bridge")
        _ip("-n", names[0], "addr", "add", f"{_NET}.1/24", "dev", "br0")
        _ip("-n", names[0], "link", "set", "br0", "up")
        for number, (each, name) in enumerate(zip("ab", names[1:], strict=True)):
            _ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", f"to-{each}", "netns", names[0])
            _ip("-n", name, "addr", "add", f"{_NET}.{2 + number}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", names[0], "link", "set", f"to-{each}", "master", "br0", "up")
        yield
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def set_link(namespace: str, state: str) -> None:
    """Cut the link of `a` or `b`, or join it again: `down`, `up`."""
    _ip("-n", _named("s"), "link", "set", f"to-{namespace}", state)
