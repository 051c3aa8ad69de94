"""A folder is charged for what it holds: not for signals and standstills of the whole service, nor for a slow disk."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import FolderReport
from audiobatchd.locks.folder_lock import path_of
from audiobatchd.locks.observer import LockState, Patience, observe
from support.audio_files import make_track, tone, write_audio
from support.plugins import install_analyzer, install_gate
from support.service import Service, configuration, eventually, features_of, leftovers, service

SONGS = ("Song A", "Song B")
JOB_TIMEOUT = 8.0
STANDSTILL = 12.0
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
STANDING = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
OF_FAULTS = (
    signal.SIGILL,
    signal.SIGTRAP,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGKILL,
    signal.SIGSEGV,
    signal.SIGSYS,
)
"""Faults that end the supervisor itself: what follows for the folders is told by the locks that are left."""

SURVIVED = sorted(signal.valid_signals() - {*ENDING, *STANDING, *OF_FAULTS})


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[Service]:
    """A service both of whose workers are in the middle of a job, until `go` appears in `gate`."""
    root = tmp_path / "dataset"
    for number, name in enumerate(SONGS):
        make_track(root / name, seconds=1, stems=(), seed=number)
    env = install_gate(tmp_path / "gate")
    terms = {"job_timeout": JOB_TIMEOUT, "job_timeout_factor": 0.0, "stop_grace": JOB_TIMEOUT, "reap": 0.5}
    config = configuration(tmp_path / "c.toml", root, settle=0.0, plugins=["gate"], workers=2, **terms)
    with service(tmp_path / "d", config, env=env) as daemon:
        are_at_it(daemon)
        yield daemon


def are_at_it(daemon: Service) -> None:
    """Wait until both workers are at the analyzer `gate`."""

    def both() -> bool:
        status = daemon.status()
        return status is not None and [each.doing.split(" ")[0] for each in status.workers] == ["gate", "gate"]

    eventually(both, what=daemon.log)


def to_all(daemon: Service, pids: list[int], number: int, *, workers_first: bool) -> None:
    """Send a signal to every process of the service, as `systemctl kill` does."""
    pids_of_all = [*pids, daemon.process.pid] if workers_first else [daemon.process.pid, *pids]
    for pid in pids_of_all:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def is_gone(pid: int) -> bool:
    """Tell whether there is no such process."""
    return not Path(f"/proc/{pid}").exists()


def told(daemon: Service, root: Path, name: str) -> FolderReport:
    """Ask the service about a folder."""
    return ControlClient(daemon.socket).ask(EXPLAIN, FolderName(str(root), name))


def is_done_and_uncharged(daemon: Service, tmp_path: Path) -> None:
    """Let the jobs end: each folder is complete, and nothing was ever held against it."""
    (tmp_path / "gate" / "go").touch()
    daemon.becomes(complete=len(SONGS))
    for name in SONGS:
        report = told(daemon, tmp_path / "dataset", name)
        assert (report.charges, report.suspicions, report.attempts) == (0, 0, []), daemon.log()


# Signals


@pytest.mark.parametrize("workers_first", [False, True])
def test_signals_to_all_end_no_worker(at_work: Service, tmp_path: Path, workers_first: bool) -> None:
    pids = at_work.workers()
    for number in SURVIVED:
        to_all(at_work, pids, number, workers_first=workers_first)
        assert at_work.workers() == pids, f"signal {number}\n{at_work.log()}"
    is_done_and_uncharged(at_work, tmp_path)
    assert at_work.workers() == pids
    assert "worker-died" not in at_work.log()
    assert at_work.stop() == 0


@pytest.mark.parametrize("number", ENDING)
@pytest.mark.parametrize("workers_first", [False, True])
def test_signal_to_end_sent_to_all_lets_jobs_finish(
    at_work: Service, tmp_path: Path, number: int, workers_first: bool
) -> None:
    to_all(at_work, at_work.workers(), number, workers_first=workers_first)
    eventually(lambda: (status := at_work.status()) and status.state == "draining", what=at_work.log)
    (tmp_path / "gate" / "go").touch()
    assert at_work.process.wait(60) == (0 if number == signal.SIGTERM else 130)
    for name in SONGS:
        assert features_of(tmp_path / "dataset" / name), at_work.log()
    assert "worker-died" not in at_work.log()
    assert leftovers(tmp_path / "dataset") == []


@pytest.mark.parametrize("workers_first", [False, True])
def test_sigabrt_sent_to_all_leaves_no_trace(at_work: Service, tmp_path: Path, workers_first: bool) -> None:
    to_all(at_work, at_work.workers(), signal.SIGABRT, workers_first=workers_first)
    assert at_work.process.wait(60) == 134
    assert "worker-died" not in at_work.log()
    assert leftovers(tmp_path / "dataset") == []
    env = install_gate(tmp_path / "gate")
    with service(tmp_path / "d", tmp_path / "c.toml", env=env) as daemon:
        are_at_it(daemon)
        is_done_and_uncharged(daemon, tmp_path)


@pytest.mark.timeout(240)
def test_signals_by_an_operator_never_fail_a_folder(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    for number, name in enumerate(SONGS):
        make_track(root / name, seconds=1, stems=(), seed=number)
    env = install_gate(tmp_path / "gate")
    terms = {"workers": 2, "max_suspect": 2, "reap": 0.5, "stop_grace": 0.0}
    config = configuration(tmp_path / "c.toml", root, settle=0.0, plugins=["gate"], **terms)
    kill = (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)
    for number in kill:
        (tmp_path / "gate" / "at-full_mix").unlink(missing_ok=True)
        with service(tmp_path / "d", config, env=env) as daemon:
            eventually((tmp_path / "gate" / "at-full_mix").exists, what=daemon.log)
            pids = daemon.workers()
            to_all(daemon, pids, number, workers_first=False)
            daemon.process.wait(60)
            for pid in pids:
                eventually(partial(is_gone, pid))
    (tmp_path / "gate" / "go").touch()
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(complete=len(SONGS))
        for name in SONGS:
            assert told(daemon, root, name).charges == 0


def test_abort_in_a_worker_is_charged(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    make_track(root / "Song", seconds=1, stems=())
    env = install_analyzer(tmp_path / "site", "deed", "ctypes.CDLL(None).abort()")
    config = configuration(tmp_path / "c.toml", root, settle=0.0, plugins=["deed"], workers=1, max_deaths=1)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(failed=1)
        assert "killed by signal 6" in told(daemon, root, "Song").reason


# Standstills


def stop_for_a_while(pids: Sequence[int]) -> None:
    """Keep these processes from running for longer than a job may take; they go on one after the other."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    threading.Event().wait(STANDSTILL)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("workers_first", [False, True])
