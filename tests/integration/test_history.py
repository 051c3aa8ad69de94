"""Folders that came to nothing: listed, explained with their history, tried again; and a history that may be lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Attempt
from support.audio_files import make_track, tone, write_audio
from support.plugins import install_analyzer
from support.service import Service, configuration, eventually, features_of, machine_went_down, record_of, run, service


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short track."""
    return make_track(tmp_path_factory.mktemp("music") / "Track", seconds=1.0, stems=())


def ctl(daemon: Service, *arguments: object) -> tuple[int, str, str]:
    return run("audiobatchctl", "--socket", daemon.socket, *arguments)


def explained(daemon: Service, folder: Path) -> dict[str, object]:
    return dict(json.loads(ctl(daemon, "explain", folder, "--json")[1]))


def test_complete_folders_missing_features_are_explained(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    for name in ("Opposite", "Effects"):
        (root / name).mkdir(parents=True)
    write_audio(root / "Opposite" / "full_mix.wav", tone(4) * np.array([1, -1], np.float32), 44100)
    # WAVE_FORMAT_EXTENSIBLE, one channel of 16 bits with the speaker mask 8: low-frequency effects.
    samples = (tone(4, channels=1)[:, 0] * 32767).astype("<i2").tobytes()
    subformat = bytes.fromhex("0100000000001000800000aa00389b71")
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 44100, 88200, 2, 16, 22, 16, 8) + subformat
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    content = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
    (root / "Effects" / "full_mix.wav").write_bytes(content)
    config = configuration(tmp_path / "c.toml", root, settle=0.0, analyzers=["loudness", "rhythm"])
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=2)
        found = explained(daemon, root / "Opposite")["unmeasurable"]
        assert isinstance(found, dict)
        assert (found["bpm"], "lufs" in found) == ("its channels cancel each other", False)
        assert record_of(root / "Opposite")["lufs"] == pytest.approx(-20.0, abs=0.1)
        assert "beat_regularity" in ctl(daemon, "explain", root / "Opposite")[1]
        out = ctl(daemon, "explain", root / "Effects")[1]
        assert "Without: lufs, lra (holds low-frequency effects alone)" in out
        assert "lufs" not in record_of(root / "Effects")
        assert daemon.stop() == 0


def test_a_failure_from_the_first_look_to_its_end(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "Good")
    (root / "Bad").mkdir()
    (root / "Bad" / "full_mix.flac").write_bytes((track / "full_mix.flac").read_bytes()[:-1000])
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1, failed=1)
        code, out, _ = ctl(daemon, "failures")
        assert code == 1
        name, reason = out.splitlines()
        assert name.startswith("Bad  failed  ")
        assert "full_mix.flac: " in reason
        good = explained(daemon, root / "Good")
        assert (good["state"], good["attempts"], good["due"]) == ("complete", [], [])
        assert ctl(daemon, "explain", root / "None")[0] == 1
        assert ctl(daemon, "explain", tmp_path)[0] == 2
        assert ctl(daemon, "retry", root / "Bad")[:2] == (0, "1 folder will be tried again.\n")
        eventually(lambda: len(_attempts(daemon, root / "Bad")) == 2)
        assert daemon.stop() == 0
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1, failed=1)
        assert [attempt["outcome"] for attempt in _attempts(daemon, root / "Bad")] == ["failed"] * 2
        assert "nothing, until its files change" in ctl(daemon, "explain", root / "Bad")[1]
        shutil.copy(track / "full_mix.flac", root / "Bad" / "full_mix.flac")
        daemon.becomes(complete=2)
        assert ctl(daemon, "failures")[:2] == (0, "No folder failed or is blocked.\n")
        assert ctl(daemon, "retry", "--all")[1] == "0 folders will be tried again.\n"
        assert daemon.stop() == 0


def _attempts(daemon: Service, folder: Path) -> list[dict[str, object]]:
    found = explained(daemon, folder)["attempts"]
    assert isinstance(found, list)
    return found


