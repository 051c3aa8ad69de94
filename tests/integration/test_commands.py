"""`audiobatchctl progress`, `check`, `missing` and `locks`, with a daemon and without, in the batch guide's words."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support.audio_files import make_track
from support.lock_rig import held_elsewhere
from support.service import PROGRAMS, configuration, eventually, leftovers, once, run, service


@pytest.fixture(scope="module")
def _measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("measured") / "dataset"
    for number, name in enumerate(("Done 1", "Done 2", "New stem")):
        make_track(root / name, seconds=4, stems=(), seed=number)
    assert once(root)[0] == 0
    make_track(root / "New stem", seconds=4, stems=("drums",), seed=7)
    shutil.copytree(root / "Done 1", root / "Spoiled")
    (root / "Spoiled" / "Done 1.INFO").rename(root / "Spoiled" / "Spoiled.INFO")
    (root / "Spoiled" / "Spoiled.INFO").write_text("no JSON")
    make_track(root / "Untouched", seconds=4, stems=(), seed=9)
    return root


@pytest.fixture
def dataset(tmp_path: Path, _measured: Path) -> Path:
    """Two complete folders, one that lacks a stem's numbers, one with a spoiled record, one that was not measured."""
    return Path(shutil.copytree(_measured, tmp_path / "dataset"))


def test_progress_adds_up_and_counts_the_locked_beside(dataset: Path) -> None:
    with held_elsewhere(dataset / "Done 1"), held_elsewhere(dataset / "Untouched"):
        code, out, _ = run("audiobatchctl", "progress", dataset, "--features", "lufs", "lra")
        assert (code, out) == (
            0,
            (
                "Processing Progress:\n  Total folders:  5\n  Complete:       3 (60.0%)\n"
                "  Incomplete:     2\n  Locked:         2\n"
            ),
        )
        _, out, _ = run("audiobatchctl", "progress", dataset, "--json")
        assert json.loads(out) == {
            "dataset": str(dataset), "features": None, "total": 5, "complete": 2, "incomplete": 3, "locked": 2,
            "near_misses": [],
        }  # fmt: skip


def test_check_leaves_out_the_locked(dataset: Path) -> None:
    with held_elsewhere(dataset / "Untouched"):
        code, out, _ = run("audiobatchctl", "check", dataset, "--features", "lufs")
    assert (code, out) == (
        1,
        "Folders to Process: 1\n  Total:          5\n  Ready:          1\n  Skipped (done): 3\n  Skipped (lock): 1\n",
    )
    code, out, _ = run("audiobatchctl", "check", dataset / "Done 1", "--list")
    assert (code, out.splitlines()[0]) == (0, "Folders to Process: 0")
    _, out, _ = run("audiobatchctl", "check", dataset, "--list")
    assert out.splitlines()[5:] == ["New stem", "Spoiled", "Untouched"]


def test_missing_names_features_of_any_tool(dataset: Path) -> None:
    (dataset / "Done 2" / "Done 2.INFO").write_text('{"brightness": 0.5, "lufs": null}')
    code, out, _ = run("audiobatchctl", "missing", dataset, "--features", "brightness", "lufs")
    assert code == 1
    assert out == (
        "Done 1:\n  Missing: brightness\n\n"
        "Done 2:\n  Missing: lufs\n\n"
        "New stem:\n  Missing: brightness\n\n"
        "Spoiled:\n  Trouble: cannot understand the record: line 1: expected an object in braces; "
        "mend it or move the file away\n\n"
        "Untouched:\n  Missing: brightness, lufs\n"
    )


def test_missing_by_the_analyzers_tells_stale_from_missing(dataset: Path) -> None:
    code, out, _ = run("audiobatchctl", "missing", dataset / "New stem")
    assert code == 1
    assert out == ".:\n  Missing: lufs_drums, lra_drums\n  Stale: lufs, lra\n"
    assert run("audiobatchctl", "missing", dataset / "Done 1")[:2] == (0, "Nothing is missing.\n")


def test_file_of_another_time_alone_is_not_stale(dataset: Path) -> None:
    for path in (dataset / "Done 1").glob("full_mix.*"):
        os.utime(path, ns=(1, 1))
    assert run("audiobatchctl", "missing", dataset / "Done 1")[:2] == (0, "Nothing is missing.\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to give that up")