def test_standstill_of_all_is_not_charged(at_work: Service, tmp_path: Path, workers_first: bool) -> None:
    pids = at_work.workers()
    stop_for_a_while([*pids, at_work.process.pid] if workers_first else [at_work.process.pid, *pids])
    at_work.says("stood-still")
    status = at_work.status()
    assert status is not None
    assert status.datasets[0].overdue == {}
    is_done_and_uncharged(at_work, tmp_path)
    assert at_work.workers() == pids


def test_standstill_takes_nothing_from_stop_grace(at_work: Service, tmp_path: Path) -> None:
    pids = at_work.workers()
    at_work.process.send_signal(signal.SIGTERM)
    eventually(lambda: (status := at_work.status()) and status.state == "draining", what=at_work.log)
    stop_for_a_while([*pids, at_work.process.pid])
    at_work.says("stood-still")
    (tmp_path / "gate" / "go").touch()
    assert at_work.process.wait(60) == 0
    for name in SONGS:
        assert features_of(tmp_path / "dataset" / name), at_work.log()


def test_rest_is_no_standstill_and_one_at_rest_is(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    make_track(root / "Song", seconds=1, stems=())
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.0)) as daemon:
        daemon.becomes(complete=1)
        threading.Event().wait(STANDSTILL)
        assert "stood-still" not in daemon.log()
        stop_for_a_while([daemon.process.pid])
        daemon.says("stood-still")
        assert daemon.log().count("stood-still") == 1


