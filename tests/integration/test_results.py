"""The values of all folders: what the service has of them is what the records tell, whatever happened meanwhile."""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from audiobatchd.cli.results import Served, results_of
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import ROWS
from audiobatchd.control.results import AskRows, Query, Row
from audiobatchd.errors import AudiobatchError
from support.audio_files import make_track
from support.service import Service, configuration, eventually, run, service

QUERIES = (
    Query(),
    Query(("folder", "bpm", "lufs"), "bpm > 100 or lufs < -1", ("-bpm", "folder"), 3),
    Query(("folder", "mood"), "mood like 'c%' and not flag"),
)


def answers(daemon: Service, root: Path, config: Path | None = None) -> list[object]:
    """All that the service tells, or the disk where a configuration is given."""
    arguments = argparse.Namespace(dataset=str(root), config=config, disk=False)
    with results_of(arguments, ControlClient(daemon.socket)) as source:
        if isinstance(source, Served) is not (config is None):
            return []  # it has not walked yet
        rows: list[list[Row]] = [list(source.rows(query)) for query in QUERIES]
        return [
            source.columns(),
            rows,
            list(source.summary()),
            source.histogram("lufs", 5),
            source.scatter("bpm", "lufs", 4, "bpm > 0"),
        ]


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short track with a stem."""
    return make_track(tmp_path_factory.mktemp("music") / "Track", seconds=1.0, stems=("drums",))


def write(folder: Path, **values: object) -> None:
    """Merge values into a record, as another tool does."""
    record = folder / f"{folder.name}.INFO"
    old = json.loads(record.read_text()) if record.exists() else {}
    record.write_text(json.dumps({**old, **values}))


def test_service_and_records_tell_the_same(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    for number in range(6):
        shutil.copytree(track, root / f"Song {number}")
    shutil.copytree(track, root / "Deep" / "er" / "caf\udce9")
    write(root / "Song 1", bpm=120, mood="calm", flag=True)
    write(root / "Song 2", bpm="fast", mood="cross", flag=False, genre={"Rock": 0.5})
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=7)
        same(daemon, root, config)
        # Other tools edit, remove, rename and damage.
        write(root / "Song 1", bpm=99.5, more=[1, 2])
        write(root / "Song 2", bpm=88, mood=None)
        shutil.rmtree(root / "Song 3")
        (root / "Song 4").rename(root / "Song 9")
        (root / "Song 9" / "Song 4.INFO").rename(root / "Song 9" / "Song 9.INFO")
        (root / "Song 5" / "Song 5.INFO").write_text("{")
        same(daemon, root, config)
        daemon.process.kill()
    write(root / "Song 1", bpm=77)
    with service(tmp_path / "d", config) as daemon:
        same(daemon, root, config)
        assert daemon.stop() == 0
    for path in (tmp_path / "d").rglob("catalog.sqlite*"):
        path.unlink()
    with service(tmp_path / "d", config) as daemon:
        same(daemon, root, config)


def test_states_are_those_that_status_counts(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    for name in ("Good", "Cut short", "Spoiled", "Locked"):
        shutil.copytree(track, root / name)
    mix = next((root / "Cut short").glob("full_mix.*"))
    mix.write_bytes(mix.read_bytes()[: mix.stat().st_size // 2])
    (root / "Spoiled" / "Spoiled.INFO").write_text("[]")
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    with (root / "Locked.lock").open("w") as lock, service(tmp_path / "d", config) as daemon:
        fcntl.flock(lock, fcntl.LOCK_EX)  # before a worker has started
        daemon.becomes(complete=1, failed=1, blocked=1, locked=1)
        assert run("audiobatchctl", "--socket", daemon.socket, "pause", root)[0] == 0
        shutil.copytree(track, root / "New")
        daemon.becomes(complete=1, failed=1, blocked=1, locked=1, queued=1)
        client, asked = ControlClient(daemon.socket), Query(("folder", "state", "why"))

        def agree() -> list[Row]:
            with results_of(argparse.Namespace(dataset=str(root), config=None, disk=False), client) as source:
                rows = list(source.rows(asked))
            return rows if Counter(str(state) for _, state, _ in rows) == daemon.states() else []

        told = {str(folder): (state, why) for folder, state, why in eventually(agree)}
        del told["Locked"]  # whose turn may have come again
        assert told["Cut short"][1]
        assert told["Spoiled"][1]
        assert {folder: state for folder, (state, _) in told.items()} == {
            "Good": "complete", "Cut short": "failed", "Spoiled": "blocked", "New": "queued",
        }  # fmt: skip
        assert told["Good"][1] == told["New"][1] == ""
        where = ("--where", "state in ('failed', 'blocked')", "--columns", "state", "--format", "csv", "-o", "-")
        _, text, _ = run("audiobatchctl", "--socket", daemon.socket, "export", root, *where)
        assert [line.split(",")[:2] for line in text.splitlines()[1:]] == [
            ["Cut short", "failed"],
            ["Spoiled", "blocked"],
        ]


BOMBS = (
    "hex(zeroblob(2e8)) > ''",
    "randomblob(2000000000) > ''",
    "(with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n)",
    "replace(folder, '', folder) > ''",
    "printf('%2000000000d', 1)",
    "load_extension('/tmp/x')",
    "folder in (select sql from sqlite_master)",
    "1) union select 1, sql from sqlite_master --",
    "1; attach '/tmp/x' as x",
    "folder glob '" + "*" * 5000 + "'",
    "abs(-9223372036854775807 - 1)",
    "(" * 3000 + "1" + ")" * 3000,
)


def test_service_refuses_bombs_and_goes_on(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "Song")
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.0)) as daemon:
        daemon.becomes(complete=1)
        client = ControlClient(daemon.socket)
        for bomb in BOMBS:
            with pytest.raises(AudiobatchError, match="cannot list the results"):
                list(client.lines(ROWS, AskRows(str(root), where=bomb)))
        assert len(list(client.lines(ROWS, AskRows(str(root), where="lufs < 0")))) == 3
        assert daemon.states() == {"complete": 1}


def same(daemon: Service, root: Path, config: Path) -> None:
    """Wait until the service has seen all, and tells what the records tell."""
    last: list[object] = []

    def agree() -> bool:
        last[:] = [answers(daemon, root), answers(daemon, root, config)]
        return bool(last[0]) and last[0] == last[1]

    eventually(agree, what=lambda: f"{last[0]}\n\n{last[1]}")
