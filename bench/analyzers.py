"""The cost of measuring, part by part and beside other programs: `./dev bench analyzers`.

A programme is measured as FLAC and as MP3: alone, and as a track folder in which the same file stands for the mix and
for every stem. All figures are CPU seconds, of all threads; every program keeps to one thread where it can be told so.
Runs alternate, every other one backwards; medians are printed, of ratios the median of the runs' ratios.

The bare cost of an analyzer is that of its `analyze` on a file that is decoded and whose views are made. Views other
than the file as it is (mono, another rate) are rows of their own, made once for all, as in a worker. The aim for a
folder, from the lock to the record: at most 1.1 times the bare cost of its analyzers and one decoding for each file.
Views count as overhead there; a second row takes them as work.

What stands under "a process of its own" is the whole process with its start, its imports and its own decoding.
`bare` and `contenders` have the code, `resident` the table of a worker's memory, `passes` that of whole passes beside
rsgain.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from audiobatchd.config.places import model_directories, state_directory
from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.plugin_api import FULL_MIX, STEMS
from audiobatchd.worker.questions import Request, offers
from support.audio_files import write_audio
from support.decoding import read
from support.processor_time import cpu_seconds
from support.programme import programme

RATE = 44100
WITHOUT_MODELS = (
    "bands", "file", "fingerprint", "loudness", "onset", "peaks", "quality", "rhythm",
    "saturation", "spectral", "syncopation", "tags", "timbre", "tonal",
)  # fmt: skip
ALL, LOUDNESS = "all analyzers", "`loudness` alone"
SCALES = {"loudgain": ["loudgain", "-q"], "rsgain": ["rsgain", "custom", "-q"]}

_HERE = Path(__file__).parent
_T = TypeVar("_T")


@dataclass(frozen=True)
class Track:
    """Programme in one format: a file, and a folder made of five copies of it."""

    title: str
    folder: Path
    mix: Path
    minutes: float


@dataclass(frozen=True)
class Run:
    """CPU seconds of one round."""

    parts: dict[str, list[float]]
    """By part, for each file of the folder."""
    alone: dict[str, list[float]]
    """The same where `loudness` is the only analyzer."""
    loads: dict[str, float]
    """Loading, by set of analyzers."""
    jobs: dict[str, float]
    """A folder's job, by set of analyzers."""
    processes: dict[str, float]
    """Processes of their own, by program."""
    graphs: dict[str, tuple[float, float]]
    """Models that take audio: here, and by Essentia's own call, both loaded."""

    def spent(self, *names: str) -> float:
        """Sum of these parts, in all files of the folder."""
        return sum(sum(self.parts.get(name, [])) for name in names)

    def mix(self) -> float:
        """Sum of all parts of the mix."""
        return sum(map(statistics.mean, self.parts.values()))

    def views(self) -> float:
        """Time that all views take."""
        return self.spent(*(name for name in self.parts if name.startswith("view")))

    def essentia(self) -> float:
        """Time of all of Essentia's processes."""
        return sum(seconds for title, seconds in self.processes.items() if title.startswith("Essentia"))


Table = dict[str, float | str]
"""Rows by their titles: one figure, or why there is none."""


# Making the tracks


def make_track(scratch: Path, title: str, file: Path) -> Track:
    """A folder of copies of `file`."""
    folder = scratch / f"Track {title}"
    folder.mkdir()
    for role in (FULL_MIX, *STEMS):
        shutil.copyfile(file, folder / f"{role}{file.suffix.lower()}")
    mix = folder / f"{FULL_MIX}{file.suffix.lower()}"
    return Track(title, folder, mix, read(mix).duration / 60)


def make_tracks(scratch: Path, arguments: argparse.Namespace) -> list[Track]:
    """Make what is to be measured."""
    if arguments.file:
        return [make_track(scratch, path.name, path) for path in arguments.file]
    samples = programme(arguments.music, arguments.seconds, RATE)
    files = {
        "FLAC": write_audio(scratch / "programme.flac", samples, RATE),
        "MP3": write_audio(scratch / "programme.mp3", samples, RATE, bit_rate=192_000),
    }
    return [make_track(scratch, title, file) for title, file in files.items()]


# Running


def script(name: str, *arguments: str) -> list[str]:
    """The command that runs another file of this directory."""
    return [sys.executable, str(_HERE / name), *arguments]


def text(settings: WorkerSettings) -> str:
    return msgspec.json.encode(settings).decode()


def settings_of(models: Path | None) -> WorkerSettings:
    """Models are looked for where the program looks, and first in the directory that is given."""
    state = state_directory(os.environ, os.getuid())
    directories = model_directories(str(models) if models else None, os.environ, state)
    return WorkerSettings(analyzers=("all",), model_directories=tuple(map(str, directories)))


