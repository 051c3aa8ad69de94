"""Comparison of our values with another program's: `./dev bench values RECORDINGS`.

Every recording in the directory RECORDINGS becomes a track folder: the full mix as 16-bit FLAC and, in place of
separated stems, four bands of it. `audiobatchd --once` measures the folders, `ffmpeg -af ebur128` the same files.
FFmpeg's summary has one decimal, so a difference of 0.05 is none.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.signal import butter, sosfilt

from audiobatchd.plugin_api import FULL_MIX, Audio, feature_name
from support.audio_files import CONTAINERS, write_audio
from support.decoding import read

BANDS: Mapping[str, tuple[Literal["lowpass", "bandpass", "highpass"], float | tuple[float, float]]] = {
    "bass": ("lowpass", 150.0),
    "other": ("bandpass", (150.0, 600.0)),
    "vocals": ("bandpass", (600.0, 4000.0)),
    "drums": ("highpass", 4000.0),
}
"""Filter that stands for each stem: a Butterworth of order 4, and its edges in Hz."""

_SUMMARY = re.compile(r"Summary:.*?\bI:\s*(\S+) LUFS.*?\bLRA:\s*(\S+) LU", re.DOTALL)


@dataclass(frozen=True)
class Values:
    """Loudness and range of one file, ours and FFmpeg's."""

    title: str
    role: str
    lufs: float
    lra: float
    their_lufs: float
    their_lra: float


def make_folder(folder: Path, recording: Audio) -> None:
    """The recording and its bands as a track folder."""
    folder.mkdir(parents=True)
    write_audio(folder / f"{FULL_MIX}.flac", recording.view(), recording.rate)
    for stem, (kind, edges) in BANDS.items():
        sections = butter(4, edges, kind, fs=recording.rate, output="sos")
        band = sosfilt(sections, recording.view(), axis=0).astype(np.float32)
        write_audio(folder / f"{stem}.flac", band, recording.rate)


def measure(dataset: Path) -> None:
    """Run one pass of the service over all folders."""
    config = dataset.with_name("config.toml")
    config.write_text(f"[[dataset]]\npath = {json.dumps(str(dataset))}\nsettle = 0\n")
    program = str(Path(sys.executable).with_name("audiobatchd"))
    state = str(dataset.with_name("state"))
    command = [program, "--config", str(config), "--state-dir", state, "--once", str(dataset)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def ffmpeg(path: Path) -> tuple[float, float]:
    """Integrated loudness and range by FFmpeg."""
    command = ["ffmpeg", "-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    summary = _SUMMARY.search(done.stderr)
    if summary is None:
        raise SystemExit("cannot read the summary of ffmpeg:\n" + done.stderr)
    return float(summary[1]), float(summary[2])


def compare(folder: Path) -> Iterator[Values]:
    """Yield the values of every file of a measured folder."""
    record = json.loads((folder / f"{folder.name}.INFO").read_bytes())
    for role in (FULL_MIX, *BANDS):
        lufs, lra = (record[feature_name(base, role)] for base in ("lufs", "lra"))
        yield Values(folder.name, role, lufs, lra, *ffmpeg(folder / f"{role}.flac"))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path, metavar="RECORDINGS", help="a directory of audio files")
    arguments = parser.parse_args()
    recordings = sorted(path for path in arguments.recordings.glob("*") if path.suffix[1:].lower() in CONTAINERS)
    if not recordings:
        parser.error(f"cannot find a recording in {arguments.recordings}")
    with tempfile.TemporaryDirectory(prefix="audiobatchd-bench-") as directory:
        dataset = Path(directory) / "dataset"
        for path in recordings:
            make_folder(dataset / path.stem.replace("_", " "), read(path))
        measure(dataset)
        report([values for folder in sorted(dataset.iterdir()) for values in compare(folder)])


def report(table: list[Values]) -> None:
    """Print all values as a Markdown table, and the largest differences below it."""
    print("| recording | file | `lufs` | ffmpeg I | `lra` | ffmpeg LRA |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in table:
        ours, theirs = (f"{row.lufs:.2f}", f"{row.lra:.2f}"), (f"{row.their_lufs:.1f}", f"{row.their_lra:.1f}")
        print(f"| {row.title} | {row.role} | {ours[0]} | {theirs[0]} | {ours[1]} | {theirs[1]} |")
    print()
    lufs = max(abs(row.lufs - row.their_lufs) for row in table)
    lra = max(abs(row.lra - row.their_lra) for row in table)
    print(f"largest difference: loudness {lufs:.2f} LU, range {lra:.2f} LU")


if __name__ == "__main__":
    main()
