"""The cost of the measurement itself: `./dev bench loudness`.

The same programme in memory is measured by the analyzer `loudness`, as the decoder gives it (float32), and by
pyloudnorm, as soundfile gives it (float64). Runs alternate; medians are printed. Both work in one thread; all threads
would count.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import pyloudnorm

from audiobatch_analyzers.loudness import LoudnessAnalyzer
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, Settings
from support.audio_files import music
from support.feeding import measured

RATE = 44100


def cpu_seconds(measure: Callable[[], object]) -> float:
    """The CPU time of one run, of all threads."""
    started = time.process_time()
    measure()
    return time.process_time() - started


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    audio = Decoded(FULL_MIX, music(arguments.seconds, RATE), RATE, ("FL", "FR"))
    doubles = audio.view().astype(float)
    analyzer, meter = LoudnessAnalyzer(Settings()), pyloudnorm.Meter(RATE)
    programs: dict[str, Callable[[], object]] = {
        "analyzer `loudness`": lambda: measured(analyzer, audio),
        "pyloudnorm, integrated loudness": lambda: meter.integrated_loudness(doubles),
        "pyloudnorm, integrated loudness and range": lambda: (
            meter.integrated_loudness(doubles),
            meter.loudness_range(doubles),
        ),
    }
    runs = [{name: cpu_seconds(measure) for name, measure in programs.items()} for _ in range(arguments.runs)]
    report(runs)


def report(runs: list[dict[str, float]]) -> None:
    """Print medians as a Markdown table; the ratio is the median of the runs' ratios to the first program."""
    print("| what | CPU s | ratio |")
    print("| --- | --- | --- |")
    first, *_ = runs[0]
    for name in runs[0]:
        seconds = statistics.median(run[name] for run in runs)
        ratio = statistics.median(run[name] / run[first] for run in runs)
        print(f"| {name} | {seconds:.2f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
