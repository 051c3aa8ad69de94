"""The daemon in its ordinary life: folders come, change, move and go, and it is started, asked and stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from support.audio_files import make_track, tone, write_audio
from support.plugins import install_analyzer, install_gate
from support.service import configuration, eventually, features_of, leftovers, record_of, run, service


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty dataset."""
    root = tmp_path / "dataset"
    root.mkdir()
    return root


@pytest.fixture
def track(tmp_path: Path) -> Path:
    """A track folder outside the dataset, to be copied or moved in."""
    return make_track(tmp_path / "elsewhere" / "A - Track", seconds=4, stems=("drums",), seed=7)


def test_folders_that_come_while_it_runs(tmp_path: Path, root: Path, track: Path) -> None:
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root)) as daemon:
        daemon.says("dataset-active")
        shutil.copytree(track, root / "Copied")
        shutil.copytree(track, root / "deep" / "er" / "Nested")
        shutil.copytree(track, tmp_path / "Moved in")
        (tmp_path / "Moved in").rename(root / "Moved in")
        daemon.becomes(complete=3)
        assert features_of(root / "Copied") == features_of(root / "Moved in") != {}
        (root / "Copied").rename(root / "Renamed")
        shutil.rmtree(root / "deep")
        daemon.becomes(complete=2)
        eventually((root / "Renamed" / "Renamed.INFO").exists)
        write_audio(root / "Moved in" / "bass.flac", tone(4), 44100)
        eventually(lambda: "lufs_bass" in record_of(root / "Moved in"))
        (root / "Moved in" / "Moved in.INFO").unlink()
        eventually(lambda: "lufs_bass" in record_of(root / "Moved in"))
        assert daemon.stop() == 0
    assert leftovers(root) == []


def test_a_tree_of_a_thousand_folders_takes_no_thousand_threads(tmp_path: Path, root: Path, track: Path) -> None:
    make_track(tmp_path / "tiny", seconds=0.5, stems=(), extension="wav")
    for number in range(1000):
        (tmp_path / "Moved" / f"{number // 40}" / f"Track {number}").mkdir(parents=True)
    for number in range(0, 1000, 50):
        folder = tmp_path / "Moved" / f"{number // 40}" / f"Track {number}"
        shutil.copy(tmp_path / "tiny" / "full_mix.wav", folder)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.1)) as daemon:
        daemon.says("dataset-active")
        (tmp_path / "Moved").rename(root / "Moved")
        threads = []

        def complete() -> bool:
            status = Path(f"/proc/{daemon.process.pid}/status").read_text()
            threads.append(int(status.split("Threads:")[1].split()[0]))
            return daemon.states() == {"complete": 20}

        eventually(complete, what=daemon.log)
        assert max(threads) < 30


def test_a_directory_that_becomes_a_link_is_one_folder_still(tmp_path: Path, root: Path, track: Path) -> None:
    """Two names would mean two locks."""
    shutil.copytree(track, root / "T")
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.1, rescan=1.0)) as daemon:
        daemon.becomes(complete=1)
        (root / "T").rename(root / "Real")
        (root / "T").symlink_to("Real")
        daemon.becomes(complete=1)
        eventually(lambda: "lufs" in record_of(root / "Real"))
        status = daemon.status()
        assert status is not None
        last = status.datasets[0].last_walk
        eventually(lambda: (now := daemon.status()) is not None and now.datasets[0].last_walk > last)
        assert daemon.states() == {"complete": 1}


def test_another_directory_in_the_root_s_place_is_noticed(tmp_path: Path, root: Path, track: Path) -> None:
    """Exchange the root without an event, as an unmount does: it is looked at every few seconds."""
    shutil.copytree(track, root / "Old")
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.1)) as daemon:
        daemon.becomes(complete=1)
        root.rename(tmp_path / "was the root")
        shutil.copytree(track, root / "New 1")
        shutil.copytree(track, root / "New 2")
        daemon.becomes(complete=2)
        assert "watch-lost" in daemon.log()
        shutil.copytree(track, root / "New 3")
        daemon.becomes(complete=3)


