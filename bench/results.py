"""The cost of asking for values: `./dev bench results --folders 100000 1000000`.

Catalogs are filled as the service fills them, with synthetic rows of 60 numbers and a label; then rows, a condition, an
order, a histogram, a scatter and a summary are asked for. Times are processor time, of both processes where there are
two, and the best of a few runs: what is asked for a second time finds the file in memory, as a page that is
looked at does.
"""

from __future__ import annotations

import argparse
import csv
import io
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

from audiobatchd.control.results import AskRows, Query
from audiobatchd.core.readings import Finding
from audiobatchd.results.sources import open_catalog
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.scan.values import Found, decoded
from audiobatchd.service.answers.results import ResultAnswers
from support import statuses
from support.control_rig import ToldService, serving
from support.results_rig import ToldStates

_PART = 1000
_DATASET = "/music"
_NAMES = ("bpm", "lufs", "lra", "true_peak", "duration", *(f"feature_{number}" for number in range(55)))
_KEYS = ("C major", "A minor", "G major", "E minor")


def record(draw: random.Random) -> dict[str, bytes]:
    """Make a record as it is written."""
    values = {name: round(draw.gauss(100, 20), 4) for name in _NAMES}
    return {name: b"%.4f" % value for name, value in values.items()} | {"key": msgspec.json.encode(draw.choice(_KEYS))}


def fill(catalog: Catalog, folders: int) -> None:
    """Fill a catalog, as walks do."""
    draw = random.Random(1)  # noqa: S311  # numbers to count, no secrets
    for start in range(0, folders, _PART):
        paths = [f"Artist - Title {number:07d}" for number in range(start, min(start + _PART, folders))]
        sightings = [Sighting(path, 1, "s", "a", Finding.COMPLETE, leaf=True) for path in paths]
        found = {path: Found(path, Finding.COMPLETE, "", decoded(record(draw))) for path in paths}
        catalog.sightings.note(_DATASET, sightings, {}, found)


def timed(work: Callable[[], object], runs: int) -> float:
    """Seconds of processor time of the quickest of so many runs, of this process and of those that it started."""
    times = []
    for _ in range(runs):
        before = os.times()
        work()
        times.append(sum(os.times()[:4]) - sum(before[:4]))
    return min(times)


def count(rows: Iterable[object]) -> int:
    """Count what comes, and keep nothing of it."""
    return sum(1 for _ in rows)


_CLIENT = """
import sys
from pathlib import Path
from audiobatchd.cli.results import Served
from audiobatchd.control.client import ControlClient
from audiobatchd.control.results import Query
print(sum(1 for _ in Served(ControlClient(Path(sys.argv[1])), "/music", ()).rows(Query())))
"""


class Serving(ToldService):
    """A service with the values of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(statuses.idle)
        self._answers = ResultAnswers(catalog, lambda name: (name, ToldStates()))

    async def rows(self, asked: AskRows) -> AsyncGenerator[bytes, None]:
        """Tell rows of the catalog."""
        return await self._answers.rows(asked)


def over_the_socket(path: Path) -> None:
    """Have another process ask for all rows over a socket."""
    socket = path.with_suffix(".sock")
    with closing(Catalog(path)) as catalog, serving(socket, statuses.idle, Serving(catalog)):
        subprocess.run([sys.executable, "-c", _CLIENT, socket], check=True, stdout=subprocess.DEVNULL)


def as_csv(path: Path) -> None:
    """Write all columns of all folders, as an export does."""
    with open_catalog(path, _DATASET, ToldStates()) as results:
        csv.writer(io.StringIO()).writerows(results.rows(Query()))


def measure(folders: int, runs: int, place: Path) -> dict[str, str]:
    """Take all figures of one size."""
    path = place / f"{folders}.sqlite"
    started = time.process_time()
    with closing(Catalog(path)) as catalog:
        fill(catalog, folders)
    told = {"folders": f"{folders:,}", "fill, us a folder": f"{(time.process_time() - started) / folders * 1e6:.0f}"}
    told["catalog, bytes a folder"] = f"{path.stat().st_size / folders:.0f}"

    def ask(work: Callable[..., object]) -> Callable[[], object]:
        def asked() -> object:
            with open_catalog(path, _DATASET, ToldStates()) as results:
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
        told[name] = f"{timed(work, runs) * 1000:.0f}"
    whole = ask(lambda results: count(results.rows(Query())))
    told["all rows, all columns, s"] = f"{timed(whole, 1):.1f}"
    told["the same in another process, over the socket, s"] = f"{timed(lambda: over_the_socket(path), 1):.1f}"
    told["the same as CSV, s"] = f"{timed(lambda: as_csv(path), 1):.1f}"
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
