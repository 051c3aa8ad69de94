"""Several of us on one dataset: every folder is analysed once, and all come to rest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.audio_files import make_track
from support.plugins import install_analyzer
from support.service import Service, configuration, eventually, leftovers, record_of, service

FOLDERS = 200
SCRIPT = """
import sys
from pathlib import Path
from audiobatchd import BatchProcessor, find_organized_folders, get_full_mix, save_to_info
import av

def count(folder):
    with av.open(str(get_full_mix(folder))) as container:
        duration = sum(frame.samples for frame in container.decode(audio=0)) / 44100
    with open(sys.argv[2], "a") as log:
        log.write(f"{duration:.6f}\\n")
    save_to_info(folder, {"count": duration})

stats = BatchProcessor(required_features=["count"]).process_batch(find_organized_folders(sys.argv[1]), count)
print(stats)
assert stats["failed"] == 0, stats
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty dataset."""
    root = tmp_path / "dataset"
    root.mkdir()
    return root


@pytest.mark.timeout(240)
def test_two_daemons_a_pass_and_a_script_analyse_each_once(tmp_path: Path, root: Path) -> None:
    """A track is known by its length; what counts is how often an analyzer saw it, whatever the record says."""
    for number in range(FOLDERS):
        make_track(root / f"Track {number:03d}", seconds=1 + number / 1000, stems=(), extension="wav", seed=number)
    runs = tmp_path / "runs"
    body = f"""
        with open({str(runs)!r}, "a") as log:
            log.write(f"{{audio.duration:.6f}}\\n")
        return self.answer(audio)
    """
    env = install_analyzer(tmp_path / "plugin", "count", body)
    config = configuration(tmp_path / "c.toml", root, plugins=["count"], settle=0.0, workers=1)
    environment = {**os.environ, **env}
    with ExitStack() as stack:
        daemons = [stack.enter_context(service(tmp_path / name, config, env=env)) for name in ("one", "two")]
        programs = Path(sys.executable).parent
        others = [
            subprocess.Popen([programs / "audiobatchd", "--config", config, "--once", root], env=environment),
            subprocess.Popen([sys.executable, "-c", SCRIPT, str(root), str(runs)], env=environment),
        ]
        codes = [other.wait(200) for other in others]
        assert codes == [0, 0]
        for daemon in daemons:
            daemon.becomes(complete=FOLDERS, timeout=120)
            assert daemon.stop() == 0
    seen = Counter(runs.read_text().split())
    assert len(seen) == FOLDERS
    assert {track: times for track, times in seen.items() if times > 1} == {}
    for number in range(FOLDERS):
        record = record_of(root / f"Track {number:03d}")
        assert {"lufs", "count"} <= record.keys(), number
    assert leftovers(root) == []


def test_daemons_that_differ_come_to_rest(tmp_path: Path, root: Path) -> None:
    """Give one daemon a newer analyzer, each its own model of one family, and a copy times without their fractions."""
    for number in range(3):
        folder = make_track(root / f"Track {number}", seconds=1, stems=("drums",), seed=number)
        if number == 2:
            for path in folder.iterdir():
                os.utime(path, ns=(0, path.stat().st_mtime_ns // 1_000_000_000 * 1_000_000_000))
    environments = []
    for version, model in ((1, "aa"), (2, "bb")):
        env = install_analyzer(tmp_path / f"plugin {version}", "mood", "return self.answer(audio)", version)
        module = tmp_path / f"plugin {version}" / "mood_analyzer.py"
        module.write_text(module.read_text().replace("models = {}", f"models = {{'musicnn': '{model}'}}"))
        environments.append(env)
    config = configuration(tmp_path / "c.toml", root, plugins=["mood"], settle=0.1, rescan=1.0, workers=1)
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(service(tmp_path / f"d{number}", config, env=env))
            for number, env in enumerate(environments)
        )
        for daemon in (one, two):
            daemon.becomes(complete=3)
        eventually(lambda: all(versions(root / f"Track {number}") == {2} for number in range(3)))
        # Two more walks of each: a daemon that would undo the other's work does it now.
        before = {path: path.stat().st_ino for path in root.rglob("*.INFO")}
        walked = {daemon: last_walk(daemon) for daemon in (one, two)}
        for _ in range(2):
            for daemon in (one, two):
                walked[daemon] = next_walk(daemon, walked[daemon])
        for daemon in (one, two):
            daemon.becomes(complete=3)
        assert {path: path.stat().st_ino for path in root.rglob("*.INFO")} == before


def last_walk(daemon: Service) -> str:
    """Return when the daemon's last walk ended."""
    status = daemon.status()
    return status.datasets[0].last_walk if status else ""


def next_walk(daemon: Service, last: str) -> str:
    """Wait for the daemon's next walk to end; when it did."""
    eventually(lambda: last_walk(daemon) != last)
    return last_walk(daemon)


def versions(folder: Path) -> set[int]:
    """Read the versions of the analyzer `mood` in a record."""
    entries = record_of(folder).get("_audiobatch", {}).get("analyzers", {}).get("mood", {})
    return {entry["version"] for entry in entries.values()}
