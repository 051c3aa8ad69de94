"""What the programs import for what is asked of them: no more, for a start has to wait for it, and it keeps memory."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from support.audio_files import make_track, tone, write_audio
from support.service import configuration, eventually, features_of, run, service

_NOTE = """
    import atexit, json, os, sys

    before = set(sys.modules)

    def note():
        modules = sorted(name for name in sys.modules if name not in before)
        place = os.path.join({directory!r}, str(os.getpid()))
        with open(place + ".part", "w") as file:
            json.dump({{"command": sys.orig_argv, "modules": modules}}, file)
        os.rename(place + ".part", place)

    atexit.register(note)
"""

CLIENT = {"audiobatchd", "msgspec", "typing_extensions"}
"""Packages beside Python's own that a command needs which asks a service."""

SUPERVISOR = {*CLIENT, "psutil"}
WORKER = {*CLIENT, "audiobatch_analyzers", "av", "numpy", "soxr"}
"""What a worker needs that measures loudness and peaks: no Essentia, TensorFlow or other engine, and no scipy."""

HEAVY_IN_PYTHON = {"asyncio", "concurrent", "multiprocessing", "sqlite3"}

Imported = Callable[[], dict[str, list[set[str]]]]


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Imported:
    """Have every Python process note what it has imported, and give that: of workers, and of other processes."""
    notes = tmp_path / "notes"
    notes.mkdir()
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(textwrap.dedent(_NOTE).format(directory=str(notes)))
    monkeypatch.setenv("PYTHONPATH", str(site))

    def found() -> dict[str, list[set[str]]]:
        told: dict[str, list[set[str]]] = {"workers": [], "others": []}
        for path in sorted(notes.glob("[0-9]*")):
            note = json.loads(path.read_text())
            kind = "workers" if "audiobatchd.worker.process" in note["command"] else "others"
            told[kind].append({name.partition(".")[0] for name in note["modules"]})
            path.unlink()
        return told

    return found


def packages(modules: set[str]) -> set[str]:
    """The packages that are not Python's own, nor what compiled ones have besides."""
    return {name for name in modules - sys.stdlib_module_names if not name.startswith("_") and name != "cython_runtime"}


@pytest.mark.parametrize("configured", [None, ["loudness", "peaks"]], ids=["asked for", "configured"])
def test_a_pass_for_loudness_loads_what_loudness_needs(
    tmp_path: Path, imported: Imported, configured: list[str] | None
) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=4, stems=())
    config = tmp_path / "config.toml"
    if configured:
        configuration(config, dataset, settle=0.0, analyzers=configured)
        options: tuple[str, ...] = ()
    else:
        config.write_text(f'[[dataset]]\npath = "{dataset}"\nsettle = 0\n')
        options = ("--features", "lufs", "lra", "true_peak")
    code, _, err = run("audiobatchd", "--config", config, "--workers", 2, "--once", dataset, *options)
    assert code == 0, err
    assert features_of(folder).keys() >= {"lufs", "lra", "true_peak"}
    found = imported()
    (supervisor,), (worker,) = found["others"], found["workers"]  # one folder: one worker
    assert packages(supervisor) <= SUPERVISOR
    assert packages(worker) <= WORKER


def test_what_is_asked_for_later_is_measured_or_unavailable_then(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=4, stems=())
    config = tmp_path / "config.toml"
    config.write_text(f'model_directory = "{tmp_path}"\n[[dataset]]\npath = "{dataset}"\nsettle = 0\n')
    command = ("audiobatchd", "--config", config, "--once", dataset, "--features", "lufs")
    code, out, err = run(*command)
    assert (code, "unavailable" in out + err) == (0, False), err
    code, out, err = run(*command, "true_peak", "danceability")
    assert (code, "analyzer-unavailable analyzer=danceability" in err) == (0, True), err
    assert err.count("analyzer-unavailable") == 1
    assert features_of(folder).keys() == {"lufs", "lra", "true_peak", "sample_peak"}


@pytest.mark.parametrize("command", ["analyze", "features"])
def test_commands_load_what_gives_the_named_features(tmp_path: Path, imported: Imported, command: str) -> None:
    song = tmp_path / "song.flac"
    write_audio(song, tone(4), 44100)
    named = (song, "--features", "lufs") if command == "analyze" else ("lufs",)
    code, out, err = run("audiobatchctl", command, *named)
    assert (code, "lufs" in out) == (0, True), err
    found = imported()
    (client,), (worker,) = found["others"], found["workers"]
    assert packages(client) <= CLIENT
    assert client.isdisjoint(HEAVY_IN_PYTHON)
    assert packages(worker) <= WORKER


def test_a_service_and_its_client_load_no_more_than_they_need(tmp_path: Path, imported: Imported) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=4, stems=())
    config = configuration(tmp_path / "config.toml", dataset, workers=2)
    with service(tmp_path / "run", config) as running:
        eventually(lambda: features_of(folder).keys() >= {"lufs", "lra"} if list(folder.glob("*.INFO")) else None)
        code, out, _ = run("audiobatchctl", "--socket", running.socket, "status")
        assert (code, "1 complete" in out) == (0, True), out
        (client,) = imported()["others"]
        assert packages(client) <= CLIENT
        assert client.isdisjoint(HEAVY_IN_PYTHON)
        running.process.terminate()
        assert running.process.wait(30) == 0
    found = imported()
    assert len(found["workers"]) == 2
    assert all(packages(worker) <= WORKER for worker in found["workers"])
    (daemon,) = found["others"]
    assert daemon.isdisjoint({"audiobatch_analyzers", "av", "numpy", "scipy", "soxr", "rich"})
    assert "aiohttp" in daemon  # what is noted is what was imported