def test_a_slow_copy_is_taken_when_it_is_whole(tmp_path: Path, root: Path, track: Path) -> None:
    content = (track / "full_mix.flac").read_bytes()
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=1.0)) as daemon:
        daemon.says("dataset-active")
        target = root / "Slow"
        target.mkdir()
        with (target / "full_mix.flac").open("wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            daemon.becomes(settling=1)
            file.write(content[len(content) // 2 :])
        shutil.copy(track / "drums.flac", target / "drums.flac.part")
        (target / "drums.flac.part").rename(target / "drums.flac")
        daemon.becomes(complete=1)
        assert "folder-failed" not in daemon.log()
        assert daemon.log().count("folder-done") == 1
    assert {"lufs", "lufs_drums"} <= record_of(root / "Slow").keys()


def test_a_file_on_its_way_holds_the_folder(tmp_path: Path, root: Path, track: Path) -> None:
    (track / ".bass.flac.x8Yz2a").write_bytes(b"rsync is at it")
    track.rename(root / "Track")
    other = make_track(root / "Other", seconds=2, stems=(), seed=1)
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.1)) as daemon:
        daemon.becomes(complete=1, settling=1)
        assert record_of(other)
        assert not record_of(root / "Track")
        (root / "Track" / ".bass.flac.x8Yz2a").unlink()
        daemon.becomes(complete=2)


def test_deleted_renamed_and_changed_while_queued_and_running(tmp_path: Path, root: Path, track: Path) -> None:
    gate = tmp_path / "gate"
    env = install_gate(gate)
    for name in ("A changed", "B renamed", "C deleted", "D queued deleted", "E queued renamed", "F queued changed"):
        shutil.copytree(track, root / name)
    config = configuration(tmp_path / "c.toml", root, plugins=["gate"], workers=3, settle=0.1)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(running=3, queued=3)
        eventually((gate / "at-full_mix").exists)
        write_audio(root / "A changed" / "full_mix.flac", tone(4, dbfs=-40.0), 44100)
        (root / "B renamed").rename(root / "B new")
        shutil.rmtree(root / "C deleted")
        shutil.rmtree(root / "D queued deleted")
        (root / "E queued renamed").rename(root / "E new")
        write_audio(root / "F queued changed" / "full_mix.flac", tone(4, dbfs=-40.0), 44100)
        (gate / "go").touch()
        daemon.becomes(complete=4)
        assert daemon.stop() == 0
    loud, quiet = record_of(root / "B new")["lufs"], record_of(root / "A changed")["lufs"]
    assert quiet < loud - 10
    assert record_of(root / "F queued changed")["lufs"] == quiet
    assert record_of(root / "E new")["lufs"] == loud
    assert sorted(path.name for path in root.rglob("*.INFO")) == [
        "A changed.INFO",
        "B new.INFO",
        "E new.INFO",
        "F queued changed.INFO",
    ]
    assert leftovers(root) == []


def test_restart_measures_nothing_and_remembers_failures(tmp_path: Path, root: Path, track: Path) -> None:
    shutil.copytree(track, root / "Good")
    shutil.copytree(track, root / "Bad")
    (root / "Bad" / "full_mix.flac").write_bytes(b"no audio")
    config = configuration(tmp_path / "c.toml", root, settle=0.1)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1, failed=1)
        daemon.stop()
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1, failed=1)
        status = daemon.status()
        assert status is not None
        assert [trouble.folder for trouble in status.troubles] == ["Bad"]
        daemon.stop()
        assert daemon.log().count("folder-done") == 1
        assert daemon.log().count("folder-failed") == 1


def test_lock_of_another_process_is_respected(tmp_path: Path, root: Path, track: Path) -> None:
    gate = tmp_path / "gate"
    env = install_gate(gate)
    shutil.copytree(track, root / "Track")
    config = configuration(tmp_path / "c.toml", root, plugins=["gate"], settle=0.1, workers=1)
    with service(tmp_path / "one", config, env=env) as one, service(tmp_path / "two", config, env=env) as two:
        eventually(lambda: {str(each.states()) for each in (one, two)} == {"{'locked': 1}", "{'running': 1}"})
        (gate / "go").touch()
        one.becomes(complete=1)
        two.becomes(complete=1)
        done = [each.log().count("lufs=") for each in (one, two)]
        assert sorted(done) == [0, 1], "measured once"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stop_lets_running_jobs_finish(tmp_path: Path, root: Path, track: Path, number: int, code: int) -> None:
    gate = tmp_path / "gate"
    env = install_gate(gate)
    shutil.copytree(track, root / "Track")
    config = configuration(tmp_path / "c.toml", root, plugins=["gate"], settle=0.0, workers=1)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(running=1)
        daemon.process.send_signal(number)
        eventually(lambda: (status := daemon.status()) is not None and status.state == "draining")
        (gate / "go").touch()
        assert daemon.process.wait(60) == code
        assert "Success:        1" in daemon.log()
    assert "lufs" in record_of(root / "Track")


