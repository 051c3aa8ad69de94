"""Hours of ordinary life with a large dataset: whether anything grows that should not.

The service has a dataset of a million folders, measured already, and a small one behind a mount that stops answering at
times. Folders arrive, change and go, workers are killed, the configuration is read again. Every few seconds its
memory, descriptors, threads, processor time and the size of its catalog are written down, in a table that can be looked
at meanwhile. At the end each has to be flat: what it was in the second quarter of the time is what it is in the last.
The quarter before that, of the first walks and caches, does not count.

Printed are the figures, and a picture of each as SVG beside the table. Exit code 1 where anything grew, or a folder
that arrived has no record.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.audio_files import make_track
from support.hanging_mount import HangingMount, hanging_mount, why_not
from support.large_dataset import LargeDataset
from support.service import Service, eventually, record_of

_EVERY = 10.0
"""Seconds between two samples."""
_ARRIVALS, _KEPT = 30.0, 100
"""Seconds between two arrivals on average, and how many of them are there at once."""
_CHANGES, _DEATHS, _RELOADS, _HANGS = 45.0, 180.0, 600.0, 900.0
"""Seconds between two of each on average."""
_HANGING = 45.0
"""Seconds for which the mount answers nothing."""
_PATIENCE = 3600.0
_MIB = 1 << 20
_SLACK = {"memory, MiB": 4.0, "descriptors": 3.0, "threads": 3.0, "catalog, MiB": 4.0}
"""What each may have grown by, beside a hundredth: caches fill, and what arrives is noted."""
_TITLES = (*_SLACK, "CPU, %", "status, ms", "workers, MiB")


@dataclass
class Sample:
    """One look at the service."""

    at: float
    """Seconds since the beginning."""
    values: dict[str, float]


@dataclass
class Life:
    """What happens around the service."""

    dataset: LargeDataset
    small: Path
    daemon: Service
    mount: HangingMount | None
    dice: random.Random
    arrived: list[Path] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    hangs_until: float | None = None

    def deeds(self) -> Iterator[tuple[float, str]]:
        """Give the seconds between two of each kind on average, with the name of what does it."""
        yield from ((_ARRIVALS, "arrive"), (_CHANGES, "change"), (_DEATHS, "kill"), (_RELOADS, "reload"))
        if self.mount is not None:
            yield _HANGS, "hang"

    def do(self, deed: str) -> None:
        """Do it, and count it."""
        self.counts[deed] = self.counts.get(deed, 0) + 1
        getattr(self, deed)()

    def arrive(self) -> None:
        """Move a new folder in; the oldest of many goes."""
        number = self.counts["arrive"]
        made = make_track(self.dataset.place / "new" / f"New {number}", seconds=1.0, stems=(), seed=number)
        roots = [self.dataset.root, *([self.small] if self.hangs_until is None else [])]
        target = self.dice.choice(roots) / made.name
        if target.parent == self.small:
            shutil.copytree(made, target)
            shutil.rmtree(made)
        else:
            made.rename(target)
        self.arrived.append(target)
        if len(self.arrived) > _KEPT and self.hangs_until is None:
            shutil.rmtree(self.arrived.pop(0))

    def change(self) -> None:
        """Put another mix into a folder that arrived."""
        folders = [each for each in self.arrived if each.parent == self.dataset.root]
        if folders:
            make_track(self.dice.choice(folders), seconds=1.5, stems=(), seed=self.dice.randrange(1 << 20))

    def kill(self) -> None:
        """End a worker."""
        for pid in self.daemon.workers()[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def reload(self) -> None:
        """Have the configuration read again, with another number of workers."""
        path = self.dataset.place / "c.toml"
        text = path.read_text().replace("workers = 2", "workers = 3")
        if self.counts["reload"] % 2 == 0:
            text = text.replace("workers = 3", "workers = 2")
        path.write_text(text)
        self.daemon.process.send_signal(signal.SIGHUP)

    def hang(self) -> None:
        """Let the mount answer nothing for a while."""
        assert self.mount is not None
        self.mount.hang()
        self.hangs_until = time.monotonic() + _HANGING

    def tick(self, *, over: bool = False) -> None:
        """Let the mount answer again when it is time."""
        if self.hangs_until is not None and (over or time.monotonic() >= self.hangs_until):
            assert self.mount is not None
            self.mount.heal()
            self.hangs_until = None


def sampled(daemon: Service, state: Path, before: float, seconds: float) -> tuple[dict[str, float], float]:
    """Look at the service; its processor time until now comes beside, which was `before` so many `seconds` ago."""
    process = psutil.Process(daemon.process.pid)
    times = process.cpu_times()
    spent = times.user + times.system
    asked = time.monotonic()
    daemon.status()
    took = time.monotonic() - asked
    workers = 0
    for child in process.children():
        with suppress(psutil.Error):
            workers += child.memory_info().rss
    values = {
        "memory, MiB": process.memory_info().rss / _MIB,
        "descriptors": float(process.num_fds()),
        "threads": float(process.num_threads()),
        "catalog, MiB": sum(each.stat().st_size for each in state.rglob("*") if each.is_file()) / _MIB,
        "CPU, %": 100 * (spent - before) / seconds,
        "status, ms": 1000 * took,
        "workers, MiB": workers / _MIB,
    }
    return values, spent


def live(life: Life, seconds: float, table: Path) -> list[Sample]:
    """Let it all happen for so many seconds; what was seen is written into `table` as it comes."""
    samples: list[Sample] = []
    began = time.monotonic()
    next_deed = {deed: began + life.dice.expovariate(1 / mean) for mean, deed in life.deeds()}
    means = {deed: mean for mean, deed in life.deeds()}
    _, spent = sampled(life.daemon, life.dataset.place / "d" / "state", 0.0, 1.0)
    last = began
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", *_TITLES])
        while (now := time.monotonic()) < began + seconds:
            life.tick()
            for deed in [each for each, due in next_deed.items() if now >= due]:
                life.do(deed)
                next_deed[deed] = now + life.dice.expovariate(1 / means[deed])
            if now - last >= _EVERY:
                values, spent = sampled(life.daemon, life.dataset.place / "d" / "state", spent, now - last)
                last = now
                samples.append(Sample(now - began, values))
                writer.writerow([round(now - began, 1), *(round(values[title], 3) for title in _TITLES)])
                file.flush()
            time.sleep(0.5)
    life.tick(over=True)
    return samples


def grown(samples: Sequence[Sample]) -> list[str]:
    """Name what is more in the last quarter than in the second."""
    end = samples[-1].at
    found = []
    for title, slack in _SLACK.items():
        second = statistics.median(each.values[title] for each in samples if end / 4 <= each.at < end / 2)
        last = statistics.median(each.values[title] for each in samples if each.at >= end * 3 / 4)
        if last > second * 1.01 + slack:
            found.append(f"{title} grew from {second:.1f} to {last:.1f}")
    return found


def told(samples: Sequence[Sample]) -> Iterator[str]:
    """Yield a table: the median of each quarter, and the most of all."""
    end = samples[-1].at
    yield f"| over {end / 3600:.2f} h | 1st quarter | 2nd | 3rd | 4th | most |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for title in _TITLES:
        quarters = [
            statistics.mean(each.values[title] for each in samples if end * part / 4 <= each.at <= end * (part + 1) / 4)
            if title == "CPU, %"
            else statistics.median(
                each.values[title] for each in samples if end * part / 4 <= each.at <= end * (part + 1) / 4
            )
            for part in range(4)
        ]
        most = max(each.values[title] for each in samples)
        yield f"| {title} | {' | '.join(f'{each:.2f}' for each in (*quarters, most))} |"
    spans = range(max(1, int(end // 600)))
    cpu = [
        statistics.mean([each.values["CPU, %"] for each in samples if 600 * span <= each.at < 600 * (span + 1)])
        for span in spans
    ]
    yield f"| CPU, % of a core, in ten minutes | | | | {statistics.median(cpu):.2f} | {max(cpu):.2f} |"


def drawn(samples: Sequence[Sample]) -> str:
    """Draw each figure over time, one beneath the other."""
    width, height, left = 720, 90, 150
    end = samples[-1].at
    parts = []
    for row, title in enumerate(_TITLES):
        most = max(each.values[title] for each in samples) or 1.0
        top = row * (height + 20) + 10
        points = " ".join(
            f"{left + (width - left - 10) * each.at / end:.1f},{top + height - height * each.values[title] / most:.1f}"
            for each in samples
        )
        parts += [
            f'<text x="8" y="{top + 14}">{title}</text>',
            f'<text x="8" y="{top + 32}">at most {most:.1f}</text>',
            f'<line x1="{left}" y1="{top + height}" x2="{width - 10}" y2="{top + height}" stroke="#999"/>',
            f'<polyline fill="none" stroke="#1f6f8b" points="{points}"/>',
        ]
    bottom = len(_TITLES) * (height + 20) + 10
    parts.append(f'<text x="{left}" y="{bottom + 8}">0</text>')
    parts.append(f'<text x="{width - 10}" y="{bottom + 8}" text-anchor="end">{end / 3600:.2f} h</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 16}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def say(text: str) -> None:
    """Print a line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def play(options: argparse.Namespace, place: Path) -> int:
    """Prepare, live, judge, report; the exit code."""
    dataset = LargeDataset(place, options.folders)
    dataset.make()
    small, behind = place / "small", place / "behind"
    with ExitStack() as stack:
        mount = None if why_not() else stack.enter_context(hanging_mount(small, behind))
        small.mkdir(exist_ok=True)
        make_track(small / "First", seconds=1.0, stems=())
        config = dataset.configuration(small)
        with config.open("a") as file:  # of the last dataset: FUSE tells no process about locks
            file.write("alone = true\n")
        daemon, _ = stack.enter_context(dataset.service(config))
        say(f"{options.folders:,} folders are made; the first walk begins")
        eventually(lambda: daemon.log().count("dataset-active") >= 2, _PATIENCE)  # one for each
        say(f"it is over; {options.hours:g} h of life begin")
        life = Life(dataset, small, daemon, mount, random.Random(options.seed))
        table = options.output.with_suffix(".csv")
        samples = live(life, options.hours * 3600, table)
        eventually(lambda: all("lufs" in record_of(each) for each in life.arrived), 600)
        lacking = [each.name for each in life.arrived if "lufs" not in record_of(each)]
    faults = [*grown(samples), *(f"{name} has no record" for name in lacking)]
    for line in told(samples):
        say(line)
    say(", ".join(f"{deed} {count}" for deed, count in life.counts.items()))
    options.output.with_suffix(".svg").write_text(drawn(samples))
    for fault in faults:
        say(f"! {fault}")
    return 1 if faults else 0


def main() -> int:
    """Read the command line and soak; the exit code."""
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--folders", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--place", type=Path, help="where the tree is made; a temporary directory where left out")
    parser.add_argument(
        "--output", type=Path, default=Path("soak"), help="name of the table and the picture, without their ends"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="audiobatchd-soak-", dir=options.place) as place:
        return play(options, Path(place))


if __name__ == "__main__":
    sys.exit(main())
