"""Memory of a worker: blocks do not add up with a file's length, and views are read only where they fit."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.worker.questions import Request
from support.audio_files import write_audio
from support.plugins import install_analyzer
from support.service import configuration, eventually, features_of, record_of, service

RATE, LOW_RATE = 32_000, 8000
BOUND = 20.0
"""MiB by which two workers may differ."""
MEASURE = """
import sys
from audiobatchd.worker.process.answers import answer
answer("analyze", sys.stdin.buffer)
status = open("/proc/self/status").read()
print(file=sys.stderr, end=f"\\n{int(status.partition('VmHWM:')[2].split()[0]) / 1024}")
"""


def highest_resident(folder: Path) -> float:
    """MiB that a process takes at most which measures loudness and peaks of `folder`."""
    settings = WorkerSettings(analyzers=("loudness", "peaks"))
    asked = "".join(f"{msgspec.json.encode(each).decode()}\n" for each in (settings, Request(str(folder))))
    done = subprocess.run([sys.executable, "-c", MEASURE], input=asked, capture_output=True, text=True, check=True)
    _, answer = done.stdout.splitlines()
    megabytes = done.stderr.splitlines()[-1]
    assert json.loads(answer)["values"].keys() == {"lufs", "lra", "true_peak", "sample_peak"}
    return float(megabytes)


def track_of(folder: Path, minutes: float, rate: int) -> Path:
    """A track folder with one file: ten seconds of noise, again and again."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, (10 * rate, 1)).astype(np.float32)
    write_audio(folder / "full_mix.flac", np.resize(noise, (round(minutes * 60 * rate), 1)), rate)
    return folder


def test_loudness_and_peaks_take_no_memory_for_the_length(tmp_path: Path) -> None:
    # Decoded as a whole, the longer one would take 66 MiB more.
    short, long = (highest_resident(track_of(tmp_path / f"{minutes}", minutes, RATE)) for minutes in (1, 10))
    assert abs(long - short) < BOUND


def test_views_beyond_worker_memory_are_unmeasurable_until_it_is_raised(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    # Its samples take 73 MiB, and as much again is left for what the analyzer makes of them.
    folder = track_of(root / "Long", 40.0, LOW_RATE)
    env = install_analyzer(tmp_path / "site", "viewer", "audio.view()\nreturn self.answer(audio)")
    terms = {"workers": 1, "max_deaths": 1}
    config = configuration(tmp_path / "c.toml", root, plugins=["viewer"], worker_memory="200 MiB", **terms)
    with service(tmp_path / "d", config, env=env) as daemon:
        daemon.becomes(complete=1)
        assert features_of(folder).keys() == {"lufs", "lra"}
        entry = record_of(folder)["_audiobatch"]["analyzers"]["viewer"]["full_mix"]
        reason = entry["unmeasurable"]["viewer"]
        assert re.fullmatch(r"takes \d+ MiB of memory, more than worker_memory \(200 MiB\)", reason)
        assert entry["beyond_memory"] > 200 << 20
        report = ControlClient(daemon.socket).ask(EXPLAIN, FolderName(str(root), "Long"))
        assert (report.charges, report.attempts) == (0, [])
        configuration(config, root, plugins=["viewer"], worker_memory="2 GiB", **terms)
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: features_of(folder).get("viewer") == 2400.0)
        assert daemon.stop() == 0
