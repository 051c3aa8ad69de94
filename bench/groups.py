"""The cost of the groups of light features: `./dev bench groups`.

A folder has a mix of 180 s and three stems (bass, drums, other) of the same length, as FLAC (44.1 kHz stereo). A worker
that has loaded measures it twice over in each run: with `loudness`, `peaks` and `rhythm` alone, for which every file is
decoded and the beats are found, and with all groups on top. The difference is what the groups take: their own work, and
the views, the resampling and the sum of stems that are made for them alone. Rows of single groups are what the worker
reckons them; what the difference has beyond them is a row too.

A second table is of whole processes, `audiobatchd --once` over that folder, with the analyzers that are on by default
and without the groups among them. Figures are CPU seconds, of all threads, each library kept to one. Runs alternate,
every other one backwards; medians are printed, of differences the median of the runs' differences.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from audiobatchd.core.messages import WorkerSettings
from audiobatchd.plugin_api import FULL_MIX
from support.audio_files import write_audio
from support.processor_time import cpu_seconds
from support.programme import programme

RATE = 44100
STEMS = ("bass", "drums", "other")
BESIDE = ("loudness", "peaks", "rhythm")
"""Analyzers that are there in both jobs."""
GROUPS = (
    "bands", "file", "fingerprint", "onset", "quality", "saturation", "spectral", "syncopation", "tags", "tonal",
)  # fmt: skip
OFF_BY_DEFAULT = ("fingerprint",)
AIM = 2.2
"""CPU seconds that all groups may take of such a folder."""
PROGRAM = [sys.executable, "-c", "import sys; from audiobatchd.cli.daemon import main; sys.exit(main(sys.argv[1:]))"]


@dataclass(frozen=True)
class Run:
    """CPU seconds of one round."""

    without: float
    """The job without the groups."""
    all_groups: float
    """The job with them."""
    by_group: dict[str, float]
    """Seconds that the worker charges to each group."""

    @property
    def groups(self) -> float:
        """Seconds that the groups take, with views and sums made for them."""
        return self.all_groups - self.without


def make_folder(dataset: Path, recordings: Path | None, seconds: float) -> Path:
    """Make a folder of a mix and three stems, of which no two are the same."""
    folder = dataset / "Artist - Title"
    folder.mkdir(parents=True)
    mix = programme(recordings, seconds, RATE)
    write_audio(folder / f"{FULL_MIX}.flac", mix, RATE)
    for number, stem in enumerate(STEMS, 1):
        write_audio(folder / f"{stem}.flac", np.roll(mix, number * len(mix) // (len(STEMS) + 1), axis=0), RATE)
    return folder


def job(folder: Path, analyzers: Sequence[str]) -> tuple[float, dict[str, float]]:
    """CPU seconds of a job with these analyzers, in all and by analyzer."""
    settings = msgspec.json.encode(WorkerSettings(analyzers=tuple(analyzers))).decode()
    bare = str(Path(__file__).with_name("bare.py"))
    _, printed = cpu_seconds([sys.executable, bare, "costs", str(folder), settings])
    return msgspec.json.decode(printed.rpartition("\n")[2], type=tuple[float, dict[str, float]])


def one_run(folder: Path, *, backwards: bool) -> Run:
    """Measure both jobs once."""
    every: dict[bool, Callable[[], tuple[float, dict[str, float]]]] = {
        False: lambda: job(folder, BESIDE),
        True: lambda: job(folder, (*BESIDE, *GROUPS)),
    }
    found = {has_groups: every[has_groups]() for has_groups in sorted(every, reverse=backwards)}
    return Run(found[False][0], found[True][0], {name: found[True][1].get(name, 0.0) for name in GROUPS})


def whole_pass(dataset: Path, scratch: Path, *, groups: bool) -> float:
    """CPU seconds of `audiobatchd --once` over folders without records."""
    for record in dataset.rglob("*.INFO"):
        record.unlink()
    left_out = [] if groups else [f"-{name}" for name in GROUPS if name not in OFF_BY_DEFAULT]
    config = scratch / "config.toml"
    analyzers = msgspec.json.encode(["default", *left_out]).decode()
    config.write_text(f'workers = 1\nanalyzers = {analyzers}\n[[dataset]]\npath = "{dataset}"\nsettle = 0\n')
    return cpu_seconds([*PROGRAM, "--config", str(config), "--once", str(dataset)])[0]


def report(runs: Sequence[Run], passes: Sequence[tuple[float, float]]) -> None:
    """Print both tables."""
    print("| what | CPU s |")
    print("| --- | --- |")
    rows = {f"`{name}`": [run.by_group[name] for run in runs] for name in GROUPS}
    rows["views, resampling and sums for them, larger record"] = [
        run.groups - sum(run.by_group.values()) for run in runs
    ]
    rows[f"**all groups together** (the aim: {AIM})"] = [run.groups for run in runs]
    rows["the job without them: decoding, `loudness`, `peaks`, `rhythm`"] = [run.without for run in runs]
    for title, seconds in rows.items():
        print(f"| {title} | {statistics.median(seconds):.3f} |")
    print()
    print("| `audiobatchd --once`, one folder | CPU s |")
    print("| --- | --- |")
    print(f"| the default analyzers without the groups | {statistics.median(less for less, _ in passes):.2f} |")
    print(f"| the default analyzers | {statistics.median(more for _, more in passes):.2f} |")
    print(f"| difference | {statistics.median(more - less for less, more in passes):.2f} |")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, metavar="DIRECTORY", help="recordings that the programme is made of")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the mix and each stem are")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audiobatchd-bench-") as scratch:
        dataset = Path(scratch) / "dataset"
        folder = make_folder(dataset, arguments.music, arguments.seconds)
        runs, passes = [], []
        for number in range(arguments.runs):
            backwards = bool(number % 2)
            runs.append(one_run(folder, backwards=backwards))
            order = sorted((False, True), reverse=backwards)
            spent = {groups: whole_pass(dataset, Path(scratch), groups=groups) for groups in order}
            passes.append((spent[False], spent[True]))
            print(f"run {number + 1}: {runs[-1]}, {passes[-1]}", file=sys.stderr, flush=True)
    report(runs, passes)


if __name__ == "__main__":
    main()
