"""Whole passes for the loudness of the mixes, beside rsgain: `./dev bench passes [--rsgain PROGRAM]`.

`audiobatchd --once --features lufs lra` with one worker, over folders that hold a FLAC file each, against rsgain, which
scans the same files and writes no tags. All figures are CPU seconds of whole processes, with all that they start. In
every run each is measured once, every other run backwards; ratios are the medians of the runs' ratios.

A start is a pass over one file of a second; what the pass over all files takes beyond it is "without the start".
rsgain is the program that is given, the one on the path, or left out: Debian has it as `rsgain` from 13 on, and its
source builds with cmake.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from operator import truediv
from pathlib import Path

import numpy as np

from audiobatchd.plugin_api import FULL_MIX
from support.audio_files import music, write_audio
from support.processor_time import cpu_seconds

RATE = 44100
PROGRAM = [sys.executable, "-c", "import sys; from audiobatchd.cli.daemon import main; sys.exit(main(sys.argv[1:]))"]
PASS = ["--once", "--workers", "1", "--features", "lufs", "lra"]
ALL, ONE, START = "all files", "one file", "a start"

Seconds = dict[str, float]


def make(scratch: Path, files: int, seconds: float) -> dict[str, Path]:
    """Make the three datasets, of which no two files are the same."""
    programme = music(seconds, RATE)
    datasets = {title: scratch / title.replace(" ", "-") for title in (ALL, ONE, START)}
    for title, dataset in datasets.items():
        for number in range(files if title == ALL else 1):
            folder = dataset / f"Track {number}"
            folder.mkdir(parents=True)
            samples = np.roll(programme, number * RATE, axis=0)[: RATE if title == START else None]
            write_audio(folder / f"{FULL_MIX}.flac", samples, RATE)
    return datasets


def our_pass(dataset: Path, config: Path) -> float:
    """One pass over folders without records."""
    for record in dataset.rglob("*.INFO"):
        record.unlink()
    spent, _ = cpu_seconds([*PROGRAM, "--config", str(config), str(dataset), *PASS])
    if len(list(dataset.rglob("*.INFO"))) != len(list(dataset.iterdir())):
        message = f"cannot measure all folders of {dataset}"
        raise SystemExit(message)
    return spent


def rsgain_scan(program: str, dataset: Path) -> float:
    """One scan of the same files, in one process and one thread."""
    spent, _ = cpu_seconds([program, "custom", "--quiet", *map(str, sorted(dataset.rglob("*.flac")))])
    return spent


def one_run(work: dict[str, Callable[[], float]], *, backwards: bool) -> Seconds:
    """Measure everything once."""
    spent = {}
    for title in reversed(work) if backwards else work:
        spent[title] = work[title]()
        print(f"{title}: {spent[title]:.2f}", file=sys.stderr, flush=True)
    return spent


def report(runs: Sequence[Seconds], files: int, seconds: float) -> None:
    """Print the medians, and those of the ratios to rsgain where it is here."""
    of_all = f"{files} files of {seconds:.0f} s"
    ours = {
        of_all: [run[f"ours, {ALL}"] for run in runs],
        f"{of_all}, without the start": [run[f"ours, {ALL}"] - run[f"ours, {START}"] for run in runs],
        "one of them": [run[f"ours, {ONE}"] for run in runs],
    }
    has_rsgain = f"rsgain, {ALL}" in runs[0]
    print("| CPU s of whole processes | `audiobatchd --once --features lufs lra` | rsgain | ratio |")
    print("| --- | --- | --- | --- |")
    for title, spent in ours.items():
        cells = [f"{statistics.median(spent):.2f}", "-", "-"]
        if has_rsgain:
            theirs = [run[f"rsgain, {ONE if title == 'one of them' else ALL}"] for run in runs]
            cells[1] = f"{statistics.median(theirs):.2f}"
            cells[2] = f"{statistics.median(map(truediv, spent, theirs)):.2f}"
        print(f"| {title} | {' | '.join(cells)} |")
    print()
    print(f"A start takes {statistics.median(run[f'ours, {START}'] for run in runs):.2f} CPU s.")
    if not has_rsgain:
        print("rsgain is not here: install it, or build it from its source and give it by --rsgain.")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rsgain", metavar="PROGRAM", default="rsgain", help="rsgain, where it is not on the path")
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=240.0, help="how long each file is")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    rsgain = shutil.which(arguments.rsgain)
    if rsgain is None and arguments.rsgain != "rsgain":
        message = f"cannot run {arguments.rsgain}: there is no such program"
        raise SystemExit(message)
    with tempfile.TemporaryDirectory(prefix="audiobatchd-bench-") as directory:
        scratch = Path(directory)
        config = scratch / "config.toml"
        config.write_text("")
        datasets = make(scratch, arguments.files, arguments.seconds)
        work: dict[str, Callable[[], float]] = {}
        for title, dataset in datasets.items():
            work[f"ours, {title}"] = partial(our_pass, dataset, config)
            if rsgain is not None and title != START:
                work[f"rsgain, {title}"] = partial(rsgain_scan, rsgain, dataset)
        runs = [one_run(work, backwards=bool(number % 2)) for number in range(arguments.runs)]
    report(runs, arguments.files, arguments.seconds)


if __name__ == "__main__":
    main()
