"""Looks of the service every few seconds: whether all is watched, where its datasets are, and what is blocked."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import METRICS
from audiobatchd.control.requests import Nothing
from support.audio_files import tone, write_audio
from support.namespaces import allow_inotify, with_inotify
from support.service import Service, configuration, eventually, record_of, run, service

RATE = 8000
WIDE = {"COLUMNS": "500"}
WITHOUT_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def track(folder: Path, seconds: float = 1.0) -> Path:
    """A track folder with one short file."""
    folder.mkdir(parents=True)
    write_audio(folder / "full_mix.wav", tone(seconds, RATE, 1), RATE)
    return folder


def dataset_of(daemon: Service) -> dict[str, Any]:
    """Parse what the status in JSON says of the first dataset."""
    code, out, _ = run("audiobatchctl", "--socket", daemon.socket, "status", "--json")
    return dict(json.loads(out)["datasets"][0]) if code == 0 else {}


def metric(daemon: Service, name: str) -> str:
    """The first value of a metric, as text."""
    lines = ControlClient(daemon.socket)._body(METRICS, Nothing()).decode().splitlines()
    return next((line.rpartition(" ")[2] for line in lines if line.startswith(f"audiobatchd_{name}")), "")


@pytest.mark.parametrize("kind", ["instances", "watches"])
def test_watch_that_cannot_be_had_is_tried_again(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "dataset"
    track(root / "First")
    config = configuration(tmp_path / "c.toml", root)
    with service(tmp_path / "d", config, prefix=with_inotify(**{kind: 0})) as daemon:
        daemon.becomes(complete=1)
        daemon.says("watch-degraded")
        reason = f"cannot watch it (user.max_inotify_{kind} is 0; sysctl user.max_inotify_{kind}="
        eventually(lambda: dataset_of(daemon)["remark"].startswith(reason), what=lambda: dataset_of(daemon))
        assert metric(daemon, "watch_degraded") == "1.0"
        assert f"degraded: {reason[:40]}" in run("audiobatchctl", "--socket", daemon.socket, "status")[1]
        track(root / "Second")
        allow_inotify(daemon.process.pid, **{kind: 100})
        daemon.becomes(complete=2)
        daemon.says("watch-restored")
        assert (dataset_of(daemon)["remark"], metric(daemon, "watch_degraded")) == ("", "0.0")
        third = track(root / "Third")
        eventually(lambda: record_of(third), what=daemon.log)
        assert (daemon.log().count("watch-degraded"), daemon.log().count("watch-restored")) == (1, 1)


# What blocks a folder is over, and no event says so


def blocked_by_flag(root: Path) -> Callable[[], None]:
    """Forbid changes to every track folder by `chattr +i`; gives what ends that."""
    places = [path for path in root.iterdir() if path.is_dir()]

    def flag(which: str) -> None:
        done = subprocess.run(["chattr", which, *places], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("chattr takes root, and a file system that has such flags")

    flag("+i")
    return lambda: flag("-i")


def blocked_by_mode(root: Path) -> Callable[[], None]:
    """The directory above the track folders, where their locks are made, may not be written to."""
    root.chmod(0o555)
    return lambda: root.chmod(0o755)


def blocked_by_mount(root: Path) -> Callable[[], None]:
    """The file system is mounted read-only."""
    if os.geteuid() or subprocess.run(["mount", "--bind", root, root], capture_output=True, check=False).returncode:
        pytest.skip("mounting takes root")
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    return lambda: void(subprocess.run(["mount", "-o", "remount,bind,rw", root], check=True))


def void(_: object) -> None:
    """Do nothing."""


@pytest.fixture
def unmounted(tmp_path: Path) -> Iterator[None]:
    """The dataset is no mount afterwards, nor has it flags."""
    yield
    for path in (tmp_path / "dataset").iterdir():
        subprocess.run(["chattr", "-i", path], capture_output=True, check=False)
    subprocess.run(["umount", "--lazy", tmp_path / "dataset"], capture_output=True, check=False)


@pytest.mark.usefixtures("unmounted")
@pytest.mark.parametrize("block", [blocked_by_flag, blocked_by_mode, blocked_by_mount])
def test_folders_go_on_when_what_blocked_them_is_over(
    tmp_path: Path, block: Callable[[Path], Callable[[], None]]
) -> None:
    root = tmp_path / "dataset"
    for name in ("A", "B", "C"):
        track(root / name)
    free = block(root)
    config = configuration(tmp_path / "c.toml", root)
    prefix = WITHOUT_PRIVILEGES if block is blocked_by_mode else []
    with service(tmp_path / "d", config, prefix=prefix) as daemon:
        daemon.becomes(blocked=3)
        walked = dataset_of(daemon)["last_walk"]
        free()
        daemon.becomes(complete=3)
        assert dataset_of(daemon)["last_walk"] == walked, "no walk was needed"
        assert daemon.log().count("folder-blocked") == 3


# A record that is being written


WRITER = """
import sys, time
with open(sys.argv[1], "w") as record:
    for part in ('{"mine": 1', ', "also', ' mine": [1, 2', ', 3], "and": ', '{"this": "', 'too"}', "}"):
        record.write(part)
        record.flush()
        time.sleep(0.3)