@pytest.mark.parametrize("again", [True, False])
def test_a_stop_does_not_wait_for_ever(tmp_path: Path, root: Path, track: Path, again: bool) -> None:
    env = install_gate(tmp_path / "gate")
    shutil.copytree(track, root / "Track")
    config = configuration(
        tmp_path / "c.toml", root, plugins=["gate"], settle=0.0, workers=2, stop_grace=600.0 if again else 0.2
    )
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(running=1)
        eventually((tmp_path / "gate" / "at-full_mix").exists)
        workers = daemon.workers()
        daemon.process.send_signal(signal.SIGTERM)
        if again:
            eventually(lambda: (status := daemon.status()) is not None and status.state == "draining")
            daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(60) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert leftovers(root) == []
    assert not record_of(root / "Track")


def test_workers_die_with_a_killed_daemon(tmp_path: Path, root: Path, track: Path) -> None:
    env = install_gate(tmp_path / "gate")
    shutil.copytree(track, root / "Track")
    config = configuration(tmp_path / "c.toml", root, plugins=["gate"], settle=0.0, workers=2)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(running=1)
        workers = daemon.workers()
        assert len(workers) == 2
        daemon.stop(signal.SIGKILL)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        (tmp_path / "gate" / "go").touch()
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(complete=1)
    assert leftovers(root) == []


@pytest.mark.parametrize(
    ("body", "evidence"),
    [
        ("raise ValueError('no such luck')", "analyzer poison failed: ValueError: no such luck"),
        ("return Measurement({'surprise': 1.0})", "promised"),
        ("return Measurement({feature_name('poison', audio.role): float('nan')})", "gave nan"),
        ("os._exit(5)", "exit code 5"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
        ("ctypes.string_at(0)", "signal 11"),
        ("time.sleep(3600)", "no answer for too long"),
        ("os.write(int(sys.argv[3]), b'garbage'); time.sleep(3600)", "it sent no message"),
    ],
    ids=["raises", "breaks its promise", "NaN", "exits", "SEGV", "native SEGV", "hangs", "garbage"],
)
def test_poison_fails_its_folder_and_no_other(tmp_path: Path, root: Path, body: str, evidence: str) -> None:
    poison = f"""
        if audio.duration > 3:
            {body}
        return self.answer(audio)
    """
    env = install_analyzer(tmp_path / "plugin", "poison", poison)
    make_track(root / "Long", seconds=4, stems=(), seed=1)
    for number in range(4):
        make_track(root / f"Short {number}", seconds=1, stems=(), seed=number)
    config = configuration(
        tmp_path / "c.toml",
        root,
        plugins=["poison"],
        settle=0.0,
        workers=2,
        max_deaths=2,
        job_timeout=5.0,
        job_timeout_factor=0.0,
    )
    code, out, err = run("audiobatchd", "--config", config, "--once", root, env=env)
    assert code == 1, err
    assert "Success:        4" in out
    assert "Long: " in out
    assert evidence in out
    assert "gave up after 2 attempts" in out
    assert leftovers(root) == []


def test_an_analyzer_that_cannot_load_here_holds_nothing_up(tmp_path: Path, root: Path, track: Path) -> None:
    env = install_analyzer(tmp_path / "plugin", "absent", "raise AssertionError('never called')")
    module = tmp_path / "plugin" / "absent_analyzer.py"
    module.write_text(
        module.read_text().replace(
            "def load(self):\n        pass",
            "def load(self):\n        from audiobatchd.plugin_api import AnalyzerUnavailableError\n"
            "        raise AnalyzerUnavailableError('model m is missing')",
        )
    )
    shutil.copytree(track, root / "Track")
    with service(
        tmp_path / "d", configuration(tmp_path / "c.toml", root, plugins=["absent"], settle=0.1), env=env
    ) as daemon:
        daemon.becomes(complete=1)
        status = daemon.status()
        assert status is not None
        assert status.datasets[0].unavailable == 2
        assert status.analyzers["absent"].reason == "model m is missing"
    assert "absent" not in record_of(root / "Track")["_audiobatch"]["analyzers"]


def test_second_daemon_for_a_state_or_socket_is_refused(tmp_path: Path, root: Path) -> None:
    config = configuration(tmp_path / "c.toml", root)
    with service(tmp_path / "d", config) as daemon:
        daemon.says("dataset-active")
        state = tmp_path / "d" / "state"
        code, _, err = run("audiobatchd", "--config", config, "--state-dir", state, "--socket", tmp_path / "other.sock")
        assert (code, "another audiobatchd" in err) == (1, True), err
        state = tmp_path / "other"
        code, _, err = run("audiobatchd", "--config", config, "--state-dir", state, "--socket", daemon.socket)
        assert (code, str(daemon.socket) in err) == (1, True), err
        assert daemon.status() is not None


def test_missing_dataset_begins_and_an_emptied_one_keeps_all(tmp_path: Path, root: Path, track: Path) -> None:
    shutil.copytree(track, root / "Track")
    root.rename(tmp_path / "away")
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.1, rescan=0.5)) as daemon:
        daemon.says("dataset-missing")
        (tmp_path / "away").rename(root)
        daemon.becomes(complete=1)
        root.rename(tmp_path / "away")
        root.mkdir()
        eventually(lambda: (status := daemon.status()) is not None and status.datasets[0].state.value == "paused")
        assert daemon.states() == {"complete": 1}
        root.rmdir()
        (tmp_path / "away").rename(root)
        eventually(lambda: (status := daemon.status()) is not None and status.datasets[0].state.value == "active")
        shutil.copytree(track, root / "Another")
        daemon.becomes(complete=2)