def test_unreadable_folder_is_not_complete(dataset: Path, tmp_path: Path) -> None:
    (dataset / "Artist").mkdir(mode=0)
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", str(PROGRAMS / "audiobatchctl")]
    done = subprocess.run(
        [*command, "missing", str(dataset), "--features", "lufs"], capture_output=True, text=True, check=False
    )
    assert "Artist:\n  Trouble: cannot read the folder: Permission denied\n" in done.stdout
    done = subprocess.run([*command, "progress", str(dataset), "--json"], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["total"] == 6


def test_the_configured_analyzers_decide(dataset: Path, tmp_path: Path) -> None:
    config = configuration(tmp_path / "c.toml", dataset, analyzers=[])
    code, out, _ = run("audiobatchctl", "progress", dataset, "--config", config, "--json")
    assert (code, json.loads(out)["complete"]) == (0, 4), "only the spoiled one is not"
    config.write_text("worker = 1\n")
    code, _, err = run("audiobatchctl", "progress", dataset, "--config", config)
    assert (code, "unknown key `worker`" in err) == (2, True)


@pytest.mark.parametrize("command", ["progress", "check", "missing", "locks list", "locks cleanup", "locks test"])
def test_a_dataset_that_is_not_there_is_wrong_usage(tmp_path: Path, command: str) -> None:
    code, _, err = run("audiobatchctl", *command.split(), tmp_path / "nowhere")
    assert (code, "no such dataset" in err) == (2, True)


def guide_lock(folder: Path, pid: int) -> Path:
    """Write what a script of the guide leaves when it is killed."""
    path = folder.with_name(folder.name + ".lock")
    path.write_text(f"Processing started: 2026-11-24 10:00:00\nPID: {pid}\nFile: {folder.name}\n")
    return path


def test_locks_are_listed_and_the_dead_removed(dataset: Path) -> None:
    (dataset / "poetry.lock").write_text("[[package]]\n")
    (dataset / "Done 1" / "Done 1.INFO.lock").write_text("")
    with held_elsewhere(dataset / "Done 1"), held_elsewhere(dataset / "Done 2") as killed:
        killed.kill()
        killed.wait()
        guide_lock(dataset / "Untouched", pid=1)
        alive = guide_lock(dataset / "New stem", pid=1)
        with alive.open("r+") as script:
            fcntl.flock(script, fcntl.LOCK_EX)
            code, out, _ = run("audiobatchctl", "locks", "list", dataset)
            assert code == 0
            assert [line.split(" (")[0] for line in out.splitlines()] == [
                "Found 4 lock files:",
                "  [ACTIVE] Done 1.lock",
                "  [DEAD] Done 2.lock",
                "  [ACTIVE] New stem.lock",
                "  [DEAD] Untouched.lock",
            ]
            _, out, _ = run("audiobatchctl", "locks", "cleanup", dataset, "--dry-run")
            assert out.endswith("Would remove 2 dead lock files\n")
            assert (dataset / "Done 2.lock").exists()
            code, out, _ = run("audiobatchctl", "locks", "cleanup", dataset, "--timeout", 3600)
            assert code == 0
            assert out.splitlines()[0] == f"Scanning for dead locks in: {dataset}"
            assert out.splitlines()[1] == "Found 4 lock files"
            assert "Removed dead lock: Done 2.lock (its holder is gone: process" in out
            assert "Removed dead lock: Untouched.lock (its holder is gone: a script with PID 1)" in out
            assert out.endswith("Removed 2 dead lock files\n")
    assert sorted(leftovers(dataset)) == ["Done 1.lock", "Done 1/Done 1.INFO.lock", "New stem.lock", "poetry.lock"]


def test_a_running_daemon_does_the_clean_up_and_says_who_asked(dataset: Path, tmp_path: Path) -> None:
    config = configuration(tmp_path / "c.toml", dataset, settle=0.1, reap=3600.0)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=4, blocked=1)
        guide_lock(dataset / "Done 1", pid=1)
        code, out, err = run("audiobatchctl", "--socket", daemon.socket, "locks", "cleanup", dataset, "--json")
        assert code == 0, err
        assert [each["lock"] for each in json.loads(out)["removed"]] == ["Done 1.lock"]
        daemon.says("lock-removed")
        daemon.says(f'change-asked request="POST /v1/locks/clean-up" uid={os.getuid()}')
        code, _, err = run("audiobatchctl", "--socket", daemon.socket, "locks", "cleanup", tmp_path)
        assert code == 0, "another place than the daemon's is cleaned up here"


def test_the_daemon_removes_the_locks_of_the_dead_by_itself(dataset: Path, tmp_path: Path) -> None:
    """Remove them at the start, and every `reap` seconds; a lock whose folder is gone as well."""
    guide_lock(dataset / "Done 1", pid=1)
    with held_elsewhere(dataset / "Done 2") as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    shutil.rmtree(dataset / "Done 2")
    config = configuration(tmp_path / "c.toml", dataset, settle=0.1, reap=0.2)
    with service(tmp_path / "d", config) as daemon:
        eventually(lambda: leftovers(dataset) == [], what=daemon.log)
        daemon.says("its folder is gone, and its holder is gone")
        daemon.says('reason="its holder is gone: a script with PID 1"')
        guide_lock(dataset / "Done 1", pid=1)
        eventually(lambda: leftovers(dataset) == [], what=daemon.log)
        eventually(lambda: daemon.log().count("lock-removed") == 3, what=daemon.log)


def test_locks_of_a_file_system_are_tried(dataset: Path) -> None:
    code, out, _ = run("audiobatchctl", "locks", "test", dataset, "--wait", 0.1)
    assert code == 0
    assert "[ ok] second process" in out
    assert "no other machine took part" in out
    code, out, _ = run("audiobatchctl", "locks", "test", dataset, "--wait", 0, "--json")
    assert code == 0
    assert {each["ok"] for each in json.loads(out)["findings"]} == {True, None}
    assert [path.name for path in dataset.iterdir() if path.name.startswith(".")] == []
