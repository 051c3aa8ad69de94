"""A dataset whose mount hangs holds up its own jobs and nothing else: real sleeps in the kernel that no signal ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import DatasetStatus, Status
from audiobatchd.errors import NoDaemonError
from audiobatchd.vocabulary.states import DatasetState, FolderState
from support.audio_files import make_track
from support.hanging_mount import HangingMount, hanging_mount, why_not
from support.plugins import install_gate
from support.service import Service, configuration, eventually, features_of, once, run, service

pytestmark = [pytest.mark.skipif(bool(why_not()), reason=why_not()), pytest.mark.timeout(240)]
LONG_AFTER = 8.0
"""Seconds after which the first walk is over, and the disk's last answer counts for nothing any more."""
SILENT = 3.0
"""Seconds that are longer than an answer counts; the root is looked at every 5 s."""
HUNG = 7.0
"""Seconds within which the disk is asked, after some four, and has not yet failed to answer in time."""
REMARK = "its disk does not answer"
STOP_PATIENCE = 5.0
"""In seconds: so long a stop waits for what the threads that read disks were asked."""


class Ground:
    """A local dataset, one on a mount that can hang, and a gate that keeps jobs at work."""

    def __init__(self, directory: Path, mount: HangingMount) -> None:
        self.directory = directory
        self.mount = mount
        self.remote, self.local = mount.place, directory / "local"
        self.local.mkdir()
        self.gate = directory / "gate"
        self.env = install_gate(self.gate)
        (self.gate / "go").touch()

    def configured(self, stop_grace: float = 30.0, job_timeout: float = 600.0) -> Path:
        path = self.directory / "config.toml"
        keys = {"workers": 2, "stop_grace": stop_grace, "job_timeout": job_timeout}
        configuration(path, self.local, plugins=["gate"], **keys)
        with path.open("a") as file:
            file.write(f'[[dataset]]\npath = "{self.remote}"\nsettle = 0.3\nalone = true\n')
        return path

    @contextmanager
    def healed(self) -> Iterator[None]:
        """Heal the mount at the end, however that comes: what it has caught could not be ended."""
        try:
            yield
        finally:
            self.mount.heal()

    def catch(self, running: Service, workers: int) -> list[int]:
        """Have so many workers caught by the mount in the middle of their jobs; their PIDs."""
        (self.gate / "go").unlink()
        for number in range(workers):
            make_track(self.mount.behind / f"Song {number}", seconds=0.5, stems=())
        run("audiobatchctl", "rescan", self.remote, "--socket", running.socket)
        busy = eventually(lambda: at_the_gate(running.status(), workers), what=running.log)
        self.mount.hang()
        (self.gate / "go").touch()
        return busy


def at_the_gate(status: Status | None, count: int) -> list[int]:
    found = [worker.pid for worker in status.workers if worker.doing.startswith("gate")] if status else []
    return found if len(found) == count else []


def dataset(running: Service, path: Path) -> DatasetStatus:
    status = running.status()
    assert status is not None
    return next(each for each in status.datasets if each.path == str(path))


def says(running: Service, path: Path, remark: str) -> None:
    eventually(lambda: dataset(running, path).remark == remark, what=lambda: f"{remark!r}\n{running.log()}")


def completes(running: Service, path: Path, count: int) -> None:
    eventually(running.status, what=running.log)

    def complete() -> bool:
        return dataset(running, path).folders[FolderState.COMPLETE] == count

    eventually(complete, what=lambda: f"{dataset(running, path).folders}\n{running.log()}")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with hanging_mount(tmp_path / "remote", tmp_path / "behind") as mount:
        yield Ground(tmp_path, mount)