def test_worker_that_stands_still_alone_is_killed(at_work: Service, tmp_path: Path) -> None:
    pids = at_work.workers()
    os.kill(pids[0], signal.SIGSTOP)
    at_work.says("no answer for too long while gate of full_mix")
    (tmp_path / "gate" / "go").touch()
    at_work.becomes(complete=len(SONGS))
    assert pids[0] not in at_work.workers()
    assert "stood-still" not in at_work.log()


# Slow disks, and disks that stop


def with_a_disk(tmp_path: Path, call: str, length: int, wait: str) -> tuple[Path, dict[str, str]]:
    """A folder with 11 MB of sound, and the environment of workers for which `call` waits as each `length` is read."""
    song = tmp_path / "dataset" / "Song"
    song.mkdir(parents=True)
    write_audio(song / "full_mix.wav", tone(60.0, 48000), 48000)
    env = install_analyzer(tmp_path / "plugin", "slow", "return self.answer(audio)")
    module = tmp_path / "plugin" / "slow_analyzer.py"
    disk = f"""
read, reads = os.{call}, []

def slowly(fd, wanted, *where):
    if (wanted if isinstance(wanted, int) else len(wanted[0])) == {length}:
        reads.append(fd)
        {wait}
    return read(fd, wanted, *where)

os.{call} = slowly
"""
    module.write_text(module.read_text() + disk)
    return song, env


@pytest.mark.parametrize(
    ("call", "length", "wait"),
    [("preadv", 1 << 20, "time.sleep(0.6)"), ("pread", 1 << 16, "time.sleep(0.04)")],
    ids=["reading", "decoding"],
)
def test_disk_slower_than_job_timeout_is_waited_for(tmp_path: Path, call: str, length: int, wait: str) -> None:
    song, env = with_a_disk(tmp_path, call, length, wait)
    terms = {"workers": 1, "job_timeout": 3.0, "job_timeout_factor": 0.0}
    config = configuration(tmp_path / "c.toml", song.parent, settle=0.0, plugins=["slow"], **terms)
    states, patience, tokens = set(), Patience(), set()

    def is_done() -> bool:
        if seen := observe(path_of(str(song))):
            judged = patience.judge(seen, time.monotonic())
            states.add(judged.state)
            tokens.add(getattr(judged.content, "token", ""))
        return bool(features_of(song))

    with service(tmp_path / "d", config, env=env) as daemon:
        started = time.monotonic()
        eventually(is_done, what=daemon.log)
        assert time.monotonic() - started > 3.0, "it was no slow disk"
        daemon.becomes(complete=1)
        assert told(daemon, song.parent, "Song").attempts == []
    assert LockState.OVERDUE not in states
    assert len(tokens) > 2


@pytest.mark.parametrize(
    ("call", "length", "after", "doing"), [("preadv", 1 << 20, 5, "reading"), ("pread", 1 << 16, 120, "decoding")]
)
def test_disk_that_stops_costs_job_timeout(tmp_path: Path, call: str, length: int, after: int, doing: str) -> None:
    wait = f"time.sleep(1000 if len(reads) > {after} else 0)"
    song, env = with_a_disk(tmp_path, call, length, wait)
    terms = {"workers": 1, "job_timeout": 3.0, "job_timeout_factor": 100.0, "max_deaths": 1}
    config = configuration(tmp_path / "c.toml", song.parent, settle=0.0, plugins=["slow"], **terms)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(failed=1)
        report = told(daemon, song.parent, "Song")
        assert f"no answer for too long while {doing} full_mix.wav" in report.reason


def test_lock_of_a_hung_analyzer_says_what_its_audio_takes(tmp_path: Path) -> None:
    song, env = with_a_disk(tmp_path, "pread", 0, "")
    env = {**env, **install_gate(tmp_path / "plugin")}
    terms = {"workers": 1, "job_timeout": 30.0, "job_timeout_factor": 2.0}
    config = configuration(tmp_path / "c.toml", song.parent, settle=0.0, plugins=["gate"], **terms)
    with service(tmp_path / "d", config, env=env):
        eventually((tmp_path / "plugin" / "at-full_mix").exists)
        seen = observe(path_of(str(song)))
        assert seen is not None
        assert getattr(seen.content, "budget_s", 0.0) == 150.0
        (tmp_path / "plugin" / "go").touch()
        eventually(lambda: features_of(song))
