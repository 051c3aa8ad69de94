"""The most memory that a worker needs, by the length of a track: `./dev bench memory [--models DIRECTORY]`.

A track folder with a full mix and four stems (44.1 kHz stereo FLAC) is measured in one worker process, a fresh one for
each length and set of analyzers: those that take blocks, and all. Its highest resident size is the kernel's own figure.
Without models classifiers are left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np

from audiobatchd.core.messages import WorkerSettings
from audiobatchd.plugin_api import FULL_MIX, STEMS
from audiobatchd.worker.questions import Answer, Request
from support.audio_files import music, write_audio

RATE = 44100
MIB = 1 << 20
PERIOD = 60.0
MEASURE = "import sys; from audiobatchd.worker.process.answers import answer; answer('analyze', sys.stdin.buffer)"


def make(folder: Path, minutes: float) -> Path:
    """A track folder of this length: a minute of a programme, again and again."""
    folder.mkdir()
    for seed, role in enumerate((FULL_MIX, *STEMS)):
        minute = music(PERIOD, RATE, seed)
        frames = round(minutes * 60 * RATE)
        write_audio(folder / f"{role}.flac", np.resize(minute, (frames, 2)), RATE)
    return folder


def peak(folder: Path, settings: WorkerSettings) -> float:
    """The highest resident size, in MiB, of a process that measures `folder`.

    It is the process' own figure: the one of wait4(2) counts this process too, as it was when the other was started.
    """
    with subprocess.Popen([sys.executable, "-c", MEASURE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        for line in (settings, Request(str(folder))):
            worker.stdin.write(msgspec.json.encode(line) + b"\n")
        worker.stdin.flush()
        worker.stdout.readline()  # that it is ready
        answered = msgspec.json.decode(worker.stdout.readline(), type=Answer)
        assert answered.values, answered
        status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[0.1, 3.0, 10.0, 60.0])
    parser.add_argument("--models", type=Path, help="a directory with models")
    parser.add_argument("--folder", type=Path, help="a track folder to measure by blocks alone, in place of all this")
    arguments = parser.parse_args()
    directories = (str(arguments.models),) if arguments.models else ()
    everything = WorkerSettings(model_directories=directories, max_duration=1e9)
    by_blocks = WorkerSettings(analyzers=("loudness", "peaks"), max_duration=1e9)
    if arguments.folder:
        print(f"loudness and peaks: {peak(arguments.folder, by_blocks):.0f} MiB at most")
        return
    print("| minutes | one file decoded, MiB | loudness and peaks, MiB at most | all analyzers, MiB at most |")
    print("| --- | --- | --- | --- |")
    for minutes in arguments.minutes:
        with tempfile.TemporaryDirectory() as scratch:
            folder = make(Path(scratch) / "Track", minutes)
            decoded = minutes * 60 * RATE * 2 * 4 / MIB
            peaks = " | ".join(f"{peak(folder, settings):.0f}" for settings in (by_blocks, everything))
            print(f"| {minutes:g} | {decoded:.0f} | {peaks} |", flush=True)


if __name__ == "__main__":
    main()