def test_caught_workers_hold_up_no_other_dataset(ground: Ground, tmp_path: Path) -> None:
    with service(tmp_path / "run", ground.configured(), env=ground.env) as running, ground.healed():
        eventually(running.status)
        caught = ground.catch(running, 2)
        make_track(ground.local / "Near", seconds=0.5, stems=())
        completes(running, ground.local, 1)
        says(running, ground.remote, REMARK)
        status = running.status()
        assert status is not None
        assert sorted(each.pid for each in status.lost) == sorted(caught)
        assert {worker.pid for worker in status.workers}.isdisjoint(caught)
        remote = dataset(running, ground.remote)
        assert remote.state is DatasetState.PAUSED
        assert remote.folders[FolderState.LOCKED] == 2
        code, told, _ = run("audiobatchctl", "explain", "--json", ground.remote / "Song 0", "--socket", running.socket)
        assert (code, '"charges":0' in told.replace(" ", "")) == (0, True), told
        assert any(f"PID {pid}" in told for pid in caught), told
        ground.mount.heal()
        completes(running, ground.remote, 2)
        eventually(lambda: (found := running.status()) is not None and not found.lost, what=running.log)
        assert dataset(running, ground.remote).remark == ""
        assert all(features_of(each) for each in ground.mount.behind.iterdir() if each.is_dir())
        assert running.stop() == 0


def test_hang_longer_than_job_timeout_ends_no_worker(ground: Ground, tmp_path: Path) -> None:
    with service(tmp_path / "run", ground.configured(job_timeout=5.0), env=ground.env) as running, ground.healed():
        eventually(running.status)
        caught = ground.catch(running, 2)
        hung_at = time.monotonic()
        eventually(lambda: time.monotonic() > hung_at + HUNG)
        ground.mount.heal()
        completes(running, ground.remote, 2)
        status = running.status()
        assert status is not None
        assert ({worker.pid for worker in status.workers}, "worker-died" in running.log()) == (set(caught), False)


@pytest.mark.parametrize("signals", [1, 2])
def test_stopping_does_not_wait_for_caught_workers(ground: Ground, tmp_path: Path, signals: int) -> None:
    with service(tmp_path / "run", ground.configured(stop_grace=2.0), env=ground.env) as running, ground.healed():
        eventually(running.status)
        caught = ground.catch(running, 2)
        for _ in range(signals - 1):
            running.process.send_signal(signal.SIGTERM)
        assert running.stop(timeout=60) == 0
        assert any(is_there(pid) for pid in caught), "nothing was left behind, so nothing was shown"


def is_there(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_a_mount_that_comes_back_goes_on_after_an_abort(ground: Ground, tmp_path: Path) -> None:
    with service(tmp_path / "run", ground.configured(), env=ground.env) as running, ground.healed():
        eventually(running.status)
        ground.catch(running, 1)
        says(running, ground.remote, REMARK)
        ground.mount.abort()
        ground.mount.detach()
        ground.mount.heal()
        with hanging_mount(ground.remote, ground.mount.behind):
            completes(running, ground.remote, 1)
            assert running.stop() == 0


def test_a_root_that_hangs_at_the_start_holds_up_no_other(ground: Ground, tmp_path: Path) -> None:
    make_track(ground.local / "Near", seconds=0.5, stems=())
    make_track(ground.mount.behind / "Far", seconds=0.5, stems=())
    config = ground.configured()
    ground.mount.hang()
    with service(tmp_path / "run", config, env=ground.env) as running, ground.healed():
        eventually(running.status)
        completes(running, ground.local, 1)
        says(running, ground.remote, REMARK)
        status = running.status()
        assert status is not None
        assert status.state == "running"
        assert running.stop(timeout=60) == 0
    ground.mount.hang()
    with service(tmp_path / "run", config, env=ground.env) as running, ground.healed():
        eventually(running.status)
        says(running, ground.remote, REMARK)
        ground.mount.heal()
        completes(running, ground.remote, 1)


def test_pass_says_that_a_disk_does_not_answer(ground: Ground) -> None:
    make_track(ground.mount.behind / "Far", seconds=0.5, stems=())
    ground.mount.hang()
    code, _, told = once(ground.remote)
    assert (code, told) == (2, f"audiobatchd: cannot work on {ground.remote}: {REMARK}\n")


def test_doctor_is_not_caught_by_a_disk_that_hangs(ground: Ground, tmp_path: Path) -> None:
    """It says so, be it by what the service knows, and looks at all the rest."""
    config = ground.configured()
    with service(tmp_path / "run", config, env=ground.env) as running, ground.healed():
        eventually(lambda: running.status() is not None and dataset(running, ground.remote).last_walk, what=running.log)
        ground.mount.hang()
        says(running, ground.remote, REMARK)
        _, told, _ = run("audiobatchctl", "--socket", running.socket, "doctor", "--config", config, env=ground.env)
        assert told.count(REMARK) == 1, told
        assert f"the service can write in {ground.local}" in told
        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: not running.socket.exists(), what=running.log)
        code, told, _ = run("audiobatchctl", "--socket", running.socket, "doctor", "--config", config, env=ground.env)
        assert (code, f"  [!!] {ground.remote}: {REMARK}\n" in told) == (1, True), told


