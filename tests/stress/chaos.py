"""A daemon at work while everything around it goes wrong: whether all comes right again, and nothing was done twice.

A seed gives the faults and their moments; what a fault meets there is real time's. For the given time a fault of
`process_faults`, `folder_faults`, `record_faults` or `disk_faults` is done five times a second, one of each kind for
certain where there is time for so many. Then the operator's part is done (room
is made, and records that cannot be understood are removed, which the service never touches), and the daemon is left
alone until all is quiet. What must hold then: `verdict`; what must have held all the time: `witness` and `keeper`.

What the daemons were told is gone through again at the end, and has to lead to the same decisions.

A table of figures is printed; where anything is wrong, the log of faults too, and the exit code is 1. As root it works
on a small tmpfs of its own, with a FUSE mount in it; else there is no disk to be filled, and no mount that hangs. What
there is of inotify is used up in a user namespace of the daemon's own, where there may be one.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from audiobatchd.service.decisions import DIRECTORY
from replay.replay import Replay, files_of
from stress.disk_faults import Disks
from stress.folder_faults import Folders
from stress.ground import Ground, small_file_system
from stress.keeper import Keeper
from stress.process_faults import INOTIFY, Processes
from stress.record_faults import Records
from stress.verdict import Verdict, measure_undisturbed
from stress.witness import Witness
from support.hanging_mount import HangingMount, hanging_mount, why_not
from support.namespaces import may_limit_inotify, with_inotify
from support.plugins import install_analyzer
from support.service import configuration

RATE = 5.0
"""Faults a second."""

_TICK = 0.05
_LOG_LINES = 60
_PLUGIN = "pause"
_PAUSING = "time.sleep(0.05)\nreturn self.answer(audio)"
_ENDLESS = 1000
_CERTAIN = 8
"""Number of faults after which a kind comes that had no turn of this sort yet."""


@dataclass(frozen=True)
class Options:
    """The command line."""

    seconds: float
    seed: int
    folders: int
    log: Path | None = None
    """Where a copy of what the daemons logged is left."""


@dataclass
class Chaos:
    """Run of the chaos."""

    options: Options
    ground: Ground
    keeper: Keeper
    witness: Witness
    verdict: Verdict
    mount: HangingMount | None = None
    limits_inotify: bool = False
    log: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    replayed: str = ""
    _start: float = 0.0
    _going_on: list[tuple[float, int, Iterator[float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._records = Records(self.keeper, self.ground, self.witness, self.verdict.faults)
        self.processes = Processes(self.keeper, self.ground, self.limits_inotify)
        self.disks = Disks(self.keeper, self.ground, self.witness, self.mount)
        rooms = (self.processes, Folders(self.ground, self.witness), self._records, self.disks)
        deeds = {name: deed for each in rooms for name, deed in each.deeds().items()}
        self._deeds = {name: deed for name, (_, deed) in deeds.items()}
        self._weights = [weight for weight, _ in deeds.values()]
        self._certain = random.Random(f"{self.options.seed} kinds").sample(list(deeds), len(deeds))

    def run(self) -> None:
        """Do faults for the given time, see those through that have begun, and mend what only an operator can."""
        self._start = time.monotonic()
        moments = random.Random(f"{self.options.seed} moments")
        number, moment = 0, moments.expovariate(RATE)
        while moment < self.options.seconds or self._going_on:
            now = time.monotonic() - self._start
            if moment < self.options.seconds and now >= moment:
                number += 1
                self._do(number)
                moment += moments.expovariate(RATE)
            while self._going_on and self._going_on[0][0] <= now:
                _, which, deed = heapq.heappop(self._going_on)
                self._go_on(which, deed)
            self.keeper.tick()
            soonest = min([moment, *(each[0] for each in self._going_on[:1])])
            time.sleep(min(_TICK, max(0.0, soonest - (time.monotonic() - self._start))))
        self.ground.empty()
        for track in self.ground.tracks:
            self._records.mend(track)

    @property
    def end(self) -> float:
        """Time when there was no more time for new faults."""
        return self._start + self.options.seconds

    def _do(self, number: int) -> None:
        dice = random.Random(f"{self.options.seed} {number}")
        kind = dice.choices(list(self._deeds), self._weights)[0]
        if number % _CERTAIN == 0 and self._certain:
            kind = self._certain.pop()
        self.counts[kind] += 1

        def say(text: str) -> None:
            self.log.append(f"{time.monotonic() - self._start:8.2f} #{number} {kind}: {text}")

        self._go_on(number, iter(self._deeds[kind](dice, say)))

    def _go_on(self, number: int, deed: Iterator[float]) -> None:
        pause = next(deed, None)
        if pause is not None:
            heapq.heappush(self._going_on, (time.monotonic() - self._start + pause, number, deed))


def play(options: Options, directory: Path, *, is_small: bool) -> int:
    """Prepare, run, judge, report; the exit code."""
    has_mount, limits_inotify = not why_not(), may_limit_inotify()
    ground = Ground(directory / "ground", is_small=is_small, has_mount=has_mount)
    ground.make(options.folders, options.seed)
    kept = directory / DIRECTORY
    kept.mkdir()
    ground.state.mkdir(exist_ok=True)
    (ground.state / DIRECTORY).symlink_to(kept)  # where there is room for all of it
    env = install_analyzer(directory / "plugin", _PLUGIN, _PAUSING)
    env["PYTHONPATH"] += os.pathsep + os.environ.get("PYTHONPATH", "")
    prefix: Sequence[str] = with_inotify(**INOTIFY) if limits_inotify else ()
    with ExitStack() as stack:
        mount = stack.enter_context(hanging_mount(ground.mount, ground.behind)) if has_mount else None
        keeper = Keeper(directory / "daemon", configured(directory / "c.toml", ground), ground, env, prefix)
        witness = Witness()
        try:
            for track in ground.all_tracks:
                witness.watch(track.path)
            chaos = Chaos(options, ground, keeper, witness, Verdict(), mount, limits_inotify)
            chaos.run()
            judge(chaos, directory, env)
            chaos.replayed = replay(chaos, kept)
        finally:
            if mount is not None:
                mount.heal()  # what it holds could not be ended
            keeper.close()
            witness.stop()
            if options.log is not None and keeper.log_path.exists():
                shutil.copyfile(keeper.log_path, options.log)
    report(chaos)
    return 1 if chaos.verdict.faults else 0


def configured(path: Path, ground: Ground) -> Path:
    """The daemon's configuration."""
    keys = {"workers": 2, "job_timeout": 10, "stop_grace": 5, "max_deaths": _ENDLESS, "max_suspect": _ENDLESS}
    configuration(path, *ground.datasets, rescan=5.0, plugins=[_PLUGIN], keep_decisions="1 GiB", **keys)
    if ground.has_mount:
        with path.open("a") as file:  # of the last dataset: FUSE tells no process about locks
            file.write("alone = true\n")
    return path


