"""Shortages of the process, which are no folder's state: descriptors that are used up, and given back."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.audio_files import make_track
from support.service import Service, configuration, eventually, once, service

FEW = 20


def tracks(dataset: Path, count: int) -> list[Path]:
    return [make_track(dataset / f"Song {number}", seconds=0.5, stems=()) for number in range(count)]


def limit(pid: int, soft: int) -> None:
    """Let a running process have so many descriptors."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]))


def remark_of(running: Service) -> str:
    status = running.status()
    return status.remark if status is not None else ""


@contextmanager
def at_rest(directory: Path, workers: int) -> Iterator[tuple[Service, Path]]:
    """A service whose workers are ready, and its dataset, which is empty and has been walked."""
    dataset = directory / "music"
    dataset.mkdir()
    with service(directory / "run", configuration(directory / "config.toml", dataset, workers=workers)) as running:
        eventually(lambda: running.log().count("worker-ready") == workers, what=running.log)
        eventually(lambda: (status := running.status()) is not None and status.datasets[0].last_walk, what=running.log)
        yield running, dataset


def test_complete_folders_stay_complete_with_few_descriptors(tmp_path: Path) -> None:
    dataset = tmp_path / "music"
    tracks(dataset, 31)
    assert once(dataset)[0] == 0
    config = configuration(tmp_path / "config.toml", dataset, workers=1)
    few = ("sh", "-c", f'ulimit -Sn {FEW}; exec "$0" "$@"')
    with service(tmp_path / "run", config, prefix=few) as running:
        running.says("service-short")
        assert "folder-" not in running.log()
        assert "dataset-missing" not in running.log()
        limit(running.process.pid, 1024)
        running.becomes(complete=31)
        assert "folder-" not in running.log()
        eventually(lambda: not remark_of(running), what=running.log)
        assert running.stop() == 0


def test_new_folders_wait_while_descriptors_are_used_up(tmp_path: Path) -> None:
    with at_rest(tmp_path, workers=2) as (running, dataset):
        limit(running.process.pid, 3)
        tracks(dataset, 5)
        running.says("service-short")
        limit(running.process.pid, 1024)
        running.becomes(complete=5)
        assert "folder-blocked" not in running.log()
        assert "Traceback" not in running.log()
        assert running.stop() == 0


def test_a_worker_without_descriptors_charges_no_folder(tmp_path: Path) -> None:
    with at_rest(tmp_path, workers=1) as (running, dataset):
        worker = eventually(running.workers, what=running.log)[0]
        limit(worker, 3)
        tracks(dataset, 2)
        eventually(lambda: "short of resources: worker 0: " in remark_of(running), what=running.log)
        limit(worker, 1024)
        running.becomes(complete=2)
        assert "folder-blocked" not in running.log()
        assert "folder-backoff" not in running.log()
        assert running.stop() == 0


def test_a_worker_that_cannot_be_started_is_tried_again_soon(tmp_path: Path) -> None:
    with at_rest(tmp_path, workers=1) as (running, _):
        worker = eventually(running.workers, what=running.log)[0]
        limit(running.process.pid, 3)
        os.kill(worker, signal.SIGKILL)
        running.says("cannot start a process")
        limit(running.process.pid, 1024)
        eventually(lambda: running.log().count("worker-ready") == 2, what=running.log)
        assert "worker-cannot-start" not in running.log()
        assert running.stop() == 0