def test_several_datasets_and_the_answers_of_the_client(tmp_path: Path, root: Path, track: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(track, root / "One")
    shutil.copytree(track, other / "Two")
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, other, settle=0.1)) as daemon:
        daemon.becomes(complete=2)
        code, out, _ = run("audiobatchctl", "--socket", daemon.socket, "status", "--json")
        assert code == 0
        assert [each["path"] for each in json.loads(out)["datasets"]] == [str(root), str(other)]
        code, out, _ = run("audiobatchctl", "status", env={"AUDIOBATCHD_SOCKET": str(daemon.socket)})
        assert (code, str(root) in out) == (0, True)
        daemon.stop()
        code, _, err = run("audiobatchctl", "--socket", daemon.socket, "status")
        assert (code, "no daemon" in err) == (3, True)


def test_systemd_is_told_the_state(tmp_path: Path, root: Path, track: Path) -> None:
    shutil.copytree(track, root / "Track")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.0), env=env) as daemon:
            told: list[str] = []

            def tell(wanted: str) -> None:
                while not any(wanted in each for each in told):
                    told.append(notify.recv(4096).decode())

            tell("READY=1")
            tell("STATUS=running: 1 of 1 folders complete")
            daemon.process.send_signal(signal.SIGTERM)
            tell("STOPPING=1")
            daemon.process.wait(60)
    assert told.index("READY=1") < told.index("STOPPING=1")


def test_a_manager_that_stands_still_holds_up_no_work(tmp_path: Path, root: Path, track: Path) -> None:
    shutil.copytree(track, root / "Track")
    kind = (socket.AF_UNIX, socket.SOCK_DGRAM)
    with socket.socket(*kind) as notify, socket.socket(*kind) as other:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        other.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                other.sendto(b"X=1", str(tmp_path / "notify"))
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.0), env=env) as daemon:
            daemon.becomes(complete=1)
            while notify.recv(4096) != b"READY=1":
                pass
            assert daemon.stop() == 0


def test_a_folder_s_lines_name_it_safely(tmp_path: Path, root: Path, track: Path) -> None:
    shutil.copytree(track, root / os.fsdecode(b"evil\n\x1b[31m \xff"))
    with service(tmp_path / "d", configuration(tmp_path / "c.toml", root, settle=0.0)) as daemon:
        daemon.becomes(complete=1)
        daemon.says('folder="evil\\x0a\\x1b[31m \\xff"')


def test_service_works_on_while_its_log_is_not_read(tmp_path: Path, root: Path, track: Path) -> None:
    fifo = tmp_path / "stderr"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while True:
            os.write(reader, b"\n" * 4096)
    shutil.copytree(track, root / "A")
    config = configuration(tmp_path / "c.toml", root)
    with service(tmp_path / "d", config, prefix=["sh", "-c", 'exec "$@" 2>"$0"', str(fifo)]) as daemon:
        daemon.becomes(complete=1)
        assert daemon.stop() == 0
    os.close(reader)
