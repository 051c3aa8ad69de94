"""A catalog under churn: what it knows of folders and datasets goes with them, and with nothing that may come back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.vocabulary.states import DatasetState
from support.audio_files import tone, write_audio
from support.service import Service, configuration, eventually, record_of, run, service

RATE = 8000
TABLES = ("folder", "attempt", "sighting", "shape", "near_miss", "fact")
ADOPTED = {"lufs": -1.0, "lra": 2.0}


def track(root: Path, name: str, sound: Path, *, others: dict[str, object] | None = None) -> Path:
    """A track folder with a record of other tools, which is adopted, and `others` in it."""
    folder = root / name
    folder.mkdir(parents=True)
    os.link(sound, folder / "full_mix.wav")
    (folder / f"{name}.INFO").write_text(json.dumps({**ADOPTED, **(others or {})}))
    return folder


def sound_in(directory: Path) -> Path:
    """A short file for any number of folders."""
    sound = directory / "sound.wav"
    write_audio(sound, tone(1.0, RATE, 1), RATE)
    return sound


def rows(daemon: Service) -> dict[str, int]:
    """Count the rows of each table of the service's catalog."""
    with closing(sqlite3.connect(daemon.socket.parent / "state" / "catalog.sqlite")) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}  # noqa: S608  # ours


def pages(daemon: Service) -> int:
    """Size of the catalog in pages, with what stands in its log so far."""
    with closing(sqlite3.connect(daemon.socket.parent / "state" / "catalog.sqlite")) as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])


def has(daemon: Service, **expected: int) -> None:
    """Wait until these tables have so many rows."""
    eventually(lambda: rows(daemon).items() >= expected.items(), what=lambda: (expected, rows(daemon), daemon.log()))


def test_catalog_stays_flat_over_rounds_of_churn(tmp_path: Path) -> None:
    root, sound = tmp_path / "music", sound_in(tmp_path)
    track(root, "Stays", sound)
    sizes = []
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, rescan=1.0)) as daemon:
        daemon.becomes(complete=1)
        for number in range(4):
            for index in range(40):
                # Keys of its own give each folder a shape of its own.
                track(root / "New", f"{number} {index}", sound, others={f"mine_{number}_{index}": 1})
            daemon.becomes(complete=41)
            has(daemon, folder=41)
            shutil.rmtree(root / "New")
            daemon.becomes(complete=1)
            has(daemon, folder=1, attempt=0, sighting=2)
            eventually(lambda: rows(daemon)["shape"] <= 3, what=lambda: rows(daemon))
            sizes.append(pages(daemon))
        assert max(sizes) <= 1.5 * sizes[0], sizes


def test_adopted_folder_that_comes_back_is_adopted_again(tmp_path: Path) -> None:
    root, sound = tmp_path / "music", sound_in(tmp_path)
    track(root, "Stays", sound)
    folder = track(root, "Song", sound)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root)) as daemon:
        daemon.becomes(complete=2)
        has(daemon, folder=2)
        shutil.rmtree(folder)
        daemon.becomes(complete=1)
        has(daemon, folder=1)
        os.utime(sound, (1_000_000_000, 1_000_000_000))
        track(root, "Song", sound, others={"mood": "calm"})
        daemon.becomes(complete=2)
        has(daemon, folder=2)
    assert record_of(folder) == {**ADOPTED, "mood": "calm"}


def test_replaced_file_beside_its_record_is_measured(tmp_path: Path) -> None:
    root, sound = tmp_path / "music", sound_in(tmp_path)
    track(root, "Stays", sound)
    folder = track(root, "Song", sound)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root)) as daemon:
        daemon.becomes(complete=2)
        has(daemon, folder=2)
        (folder / "full_mix.wav").unlink()
        daemon.becomes(complete=1)
        write_audio(folder / "full_mix.wav", tone(2.0, RATE, 1), RATE)
        daemon.becomes(complete=2)
        assert record_of(folder)["lufs"] != ADOPTED["lufs"], "what was adopted is of the file before"
        shutil.rmtree(folder)
        has(daemon, folder=1)


def test_lost_root_forgets_nothing_until_it_is_accepted(tmp_path: Path) -> None:
    root, sound = tmp_path / "music", sound_in(tmp_path)
    for name in ("One", "Two"):
        track(root, name, sound)
    config = configuration(tmp_path / "c.toml", root, rescan=1.0)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=2)
        has(daemon, folder=2)
        root.rename(tmp_path / "away")
        root.mkdir()
        eventually(lambda: _state(daemon) is DatasetState.PAUSED, what=daemon.log)
        assert rows(daemon)["folder"] == 2
        root.rmdir()
        (tmp_path / "away").rename(root)
        eventually(lambda: _state(daemon) is DatasetState.ACTIVE, what=daemon.log)
        daemon.becomes(complete=2)
        assert rows(daemon)["folder"] == 2
        root.rename(tmp_path / "away")
        root.mkdir()
        eventually(lambda: _state(daemon) is DatasetState.PAUSED, what=daemon.log)
        _accept(daemon)
        has(daemon, folder=0, attempt=0)
        assert daemon.stop() == 0
    with service(tmp_path / "d", config) as daemon:
        eventually(lambda: _state(daemon) is DatasetState.ACTIVE, what=daemon.log)
        assert "is a mount lost" not in daemon.log().rpartition("service-start")[2]


def test_dropped_datasets_are_pruned_at_reload_and_start(tmp_path: Path) -> None:
    sound = sound_in(tmp_path)
    names = ("Kept", "Dropped", "Dropped later")
    for name in names:
        track(tmp_path / name, "Song", sound)
    config = configuration(tmp_path / "c.toml", *(tmp_path / name for name in names))
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=3)
        has(daemon, folder=3)
        configuration(config, tmp_path / "Kept", tmp_path / "Dropped later")
        daemon.process.send_signal(signal.SIGHUP)
        has(daemon, folder=2, sighting=4)
        assert daemon.stop() == 0
    configuration(config, tmp_path / "Kept")
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        has(daemon, folder=1, sighting=2, attempt=0, near_miss=0)
    with closing(Catalog(tmp_path / "d" / "state" / "catalog.sqlite")) as catalog:
        assert set(catalog.facts.between(b"root ", b"root \xff")) == {b"root " + os.fsencode(tmp_path / "Kept")}


def _state(daemon: Service) -> DatasetState | None:
    status = daemon.status()
    return status.datasets[0].state if status else None


def _accept(daemon: Service) -> None:
    status = daemon.status()
    assert status is not None
    path = status.datasets[0].path
    code, _, err = run("audiobatchctl", "--socket", daemon.socket, "rescan", "--accept", path)
    assert code == 0, err
