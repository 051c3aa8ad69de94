"""The memory that a worker keeps over many tracks: `./dev bench resident [--models DIRECTORY]`.

One real worker process is sent one job after the other: tracks of 5 to 20 s, every fourth with stems, all analyzers.
Its resident size is read when it has loaded, and between jobs; it has to stay flat. Without models classifiers are left
out.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
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
    Stop,
    WorkerSettings,
    decode_from_worker,
    encode,
)
from audiobatchd.disk.listing import read_folder
from audiobatchd.plugin_api import STEMS
from audiobatchd.vocabulary.states import Outcome
from support.audio_files import make_track

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
SHORTEST, LONGEST = 5.0, 20.0
STEMS_EVERY = 4
MIB = 1 << 20


class Worker:
    """A worker process, as the daemon starts it."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        text = msgspec.json.encode(settings).decode()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "audiobatchd.worker.process", str(theirs.fileno()), str(os.getpid()), text],
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
    parser.add_argument("--models", type=Path, nargs="+", default=[], help="directories with models")
    arguments = parser.parse_args()
    worker = Worker(WorkerSettings(model_directories=tuple(map(str, arguments.models))))
    analyzers = ", ".join(f"`{offer.name}`" for offer in worker.offers if offer.unavailable is None)
    print(f"| tracks measured by one worker ({analyzers}) | resident, MiB |")
    print("| --- | --- |")
    print(f"| 0 (loaded) | {worker.resident():.0f} |", flush=True)
    measure_tracks(worker, arguments.tracks)
    worker.end()


if __name__ == "__main__":
    main()
