"""Runs the installed programs as users do, and waits for what they should come to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from audiobatchd.control.client import ControlClient
from audiobatchd.control.status import Status
from audiobatchd.disk.boot import boot_id
from audiobatchd.errors import NoDaemonError

PROGRAMS = Path(sys.executable).parent
TIMEOUT = 120.0
_T = TypeVar("_T")


def descriptors_of(pid: int) -> dict[int, str]:
    """What each descriptor of a process is open to, without those that are closed meanwhile."""
    opened = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            opened[int(path.name)] = str(path.readlink())
    return opened


def eventually(condition: Callable[[], _T], timeout: float = TIMEOUT, what: object = "") -> _T:
    """The first true answer of `condition`; fails with `what` (called, if it can be) when none comes in time."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            message = f"not within {timeout} s: {what() if callable(what) else what}"
            raise AssertionError(message)
        time.sleep(0.02)


def run(*arguments: object, env: Mapping[str, str] | None = None, timeout: float = TIMEOUT) -> tuple[int, str, str]:
    """Run an installed program to its end: (exit code, standard output, standard error)."""
    program, *rest = map(str, arguments)
    command = [str(PROGRAMS / program), *rest]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})}, check=False
    )
    return done.returncode, done.stdout, done.stderr


def once(
    dataset: Path,
    *options: object,
    settle: float = 0.0,
    plugins: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> tuple[int, str, str]:
    """`audiobatchd --once DATASET`, by default without waiting for files to settle."""
    config = configuration(dataset.parent / "once.toml", dataset, settle=settle, plugins=plugins)
    return run("audiobatchd", "--config", config, "--once", dataset, *options, env=env)


def configuration(
    path: Path,
    *datasets: Path,
    settle: float = 0.3,
    rescan: float = 3600.0,
    plugins: Sequence[str] = (),
    **keys: object,
) -> Path:
    """Write a configuration file: with the analyzers `loudness`, which loads quickly, and `plugins`, or others."""
    keys = {"analyzers": ["loudness", *plugins], **keys}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    for dataset in datasets:
        lines += ["[[dataset]]", f"path = {json.dumps(str(dataset))}", f"settle = {settle}", f"rescan = {rescan}"]
    path.write_text("\n".join(lines) + "\n")
    return path


def record_of(folder: Path) -> dict[str, Any]:
    """The record of a track folder; empty where there is none."""
    path = folder / f"{folder.name}.INFO"
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


def features_of(folder: Path) -> dict[str, Any]:
    """The record without its provenance."""
    return {key: value for key, value in record_of(folder).items() if key != "_audiobatch"}


def leftovers(dataset: Path) -> list[str]:
    """Lock files and temporary files below a dataset."""
    names = [str(path.relative_to(dataset)) for path in dataset.rglob("*")]
    return [name for name in names if name.endswith((".lock", ".tmp"))]


def machine_went_down(dataset: Path) -> None:
    """Have the locks that were left beside folders be of a boot before this one."""
    for path in dataset.rglob("*.lock"):
        path.write_bytes(path.read_bytes().replace(boot_id().encode(), str(uuid.UUID(int=0)).encode()))


class Answering(ABC):
    """A service that can be asked how it stands, wherever it runs."""

    @abstractmethod
    def log(self) -> str:
        """Text that it has logged so far."""

    @abstractmethod
    def status(self) -> Status | None:
        """Status of the service; None while it does not answer."""

    def states(self) -> dict[str, int]:
        """Folders by state over all datasets, without zeros."""
        counts: dict[str, int] = {}
        status = self.status()
        for dataset in status.datasets if status else []:
            for state, number in dataset.folders.items():
                if number:
                    counts[state.value] = counts.get(state.value, 0) + number
        return counts

    def becomes(self, timeout: float = TIMEOUT, **states: int) -> None:
        """Wait until the folders are exactly in these states."""
        eventually(lambda: self.states() == states, timeout, lambda: f"{states}, but {self.states()}\n{self.log()}")


@dataclass(eq=False)
class Service(Answering):
    """A running `audiobatchd`."""

    process: subprocess.Popen[bytes]
    socket: Path
    log_path: Path

    def log(self) -> str:
        """Text that it has logged so far; its log's thread is given a moment to write what was just told."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(0.05)
        return self.log_path.read_text(errors="replace")

    def status(self) -> Status | None:
        """Status of the service; None while it does not answer."""
        try:
            return ControlClient(self.socket).status()
        except NoDaemonError:
            return None

    def is_watched(self) -> bool:
        """Tell whether the first dataset has been walked and is watched by events."""
        status = self.status()
        return status is not None and status.datasets[0].watch == "inotify" and bool(status.datasets[0].last_walk)

    def says(self, text: str, timeout: float = TIMEOUT) -> None:
        """Wait until the log contains `text`."""
        eventually(lambda: text in self.log(), timeout, lambda: f"{text!r} in:\n{self.log()}")

    def stop(self, number: int = signal.SIGTERM, timeout: float = TIMEOUT) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)

    def workers(self) -> list[int]:
        """The PIDs of its worker processes."""
        status = self.status()
        return [worker.pid for worker in status.workers if worker.pid] if status else []


@contextmanager
def service(
    directory: Path,
    config: Path,
    *options: object,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[Service]:
    """A daemon with its state and socket in `directory`; killed with its workers at the end, if it is still there.

    `prefix` is a command that starts it, as `nice` would.
    """
    directory.mkdir(exist_ok=True)
    socket, log_path = directory / "control.sock", directory / "log"
    command = [
        *prefix,
        PROGRAMS / "audiobatchd",
        "--config",
        config,
        "--state-dir",
        directory / "state",
        "--socket",
        socket,
    ]
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [*map(str, command), *map(str, options)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    running = Service(process, socket, log_path)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
