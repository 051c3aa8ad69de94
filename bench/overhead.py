"""The cost of the service beside the analysis itself: `./dev bench overhead`.

The same 60 folders of 30 seconds (44.1 kHz stereo FLAC) are measured by `audiobatchd --once` with two workers and,
beside it, by two bare processes that only decode and call the analyzers. Runs alternate; medians are printed.

A second table is of passes over one folder, with one file of a second or of four minutes: the first is little but the
start. Modules are compiled, as they are where the package is installed.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from support.audio_files import make_track

_SERVICE = """
import resource, sys
from audiobatchd.cli.daemon import main
code = main(sys.argv[1:])
own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(own.ru_utime + own.ru_stime, workers.ru_utime + workers.ru_stime, file=open("/dev/fd/3", "w"))
sys.exit(code)
"""
_BARE = """
import os, sys
from pathlib import Path
from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import open_source
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.worker.process.analyzers import Bench
from support.feeding import measured
bench = Bench.load(WorkerSettings())
for folder in sys.argv[1:]:
    descriptor = os.open(folder, os.O_RDONLY)
    for path in sorted(Path(folder).glob("*.flac")):
        with open_source(descriptor, os.fsencode(path.name)) as source:
            audio = decode(source, path.stem, 7200.0)
        for analyzer in bench.analyzers.values():
            measured(analyzer, audio)
    os.close(descriptor)
"""

LENGTHS = (1.0, 240.0)
"""Seconds that the file of a pass over one folder plays."""
ASKED = {"`--features lufs lra`": ("--features", "lufs", "lra"), "all analyzers without models": ()}


@dataclass(frozen=True)
class Run:
    """CPU seconds of the supervisor and of the workers, and wall seconds of the whole."""

    supervisor: float
    workers: float
    wall: float


def service(dataset: Path, config: Path, *options: str) -> Run:
    """Time one pass of the service over folders without records."""
    for record in dataset.rglob("*.INFO"):
        record.unlink()
    reading, writing = os.pipe()
    command = [sys.executable, "-c", _SERVICE, "--config", str(config), "--once", str(dataset), *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.monotonic()
    # dup2 in a shell: the child is to find the pipe as descriptor 3 whatever it is here.
    shell = ["sh", "-c", f'exec "$@" 3>&{writing} >/dev/null 2>&1', "sh", *command]
    subprocess.run(shell, check=True, pass_fds=[writing], env=environment)
    wall = time.monotonic() - started
    os.close(writing)
    with open(reading) as answer:
        supervisor, workers = map(float, answer.read().split())
    return Run(supervisor, workers, wall)


def passes(directory: Path, workers: int, runs: int) -> dict[str, list[Run]]:
    """Time passes over one folder, by what is measured and how long its file plays; one of each goes before."""
    datasets = {seconds: directory / f"{seconds:g} s" for seconds in LENGTHS}
    for seconds, dataset in datasets.items():
        make_track(dataset / "Track", seconds=seconds, stems=(), seed=1)
    found: dict[str, list[Run]] = {}
    for number in range(runs + 1):
        for asked, options in ASKED.items():
            for seconds, dataset in datasets.items():
                run = service(dataset, _configuration(directory, dataset, workers), *options)
                if number:
                    found.setdefault(f"{asked}, one file of {seconds:g} s", []).append(run)
    return found


def _configuration(directory: Path, dataset: Path, workers: int) -> Path:
    config = directory / "config.toml"
    config.write_text(f'workers = {workers}\n[[dataset]]\npath = "{dataset}"\nsettle = 0\n')
    return config


def bare(folders: list[Path], processes: int) -> Run:
    """The same analyzer calls without a service."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    running = [
        subprocess.Popen([sys.executable, "-c", _BARE, *map(str, folders[number::processes])], env=environment)
        for number in range(processes)
    ]
    codes = [process.wait() for process in running]
    if any(codes):
        raise SystemExit("a bare process failed")
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(0.0, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="audiobatchd-bench-"))
    try:
        dataset = directory / "dataset"
        folders = [dataset / f"Track {number:02d}" for number in range(arguments.folders)]
        for number, folder in enumerate(folders):
            make_track(folder, seconds=arguments.seconds, stems=(), seed=number)
        config = _configuration(directory, dataset, arguments.workers)
        services, bares = [], []
        for _ in range(arguments.runs):
            services.append(service(dataset, config))
            bares.append(bare(folders, arguments.workers))
        starts = passes(directory, arguments.workers, arguments.runs)
    finally:
        shutil.rmtree(directory)
    report(services, bares)
    report_passes(starts)


def report(services: list[Run], bares: list[Run]) -> None:
    """Print medians as a Markdown table."""
    median = statistics.median
    supervisor, workers, wall = (
        median(getattr(run, name) for run in services) for name in ("supervisor", "workers", "wall")
    )
    bare_cpu, bare_wall = median(run.workers for run in bares), median(run.wall for run in bares)
    share = median(run.supervisor / run.workers for run in services)
    whole = median((ours.supervisor + ours.workers) / its.workers for ours, its in zip(services, bares, strict=True))
    walls = median(ours.wall / its.wall for ours, its in zip(services, bares, strict=True))
    print("| | supervisor, CPU s | workers, CPU s | wall, s |")
    print("| --- | --- | --- | --- |")
    print(f"| audiobatchd --once | {supervisor:.2f} | {workers:.2f} | {wall:.2f} |")
    print(f"| bare processes | - | {bare_cpu:.2f} | {bare_wall:.2f} |")
    print()
    print(f"supervisor / workers: {share:.1%}; all CPU / bare CPU: {whole:.3f}; wall / bare wall: {walls:.3f}")


def report_passes(starts: dict[str, list[Run]]) -> None:
    """Print the medians of passes over one folder as a Markdown table."""
    print()
    print("| a pass over one folder | supervisor, CPU s | workers, CPU s | together | wall, s |")
    print("| --- | --- | --- | --- | --- |")
    for title, runs in starts.items():
        together = statistics.median(run.supervisor + run.workers for run in runs)
        parts = [statistics.median(getattr(run, name) for run in runs) for name in ("supervisor", "workers", "wall")]
        print(f"| {title} | {parts[0]:.2f} | {parts[1]:.2f} | {together:.2f} | {parts[2]:.2f} |")


if __name__ == "__main__":
    main()
