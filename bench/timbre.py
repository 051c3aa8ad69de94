"""What the timbral scores cost: `./dev bench timbre [--music FILE] [--reference PYTHON]`.

The same stereo programme (a recording, one after the other until it is long enough, or one that is made) is measured in
processes of their own: by the analyzer `timbre` as in a worker, with the file's decoding beside it, and by the
reference implementation, all eight scores one after the other as its users call them. Everything runs in one thread.
Memory is the highest resident size above that of the idle process, which has imported everything.

The reference is no dependency of this project. It needs an environment of its own, with Python 3.11 or before:

    python3.11 -m venv reference
    reference/bin/pip install 'setuptools<70' 'numpy==1.23.5' 'scipy==1.10.1' 'librosa==0.9.2' 'numba<0.60' \
        'resampy==0.4.3' 'pyloudnorm==0.2.0' soundfile six 'scikit-learn<1.8'
    reference/bin/pip install --no-deps 'timbral_models==0.4.0'

(`--no-deps`, since it asks for the package `sklearn`, which is no more.) Then `--reference reference/bin/python`.
`--values FILE` has the reference measure that file alone, and prints its scores and metrics as JSON: so the golden
values of tests/unit/analyzers/timbre were made.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiobatch_analyzers.timbre import TimbreAnalyzer
from audiobatchd.plugin_api import Settings
from support.audio_files import music, write_audio
from support.decoding import read

RATE = 44100
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

REFERENCE = r"""
import json, sys, time, warnings
warnings.simplefilter("ignore")
import timbral_models
names = ("brightness", "roughness", "hardness", "depth", "booming", "sharpness", "warmth", "reverb")
functions = {name: getattr(timbral_models, "timbral_" + name) for name in names}
path, wanted = sys.argv[1:]
def resident():
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024
idle = resident()
told = {"values": {}, "metrics": {}, "seconds": {}}
for name, function in functions.items():
    started = time.process_time()
    if name == "reverb":
        found, probability = function(path, dev_output=True)
        told["values"]["reverberation"], told["metrics"]["reverberation"] = 100 * float(probability), [float(found)]
    else:
        told["values"][name] = float(function(path))
    told["seconds"][name] = time.process_time() - started
    if wanted == "metrics" and name != "reverb":
        found = function(path, dev_output=True)
        told["metrics"][name] = [float(each) for each in (found if isinstance(found, (list, tuple)) else [found])]
told["mib"] = resident() - idle
print(json.dumps(told))
"""


def programme(recording: Path | None, seconds: float) -> NDArray[np.float32]:
    """So many seconds of stereo at 44.1 kHz."""
    if recording is None:
        return music(seconds, RATE)
    samples = read(recording).view()
    return np.resize(samples, (round(seconds * RATE), samples.shape[1]))


def _resident() -> float:
    """The highest resident size so far, in MiB; getrusage(2) would count that of the process before `exec`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure_here(path: Path) -> None:
    """Decode and measure `path` in this process, and print what that took."""
    analyzer = TimbreAnalyzer(Settings())
    analyzer.load()
    idle, started = _resident(), time.process_time()
    audio = read(path)
    decoded = time.process_time()
    values = dict(analyzer.analyze(audio).values)
    told = {"decoding": decoded - started, "timbre": time.process_time() - decoded, "mib": _resident() - idle}
    print(json.dumps({"values": values, **told}))


def _asked(command: list[str]) -> dict[str, float | dict[str, float]]:
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, **ONE_THREAD})
    answer: dict[str, float | dict[str, float]] = json.loads(done.stdout)
    return answer


def ours(path: Path) -> dict[str, float]:
    """What the analyzer takes, in a process of its own."""
    told = _asked([sys.executable, __file__, "--here", str(path)])
    return {name: float(told[name]) for name in ("decoding", "timbre", "mib")}  # type: ignore[arg-type]  # by `measure_here`


def theirs(python: Path, path: Path) -> dict[str, float]:
    """What the reference takes."""
    told = _asked([str(python), "-c", REFERENCE, str(path), "values"])
    seconds = told["seconds"]
    assert isinstance(seconds, dict)
    return {"timbre": sum(seconds.values()), "mib": float(told["mib"])}  # type: ignore[arg-type]  # by `REFERENCE`


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[30.0, 180.0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--music", type=Path, help="a recording")
    parser.add_argument("--reference", type=Path, help="the interpreter of an environment with timbral_models")
    parser.add_argument("--values", type=Path, help="print what the reference gives for this file")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        measure_here(arguments.here)
    elif arguments.values:
        subprocess.run([arguments.reference, "-c", REFERENCE, arguments.values, "metrics"], check=True)
    else:
        print("| what | seconds of audio | CPU s | MiB above idle | ratio |")
        print("| --- | --- | --- | --- | --- |")
        for seconds in arguments.seconds:
            report(arguments, seconds)


def report(arguments: argparse.Namespace, seconds: float) -> None:
    """Print the rows for one length; runs alternate, and the ratio is the median of the runs' ratios to ours."""
    with tempfile.TemporaryDirectory() as scratch:
        wave, flac = Path(scratch) / "programme.wav", Path(scratch) / "programme.flac"
        samples = programme(arguments.music, seconds)
        write_audio(wave, samples, RATE)
        write_audio(flac, samples, RATE)
        runs = [
            (ours(flac), theirs(arguments.reference, wave) if arguments.reference else None)
            for _ in range(arguments.runs)
        ]
    for name in ("decoding", "timbre"):
        spent = statistics.median(own[name] for own, _ in runs)
        ratio = statistics.median(own[name] / own["timbre"] for own, _ in runs)
        memory = f"{statistics.median(own['mib'] for own, _ in runs):.0f}" if name == "timbre" else ""
        what = "decoding the FLAC file" if name == "decoding" else "analyzer `timbre`, all eight scores"
        print(f"| {what} | {seconds:g} | {spent:.2f} | {memory} | {ratio:.2f} |", flush=True)
    if arguments.reference:
        spent = statistics.median(other["timbre"] for _, other in runs if other)
        ratio = statistics.median(other["timbre"] / own["timbre"] for own, other in runs if other)
        memory = f"{statistics.median(other['mib'] for _, other in runs if other):.0f}"
        print(f"| timbral_models 0.4.0 | {seconds:g} | {spent:.1f} | {memory} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
