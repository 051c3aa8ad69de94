"""The cost of watching a large dataset and of starting on it: `./dev bench scale --folders 100000`.

The dataset is one of `support.large_dataset`. What is printed for each size is the median of a few runs where it says
so, and `find` is run on the same tree in the same minute.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from audiobatchd.control.client import ControlClient
from support.audio_files import make_track
from support.large_dataset import LargeDataset
from support.service import Service, eventually

_PATIENCE = 3600.0


def walked(daemon: Service) -> bool:
    """Tell whether the first walk or pass is over, and all folders are known."""
    return "dataset-active" in daemon.log()


def rest(daemon: Service) -> None:
    """Wait until the first full walk is over as well."""
    eventually(lambda: (status := daemon.status()) and status.datasets[0].last_walk, _PATIENCE)


def cpu(pid: int) -> float:
    """Seconds of processor time of a process."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def resident(pid: int) -> float:
    """MiB of memory."""
    return psutil.Process(pid).memory_info().rss / (1 << 20)


def measure(ground: LargeDataset, runs: int, idle: float) -> dict[str, str]:
    """Take all figures of one size."""
    told = {"folders": f"{ground.folders:,}"}
    with ground.service() as (daemon, started):
        eventually(lambda: walked(daemon), _PATIENCE)
        told["first walk, s"] = f"{time.monotonic() - started:.1f}"
        told["first walk, CPU s"] = f"{cpu(daemon.process.pid):.1f}"
        rest(daemon)
    starts, finds = [], []
    for _ in range(runs):
        finds.append(ground.find())
        Path(ground.place / "d" / "log").unlink()
        with ground.service() as (daemon, started):
            eventually(lambda: walked(daemon), _PATIENCE)
            starts.append(time.monotonic() - started)
    told["warm start, s"] = f"{statistics.median(starts):.2f}"
    told["find -type d, s"] = f"{statistics.median(finds):.2f}"
    with ground.service() as (daemon, _):
        rest(daemon)
        told["moved in to job, ms"] = f"{1000 * arrival(ground, runs):.0f}"
        told["GET /v1/status in a backfill, ms"] = f"{1000 * answers(ground, daemon):.1f}"
        told["memory, MiB"] = f"{resident(daemon.process.pid):.0f}"
        before, since = cpu(daemon.process.pid), time.monotonic()
        eventually(lambda: time.monotonic() - since > idle, idle + 10)
        told[f"idle CPU over {idle:.0f} s, %"] = f"{100 * (cpu(daemon.process.pid) - before) / idle:.2f}"
    return told


def arrival(ground: LargeDataset, runs: int) -> float:
    """Time the way from the `mv` of a folder into the tree to its job's first analyzer; the median."""
    when, waits = ground.place / "when", []
    for number in range(runs):
        new = make_track(ground.place / "new" / f"New {number}", seconds=0.5, stems=(), seed=number)
        when.unlink(missing_ok=True)
        moved = time.time()
        new.rename(ground.root / new.name)
        eventually(lambda: when.exists() and when.read_text(), 120)
        waits.append(float(when.read_text()) - moved)
    return statistics.median(waits)


def answers(ground: LargeDataset, daemon: Service) -> float:
    """The median time of an answer while folders are being measured."""
    for number in range(40):
        make_track(ground.root / f"Backfill {number}", seconds=5.0, seed=number)
    client, times = ControlClient(daemon.socket), []
    for _ in range(50):
        started = time.monotonic()
        client.status()
        times.append(time.monotonic() - started)
    eventually(lambda: daemon.states().keys() <= {"complete"}, 600)
    return statistics.median(times)


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds over which idle CPU is averaged")
    parser.add_argument("--place", type=Path, help="where the trees are made; a temporary directory where left out")
    arguments = parser.parse_args()
    columns = []
    for folders in arguments.folders:
        with tempfile.TemporaryDirectory(dir=arguments.place) as place:
            ground = LargeDataset(Path(place), folders)
            ground.make()
            columns.append(measure(ground, arguments.runs, arguments.idle))
    print(f"| | {' | '.join(column['folders'] for column in columns)} |")
    print(f"| --- |{' --- |' * len(columns)}")
    for name in list(columns[0])[1:]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")


if __name__ == "__main__":
    main()
