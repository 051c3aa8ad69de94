"""Another configuration for a running service: taken whole, or refused whole; and the signs of life for a watchdog."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from support.audio_files import make_track
from support.plugins import install_analyzer
from support.service import configuration, eventually, features_of, run, service


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short track."""
    return make_track(tmp_path_factory.mktemp("music") / "Track", seconds=1.0, stems=())


def test_datasets_and_workers_come_and_go(tmp_path: Path, track: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        shutil.copytree(track, root / "A")
    config = configuration(tmp_path / "c.toml", first, settle=0.0, workers=1)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        assert len(daemon.workers()) == 1
        configuration(config, first, second, settle=0.0, workers=2)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.becomes(complete=2)
        eventually(lambda: len(daemon.workers()) == 2)
        daemon.says(f'configuration-reloaded changes="workers: 1 -> 2; dataset {second}: new"')
        configuration(config, second, settle=0.0, workers=1)
        code, out, _ = run("audiobatchctl", "--socket", daemon.socket, "reload")
        assert (code, out.splitlines()) == (
            0,
            ["The configuration was read again.", "  workers: 2 -> 1", f"  dataset {first}: no longer"],
        )
        eventually(lambda: len(daemon.workers()) == 1)
        for root in (first, second):
            shutil.copytree(track, root / "B")
        daemon.becomes(complete=2)
        assert features_of(second / "B") != {}
        assert features_of(first / "B") == {}
        assert run("audiobatchctl", "--socket", daemon.socket, "reload")[1] == "The configuration is what it was.\n"
        assert daemon.stop() == 0


_FROM_THE_FIRST_MOMENT = """
import pathlib, runpy, signal, sys
_, noted, *sys.argv = sys.argv
def note(event, arguments):
    if event == "import" and arguments[0] == "argparse":  # the first module of all that take their time
        signal.raise_signal(signal.SIGHUP)
        pathlib.Path(noted).touch()
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run by nohup
sys.addaudithook(note)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_hang_ups_during_the_start_neither_end_it_nor_say_that_it_is_over(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "A")
    noted = tmp_path / "noted"
    prefix = [sys.executable, "-c", _FROM_THE_FIRST_MOMENT, str(noted)]
    told: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(0.05)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        config = configuration(tmp_path / "c.toml", root, settle=0.0)
        with service(tmp_path / "d", config, env=env, prefix=prefix) as daemon:
            eventually(lambda: noted.exists() or daemon.process.poll() is not None)
            while b"READY=1" not in told:
                assert daemon.process.poll() is None, daemon.log()
                daemon.process.send_signal(signal.SIGHUP)
                with suppress(TimeoutError):
                    told.append(notify.recv(4096))
            assert not any(each.startswith(b"RELOADING") for each in told)
            daemon.says("configuration-reloaded")
            daemon.becomes(complete=1)
            assert daemon.stop() == 0


def test_hang_up_during_the_start_ends_a_pass(tmp_path: Path, track: Path) -> None:
    prefix = [sys.executable, "-c", _FROM_THE_FIRST_MOMENT, str(tmp_path / "noted")]
    config = configuration(tmp_path / "c.toml", track.parent)
    with service(tmp_path / "d", config, "--once", prefix=prefix) as daemon:
        assert daemon.process.wait(60) == -signal.SIGHUP


def test_an_invalid_one_is_refused_whole(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "A")
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        config.write_text(config.read_text() + "worker = 7\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("configuration-refused reason=")
        code, out, err = run("audiobatchctl", "--socket", daemon.socket, "reload")
        assert (code, out) == (1, "")
        assert f"{config}: unknown key `worker` - at `dataset[0]`" in err.replace("`$.", "`")
        configuration(config, root, settle=0.0, analyzers=["nonesuch"])
        assert 'cannot find the analyzer "nonesuch"' in run("audiobatchctl", "--socket", daemon.socket, "reload")[2]
        configuration(config, root, settle=0.0)
        with config.open("a") as file:
            file.write("[analyzer.peaks]\nstem = true\n")
        refused = run("audiobatchctl", "--socket", daemon.socket, "reload")[2]
        assert "[analyzer.peaks] unknown option `stem` (there are: `stems`) (line 7): did you mean `stems`?" in refused
        configuration(config, root, settle=0.0, operators=["nobody-of-this-name"])
        assert run("audiobatchctl", "--socket", daemon.socket, "reload")[0] == 1
        shutil.copytree(track, root / "B")
        daemon.becomes(complete=2)
        assert daemon.stop() == 0


def test_another_analyzer_restarts_workers_for_all_folders(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "A")
    env = install_analyzer(tmp_path / "plugins", "deed", "return self.answer(audio)")
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(complete=1)
        before = daemon.workers()
        assert set(features_of(root / "A")) == {"lufs"}
        configuration(config, root, settle=0.0, plugins=["deed"])
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "deed" in features_of(root / "A"))
        eventually(lambda: len(daemon.workers()) == len(before))
        assert not set(daemon.workers()) & set(before)
        assert daemon.stop() == 0


def test_a_watchdog_hears_of_it_as_long_as_the_loop_goes_round(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "A")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
        with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.0), env=env) as daemon:
            # Read meanwhile: a socket holds ten datagrams, and what a full one does not take of these is lost.
            while b"1 of 1 folders complete" not in notify.recv(4096):
                pass
            assert daemon.states() == {"complete": 1}
            signs = 0
            while signs < 5:
                signs += notify.recv(4096) == b"WATCHDOG=1"
            daemon.process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED)
            notify.settimeout(1.0)
            with suppress(TimeoutError):
                while True:
                    notify.recv(4096)  # what was said before; then nothing
            notify.settimeout(60)
            daemon.process.send_signal(signal.SIGCONT)
            while notify.recv(4096) != b"WATCHDOG=1":
                pass
            daemon.process.send_signal(signal.SIGHUP)
            told = b""
            while b"READY=1" not in told:
                told = notify.recv(4096)
            assert daemon.stop() == 0