def test_charges_outlive_the_daemon_and_end_with_a_retry(tmp_path: Path, track: Path) -> None:
    root, mended = tmp_path / "dataset", tmp_path / "mended"
    shutil.copytree(track, root / "A")
    body = f"if pathlib.Path({str(mended)!r}).exists(): return self.answer(audio)\nos.kill(os.getpid(), signal.SIGSEGV)"
    env = install_analyzer(tmp_path / "plugins", "deed", body)
    config = configuration(tmp_path / "c.toml", root, settle=0.0, workers=1, max_deaths=2, plugins=["deed"])
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(backoff=1)
        report = explained(daemon, root / "A")
        assert (report["charges"], report["max_deaths"]) == (1, 2)
        (attempt,) = _attempts(daemon, root / "A")
        assert (attempt["signal"], attempt["stage"], attempt["charged"]) == (11, "deed of full_mix.flac", True)
        assert daemon.stop() == 0
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(failed=1)
        assert "gave up after 2 attempts" in ctl(daemon, "failures")[1]
        assert daemon.stop() == 0
    mended.touch()
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(failed=1)
        assert ctl(daemon, "retry", "--dataset", root)[0] == 0
        daemon.becomes(complete=1)
        assert "deed" in features_of(root / "A")
        assert daemon.stop() == 0


@pytest.mark.parametrize("spoil", ["removed", "spoilt"])
def test_a_lost_history_loses_no_result(tmp_path: Path, track: Path, spoil: str) -> None:
    root = tmp_path / "dataset"
    shutil.copytree(track, root / "A")
    config = configuration(tmp_path / "c.toml", root, settle=0.0)
    catalog = tmp_path / "d" / "state" / "catalog.sqlite"
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=1)
        if spoil == "removed":
            for path in catalog.parent.glob("catalog.sqlite*"):
                path.unlink()
        else:
            for path in (catalog, catalog.with_name("catalog.sqlite-wal")):
                path.write_bytes(b"garbage" * 65536)
        shutil.copytree(track, root / "B")
        (root / "C").mkdir()
        (root / "C" / "full_mix.flac").write_bytes(b"nothing")
        daemon.becomes(complete=2, failed=1)
        assert daemon.stop() == 0
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=2, failed=1)
        daemon.says("catalog-remade")
        assert len(_attempts(daemon, root / "C")) == 1
        assert daemon.stop() == 0


@pytest.mark.timeout(240)
def test_suspect_of_dying_machines_goes_last_then_is_given_up(tmp_path: Path, track: Path) -> None:
    root, began = tmp_path / "dataset", tmp_path / "began"
    shutil.copytree(track, root / "A")
    body = f"""
        if audio.duration < 0.9:
            return self.answer(audio)
        pathlib.Path({str(began)!r}).touch()
        time.sleep(600)
    """
    env = install_analyzer(tmp_path / "plugins", "deed", body)
    config = configuration(tmp_path / "c.toml", root, settle=0.0, workers=2, max_suspect=3, plugins=["deed"])
    deaths = 0
    while True:
        began.unlink(missing_ok=True)
        with service(tmp_path / "d", config, env=env) as daemon:
            eventually(lambda: began.exists() or daemon.states().get("failed"), what=daemon.log)
            if not began.exists():
                assert daemon.stop() == 0  # a kill might be quicker than the catalog
                break
            os.killpg(daemon.process.pid, signal.SIGKILL)
            daemon.process.wait()
        machine_went_down(root)
        deaths += 1
        make_track(root / f"B{deaths}", seconds=0.5, stems=())
    # The first is one more where the lock of another was found just after its job had begun.
    assert deaths in (3, 4)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(complete=deaths, failed=1)
        assert "died without giving back its lock, 3 times in a row" in ctl(daemon, "failures")[1]
        assert ctl(daemon, "retry", "A")[0] == 0
        daemon.becomes(complete=deaths, running=1)
        assert daemon.stop() == 0


def test_damaged_stem_costs_one_failed_job(tmp_path: Path, track: Path) -> None:
    root = tmp_path / "dataset"
    damaged = (track / "full_mix.flac").read_bytes()[:-1000]
    for number in range(40):
        shutil.copytree(track, root / f"{number:02}")
        (root / f"{number:02}" / "drums.flac").write_bytes(damaged)
    config = configuration(tmp_path / "c.toml", root, settle=0.1, workers=2)
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(failed=40)
        assert daemon.stop() == 0
        assert [len(_attempts_kept(tmp_path / "d", root / f"{number:02}")) for number in range(40)] == [1] * 40


def _attempts_kept(directory: Path, folder: Path) -> list[Attempt]:
    """The history of a folder as the catalog of a service that ended has it."""
    with closing(Catalog(directory / "state" / "catalog.sqlite")) as catalog:
        return catalog.folders.attempts(FolderKey(str(folder.parent), folder.name))