def sets(settings: WorkerSettings) -> dict[str, WorkerSettings]:
    """The two sets of analyzers for which a whole folder is measured."""
    return {ALL: settings, LOUDNESS: WorkerSettings(analyzers=("loudness",))}


def programs(track: Track, settings: WorkerSettings, heads: Mapping[str, Offer]) -> dict[str, list[str]]:
    """The other programs that are here, by their titles, and our own process for one question."""
    mix = str(track.mix)
    analyze = 'printf %s "$1" | "$0" -m audiobatchd.worker.process analyze'
    asked = {
        title: f"{msgspec.json.encode(each).decode()}\n{msgspec.json.encode(Request(mix)).decode()}\n"
        for title, each in sets(settings).items()
    }
    found = {f"audiobatchd, {title}": ["sh", "-c", analyze, sys.executable, each] for title, each in asked.items()}
    found |= {name: [*command, mix] for name, command in SCALES.items() if shutil.which(name)}
    if shutil.which("ffmpeg"):
        decoded = ["ffmpeg", "-hide_banner", "-nostats", "-i", mix]
        found["ffmpeg ebur128"] = [*decoded, "-af", "ebur128=peak=none", "-f", "null", "-"]
    found["pyloudnorm, integrated loudness and range"] = script("contenders.py", "pyloudnorm", mix)
    found["the guide's method"] = script("contenders.py", "guide", mix)
    found["Essentia LoudnessEBUR128"] = script("contenders.py", "essentia_loudness", mix)
    found["Essentia RhythmExtractor2013"] = script("contenders.py", "essentia_rhythm", mix)
    directories = msgspec.json.encode(settings.model_directories).decode()
    for head in heads.values():
        if head.unavailable is None:
            title = f"Essentia {' and '.join(head.models)}"
            found[title] = script("contenders.py", "essentia_model", mix, directories, *head.models)
    return found


def one_run(track: Track, settings: WorkerSettings, heads: Mapping[str, Offer], *, backwards: bool) -> Run:
    """Measure everything once."""
    folder = str(track.folder)
    ours = {
        f"{what}, {title}": script("bare.py", what, folder, text(each))
        for what in ("parts", "folder")
        for title, each in sets(settings).items()
    }
    ours["graphs"] = script("bare.py", "graphs", folder, text(settings))
    others = programs(track, settings, heads)
    commands = ours | others
    processes, answers = {}, {}
    for title, command in reversed(commands.items()) if backwards else commands.items():
        processes[title], answers[title] = cpu_seconds(command)
        print(f"{track.title}: {title}: {processes[title]:.2f}", file=sys.stderr, flush=True)
    parts, alone = (answer(answers[f"parts, {title}"], dict[str, list[float]]) for title in (ALL, LOUDNESS))
    jobs = {title: answer(answers[f"folder, {title}"], dict[str, float]) for title in (ALL, LOUDNESS)}
    loads, spent = ({title: job[which] for title, job in jobs.items()} for which in ("load", "job"))
    graphs = answer(answers["graphs"], dict[str, tuple[float, float]])
    return Run(parts, alone, loads, spent, {title: processes[title] for title in others}, graphs)


def answer(printed: str, kind: type[_T]) -> _T:
    """Parse what a script has printed in its last line."""
    return msgspec.json.decode(printed.rpartition("\n")[2], type=kind)


# Reporting


def costs(run: Run, heads: Mapping[str, Offer], minutes: float) -> Table:
    """CPU seconds a minute: of our parts in a worker, and of processes."""
    ours = {f"`{name}`" if name in (*WITHOUT_MODELS, *heads) else name: run.parts[name] for name in run.parts}
    table: Table = {"**in a worker that has loaded**": ""}
    table |= {title: statistics.mean(seconds) / minutes for title, seconds in ours.items()}
    table |= {f"`{head.name}`": "unavailable" for head in heads.values() if head.unavailable is not None}
    table["a mix: decoded once, all of the above"] = run.mix() / minutes
    table |= {f"a folder, {title}, per minute of the track": job / minutes for title, job in run.jobs.items()}
    table["**in a process of its own, one file**"] = ""
    table |= {title: seconds / minutes for title, seconds in run.processes.items()}
    table["Essentia's calls together"] = run.essentia() / minutes
    for needed in (tuple(SCALES), ("ffmpeg",)):
        if not any(map(shutil.which, needed)):
            table[" or ".join(needed)] = "not installed"
    return table


