"""A real service with a schedule: hours by the machine's clock, load and memory as they are, and an operator's word."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from support.audio_files import make_track
from support.service import Service, configuration, eventually, record_of, run, service


def scheduled(path: Path, root: Path, schedule: str, own: str = "", whole: str = "") -> Path:
    """A configuration with this schedule of all, its `own` of the dataset, and keys of the `whole`."""
    config = configuration(path, root, settle=0.0)
    config.write_text(f"{whole}{config.read_text()}{own}\n[schedule]\n{schedule}\n")
    return config


def other_hours() -> str:
    """Hours of today that are not now: from three hours ahead on, for an hour."""
    begin = datetime.now().astimezone() + timedelta(hours=3)
    return json.dumps([f"{begin:%H:%M}-{begin + timedelta(hours=1):%H:%M}"])


def control(daemon: Service, *arguments: object) -> tuple[int, str]:
    code, out, err = run("audiobatchctl", "--socket", daemon.socket, *arguments)
    return code, out + err


def held(daemon: Service) -> str:
    """What the schedule holds back, as the status tells; empty where it does not."""
    status = daemon.status()
    return status.datasets[0].schedule if status and status.datasets[0].state.value == "paused" else ""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_track(tmp_path / "dataset" / "Song", seconds=1.0, stems=())
    return tmp_path / "dataset"


def test_hours_hold_jobs_until_an_operator_says_now(tmp_path: Path, root: Path) -> None:
    config = scheduled(tmp_path / "c.toml", root, f"hours = {other_hours()}")
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(queued=1)
        remark = eventually(lambda: held(daemon) if "until" in held(daemon) else "")
        make_track(root / "Later", seconds=1.0, stems=())
        daemon.becomes(queued=2)  # watching goes on
        assert f"it waits for its dataset: {remark}" in control(daemon, "explain", root / "Song")[1]
        assert remark in control(daemon, "status")[1]
        assert 'schedule_holding{dataset="' in metrics(daemon)
        assert "resume --now" in control(daemon, "resume")[1]
        code, told = control(daemon, "resume", "--now")
        assert (code, "will be worked on now" in told, f"overridden: {remark}" in told) == (0, True, True)
        daemon.becomes(complete=2)
        log = daemon.log()
        assert log.index("schedule-holds") < log.index("schedule-overridden") < log.index("folder-done")
    assert record_of(root / "Song")["lufs"]


def metrics(daemon: Service) -> str:
    """The metrics as they are scraped."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(os.fsencode(daemon.socket))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


def test_zone_of_the_machine_decides(tmp_path: Path, root: Path) -> None:
    here = datetime.now().astimezone()
    hours = json.dumps([f"{here:%H}:00-{(here + timedelta(hours=2)):%H}:00"])
    east = {"TZ": f"XXX{-6 - (here.utcoffset() or timedelta()).total_seconds() / 3600:+.0f}"}
    config = scheduled(tmp_path / "c.toml", root, f"hours = {hours}")
    with service(tmp_path / "d", config, env=east) as daemon:
        assert "until" in eventually(lambda: held(daemon) if "until" in held(daemon) else "")
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)


def test_memory_holds_jobs_and_a_reload_ends_that(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "c.toml"
    config = scheduled(path, root, 'min_free_memory = "1000 TiB"')
    with service(tmp_path / "d", config) as daemon:
        eventually(lambda: "free memory" in held(daemon) and "below 1,000 TiB" in held(daemon))
        scheduled(path, root, 'min_free_memory = "1000 TiB"', own='[dataset.schedule]\nmin_free_memory = "0 KiB"')
        code, told = control(daemon, "reload")
        assert code == 0, told
        daemon.becomes(complete=1)
        assert daemon.log().count("schedule-goes-on") == 1


@contextmanager
def busy(number: int) -> Iterator[list[int]]:
    """Processes that take all of the processors that they get."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield [each.pid for each in processes]
    finally:
        for each in processes:
            each.kill()
            each.wait()


def test_load_of_others_holds_jobs(tmp_path: Path, root: Path) -> None:
    # The kernel counts every 5 s: with one busy process more the average is beyond this at the second count at most.
    config = scheduled(tmp_path / "c.toml", root, "max_load = 0.1")
    with busy(2), service(tmp_path / "d", config) as daemon:
        eventually(lambda: "above 0.1" in held(daemon), 60, lambda: (held(daemon), os.getloadavg()))
        status = daemon.status()
        assert status is not None
        assert status.load_of_others is not None
        assert status.load_of_others > 0.1
        assert control(daemon, "resume", "--now", "--for", "1h")[0] == 0
        daemon.becomes(complete=1)


def test_one_pass_knows_no_schedule(tmp_path: Path, root: Path) -> None:
    config = scheduled(tmp_path / "c.toml", root, f'hours = {other_hours()}\nmin_free_memory = "1000 TiB"')
    assert run("audiobatchd", "--config", config, "--once", root)[0] == 0
    assert record_of(root / "Song")["lufs"]


def test_workers_give_way_as_configured(tmp_path: Path, root: Path) -> None:
    cpu, nice = max(os.sched_getaffinity(0)), max(12, os.nice(0))
    keys = f'worker_nice = {nice}\nworker_io_class = "idle"\nworker_cpus = "{cpu}"\nworkers = "auto"\n'
    config = scheduled(tmp_path / "c.toml", root, "", whole=keys)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        (pid,) = daemon.workers()
        worker = psutil.Process(pid)
        assert (worker.nice(), worker.ionice()[0], worker.cpu_affinity()) == (nice, psutil.IOPRIO_CLASS_IDLE, [cpu])
        status = daemon.status()
        assert status is not None
        assert status.workers_why == "there is one processor"
