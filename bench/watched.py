"""The cost of looking at a backfill: `./dev bench watched`.

The same folders (a mix of 30 s, 44.1 kHz stereo FLAC) are measured by the service with two workers, once alone and
once while `audiobatchctl top` runs on a terminal, `audiobatchctl follow` reads the events, and the metrics are fetched
every second. What is compared is the CPU time of the service with its workers; runs alternate; medians are printed.
"""

from __future__ import annotations

import argparse
import os
import pty
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.audio_files import make_track
from support.service import PROGRAMS, configuration, eventually, service

_CURL = ["curl", "--silent", "--fail", "--unix-socket"]


def backfill(dataset: Path, config: Path, place: Path, *, watched: bool) -> float:
    """CPU seconds of one backfill, from the service's start to its end."""
    for record in dataset.rglob("*.INFO"):
        record.unlink()
    shutil.rmtree(place, ignore_errors=True)
    with service(place, config) as daemon, ExitStack() as watchers:
        ctl = [str(PROGRAMS / "audiobatchctl"), "--socket", str(daemon.socket)]
        eventually(daemon.status)
        if watched:
            watchers.enter_context(on_a_terminal([*ctl, "top"]))
            watchers.enter_context(read_by(subprocess.Popen([*ctl, "follow"], stdout=subprocess.DEVNULL)))
            watchers.enter_context(scraped(daemon.socket))
        subprocess.run([*ctl, "wait"], check=True, stdout=subprocess.DEVNULL)
        watchers.close()
        daemon.process.terminate()
        _, _, used = os.wait4(daemon.process.pid, 0)
        daemon.process.returncode = 0
    return used.ru_utime + used.ru_stime


@contextmanager
def on_a_terminal(command: list[str]) -> Iterator[None]:
    """Program on a terminal of its own, whose screens are read."""
    leader, follower = pty.openpty()
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower) as process:
        os.close(follower)
        reader = threading.Thread(target=drained, args=(leader,))
        reader.start()
        yield
        process.terminate()
    reader.join()
    os.close(leader)


def drained(descriptor: int) -> None:
    """Read until the other side is gone, which a terminal tells by EIO."""
    try:
        while os.read(descriptor, 65536):
            pass
    except OSError:
        return


@contextmanager
def read_by(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """A program beside."""
    with process:
        yield
        process.terminate()


@contextmanager
def scraped(socket: Path) -> Iterator[None]:
    """The metrics, fetched every second."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(1.0):
            subprocess.run([*_CURL, str(socket), "http://localhost/metrics"], stdout=subprocess.DEVNULL, check=True)

    thread = threading.Thread(target=scrape)
    thread.start()
    yield
    over.set()
    thread.join()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=int, default=60)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audiobatchd-bench-") as place:
        directory = Path(place)
        dataset = directory / "dataset"
        for number in range(arguments.folders):
            make_track(dataset / f"Track {number:02d}", seconds=30.0, stems=(), seed=number)
        config = configuration(directory / "c.toml", dataset, settle=0.0, workers=2)
        alone, beside = [], []
        for _ in range(arguments.runs):
            alone.append(backfill(dataset, config, directory / "state", watched=False))
            beside.append(backfill(dataset, config, directory / "state", watched=True))
    print("| | CPU s of the service and its workers |\n| --- | --- |")
    print(f"| alone | {statistics.median(alone):.2f} |\n| watched | {statistics.median(beside):.2f} |\n")
    ratios = [its / own for own, its in zip(alone, beside, strict=True)]
    print(f"watched / alone: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
