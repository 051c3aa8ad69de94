"""Measures damaged files without end, in the real service with all analyzers, and looks at what came of each.

The service may not die, hang, or leave anything behind; no number may stand in a record that is not of the sound that
the file still has. Every mutant follows from its seed and number: `--replay SEED:N` makes it again. Failing files are
kept, in a directory that is printed. The last lines are figures; the exit code is 1 where anything was wrong.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz.judge import Judge, Judgement, Reference, Verdict, out_of_bounds
from fuzz.mutations import Mutant, mutant
from fuzz.odd_waves import odd_waves
from fuzz.originals import KINDS, extension_of, originals
from fuzz.rounds import Fate, Found, Rounds, bounds

BATCH = 200
HEALTHY = "healthy"
MOST_MEMORY = 2048
"""Most MiB of one process: a file of a megabyte that takes more has lied about its size, and was believed."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    seed: int
    seconds: float
    mutants: int | None
    workers: int | None
    replay: tuple[int, int] | None
    verbose: bool


class Fuzz:
    """The rounds: first healthy and odd files, then mutants until time or number is used up."""

    def __init__(self, options: Options, directory: Path) -> None:
        self._options = options
        self._rounds = Rounds(directory, options.workers)
        self._files = originals()
        self._bounds = bounds(self._rounds.config)
        self._measured: dict[str, Found] = {}
        self._kept: Path | None = None
        self.counted: Counter[Verdict] = Counter()
        self.reasons: Counter[str] = Counter()
        self.references: Counter[Reference] = Counter()
        self.faults = 0
        self._begin()
        self._judge = Judge(self._files, self._measured, self._bounds, directory)
        for kind in self._judge.false_parents():
            self._fault(f"{kind}: decoded to other samples than it was made of")

    def run(self) -> None:
        """Run all mutants that were asked for."""
        if self._options.replay is not None:
            self._round([mutant(*self._options.replay, self._files)])
            return
        end, number = time.monotonic() + self._options.seconds, 0
        most = self._options.mutants
        while number < most if most is not None else time.monotonic() < end:
            numbers = range(number, number + BATCH if most is None else min(most, number + BATCH))
            self._round([mutant(self._options.seed, each, self._files) for each in numbers])
            number = numbers.stop

    def _begin(self) -> None:
        """Measure what nothing was done to, and the odd files, whose fate is known."""
        waves = odd_waves()
        files = {kind: (extension_of(kind), self._files[kind]) for kind in KINDS}
        done = self._measure({**files, **{name: ("wav", content) for name, (content, _) in waves.items()}})
        self._measured = {kind: done[kind] for kind in KINDS}
        for name, found in done.items():
            fate = waves[name][1] if name in waves else Fate.PUBLISHED
            if found.fate is not fate or out_of_bounds(found, self._bounds):
                self._fault(f"{name}: should have been {fate}: {found}")

    def _round(self, mutants: Sequence[Mutant]) -> None:
        """Measure and judge; a healthy file among them must be what it was, whatever the worker went through."""
        kind = [*KINDS][self.counted.total() // BATCH % len(KINDS)]
        files = {each.name: (each.extension, each.content) for each in mutants}
        done = self._measure({**files, HEALTHY: (extension_of(kind), self._files[kind])}, mutants)
        if done[HEALTHY].values != self._measured[kind].values:
            self._fault(f"healthy {kind} among {mutants[0].name} to {mutants[-1].name}: {done[HEALTHY]}")
        for each in mutants:
            self._account(each, done[each.name], self._judge.judge(each, done[each.name]))
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
        if memory > MOST_MEMORY:
            self._fault(f"{memory} MiB taken among {mutants[0].name} to {mutants[-1].name}")

    def _measure(self, files: Mapping[str, tuple[str, bytes]], mutants: Sequence[Mutant] = ()) -> dict[str, Found]:
        """Measure one round; its troubles are faults. Folders have numbers for names: so any log line can be read."""
        numbers = {str(number): name for number, name in enumerate(files)}
        done = self._rounds.run({number: files[name] for number, name in numbers.items()})
        if done.troubles:
            first = mutants[0].name if mutants else next(iter(files))
            log = self._keep(f"log-{first.replace(':', '-')}", done.log.encode())
            for trouble in done.troubles:
                self._fault(f"{trouble} (folder 0 is {first}; see {log})")
        return {name: done.found[number] for number, name in numbers.items()}

    def _account(self, mutant: Mutant, found: Found, judgement: Judgement) -> None:
        self.counted[judgement.verdict] += 1
        if judgement.reason:
            self.reasons[f"{judgement.verdict}: {judgement.reason}"] += 1
        if judgement.reference is not None:
            self.references[judgement.reference] += 1
        if judgement.faults:
            name = f"{mutant.seed}-{mutant.number}.{mutant.extension}"
            self._fault(f"{mutant.told}: {'; '.join(judgement.faults)}; kept as {self._keep(name, mutant.content)}")
        if self._options.verbose or self._options.replay:
            self._say(f"{mutant.told}: {judgement}, {found}")

    def _fault(self, what: str) -> None:
        self.faults += 1
        self._say(f"FAULT {what}")

    def _say(self, what: str) -> None:
        sys.stdout.write(f"{what}\n")
        sys.stdout.flush()

    def _keep(self, name: str, content: bytes) -> Path:
        """Put a file where it stays; the directory is made for the first one."""
        if self._kept is None:
            self._kept = Path(tempfile.mkdtemp(prefix="audio-fuzz-kept-"))
        path = self._kept / name
        path.write_bytes(content)
        return path


def parse(arguments: list[str] | None) -> Options:
    """Read the command line."""

    def name(text: str) -> tuple[int, int]:
        seed, _, number = text.partition(":")
        return int(seed), int(number)

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="start no round after it (default: 60)"
    )
    parser.add_argument("--mutants", type=int, metavar="N", help="so many, whatever time it takes")
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes (default: one per core)")
    parser.add_argument("--replay", type=name, metavar="SEED:N", help="only this mutant; tell all about it")
    parser.add_argument("--verbose", action="store_true", help="tell all about every mutant")
    return Options(**vars(parser.parse_args(arguments)))


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code."""
    options = parse(arguments)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="audio-fuzz-") as directory:
        fuzz = Fuzz(options, Path(directory))
        fuzz.run()
    for reason, count in [*fuzz.reasons.most_common(), *fuzz.references.most_common()]:
        sys.stdout.write(f"{count:6} {reason}\n")
    counts = ", ".join(f"{verdict} {fuzz.counted[verdict]}" for verdict in Verdict)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    seed = options.replay[0] if options.replay else options.seed
    sys.stdout.write(
        f"seed {seed}: mutants {fuzz.counted.total()}, {counts}, faults {fuzz.faults}, "
        f"at most {memory} MiB, seconds {time.monotonic() - start:.1f}\n"
    )
    return 1 if fuzz.faults else 0


if __name__ == "__main__":
    sys.exit(main())