def shares(run: Run, heads: Mapping[str, Offer]) -> Table:
    """Shares of a folder's CPU time, by what they go into."""
    whole = run.jobs[ALL]
    known = run.spent("decode", *WITHOUT_MODELS, *heads) + run.views()
    return {
        "decoding": run.spent("decode") / whole,
        **{f"`{name}`": run.spent(name) / whole for name in WITHOUT_MODELS},
        "models": run.spent(*heads) / whole,
        "views": run.views() / whole,
        "the rest: digests, lock, record": (whole - known) / whole,
    }


def ratios(run: Run, heads: Mapping[str, Offer]) -> Table:
    """A folder's cost over its analyzers' bare cost and one decoding for each file, and what stands beside it."""
    bare = run.spent("decode", *WITHOUT_MODELS, *heads)
    one_file = sum(map(statistics.mean, run.alone.values()))
    ffmpeg = run.processes.get("ffmpeg ebur128")
    return {
        "decode and `loudness` / ffmpeg ebur128 (the aim: 0.69 of FLAC, 1 of MP3)": one_file / ffmpeg
        if ffmpeg
        else "-",
        f"a folder, {ALL} / bare (the aim: 1.1)": run.jobs[ALL] / bare,
        f"a folder, {ALL} / bare and views": run.jobs[ALL] / (bare + run.views()),
        f"a folder, {LOUDNESS} / bare": run.jobs[LOUDNESS] / sum(map(sum, run.alone.values())),
        "Essentia's calls one by one / a mix in a worker": run.essentia() / run.mix(),
        **{f"{name} / Essentia's own call (the aim: 0.6)": ours / own for name, (ours, own) in run.graphs.items()},
    }


def report(title: str, form: str, tables: Mapping[Track, Sequence[Table]]) -> None:
    """Print the medians of the runs' tables, a column for each track."""
    print(f"| {title} | {' | '.join(track.title for track in tables)} |")
    print("| --- |" + " --- |" * len(tables))
    for name in next(iter(tables.values()))[0]:
        print(f"| {name} | {' | '.join(cell([run[name] for run in runs], form) for runs in tables.values())} |")
    print()


def cell(figures: Sequence[float | str], form: str) -> str:
    """Format their median, or the reason why there is none."""
    numbers = [figure for figure in figures if isinstance(figure, float)]
    return format(statistics.median(numbers), form) if numbers else str(figures[0])


def report_all(runs: Mapping[Track, Sequence[Run]], heads: Mapping[str, Offer]) -> None:
    """Print all tables."""
    everything = [run for each in runs.values() for run in each]
    report(
        "CPU s per minute of audio",
        ".3f",
        {track: [costs(run, heads, track.minutes) for run in each] for track, each in runs.items()},
    )
    report(
        "share of a folder's CPU time",
        ".1%",
        {track: [shares(run, heads) for run in each] for track, each in runs.items()},
    )
    report("ratio", ".3f", {track: [ratios(run, heads) for run in each] for track, each in runs.items()})
    whole, loudness = (statistics.median(run.loads[title] for run in everything) for title in (ALL, LOUDNESS))
    print(f"A worker has loaded after {whole:.2f} CPU s, with {LOUDNESS} after {loudness:.2f}.", flush=True)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, nargs="+", help="files to measure, in place of a programme made here")
    parser.add_argument("--music", type=Path, metavar="DIRECTORY", help="recordings that the programme is made of")
    parser.add_argument("--models", type=Path, metavar="DIRECTORY", help="models, looked for here first")
    parser.add_argument("--seconds", type=float, default=240.0, help="how long the programme is")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--tracks", type=int, default=200, help="tracks that one worker measures; 0: leave that out")
    parser.add_argument("--files", type=int, default=12, help="files of a whole pass beside rsgain; 0: leave that out")
    parser.add_argument("--rsgain", metavar="PROGRAM", help="rsgain, where it is not on the path")
    arguments = parser.parse_args()
    settings = settings_of(arguments.models)
    heads = {offer.name: offer for offer in offers(settings) if offer.name not in WITHOUT_MODELS}
    with tempfile.TemporaryDirectory(prefix="audiobatchd-bench-") as scratch:
        tracks = make_tracks(Path(scratch), arguments)
        runs: dict[Track, list[Run]] = {track: [] for track in tracks}
        for number in range(arguments.runs):
            for track in tracks:
                runs[track].append(one_run(track, settings, heads, backwards=bool(number % 2)))
    report_all(runs, heads)
    if arguments.tracks:
        print(flush=True)
        command = script(
            "resident.py", "--runs", "0", "--tracks", str(arguments.tracks), "--models", *settings.model_directories
        )
        subprocess.run(command, check=True)
    if arguments.files:
        print(flush=True)
        command = script("passes.py", "--runs", str(arguments.runs), "--files", str(arguments.files))
        command += ["--seconds", str(arguments.seconds), *(("--rsgain", arguments.rsgain) if arguments.rsgain else ())]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
