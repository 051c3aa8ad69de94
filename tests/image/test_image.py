"""The container image as an engine runs it: read-only, without rights, as any user; what it writes, and how it ends."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

from audiobatchd import __version__
from audiobatchd.vocabulary.exits import DaemonExit
from image.conftest import Start
from image.container import STATE, Image
from support.service import eventually, features_of, leftovers

OF_RHYTHM = "bpm"
"""A feature for which Essentia is needed."""


def test_configuration_names_user_volumes_and_health(full: Image) -> None:
    config = full.config
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", config["User"])
    assert set(config["Volumes"]) == {"/music", "/state", "/models"}
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "audiobatchctl", "status"]
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert "ExposedPorts" not in config


def test_root_has_no_leftovers_of_the_build(slim: Image) -> None:
    for empty in ("var/lib/apt", "var/cache", "var/log", "tmp", "music", "state", "models", "run"):
        assert [path for path in (slim.root / empty).rglob("*") if path.is_file()] == []
    assert not (slim.root / "usr/bin/apt").exists()


def test_no_program_gives_more_rights(slim: Image) -> None:
    files = [path for path in slim.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in files if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_variants_of_one_commit_share_the_debian_below(full: Image, slim: Image) -> None:
    # A layer has its commit's time. By hand, one may have been built after another commit.
    created = {image.config["Labels"]["org.opencontainers.image.created"] for image in (full, slim)}
    assert (full.layers[0] == slim.layers[0]) == (len(created) == 1)


def test_dropped_folder_gets_record_and_health_is_good(full: Image, made: Start, tracks: Path) -> None:
    container = made(full)
    container.up()
    folder = container.add(tracks / "short", "One")
    container.becomes(complete=1)
    assert {"lufs", OF_RHYTHM} <= features_of(folder).keys()
    record = (folder / "One.INFO").stat()
    assert (record.st_uid, record.st_gid) == tuple(map(int, container.identity))
    health = container.exec(*full.config["Healthcheck"]["Test"][1:])
    assert health.code == 0, health
    assert "/music" in health.out


def test_health_is_bad_without_the_service(slim: Image, made: Start) -> None:
    container = made(slim)
    container.start("sleep", "60")
    assert container.exec(*slim.config["Healthcheck"]["Test"][1:]).code != 0


def test_sigterm_at_work_ends_with_0_and_leaves_nothing(slim: Image, made: Start, tracks: Path) -> None:
    container = made(slim)
    container.configure("stop_grace = 1", "workers = 1", analyzers=["default"])
    folder = container.add(tracks / "long", "Long")
    container.up()
    container.becomes(running=1)
    assert container.stop(timeout=30) == 0
    assert leftovers(container.music) == []
    assert features_of(folder) == {}


def test_restart_does_nothing_twice(slim: Image, made: Start, tracks: Path) -> None:
    container = made(slim)
    container.configure()
    folder = container.add(tracks / "short", "One")
    container.up()
    container.becomes(complete=1)
    assert container.stop(timeout=30) == 0
    record = (folder / "One.INFO").stat()
    container.up()
    container.becomes(complete=1)
    again = (folder / "One.INFO").stat()
    assert (again.st_ino, again.st_mtime_ns) == (record.st_ino, record.st_mtime_ns)
    assert container.log().count("folder-done") == 1


def test_user_without_a_name_works(slim: Image, made: Start, tracks: Path) -> None:
    container = made(slim, user="54321:54322")
    container.configure()
    folder = container.add(tracks / "short", "One")
    container.up()
    container.becomes(complete=1)
    assert (folder / "One.INFO").stat().st_uid == 54321
    told = container.exec("audiobatchctl", "doctor")
    assert "Traceback" not in told.text
    assert container.stop(timeout=30) == 0


def test_volumes_of_an_engine_s_own_can_be_written(slim: Image) -> None:
    # What an engine puts into a new volume: the image's directory, with its mode.
    for volume in ("state", "models", "run/audiobatchd"):
        assert stat.S_IMODE((slim.root / volume).stat().st_mode) == 0o1777


def test_state_of_another_user_is_refused_by_name(slim: Image, made: Start) -> None:
    container = made(slim, user="54321:54322")
    os.chown(container.volumes[STATE], 0, 0)
    assert container.runs() not in (0, DaemonExit.CONFIG)
    assert "/state" in container.log()


def test_wrong_configuration_ends_at_once_with_its_code(slim: Image, made: Start) -> None:
    container = made(slim)
    container.configure("workers = 'many'")
    assert container.runs() == DaemonExit.CONFIG
    assert "workers" in container.log()


def test_orphans_are_reaped(slim: Image, made: Start) -> None:
    container = made(slim)
    container.configure()
    container.up()
    orphan = int(container.exec("sh", "-c", "sleep 0.2 >/dev/null & echo $!").out)
    eventually(lambda: orphan not in container.processes(), what=container.processes)


def test_killed_worker_leaves_nothing_and_is_replaced(slim: Image, made: Start) -> None:
    container = made(slim)
    container.configure("workers = 1")
    container.up()
    [worker] = eventually(container.workers, what=container.log)
    container.exec("sh", "-c", f"kill -9 {worker}")
    eventually(lambda: container.workers() not in ([], [worker]), what=container.log)
    eventually(lambda: worker not in container.processes(), what=container.processes)


def test_slim_measures_the_rest_and_says_what_is_missing(slim: Image, made: Start, tracks: Path) -> None:
    container = made(slim)
    folder = container.add(tracks / "short", "One")
    assert container.runs("audiobatchd", "--once", "/music", timeout=120) == 0
    record = features_of(folder)
    assert {"lufs", "true_peak", "brightness", "onset_count"} <= record.keys()
    assert OF_RHYTHM not in record
    assert 'analyzer-unavailable analyzer=rhythm reason="' in container.log()


def test_full_has_no_analyzer_unavailable_but_models(full: Image, made: Start, tracks: Path) -> None:
    container = made(full)
    container.add(tracks / "short", "One")
    assert container.runs("audiobatchd", "--once", "/music", timeout=120) == 0
    missing = set(re.findall(r"analyzer-unavailable analyzer=(\w+)", container.log()))
    assert missing == {"danceability", "atonality"}


def test_buildah_runs_the_archive(slim_archive: Path, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    places = ["--root", str(storage), "--runroot", str(tmp_path / "run"), "--storage-driver", "overlay"]

    def buildah(*arguments: str) -> str:
        done = subprocess.run(
            ["buildah", *places, *arguments], capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    try:
        container = buildah("from", f"docker-archive:{slim_archive}")
        run = ["run", "--isolation", "chroot", "--user", "1000:1000", container, "--"]
        assert buildah(*run, "audiobatchd", "--version") == f"audiobatchd {__version__}"
        buildah("rm", container)
    finally:
        subprocess.run(["umount", storage / "overlay"], check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", storage], check=True)


def test_bytecode_is_used_whatever_the_times_of_sources(slim: Image) -> None:
    compiled = sorted((slim.root / "usr/lib").rglob("*.pyc"))
    assert any("audiobatchd" in path.parts for path in compiled)
    assert any("json" in path.parts for path in compiled)
    # Flags of PEP 552: by the source's hash, and not checked.
    assert [path for path in compiled if path.read_bytes()[4:8] != b"\x01\0\0\0"] == []
