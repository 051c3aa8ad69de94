"""The memory that a worker keeps, and what its start costs: `./dev bench resident [--models DIRECTORY]`.

First workers are started for some features alone: their processor time and resident size when they are ready. Then one
real worker process is sent one job after the other: tracks of 5 to 20 s, every fourth with stems, all analyzers. Its
resident size is read when it has loaded, and between jobs; it has to stay flat. Without models classifiers are left
out.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import psutil

from audiobatchd.core.assessment import Policy
from audiobatchd.core.messages import (
    PACKET_LIMIT,
    FromWorker,
    Job,
    Ready,
    Result,
    Start,
    Stop,
    WorkerSettings,
    decode_from_worker,
    encode,
)
from audiobatchd.disk.listing import read_folder
from audiobatchd.plugin_api import STEMS
from audiobatchd.vocabulary.states import Outcome
from support.audio_files import make_track
from support.processor_time import THREADS

SHORTEST, LONGEST = 5.0, 20.0
STEMS_EVERY = 4
MIB = 1 << 20
ASKED = {
    "`lufs` and `lra`": ("lufs", "lra"),
    "these and peaks": ("lufs", "lra", "true_peak", "sample_peak"),
    "`bpm`": ("bpm",),
    "all features": None,
}
"""The features that a worker is started for; None: all."""


class Worker:
    """A worker process, as the daemon starts it."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.send(encode(Start(0, os.getpid(), settings)))
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "audiobatchd.worker.process", "worker", "0", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **dict.fromkeys(THREADS, "1")},
            )
        ready = self._hear()
        assert isinstance(ready, Ready)
        self.offers = ready.offers

    def measure(self, folder: Path) -> None:
        """Have one folder measured. Raises RuntimeError where that fails."""
        signature = read_folder(str(folder)).signature
        job = Job(1, os.fsencode(folder), b"", signature, Policy(), {}, 3600.0)
        self._channel.send(encode(job))
        answer = self._hear()
        while not isinstance(answer, Result):
            answer = self._hear()
        if answer.outcome is not Outcome.DONE:
            message = f"cannot measure {folder}: {answer.outcome} {dict(answer.reasons)}"
            raise RuntimeError(message)

    def resident(self) -> float:
        """Resident size in MiB."""
        return psutil.Process(self._process.pid).memory_info().rss / MIB

    def processor_time(self) -> float:
        """CPU seconds so far, of all its threads."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def end(self) -> None:
        """Tell it to stop, and wait."""
        self._channel.send(encode(Stop()))
        self._process.wait()
        self._channel.close()

    def _hear(self) -> FromWorker:
        packet = self._channel.recv(PACKET_LIMIT + 1)
        if not packet:
            raise RuntimeError("the worker ended")
        return decode_from_worker(packet)


def measure_starts(settings: WorkerSettings, runs: int) -> None:
    """Print, as a Markdown table, what a worker has taken when it is ready, by the features that are asked for."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled modules, as where the package is installed
    found: dict[str, list[tuple[float, float]]] = {title: [] for title in ASKED}
    for number in range(runs + 1):
        for title, features in ASKED.items():
            worker = Worker(msgspec.structs.replace(settings, features=features))
            if number:
                found[title].append((worker.processor_time(), worker.resident()))
            worker.end()
    print("| a worker that is ready, for | CPU s | resident, MiB |")
    print("| --- | --- | --- |")
    for title, pairs in found.items():
        seconds, resident = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"| {title} | {seconds:.2f} | {resident:.0f} |", flush=True)
    print()


def measure_tracks(worker: Worker, tracks: int) -> None:
    """Have the tracks measured, and print a row of the table now and then."""
    lengths = random.Random(0)  # noqa: S311  # the same each time
    marks = {20, *range(50, tracks, 50), tracks}
    with tempfile.TemporaryDirectory(prefix="audiobatchd-bench-") as directory:
        for number in range(1, tracks + 1):
            stems = STEMS if number % STEMS_EVERY == 0 else ()
            seconds = lengths.uniform(SHORTEST, LONGEST)
            folder = make_track(Path(directory) / f"Track {number}", seconds=seconds, stems=stems, seed=number)
            worker.measure(folder)
            shutil.rmtree(folder)
            if number in marks:
                print(f"| {number} | {worker.resident():.0f} |", flush=True)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=200)
    parser.add_argument("--runs", type=int, default=7, help="how many workers are started for each row")
    parser.add_argument("--models", type=Path, nargs="+", default=[], help="directories with models")
    arguments = parser.parse_args()
    settings = WorkerSettings(model_directories=tuple(map(str, arguments.models)))
    if arguments.runs:
        measure_starts(settings, arguments.runs)
    worker = Worker(settings)
    analyzers = ", ".join(f"`{offer.name}`" for offer in worker.offers if offer.unavailable is None)
    print(f"| tracks measured by one worker ({analyzers}) | resident, MiB |")
    print("| --- | --- |")
    print(f"| 0 (loaded) | {worker.resident():.0f} |", flush=True)
    measure_tracks(worker, arguments.tracks)
    worker.end()


if __name__ == "__main__":
    main()
