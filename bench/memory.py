"""The most memory that a worker needs, by the length of a track: `./dev bench memory [--models DIRECTORY]`.

A track folder with a full mix and four stems (44.1 kHz stereo FLAC) is measured by all analyzers in one worker process,
a fresh one for each length; its highest resident size is the kernel's own figure. Without models classifiers are left
out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from audiobatchd.core.messages import WorkerSettings
from audiobatchd.plugin_api import FULL_MIX, STEMS
from audiobatchd.worker.questions import Request
from support.audio_files import music, write_audio

RATE = 44100
MIB = 1 << 20
PERIOD = 60.0


def make(folder: Path, minutes: float) -> Path:
    """A track folder of this length: a minute of a programme, again and again."""
    folder.mkdir()
    for seed, role in enumerate((FULL_MIX, *STEMS)):
        minute = music(PERIOD, RATE, seed)
        frames = round(minutes * 60 * RATE)
        write_audio(folder / f"{role}.flac", np.resize(minute, (frames, 2)), RATE)
    return folder


def peak(folder: Path, settings: WorkerSettings) -> float:
    """The highest resident size, in MiB, of a process that measures `folder`."""
    request = msgspec.json.encode(Request(str(folder))).decode()
    command = [
        sys.executable,
        "-m",
        "audiobatchd.worker.process",
        "analyze",
        msgspec.json.encode(settings).decode(),
        request,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        message = f"the worker ended with {status}"
        raise RuntimeError(message)
    return usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.1, 3.0, 10.0, 60.0])
    parser.add_argument("--models", type=Path, help="a directory with models")
    arguments = parser.parse_args()
    directories = (str(arguments.models),) if arguments.models else ()
    settings = WorkerSettings(model_directories=directories, max_duration=float("1e9"))
    print("| minutes | one file decoded, MiB | worker at most, MiB |")
    print("| --- | --- | --- |")
    for minutes in arguments.minutes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = make(Path(scratch) / "Track", minutes)
            decoded = minutes * 60 * RATE * 2 * 4 / MIB
            print(f"| {minutes:g} | {decoded:.0f} | {peak(folder, settings):.0f} |", flush=True)


if __name__ == "__main__":
    main()
