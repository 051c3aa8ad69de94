"""The cost of the page: `./dev bench page --folders 100000 --backfill 400`.

A service watches a generated dataset (see `scale`), and a real Chromium opens its page. The first paint is what the
browser tells (First Contentful Paint), the median of a few openings; the processor time of the service is that of some
seconds at rest without a page, then with one open on its view *now*, one after the other, several times.

Then short tracks are measured from the first to the last, by the analyzer `loudness`, without a page and with one open,
in turn: the processor time is that of the service with all of its workers. The browser's own is in no figure.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from support.audio_files import make_track
from support.browser import Loop, Page, chromium, started
from support.large_dataset import LargeDataset
from support.service import Service, configuration, eventually, run, service
from support.web_rig import free_port

_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folders", type=int, default=20_000, help="0: nothing is watched at rest")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--backfill", type=int, default=400, help="number of tracks; 0: none are measured")
    parser.add_argument("--place", type=Path, help="where the dataset is made and kept; else it goes with the bench")
    arguments = parser.parse_args()
    program = chromium()
    if program is None:
        raise SystemExit("there is no Chromium here: apt-get install chromium")
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="page-") as place:
        (Path(place) / "chromium").mkdir()
        with started(loop, program, Path(place) / "chromium") as browser:
            page = browser.page()
            page.see(1440)
            print("| what | figure |\n| --- | --- |", flush=True)
            if arguments.folders:
                at_rest(page, arguments.place or Path(place), arguments)
            if arguments.backfill:
                backfills(page, Path(place) / "backfill", arguments.backfill, arguments.runs)
            loop.run(page.close())
    loop.stop()


def at_rest(page: Page, place: Path, arguments: argparse.Namespace) -> None:
    """Print first paints of each view, and what the service takes at rest."""
    ground = LargeDataset(place, arguments.folders)
    if not ground.root.exists():
        ground.make()
    with service(place / "run", config_of(ground.root, place), env=ground.env) as daemon:
        eventually(lambda: "dataset-active" in daemon.log(), 3600)
        daemon.becomes(timeout=3600, complete=arguments.folders)
        eventually(lambda: (status := daemon.status()) and status.datasets[0].last_walk, 3600)
        address = enter(page, daemon)
        for view in ("now", "dataset", "folders", "failures"):
            paints = [painted(page, f"{address}?{number}#/{view}") for number in range(arguments.runs)]
            print(f"| first paint of *{view}* | {statistics.median(paints):.0f} ms |", flush=True)
        page.go("about:blank")
        costs: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(arguments.runs):
            for is_open in (False, True):
                page.go(f"{address}?open#/now" if is_open else "about:blank")
                costs[is_open].append(cost(daemon, arguments.seconds))
        for is_open, told in ((False, "without a page"), (True, "with a page open")):
            each = ", ".join(f"{cost:.2f}" for cost in costs[is_open])
            print(
                f"| service at rest {told} | {statistics.median(costs[is_open]):.2f} % of a core ({each}) |", flush=True
            )
        page.go("about:blank")
        daemon.stop(timeout=300)


def backfills(page: Page, place: Path, tracks: int, runs: int) -> None:
    """Print what it takes to measure as many tracks without a page and with one, in turn."""
    root, costs = place / "dataset", {False: [0.0], True: [0.0]}
    template = make_track(place / "Track", seconds=30.0, stems=())
    for number in range(tracks):
        folder = root / f"Track {number:05d}"
        folder.mkdir(parents=True)
        for name in template.iterdir():
            os.link(name, folder / name.name)
    for number in range(runs + 1):  # the first pair finds files that are in no cache yet, and does not count
        for is_open in (number % 2 == 0, number % 2 == 1):
            costs[is_open].append(backfill(page, root, place / f"run {number} {is_open}", is_open=is_open))
    without, with_one = costs[False][2:], costs[True][2:]
    for told, each in (("without a page", without), ("with *now* open", with_one)):
        print(f"| {tracks} tracks measured {told} | {statistics.median(each):.2f} CPU s |")
    ratios = sorted(one / none for one, none in zip(with_one, without, strict=True))
    print(f"| the second to the first, median of {runs} pairs | {statistics.median(ratios):.3f} |")
    print(f"| the same, least and most | {ratios[0]:.3f}, {ratios[-1]:.3f} |", flush=True)


def backfill(page: Page, tracks: Path, place: Path, *, is_open: bool) -> float:
    """Measure all tracks by a new service; the processor time of its processes from the tracks' coming to the last."""
    for record in tracks.glob("*/*.INFO"):
        record.unlink()
    place.mkdir()
    root, count = place / "dataset", len(list(tracks.iterdir()))
    with service(place / "run", config_of(root, place)) as daemon:
        eventually(lambda: (status := daemon.status()) and status.state == "running")
        if is_open:
            enter(page, daemon)
        before = of_all(daemon)
        tracks.rename(root)  # is looked for every few seconds
        eventually(lambda: len(list(root.glob("*/*.INFO"))) == count, 3600)  # asking the service would cost it time
        daemon.becomes(complete=count)
        spent = of_all(daemon) - before
        page.go("about:blank")
        assert daemon.stop() == 0
    root.rename(tracks)
    return spent


def of_all(daemon: Service) -> float:
    """Seconds of processor time of the service and its workers so far."""
    family = psutil.Process(daemon.process.pid)
    times = [each.cpu_times() for each in (family, *family.children())]
    return sum(each.user + each.system for each in times)


def config_of(root: Path, place: Path) -> Path:
    """Write the configuration of a service with a page."""
    config = configuration(place / "c.toml", root, settle=0.0)
    config.write_text(config.read_text() + f'[web]\nlisten = "127.0.0.1:{free_port()}"\n')
    return config


def enter(page: Page, daemon: Service) -> str:
    """Open the page by a link; its address."""
    _, link, _ = run("audiobatchctl", "--socket", daemon.socket, "web")
    page.go(link.split()[0])
    page.shows("Connected", "#connection")
    return link.split("login/")[0]


def painted(page: Page, address: str) -> float:
    """Open an address anew; the milliseconds until its first paint."""
    page.go("about:blank")
    page.go(address)
    return float(eventually(lambda: page.of(_PAINT), 30))


def cost(daemon: Service, seconds: float) -> float:
    """Share of a core that the service takes, in per cent, once it has come to rest."""
    process = psutil.Process(daemon.process.pid)
    time.sleep(5)
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return 100 * (after.user + after.system - before.user - before.system) / seconds


if __name__ == "__main__":
    main()
