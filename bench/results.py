"""The cost of asking for values: `./dev bench results --folders 100000 1000000`.

Catalogs are filled as the service fills them, with synthetic rows of 60 numbers and a label; then rows, a condition, an
order, a histogram, a scatter and a summary are asked for. Times are processor time, of both processes where there are
two, and the best of a few runs: what is asked for a second time finds the file in memory, as a page that is
looked at does. Where the wall is told, other work on the machine counts. An export is the real command, of folders that
are there, each with a mix and four stems.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from audiobatchd.control.results import AskColumns, AskRows, AskSummary, Column, Query, Summary
from audiobatchd.core.readings import Finding
from audiobatchd.results.sources import open_catalog
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.scan.values import Found, decoded
from audiobatchd.service.answers.results import ResultAnswers
from audiobatchd.vocabulary.files import ROLES
from support import statuses
from support.control_rig import ToldService, serving
from support.results_rig import ToldStates
from support.service import PROGRAMS

_PART = 1000
_NAMES_OF_A_FILE = 12_000
_NAMES = ("bpm", "lufs", "lra", "true_peak", "duration", *(f"feature_{number}" for number in range(55)))
_KEYS = ("C major", "A minor", "G major", "E minor")


def record(draw: random.Random) -> dict[str, bytes]:
    """Make a record as it is written."""
    values = {name: round(draw.gauss(100, 20), 4) for name in _NAMES}
    return {name: b"%.4f" % value for name, value in values.items()} | {"key": msgspec.json.encode(draw.choice(_KEYS))}


def fill(catalog: Catalog, dataset: str, folders: int) -> None:
    """Fill a catalog, as walks do."""
    draw = random.Random(1)  # noqa: S311  # numbers to count, no secrets
    for start in range(0, folders, _PART):
        paths = [name_of(number) for number in range(start, min(start + _PART, folders))]
        sightings = [Sighting(path, 1, "s", "a", Finding.COMPLETE, leaf=True) for path in paths]
        found = {path: Found(path, Finding.COMPLETE, "", decoded(record(draw))) for path in paths}
        catalog.sightings.note(dataset, sightings, {}, found)


def name_of(number: int) -> str:
    """Name a folder."""
    return f"Artist - Title {number:07d}"


def make_folders(root: Path, folders: int) -> None:
    """Make the folders, whose files are names of a few."""
    for number in range(folders):
        if number % _NAMES_OF_A_FILE == 0:
            file = root.with_name(f"audio {number}")
            file.touch()
        folder = root / name_of(number)
        folder.mkdir(parents=True)
        for role in ROLES:
            os.link(file, folder / f"{role}.flac")


def timed(work: Callable[[], object], runs: int) -> tuple[float, float]:
    """Seconds of the quickest of so many runs: processor time, of this process and of those that it started; wall."""
    times, walls = [], []
    for _ in range(runs):
        before = os.times()
        work()
        after = os.times()
        times.append(sum(after[:4]) - sum(before[:4]))
        walls.append(after.elapsed - before.elapsed)
    return min(times), min(walls)


def count(rows: Iterable[object]) -> int:
    """Count what comes, and keep nothing of it."""
    return sum(1 for _ in rows)


_CLIENT = """
import sys
from pathlib import Path
from audiobatchd.cli.results import Served
from audiobatchd.control.client import ControlClient
from audiobatchd.control.results import Query
print(sum(1 for _ in Served(ControlClient(Path(sys.argv[1])), sys.argv[2], ()).rows(Query())))
"""


class Serving(ToldService):
    """A service with the values of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(statuses.idle)
        self._answers = ResultAnswers(catalog, lambda name: (name, ToldStates()))

    async def columns(self, asked: AskColumns) -> list[Column]:
        """List the columns of the catalog."""
        return await self._answers.columns(asked)

    async def summary(self, asked: AskSummary) -> list[Summary]:
        """Tell columns of the catalog in short."""
        return await self._answers.summary(asked)

    async def rows(self, asked: AskRows) -> AsyncGenerator[bytes, None]:
        """Tell rows of the catalog."""
        return await self._answers.rows(asked)


def over_the_socket(path: Path, command: Callable[[Path], tuple[object, ...]]) -> None:
    """Have another process ask over a socket, by a command that is made for it."""
    socket = path.with_suffix(".sock")
    with closing(Catalog(path)) as catalog, serving(socket, statuses.idle, Serving(catalog)):
        subprocess.run(tuple(map(str, command(socket))), check=True, stdout=subprocess.DEVNULL)


def exported(path: Path, root: Path) -> None:
    """Export all columns of all folders as CSV by the command."""
    target = path.with_suffix(".csv")
    export = ("export", root, "--format", "csv", "-o", target)
    over_the_socket(path, lambda socket: (PROGRAMS / "audiobatchctl", "--socket", socket, *export))
    target.unlink()


def measure(folders: int, runs: int, place: Path) -> dict[str, str]:
    """Take all figures of one size."""
    path, root = place / f"{folders}.sqlite", place / f"{folders}"
    make_folders(root, folders)
    started = time.process_time()
    with closing(Catalog(path)) as catalog:
        fill(catalog, str(root), folders)
    told = {"folders": f"{folders:,}", "fill, us a folder": f"{(time.process_time() - started) / folders * 1e6:.0f}"}
    told["catalog, bytes a folder"] = f"{path.stat().st_size / folders:.0f}"

    def ask(work: Callable[..., object]) -> Callable[[], object]:
        def asked() -> object:
            with open_catalog(path, str(root), ToldStates()) as results:
                return work(results)

        return asked

    questions: dict[str, Callable[[], object]] = {
        "columns, ms": ask(lambda results: results.columns()),
        "the 20 quickest that meet a condition, ms": ask(
            lambda results: count(results.rows(Query(("folder", "bpm"), "bpm > 120 and lufs < 90", ("-bpm",), 20)))
        ),
        "histogram, ms": ask(lambda results: results.histogram("feature_30")),
        "scatter, ms": ask(lambda results: results.scatter("lra", "lufs")),
        "summary of one, ms": ask(lambda results: count(results.summary(("bpm",)))),
    }
    for name, work in questions.items():
        told[name], told[f"{name}: wall"] = (f"{seconds * 1000:.0f}" for seconds in timed(work, runs))
    longer: dict[str, Callable[[], object]] = {
        "all rows, all columns, s": ask(lambda results: count(results.rows(Query()))),
        "the same in another process, over the socket, s": lambda: over_the_socket(
            path, lambda socket: (sys.executable, "-c", _CLIENT, socket, root)
        ),
        "export to CSV by the command, s": lambda: exported(path, root),
    }
    for name, work in longer.items():
        told[name], told[f"{name}: wall"] = (f"{seconds:.1f}" for seconds in timed(work, 1))
    path.unlink()
    return told


def main() -> None:
    """Measure each size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--place", type=Path, help="where the catalogs are made; a temporary directory where left out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.place) as place:
        columns = [measure(folders, arguments.runs, Path(place)) for folders in arguments.folders]
    print(f"| | {' | '.join(column['folders'] for column in columns)} |")
    print(f"| --- |{' --- |' * len(columns)}")
    for name in list(columns[0])[1:]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")


if __name__ == "__main__":
    main()
