"""The kernel ends a worker because memory is short: that is told, and its folder is not charged for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import FolderReport
from support.audio_files import make_track
from support.memory_group import MemoryGroup, memory_group
from support.plugins import install_analyzer
from support.service import Service, configuration, eventually, features_of, service

MIB = 1 << 20
SMALL, LARGE = 500 * MIB, 3000 * MIB
TAKES = 700 * MIB


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    with memory_group(f"audiobatchd-test-{os.getpid()}", SMALL) as made:
        yield made


def hungry(directory: Path) -> dict[str, str]:
    """An analyzer that takes much memory over a long full mix."""
    body = f"""
        if audio.duration > 0.9:
            taken = bytearray({TAKES})
            taken[::4096] = b"x" * len(taken[::4096])
        return self.answer(audio)
    """
    return install_analyzer(directory, "hungry", body)


def told(daemon: Service, root: Path, name: str) -> FolderReport:
    return ControlClient(daemon.socket).ask(EXPLAIN, FolderName(str(root), name))


def test_oom_kill_is_told_uncharged_and_ends_with_the_limit(tmp_path: Path, group: MemoryGroup) -> None:
    root = tmp_path / "dataset"
    make_track(root / "Large", seconds=1, stems=())
    make_track(root / "Small", seconds=0.5, stems=())
    terms = {"workers": 2, "max_deaths": 2}
    config = configuration(tmp_path / "c.toml", root, settle=0.0, plugins=["hungry"], **terms)
    with service(tmp_path / "d", config, env=hungry(tmp_path / "site"), prefix=group.entering) as daemon:
        daemon.becomes(blocked=1, complete=1)
        report = told(daemon, root, "Large")
        assert "out of memory" in report.reason
        assert report.charges == 0
        assert {each.signal for each in report.attempts} == {signal.SIGKILL}
        assert [each.charged for each in report.attempts] == [False, False]
        assert features_of(root / "Small")
        group.may_have(LARGE)
        daemon.becomes(complete=2)
        assert daemon.stop() == 0


def test_sigkill_without_a_shortage_is_charged(tmp_path: Path, group: MemoryGroup) -> None:
    root = tmp_path / "dataset"
    make_track(root / "Song", seconds=1, stems=())
    env = install_analyzer(tmp_path / "site", "deed", "os.kill(os.getpid(), signal.SIGKILL)")
    config = configuration(tmp_path / "c.toml", root, settle=0.0, plugins=["deed"], workers=1, max_deaths=1)
    with service(tmp_path / "d", config, env=env, prefix=group.entering) as daemon:
        daemon.becomes(failed=1)
        assert "killed by signal 9" in told(daemon, root, "Song").reason


def test_folder_beyond_worker_memory_is_due_with_more(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    make_track(root / "Large", seconds=1, stems=())
    body = f"""
        taken = bytearray({TAKES})
        while ".patient" in os.listdir({str(tmp_path)!r}):
            taken[::4096] = b"x" * len(taken[::4096])
            time.sleep(0.1)
        return self.answer(audio)
    """
    env = install_analyzer(tmp_path / "site", "deed", body)
    (tmp_path / ".patient").touch()
    terms = {"workers": 1, "max_deaths": 1}
    config = configuration(tmp_path / "c.toml", root, plugins=["deed"], worker_memory="400 MiB", **terms)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(failed=1)
        assert "beyond 400 MiB" in told(daemon, root, "Large").reason
        assert daemon.stop() == 0
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(failed=1)
        (tmp_path / ".patient").unlink()
        configuration(config, root, plugins=["deed"], worker_memory="2 GiB", **terms)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.becomes(complete=1)
        eventually(lambda: told(daemon, root, "Large").charges == 0)
