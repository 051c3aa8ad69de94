"""A folder in a worker, and the same work bare: `python bench/bare.py folder | costs | parts | graphs FOLDER SETTINGS`.

`folder` does what a worker does with one, from the lock to the record, and `costs` tells also what each analyzer took
of it. `parts` calls the same decoder and analyzers one after the other, with nothing around them. `graphs` runs the
models beside Essentia's own calls. Each runs in a process that `bench/analyzers` or `bench/groups` starts, and prints
CPU seconds as JSON.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from audiobatch_analyzers.classifiers import model_files
from audiobatch_analyzers.engines import essentia, graphs
from audiobatchd.audio.decode import decode, decode_into
from audiobatchd.audio.inspected import InspectedFile
from audiobatchd.audio.source import open_source
from audiobatchd.audio.views import ResultValue
from audiobatchd.core.assessment import Policy
from audiobatchd.core.messages import Job, WorkerSettings
from audiobatchd.disk.listing import read_folder
from audiobatchd.plugin_api import FULL_MIX, NATIVE, Analyzer, BlockAnalyzer, FileAnalyzer, Needs, View
from audiobatchd.vocabulary.states import Outcome
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.job import run
from audiobatchd.worker.process.needs import needs_by_role, results_needed
from audiobatchd.worker.process.readers import Readers

_LONGEST = 7200.0
_T = TypeVar("_T")


def folder(path: str, settings: str) -> None:
    """Do one job in a process that has loaded. Prints the CPU time until it had loaded, and that of the job."""
    loading, seconds, _ = _job(path, settings)
    _print({"load": loading, "job": seconds})


def costs(path: str, settings: str) -> None:
    """Do one job likewise. Prints its CPU time, and what the worker reckons of it by analyzer and for decoding."""
    _, seconds, by_analyzer = _job(path, settings)
    _print((seconds, by_analyzer))


def _job(path: str, settings: str) -> tuple[float, float, dict[str, float]]:
    """Load and do one job: the CPU seconds of both, and those of the job as the worker reckons them."""
    bench = Bench.load(msgspec.json.decode(settings, type=WorkerSettings))
    started = time.process_time()
    job = Job(1, os.fsencode(path), b"", read_folder(path).signature, Policy(overwrite=True), {}, 3600.0)
    result = run(job, bench, lambda _doing, _seconds: None)
    if result.outcome is not Outcome.DONE:
        message = f"the job ended as {result.outcome}: {dict(result.reasons)}"
        raise SystemExit(message)
    return started, time.process_time() - started, result.costs


def parts(path: str, settings: str) -> None:
    """Decode each file of the folder, feeding the analyzers that take blocks; then the views and the others' calls.

    Each is timed by itself; views are made of the native samples.

    Prints the CPU times by part, one for each file that has it. Heads that share embeddings: the first one pays.
    """
    bench = Bench.load(msgspec.json.decode(settings, type=WorkerSettings))
    clock = _Clock()
    listing = read_folder(path)
    descriptor = os.open(path, os.O_RDONLY)
    results: dict[str, ResultValue] = {}
    for role, name in listing.contents.sources.items():
        due = [analyzer for analyzer in bench.analyzers.values() if analyzer.features(role)]
        due.sort(key=lambda analyzer: (bool(results_needed(analyzer)), analyzer.cost))
        fed = [analyzer for analyzer in due if isinstance(analyzer, BlockAnalyzer)]
        readers = Readers(role, name, fed, None, lambda: None, lambda _doing, _seconds: None)
        with open_source(descriptor, os.fsencode(name)) as source:
            started = time.process_time()
            decode_into(source, _LONGEST, readers)
            clock.add("decode", time.process_time() - started - sum(readers.costs.values()))
            list(readers.answers())
        for analyzer in fed:
            clock.add(analyzer.name, readers.costs[analyzer.name])
        with open_source(descriptor, os.fsencode(name)) as source:
            file = InspectedFile(source, role, _LONGEST)
            for each in due:
                if isinstance(each, FileAnalyzer):
                    clock.time(each.name, partial(each.inspect, file))
        viewing = [analyzer for analyzer in due if isinstance(analyzer, Analyzer)]
        if not viewing:
            continue
        with open_source(descriptor, os.fsencode(name)) as source:
            audio = decode(source, role, _LONGEST)
        views = {view for analyzer in viewing for view in analyzer.views(role)}
        for view in _views(views):
            rate = f"{view.rate} Hz" if view.rate else "its own rate"
            clock.time(f"view: {'mono' if view.mono else 'all channels'} at {rate}", partial(audio.view, view))
        for each in viewing:
            needed = needs_by_role(each).get(role, Needs()).results
            audio.turn(views, (), {feature: results.get(feature) for feature in needed})
            given = clock.time(each.name, partial(each.analyze, audio))
            results |= {feature: _as_bytes(content) for feature, content in given.files.items()} | dict(given.values)
    os.close(descriptor)
    _print(clock.seconds)


def graphs_alone(path: str, settings: str) -> None:
    """Run each model that takes audio on the mix, and Essentia's own call of it, both loaded and at its rate.

    Prints the CPU times of both by model; nothing where there are no models.
    """
    terms = msgspec.json.decode(settings, type=WorkerSettings)
    # Of the models of a head and its backbone only the backbone takes audio, and gives embeddings.
    purposes = {
        name: graphs.EMBEDDINGS if len(analyzer.models) > 1 else graphs.PREDICTIONS
        for analyzer in Bench.load(terms).analyzers.values()
        for name in analyzer.models
    }
    found: dict[str, tuple[float, float]] = {}
    descriptor = os.open(path, os.O_RDONLY)
    with open_source(descriptor, os.fsencode(read_folder(path).contents.sources[FULL_MIX])) as source:
        audio = decode(source, FULL_MIX, _LONGEST)
    for name, purpose in sorted(purposes.items()):
        files = model_files.find(name, tuple(map(Path, terms.model_directories)))
        if files is None or files.algorithm == graphs.ON_EMBEDDINGS:
            continue
        ours = graphs.load(files, purpose)
        algorithm = getattr(essentia.standard(), files.algorithm)
        own = algorithm(graphFilename=str(files.graph), input=files.input[0], output=files.output(purpose))
        samples = audio.view(View(files.rate, mono=True))
        clock = _Clock()
        clock.time("ours", partial(ours, samples))
        clock.time("own", partial(own, samples))
        found[name] = clock.seconds["ours"][0], clock.seconds["own"][0]
    os.close(descriptor)
    _print(found)


class _Clock:
    """CPU seconds of all threads, by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], _T]) -> _T:
        started = time.process_time()
        done = work()
        self.add(name, time.process_time() - started)
        return done

    def add(self, name: str, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)


def _views(wanted: set[View]) -> list[View]:
    """List the views that have to be made, in a worker's order: one at the file's rate serves the rest."""
    return sorted(wanted - {NATIVE}, key=lambda view: view.rate or math.inf, reverse=True)


def _as_bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _print(answer: object) -> None:
    sys.stdout.write("\n" + msgspec.json.encode(answer).decode())


def main() -> None:
    """Do what is asked for."""
    match sys.argv[1:]:
        case ["folder", path, settings]:
            folder(path, settings)
        case ["costs", path, settings]:
            costs(path, settings)
        case ["parts", path, settings]:
            parts(path, settings)
        case ["graphs", path, settings]:
            graphs_alone(path, settings)
        case _:
            raise SystemExit("this is run by bench/analyzers and bench/groups")


if __name__ == "__main__":
    main()
