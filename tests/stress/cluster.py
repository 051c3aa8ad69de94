"""A pass on a Dask cluster while all of its processes are killed: whether every folder is measured, and none twice.

The cluster has four workers; as root it lies in three network namespaces. Children, Dask's workers, nannies, the
scheduler and the pass itself are killed, and started again as a batch system would. The witness sees every publish.
With `--cut SECONDS` the link of two workers is cut instead, once, for that long.

A table of figures is printed; where anything is wrong, that too, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from stress.witness import Witness
from support.audio_files import make_track
from support.cluster_rig import Cluster, cluster, set_link
from support.plugins import install_analyzer
from support.service import configuration

_WORKERS = 4
_SHARES = {"child": 80, "worker": 50, "nanny": 30, "client": 25, "scheduler": 15}
"""How often each kind is killed, of 200."""
_DAWDLE = "time.sleep({seconds})\nreturn self.answer(audio)"


@dataclass
class Stress:
    """One run."""

    made: Cluster
    dataset: Path
    config: Path
    witness: Witness
    choices: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    codes: list[int] = field(default_factory=list)
    """How passes ended that were not killed."""

    def tend(self) -> None:
        """Start again what has ended, as a batch system would."""
        for name in self.made.ended():
            process = self.made.processes.pop(name)
            if name == "scheduler":
                self.made.start_scheduler()
            elif name.startswith("worker-"):
                self.made.start_worker(int(name.removeprefix("worker-")))
            elif process.returncode != -signal.SIGKILL:
                self.codes.append(process.returncode)
        if "client" not in self.made.processes and not self.is_done():
            self.made.start_pass("client", self.dataset, "--config", self.config)

    def is_done(self) -> bool:
        """Tell whether a pass has come to its good end."""
        return 0 in self.codes

    def kill(self, kind: str) -> bool:
        """Kill a process of this kind; False where there is none."""
        made = self.made
        named: dict[str, Callable[[], list[int]]] = {
            "child": lambda: [each.pid for each in made.children() if _is_at_work(each)],
            "worker": lambda: [each.pid for each in made.dask_workers()],
            "nanny": lambda: [each.pid for name, each in made.processes.items() if name.startswith("worker-")],
            "scheduler": lambda: [made.processes["scheduler"].pid],
            "client": lambda: [made.processes["client"].pid] if "client" in made.processes else [],
        }
        pids = named[kind]()
        if pids:
            with suppress(ProcessLookupError):
                os.kill(self.choices.choice(pids), signal.SIGKILL)
                self.kills[kind] += 1
        return bool(pids)

    def until_done(self, within: float) -> bool:
        """Wait for a pass's good end."""
        deadline = time.monotonic() + within
        while not self.is_done() and time.monotonic() < deadline:
            self.tend()
            time.sleep(0.2)
        return self.is_done()

    def chaos(self, count: int, pause: float) -> None:
        """Kill so many, one after the other."""
        kinds = [kind for kind, share in _SHARES.items() for _ in range(max(1, round(share * count / 200)))][:count]
        self.choices.shuffle(kinds)
        while kinds and not self.is_done():
            time.sleep(self.choices.uniform(0.2, 2 * pause))
            self.tend()
            if self.kill(kinds[-1]):
                kinds.pop()
            else:  # there is none just now
                self.choices.shuffle(kinds)

    def lost(self) -> list[str]:
        """The folders without their numbers."""
        return [
            folder.name
            for folder in sorted(self.dataset.iterdir())
            if folder.is_dir() and "dawdle" not in _record(folder)
        ]


def _is_at_work(child: psutil.Process) -> bool:
    """Tell whether one of our workers has loaded: it has a title of its own then."""
    with suppress(psutil.Error):
        return "worker.process" not in " ".join(child.cmdline())
    return False


def _record(folder: Path) -> dict[str, object]:
    with suppress(OSError, ValueError):
        return dict(json.loads((folder / f"{folder.name}.INFO").read_bytes()))
    return {}


def run(directory: Path, options: argparse.Namespace) -> int:
    """Run it; the number of faults."""
    witness = Witness()
    dataset = directory / "dataset"
    make_track(dataset / "Song 0000", seconds=1, stems=(), extension="wav", seed=1)
    witness.watch(dataset / "Song 0000")
    for number in range(1, options.folders):
        folder = dataset / f"Song {number:04}"
        shutil.copytree(dataset / "Song 0000", folder)
        witness.watch(folder)
    env = install_analyzer(directory / "plugins", "dawdle", _DAWDLE.format(seconds=options.seconds))
    config = configuration(directory / "c.toml", dataset, settle=0.0, analyzers=["dawdle"])
    started = time.monotonic()
    with cluster(directory, _WORKERS, env=env, namespaces=options.namespaces) as made:
        stress = Stress(made, dataset, config, witness, random.Random(options.seed))
        stress.tend()
        after = _cut(stress, options.cut) if options.cut else None
        if not options.cut:
            stress.chaos(options.kills, options.pause)
        killed_for = time.monotonic() - started
        done = stress.until_done(options.patience)
    witness.drain()
    witness.stop()
    lost, double = stress.lost(), [*witness.faults, *witness.too_many()]
    rows = [
        ("folders", options.folders),
        ("kills", f"{sum(stress.kills.values())} in {killed_for:.0f} s {dict(stress.kills)}"),
        ("folders without numbers", len(lost)),
        ("folders published twice", len(double)),
        ("publishes", witness.publishes),
        ("ends of passes that were not killed", stress.codes),
    ]
    if after is not None:
        rows.append((f"seconds after a cut of {options.cut:g} s until its folders were done", f"{after:.1f}"))
    rows += [("fault", fault) for fault in [*lost[:10], *double[:10]]]
    sys.stdout.writelines(f"{name:<64} {value}\n" for name, value in rows)
    return len(lost) + len(double) + (not done)


def _cut(stress: Stress, seconds: float) -> float:
    """Cut the link of `a` amid the work; how long after its return the folders are done that were under way there."""
    made = stress.made
    _until(lambda: _under_way(made) and len(made.children()) == _WORKERS and "folder-done" in made.log("client"), 120)
    there = _under_way(made)
    set_link("a", "down")
    time.sleep(seconds)
    set_link("a", "up")
    joined = time.monotonic()
    _until(lambda: all((stress.dataset / name / f"{name}.INFO").exists() for name in there), 300)
    return time.monotonic() - joined


def _under_way(made: Cluster) -> list[str]:
    """The folders that all workers are at, by the lock files that they hold; more than those of `a` do no harm."""
    dataset = made.directory / "dataset"
    return sorted(path.name.removesuffix(".lock") for path in dataset.glob("*.lock"))


def _until(condition: Callable[[], object], within: float) -> None:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)


def main() -> int:
    """Run with the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each job")
    parser.add_argument("--pause", type=float, default=1.5, help="between two kills, on average")
    parser.add_argument("--patience", type=float, default=1800.0, help="for the pass's end after the kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cut", type=float, default=0.0, help="seconds for which a link is cut, instead of kills")
    parser.add_argument("--namespaces", action=argparse.BooleanOptionalAction, default=os.geteuid() == 0)
    parser.add_argument("--keep", type=Path, help="directory to work in, which stays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audiobatchd-cluster-") as directory:
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
        return min(1, run(options.keep or Path(directory), options))


if __name__ == "__main__":
    sys.exit(main())