def judge(chaos: Chaos, directory: Path, env: dict[str, str]) -> None:
    """Hold everything against what must be."""
    verdict, keeper, witness = chaos.verdict, chaos.keeper, chaos.witness
    verdict.come_to_rest(keeper, chaos.ground, chaos.end)
    verdict.follow(keeper, chaos.ground)
    verdict.end(keeper, chaos.ground)
    undisturbed = directory / "undisturbed"
    config = configuration(directory / "once.toml", undisturbed, settle=0.0, plugins=[_PLUGIN], workers=2)
    measure_undisturbed(chaos.ground, undisturbed, config, env)
    verdict.compare(chaos.ground, witness, undisturbed)
    witness.drain()
    verdict.faults += [*witness.faults, *witness.too_many(), *(("", trouble) for trouble in keeper.troubles)]


def replay(chaos: Chaos, kept: Path) -> str:
    """Go again through all that the daemons were told; in words, how that went."""
    steps = others = 0
    for path in files_of(kept):
        for step in Replay(path).steps():
            steps += 1
            others += not step.is_same
    if others or not steps:
        chaos.verdict.faults.append(("", f"{others} of {steps} decisions are other ones now"))
    return f"{steps:,} steps again, {others} with other actions"


def report(chaos: Chaos) -> None:
    """Print the figures, after what was wrong."""
    options, verdict, witness = chaos.options, chaos.verdict, chaos.witness
    if verdict.faults:
        _tell_faults(chaos)
    rows = [
        ("seed", str(options.seed)),
        ("seconds", f"{options.seconds:g}"),
        ("folders", f"{options.folders} at the start, {len(chaos.ground.tracks)} at the end"),
        ("folders aside", str(len(chaos.ground.all_tracks) - len(chaos.ground.tracks))),
        ("faults", str(chaos.counts.total())),
        *((f"  {name}", str(number)) for name, number in sorted(chaos.counts.items())),
        ("workers met at work", str(chaos.processes.hits)),
        ("daemons started", str(chaos.keeper.starts)),
        ("publishes", f"{witness.publishes}, {witness.unread} of them gone before they were read"),
        ("seconds to quiet", f"{verdict.seconds_to_quiet:.1f}"),
        ("replayed", chaos.replayed),
        ("wrong", str(len(verdict.faults))),
    ]
    sys.stdout.writelines(f"{name:<36} {value}\n" for name, value in rows)


def _tell_faults(chaos: Chaos) -> None:
    """Print all that was done; then, folder by folder, what was wrong, and what was done and logged there."""
    sys.stderr.writelines(f"{line}\n" for line in chaos.log)
    daemon = chaos.keeper.log_path.read_text(errors="replace").splitlines()
    for folder in dict.fromkeys(folder for folder, _ in chaos.verdict.faults):
        sys.stderr.write(f"\nseed {chaos.options.seed}: {folder or 'the whole'}:\n")
        sys.stderr.writelines(f"  {fault}\n" for which, fault in chaos.verdict.faults if which == folder)
        number = folder.partition(" (")[0]  # which stays when the name changes
        told = [line for line in (*chaos.log, *daemon) if number and number in line] or daemon
        sys.stderr.writelines(f"    {line}\n" for line in told[-_LOG_LINES:])


def parse(arguments: list[str] | None) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0, metavar="S", help="of faults (default: 600)")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--folders", type=int, default=300, metavar="N")
    parser.add_argument("--log", type=Path, metavar="FILE", help="leave a copy there of what the daemons logged")
    return Options(**vars(parser.parse_args(arguments)))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run; the exit code."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as directory,
        small_file_system(Path(directory, "ground")) as is_small,
    ):
        if not is_small:
            sys.stderr.write("cannot mount a file system of its own: no disk is filled\n")
        try:
            return play(options, Path(directory), is_small=is_small)
        except KeyboardInterrupt:
            return 130


if __name__ == "__main__":
    sys.exit(main())
