"""Runs all tests: in lanes beside each other, a process each, and last alone those that no test can run beside.

Progress is shown as it comes, what is said of failures once all have ended. The last line sums up all lanes in the test
runner's own words. The one option is `--last-failed`.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

TESTS = Path(__file__).parents[1]
ALONE = "alone"
"""Mark of tests that change what the whole machine has, and name of the lane that they run in."""
NO_TESTS = 5
"""Exit code of a runner that has found nothing to run."""

_SUMMED_UP = (0, 1, 2, NO_TESTS)
"""Exit codes of a runner that came to its end, or was interrupted."""

_OUTCOMES = ("failed", "passed", "skipped", "xfailed", "xpassed", "warning", "error")
_COUNT = re.compile(rf"(\d+) ({'|'.join(_OUTCOMES)})s?\b")
_SUMMARY = re.compile(r"=* ?(?:no tests ran|\d+ [a-z]+(?:, \d+ [a-z]+)*) in [\d.]+s\b.*")
_DETAILS = re.compile(r"=+ (?:ERRORS|FAILURES|warnings summary|short test summary info) =+")


@dataclass
class Lane:
    """One process of the test runner, with a cache of its own to know what failed."""

    name: str
    paths: Sequence[str]
    """Files and directories of its tests."""
    marked: str
    """Which marks it selects."""
    counts: Counter[str] = field(default_factory=Counter)
    """Number of tests by outcome."""
    details: list[str] = field(default_factory=list)
    """Lines about failures and skipped tests."""
    code: int | None = None
    """Exit code of the runner."""

    def start(self, options: Sequence[str]) -> tuple[subprocess.Popen[str], Thread]:
        """Start the runner, and what reads its output to the end."""
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{self.name}", "-m", self.marked]
        process = subprocess.Popen(
            [*command, *options, *self.paths], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace",
        )  # fmt: skip
        reader = Thread(target=self._read, args=(process,))
        reader.start()
        return process, reader

    def _read(self, process: subprocess.Popen[str]) -> None:
        told, ended = "", False
        with process:
            assert process.stdout is not None
            for read in process.stdout:
                line = read.rstrip("\n") + "\n"  # one that dies leaves its last line unfinished
                ended = ended or _DETAILS.match(line) is not None
                if ended:
                    self.details.append(line)
                else:
                    show(line)
                # After it a library, or Python at its end, may print.
                told = line.strip() if _SUMMARY.fullmatch(line.strip()) else told
        self.code = process.returncode
        if told and self.code in _SUMMED_UP:
            self.counts += Counter({outcome: int(number) for number, outcome in _COUNT.findall(told)})
        else:
            self.counts["error"] += 1
            self.details.append(f"ERROR the tests of lane {self.name} ended without a summary, exit code {self.code}\n")


def show(text: str) -> None:
    """Print at once, whole."""
    sys.stdout.write(text)
    sys.stdout.flush()


def lanes(tests: Path = TESTS) -> tuple[list[Lane], list[Lane]]:
    """Divide all tests: lanes that run beside each other, and what runs when they have ended."""
    integration = sorted(map(str, (tests / "integration").glob("test_*.py")))
    divided = {"unit": [str(tests / "unit")], "integration-1": integration[::2], "integration-2": integration[1::2]}
    # Not each file is collected once more for a handful of tests.
    marked = [str(path) for path in sorted(tests.glob("[iu]n*/**/test_*.py")) if f"mark.{ALONE}" in path.read_text()]
    beside = [Lane(name, paths, f"not {ALONE}") for name, paths in divided.items() if paths]
    return beside, [Lane(ALONE, marked, ALONE)] if marked else []


def run(group: Sequence[Lane], options: Sequence[str]) -> bool:
    """Run these lanes beside each other to their ends. SIGTERM interrupts their tests, as Ctrl-C does: then False."""
    started = [lane.start(options) for lane in group]
    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        for process, _reader in started:
            process.send_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        for _, reader in started:
            reader.join()
    except KeyboardInterrupt:  # which the runners have heard too
        interrupted = True
        for _, reader in started:
            reader.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    return not interrupted


def summary(counts: Mapping[str, int], seconds: float) -> str:
    """Sum up in one line as the test runner would."""
    plural = {"warning", "error"}
    told = [
        f"{counts[outcome]} {outcome}{'s' if outcome in plural and counts[outcome] > 1 else ''}"
        for outcome in _OUTCOMES
        if counts.get(outcome)
    ]
    clock = f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"
    return f" {', '.join(told) or 'no tests ran'} in {seconds:.2f}s ({clock}) ".center(80, "=")


def main(options: Sequence[str], tests: Path = TESTS) -> int:
    """Run all tests; the exit code."""
    start = time.monotonic()
    again = bool(options)
    if again:
        options = [*options, "--last-failed-no-failures=none"]
    beside, alone = lanes(tests)
    whole = run(beside, options) and run(alone, options)
    ended = [lane for lane in (*beside, *alone) if lane.code is not None]
    for lane in ended:
        show("".join(lane.details))
    counts = sum((lane.counts for lane in ended), Counter[str]())
    show(summary(counts, time.monotonic() - start) + "\n")
    fit = {0, NO_TESTS} if again else {0}
    return 0 if all(lane.code in fit for lane in ended) and whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
