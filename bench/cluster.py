"""What a Dask cluster costs: `./dev bench cluster`, one table for each option.

`--cost`: CPU seconds for a folder, on a cluster and on this machine's own workers, pairs in turn. Each job takes two
CPU seconds; passes over few and many folders are held against each other, so that starts count for neither.

`--memory`: the scheduler's memory over many simulated jobs, which go as a pass's do: by the same client, keys in turn,
and four of Dask's events beside each; with more tasks at a time than a pass has, to get through a million.

`--join`: seconds from the moment when the scheduler has a new worker until a folder is measured there.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

from support.audio_files import make_track
from support.cluster_rig import Cluster, cluster
from support.plugins import install_analyzer
from support.service import PROGRAMS, configuration, eventually

_BURN = """
    until = time.process_time() + {seconds}
    while time.process_time() < until:
        sum(range(1000))
    return self.answer(audio)
"""
_PLACES, _AT_A_TIME = 4, 16
_EVENTS = 4


def _dataset(directory: Path, folders: int) -> Path:
    for number in range(folders):
        make_track(directory / f"Song {number:03}", seconds=1, stems=(), extension="wav", seed=number)
    return directory


def _pass(command: list[str], env: dict[str, str]) -> float:
    """Run a pass; CPU seconds of it and of all that it started."""
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        message = f"{command} ended with {process.returncode}"
        raise RuntimeError(message)
    return used.ru_utime + used.ru_stime


def _taken(made: Cluster) -> float:
    """CPU seconds of all processes of a cluster up to now."""
    total = 0.0
    for process in made.processes.values():
        for each in [(tree := psutil.Process(process.pid)), *tree.children(recursive=True)]:
            with suppress(psutil.Error):
                total += sum(each.cpu_times()[:4])  # its own, and of those that have ended
    return total


def cost(options: argparse.Namespace) -> None:
    """Print the table of `--cost`."""
    few, many = 2, 2 + options.folders
    ratios, rows = [], []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        env = install_analyzer(root / "plugins", "burn", _BURN.format(seconds=options.seconds))
        sets = {count: _dataset(root / f"set-{count}", count) for count in (few, many)}
        config = configuration(root / "c.toml", settle=0.0, analyzers=["burn"], workers=1)
        with cluster(root, 1, env=env) as made:
            once = [str(PROGRAMS / "audiobatchd"), "--config", str(config), "--overwrite", "--once"]
            where = ["--scheduler", made.address, *made.tls]
            eventually(made.dask_workers)
            for _ in range(options.pairs):
                spent: dict[str, list[float]] = {"local": [], "cluster": []}
                for path in sets.values():
                    spent["local"].append(_pass([*once, str(path)], {**os.environ, **env}))
                    before = _taken(made)
                    own = _pass([*once, str(path), *where], {**os.environ, **env})
                    eventually(lambda: not made.children())
                    spent["cluster"].append(own + _taken(made) - before)
                local, remote = ((each[1] - each[0]) / options.folders for each in spent.values())
                ratios.append(remote / local)
                rows.append(f"| {local:.3f} | {remote:.3f} | {remote / local:.3f} |")
    print(f"Jobs of {options.seconds:g} CPU s, {options.folders} folders more in the longer pass.\n")
    print("| CPU s for a folder, own workers | on a cluster | ratio |\n| --- | --- | --- |")
    print("\n".join(rows))
    print(f"\nmedian ratio {statistics.median(ratios):.3f}")


async def _simulated(topic: str, packet: bytes) -> bytes:
    """Stand in for `place.measure`: answers at once, and tells what a worker would."""
    from distributed import get_worker  # noqa: PLC0415  # in Dask's process

    for number in range(_EVENTS):
        get_worker().log_event(topic, {"from": get_worker().address, "told": packet[: 60 + number]})
    return packet


async def _memory(made: Cluster, most: int) -> None:
    from distributed import Security  # noqa: PLC0415  # 0.8 s, which only this takes

    from audiobatchd.cluster.client import KEYS, PassClient  # noqa: PLC0415  # loads Dask too

    certificate, key = str(made.certificate), str(made.key)
    security = Security(tls_ca_file=certificate, tls_client_cert=certificate, tls_client_key=key)
    scheduler = psutil.Process(made.processes["scheduler"].pid)
    packet, done, started = os.urandom(1500), 0, time.monotonic()
    marks = [count for count in (1_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000) if count <= most]
    print("| jobs | seconds | scheduler's memory, MB |\n| --- | --- | --- |")

    async with PassClient(made.address, asynchronous=True, security=security) as client:
        client.subscribe_topic("simulated", lambda _: None)
        await client.wait_for_workers(_PLACES)
        addresses = list((await client.scheduler.identity())["workers"])

        async def keep_busy(address: str, lane: int) -> None:
            nonlocal done
            turns = itertools.cycle(range(KEYS))
            while done < most:
                done += 1
                name = ("simulated", lane, next(turns))
                await client.work(address, _simulated, "simulated", packet, key=name)
                if marks and done >= marks[0]:
                    told = scheduler.memory_info().rss / 1e6
                    print(f"| {marks.pop(0):,} | {time.monotonic() - started:.0f} | {told:.1f} |", flush=True)

        lanes = [address for address in addresses for _ in range(_AT_A_TIME)]
        await asyncio.gather(*(keep_busy(address, lane) for lane, address in enumerate(lanes)))


def memory(options: argparse.Namespace) -> None:
    """Print the table of `--memory`."""
    with tempfile.TemporaryDirectory() as name, cluster(Path(name), _PLACES) as made:
        asyncio.run(_memory(made, options.jobs))


def join(options: argparse.Namespace) -> None:
    """Print the table of `--join`."""
    print("| seconds until the new worker is busy |\n| --- |")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        env = install_analyzer(root / "plugins", "burn", "time.sleep(600)\nreturn self.answer(audio)")
        dataset = _dataset(root / "set", options.pairs + 1)
        config = configuration(root / "c.toml", dataset, settle=0.0, analyzers=["burn"])
        with cluster(root, 1, env=env) as made:
            made.start_pass("pass", dataset, "--config", config)
            for number in range(1, options.pairs + 1):
                eventually(lambda: len(list(dataset.glob("*.lock"))) == number)  # noqa: B023  # asked at once
                made.start_worker(number)
                eventually(lambda: "Registered to" in made.log(f"worker-{number}"))  # noqa: B023  # asked at once
                registered = time.monotonic()
                eventually(lambda: len(list(dataset.glob("*.lock"))) == number + 1)  # noqa: B023  # asked at once
                print(f"| {time.monotonic() - registered:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    for table in (cost, memory, join):
        which.add_argument(f"--{table.__name__}", dest="table", action="store_const", const=table)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a job")
    parser.add_argument("--folders", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    options = parser.parse_args()
    options.table(options)


if __name__ == "__main__":
    main()
