"""The cost of the page: `./dev bench page --folders 100000`.

A service watches a generated dataset (see `scale`), and a real Chromium opens its page. The first paint is what the
browser tells (First Contentful Paint), the median of a few openings; the processor time of the service is that of some
seconds at rest without a page, then with one open on its view *now*, one after the other, several times.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from support.browser import Loop, Page, chromium, started
from support.large_dataset import LargeDataset
from support.service import Service, configuration, eventually, run, service
from support.web_rig import free_port

_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folders", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    program = chromium()
    if program is None:
        raise SystemExit("there is no Chromium here: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="page-") as place:
        ground = LargeDataset(Path(place), arguments.folders)
        ground.make()
        config = configuration(ground.place / "c.toml", ground.root, settle=0.0)
        config.write_text(config.read_text() + f'[web]\nlisten = "127.0.0.1:{free_port()}"\n')
        (ground.place / "chromium").mkdir()
        loop = Loop()
        with (
            service(ground.place / "run", config, env=ground.env) as daemon,
            started(loop, program, ground.place / "chromium") as browser,
        ):
            daemon.becomes(timeout=3600, complete=arguments.folders)
            page = browser.page()
            page.see(1440)
            address = enter(page, daemon)
            print("| what | figure |\n| --- | --- |")
            for view in ("now", "dataset", "folders", "failures"):
                paints = [painted(page, f"{address}?{number}#/{view}") for number in range(arguments.runs)]
                print(f"| first paint of *{view}* | {statistics.median(paints):.0f} ms |")
            page.go("about:blank")
            costs: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(arguments.runs):
                for is_open in (False, True):
                    page.go(f"{address}?open#/now" if is_open else "about:blank")
                    costs[is_open].append(cost(daemon, arguments.seconds))
            for is_open, told in ((False, "without a page"), (True, "with a page open")):
                print(f"| service at rest {told} | {statistics.median(costs[is_open]):.2f} % of a core |")
            loop.run(page.close())
            daemon.stop()
        loop.stop()


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