def test_a_walk_that_is_asked_for_is_not_caught(ground: Ground, tmp_path: Path) -> None:
    with service(tmp_path / "run", ground.configured(), env=ground.env) as running, ground.healed():
        eventually(lambda: (found := running.status()) is not None and found.uptime > LONG_AFTER, what=running.log)
        assert dataset(running, ground.remote).last_walk
        ground.mount.hang()
        # What has answered just now is not asked again: that is the moment in which a thread may still be caught.
        hung_at = time.monotonic()
        eventually(lambda: time.monotonic() > hung_at + SILENT)
        run("audiobatchctl", "rescan", ground.remote, "--socket", running.socket)
        says(running, ground.remote, REMARK)
        assert running.stop(timeout=60) == 0


def test_a_caught_thread_keeps_no_new_service_from_its_start(ground: Ground, tmp_path: Path) -> None:
    """The kernel keeps such a process until the disk answers, as it keeps a worker; what it held is free before."""
    make_track(ground.mount.behind / "Far", seconds=0.5, stems=())
    config = ground.configured()
    with service(tmp_path / "run", config, env=ground.env) as running, ground.healed():
        completes(running, ground.remote, 1)
        ground.mount.hang()
        run("audiobatchctl", "rescan", ground.remote, "--socket", running.socket)  # so soon that it may be caught
        says(running, ground.remote, REMARK)
        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: not running.socket.exists(), what=running.log)
        make_track(ground.local / "Near", seconds=0.5, stems=())
        with service(tmp_path / "run", config, env=ground.env) as another:
            eventually(another.status, what=another.log)
            completes(another, ground.local, 1)
            ground.mount.heal()
            assert running.process.wait(30) == 0
            completes(another, ground.remote, 1)
            assert another.stop() == 0


def test_stop_waits_once_for_three_hung_datasets(tmp_path: Path) -> None:
    """A thread is caught in each; their disks share one patience, and the rest of a stop takes less than another."""
    with ExitStack() as stack:
        mounts = [
            stack.enter_context(hanging_mount(tmp_path / f"remote {number}", tmp_path / f"behind {number}"))
            for number in range(3)
        ]
        for mount in mounts:
            make_track(mount.behind / "Song", seconds=0.5, stems=())
        config = configuration(tmp_path / "config.toml", *(mount.place for mount in mounts))
        config.write_text(config.read_text().replace("settle =", "alone = true\nsettle ="))
        running = stack.enter_context(service(tmp_path / "run", config))
        running.becomes(complete=3)
        for mount in mounts:
            stack.callback(mount.heal)
            mount.hang("Song")  # the root goes on answering, so nothing keeps threads from the folder
        for mount in mounts:
            Thread(target=explain, args=(running.socket, FolderName(str(mount.place), "Song"))).start()
        eventually(lambda: asleep_in_fuse(running.process.pid) == len(mounts), what=running.log)
        asked_at = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        eventually(lambda: not running.socket.exists(), what=running.log)
        took = time.monotonic() - asked_at
        assert asleep_in_fuse(running.process.pid) == len(mounts), "nothing was left behind, so nothing was shown"
        assert STOP_PATIENCE * 0.9 < took < 2 * STOP_PATIENCE, took


def explain(socket: Path, name: FolderName) -> None:
    """Ask for a folder; the service ends before it can answer."""
    with suppress(NoDaemonError):
        ControlClient(socket).ask(EXPLAIN, name)


def asleep_in_fuse(pid: int) -> int:
    """How many threads of a process wait for a FUSE server."""
    stacks = [each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/stack")]
    return sum("fuse" in each for each in stacks)