"""


def test_record_that_is_written_slowly_blocks_nothing(tmp_path: Path) -> None:
    song = track(tmp_path / "dataset" / "Song")
    config = configuration(tmp_path / "c.toml", song.parent, settle=1.0)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        subprocess.run([sys.executable, "-c", WRITER, song / "Song.INFO"], check=True)
        eventually(lambda: {"mine", "and", "lufs"} <= record_of(song).keys(), what=daemon.log)
        daemon.becomes(complete=1)
        assert "folder-blocked" not in daemon.log()


def test_damaged_record_is_told_of_once(tmp_path: Path) -> None:
    song = track(tmp_path / "dataset" / "Song")
    config = configuration(tmp_path / "c.toml", song.parent, settle=0.5)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        (song / "Song.INFO").write_text('{"mine": 1')
        daemon.becomes(blocked=1)
        track(song.parent / "Other")
        daemon.becomes(blocked=1, complete=1)
        assert daemon.log().count("folder-blocked") == 1
        (song / "Song.INFO").write_text('{"mine": 1}')
        daemon.becomes(complete=2)
    assert record_of(song)["mine"] == 1


# A catalog that cannot be written


def locked_catalog(catalog: Path) -> Callable[[], None]:
    """Have another process take the database; gives what ends that."""
    holder = sqlite3.connect(catalog, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    return holder.close


def full_catalog(catalog: Path) -> Callable[[], None]:
    """The state directory's file system is full; gives what ends that."""
    filler = catalog.with_name("filler")
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    return filler.unlink


@pytest.fixture
def small_state(tmp_path: Path) -> Iterator[Path]:
    """The directory of the service, with its state on a small file system of its own, where that can be made."""
    directory = tmp_path / "d"
    (directory / "state").mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(directory / "state")]
    mounted = os.geteuid() == 0 and not subprocess.run(mount, capture_output=True, check=False).returncode
    yield directory
    if mounted:
        subprocess.run(["umount", "--lazy", directory / "state"], check=True)


@pytest.mark.parametrize(
    ("hinder", "reason"), [(locked_catalog, "database is locked"), (full_catalog, "database or disk is full")]
)
def test_folders_are_done_while_the_catalog_cannot_be_written(
    tmp_path: Path, small_state: Path, hinder: Callable[[Path], Callable[[], None]], reason: str
) -> None:
    catalog = small_state / "state" / "catalog.sqlite"
    if hinder is full_catalog and not os.path.ismount(catalog.parent):
        pytest.skip("a full file system takes root")
    root = tmp_path / "dataset"
    track(root / "First")
    config = configuration(tmp_path / "c.toml", root)
    with service(small_state, config) as daemon:
        daemon.becomes(complete=1)
        eventually(lambda: metric(daemon, "catalog_writable") == "1.0")
        end = hinder(catalog)
        for number in range(20):
            track(root / f"Song {number}")
        (track(root / "Damaged") / "full_mix.wav").write_bytes(b"RIFF")
        daemon.becomes(complete=21, failed=1)
        daemon.says(f'catalog-fails reason="{reason}"')
        remark = f"cannot write the catalog {catalog}: {reason}"
        eventually(lambda: remark in run("audiobatchctl", "--socket", daemon.socket, "status", env=WIDE)[1])
        assert remark in run("audiobatchctl", "--socket", daemon.socket, "doctor", "--config", config)[1]
        assert metric(daemon, "catalog_writable") == "0.0"
        end()
        daemon.says("catalog-works")
        eventually(lambda: metric(daemon, "catalog_writable") == "1.0")
        assert remark not in run("audiobatchctl", "--socket", daemon.socket, "status", env=WIDE)[1]
        assert (daemon.log().count("catalog-fails"), daemon.log().count("catalog-works")) == (1, 1)
        daemon.stop()
    with service(small_state, config) as daemon:
        daemon.becomes(complete=21, failed=1)
        assert daemon.log().count("folder-failed") == 1, "what is known of the damaged file was remembered"


FAR_OFF = 15.0
"""In seconds: much longer than the second or two that it takes, and shorter than systemd's patience of 90 s."""


def test_locked_catalog_delays_neither_answer_nor_stop(tmp_path: Path) -> None:
    """What has to do with the database waits a second at first, and not once more for each of many folders."""
    root = tmp_path / "dataset"
    track(root / "First")
    config = configuration(tmp_path / "c.toml", root)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        assert daemon.stop() == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "d" / "state" / "catalog.sqlite", isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        with service(tmp_path / "d", config) as daemon:
            eventually(daemon.status, FAR_OFF, daemon.log)
            assert daemon.stop(timeout=FAR_OFF) == 0
        with service(tmp_path / "d", config) as daemon:
            for number in range(20):
                track(root / f"Song {number}")
            daemon.becomes(complete=21)
            code, told, _ = run("audiobatchctl", "explain", root / "Song 7", "--socket", daemon.socket, timeout=FAR_OFF)
            assert (code, "complete" in told) == (0, True), told
            assert daemon.stop(timeout=FAR_OFF) == 0
