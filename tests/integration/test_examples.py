"""The four patterns of the batch guide, run as people run them: what they say, what they count, what they leave."""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Self

import pytest

from audiobatchd import FileLock, save_to_info
from support.audio_files import make_track, music, path_of, write_audio
from support.lock_rig import held_elsewhere
from support.service import eventually, features_of, leftovers

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SIMPLE, MODEL, HELPER, PARALLEL = (
    "simple_with_resume.py", "model_loaded_once.py", "with_batch_processor.py", "in_parallel.py",
)  # fmt: skip

COMPLETE = '{"lufs": -1.0, "lra": 2.0, "spectral_centroid": 3.0}'
GOOD = ("D - One", "E - Two")
FOREIGN_LOCK = "data"


@dataclass(frozen=True)
class Expected:
    """Counts and lines by which an example tells what came of its pass."""

    title: str
    features: frozenset[str]
    one_by_one: bool = True
    lists_errors: bool = True
    shows_names: bool = False


LOUDNESS = frozenset({"lufs", "lra"})
EXPECTED = {
    SIMPLE: Expected("Loudness Analysis", LOUDNESS),
    MODEL: Expected("Spectral centroid", frozenset({"spectral_centroid"}), lists_errors=False),
    HELPER: Expected("Loudness Analysis", LOUDNESS, shows_names=True),
    PARALLEL: Expected("Loudness Analysis", LOUDNESS, one_by_one=False),
}

FIRST = {"Total folders": 7, "Success": 3, "Skipped (done)": 1, "Skipped (lock)": 1, "Failed": 2}
"""Counts of the first pass: one damaged, one with data in the lock's place; one held; one complete."""

SECOND = {"Total folders": 7, "Success": 1, "Skipped (done)": 4, "Skipped (lock)": 0, "Failed": 2}
"""The other process has gone: its folder is done now, and what was done stays done."""


@dataclass
class Ended:
    """A script that came to its end."""

    code: int
    out: str
    err: str

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of the summary."""
        return {
            name: int(number) for name, number in re.findall(r"^  ([A-Z][\w ()]+):\s+(\d+)$", self.out, re.MULTILINE)
        }

    @property
    def lines(self) -> list[str]:
        """Lines of the log, without what changes from one machine to another: causes, and tracebacks."""
        wanted = re.findall(r"^(?:Processing|  Skipping|  Failed).*$", self.err, re.MULTILINE)
        return [re.sub(r"(?<=  Failed: ).*", "…", line) for line in wanted]


@contextmanager
def started(script: str, dataset: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """An example, started as a shell would: with a process group of its own, which Ctrl-C goes to."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / script), str(dataset), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def end_of(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of an example."""
    out, err = process.communicate(timeout=100)
    return Ended(process.returncode, out, err)


def run(script: str, dataset: Path, *options: str) -> Ended:
    """An example from its beginning to its end."""
    with started(script, dataset, *options) as process:
        return end_of(process)


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "dataset"
    for number, name in enumerate(("A - Complete", "C - Locked", *GOOD, "F - Foreign lock")):
        make_track(root / name, seconds=3.5, rate=8000, stems=(), extension="wav", seed=number)
    (root / "A - Complete" / "A - Complete.INFO").write_text(COMPLETE)
    (root / "B - Damaged").mkdir()
    (root / "B - Damaged" / "full_mix.wav").write_bytes(b"no music")
    (root / "F - Foreign lock.lock").write_text(FOREIGN_LOCK)
    make_track(path_of(root, b"G - caf\xe9"), seconds=3.5, rate=8000, stems=(), extension="flac", seed=9)
    return root


@pytest.fixture
def dataset(tmp_path: Path, _made: Path) -> Path:
    """Seven folders, in the order of their names: see `FIRST`."""
    return Path(shutil.copytree(_made, tmp_path / "dataset"))


def records(dataset: Path) -> dict[str, tuple[int, int]]:
    """Identify every record by its folder's name: which file it is, and when it was written."""
    found = {path.parent.name: path.stat() for path in dataset.rglob("*.INFO")}
    return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}


def test_every_example_is_tried() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("script", EXPECTED)
def test_an_example_does_what_is_due_and_is_resumed(dataset: Path, script: str) -> None:
    expected = EXPECTED[script]
    done = {*GOOD, os.fsdecode(b"G - caf\xe9")}
    complete = records(dataset)["A - Complete"]
    with held_elsewhere(dataset / "C - Locked", kill=False), FileLock(dataset / "A - Complete"):
        first = run(script, dataset)
        check(first, expected, FIRST)
        assert features_of(dataset / "C - Locked") == {}
    assert records(dataset).keys() == {"A - Complete", *done}
    for name in done:
        assert features_of(dataset / name).keys() == expected.features
    before = records(dataset)

    second = run(script, dataset)
    check(second, expected, SECOND)
    assert features_of(dataset / "C - Locked").keys() == expected.features
    after = records(dataset)
    assert {name: after[name] for name in before} == before, "nothing that was done is done again"
    assert after.keys() - before.keys() == {"C - Locked"}
    assert after["A - Complete"] == complete
    assert leftovers(dataset) == ["F - Foreign lock.lock"]
    assert (dataset / "F - Foreign lock.lock").read_text() == FOREIGN_LOCK


def check(ended: Ended, expected: Expected, counts: dict[str, int]) -> None:
    """Check what a pass printed and logged."""
    assert ended.code == 0, ended.err
    assert "Logging error" not in ended.err
    assert ended.out.startswith(f"{expected.title} Summary\n{'=' * (len(expected.title) + 8)}\n")
    assert ended.counts == counts
    errors = ended.out.partition("\n\nErrors:\n")[2].splitlines()
    names = sorted(line.partition(": ")[0] for line in errors)
    assert names == (["  B - Damaged", "  F - Foreign lock"] if expected.lists_errors else [])
    if expected.one_by_one:
        is_first = counts["Skipped (lock)"] > 0
        assert ended.lines == lines_of(is_first, "\\xe9" if expected.shows_names else "\\udce9")
    else:
        due = counts["Total folders"] - counts["Skipped (done)"]
        assert f"Processing {due} folders with 20 workers\n" in ended.err


def lines_of(is_first: bool, accent: str) -> list[str]:
    """List what is logged folder by folder."""
    skipped = "  Skipping - features already exist"
    done = [] if is_first else [skipped]
    return [
        "Processing 1/7: A - Complete",
        skipped,
        "Processing 2/7: B - Damaged",
        "  Failed: …",
        "Processing 3/7: C - Locked",
        *(["  Skipping - locked by another process"] if is_first else []),
        "Processing 4/7: D - One",
        *done,
        "Processing 5/7: E - Two",
        *done,
        "Processing 6/7: F - Foreign lock",
        "  Failed: …",
        f"Processing 7/7: G - caf{accent}",
        *done,
    ]


def test_overwrite_does_everything_anew(dataset: Path) -> None:
    before = records(dataset)
    ended = run(SIMPLE, dataset, "--overwrite")
    assert ended.counts == {**FIRST, "Success": 5, "Skipped (done)": 0, "Skipped (lock)": 0}
    assert records(dataset)["A - Complete"] != before["A - Complete"]
    assert features_of(dataset / "A - Complete")["lufs"] < -1.0


# Each folder once


class OvertakenLock(FileLock):
    """Complete the folder after the first look, just before the lock is asked for."""

    def __enter__(self) -> Self:
        save_to_info(self.folder, dict.fromkeys(LOUDNESS | {"spectral_centroid"}, -9.0))
        return super().__enter__()


@pytest.mark.parametrize(
    ("script", "call", "expected"),
    [
        (SIMPLE, lambda module, dataset: module.batch_analyze_loudness(dataset), {"success": 0, "skipped_complete": 4}),
        (
            MODEL,
            lambda module, dataset: module.batch_analyze_spectral_centroid(dataset),
            {"success": 0, "skipped_complete": 4},
        ),
        (
            PARALLEL,
            lambda module, dataset: module.process_folder_safe(dataset / GOOD[0]),
            {"skipped": True, "reason": "complete"},
        ),
    ],
)
def test_an_example_looks_again_after_it_got_the_lock(
    dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    script: str,
    call: Callable[[ModuleType, Path], dict[str, object]],
    expected: dict[str, object],
) -> None:
    for name in ("B - Damaged", "C - Locked", "F - Foreign lock"):
        shutil.rmtree(dataset / name)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("example", EXAMPLES / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FileLock", OvertakenLock)
    caplog.set_level(logging.INFO)
    result = call(module, dataset)
    assert {name: result[name] for name in expected} == expected
    assert set(features_of(dataset / GOOD[0]).values()) == {-9.0}
    if script != PARALLEL:
        assert caplog.messages.count("  Skipping - features already exist") == 4


class Renames:
    """Counts, by inotify, how often a record was put into its place: a witness that knows nothing of locks."""

    _MOVED_TO = 0x80

    def __init__(self, folders: list[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for folder in folders:
            assert self._libc.inotify_add_watch(self._descriptor, os.fsencode(folder), self._MOVED_TO) >= 0

    def seen(self) -> Counter[str]:
        """Count by the record's name. To be asked once, at the end."""
        with open(self._descriptor, "rb", buffering=0) as events:
            raw = events.read() or b""
        found: Counter[str] = Counter()
        while raw:
            length = struct.unpack("iIII", raw[:16])[3]
            name, raw = raw[16 : 16 + length].rstrip(b"\0"), raw[16 + length :]
            found[os.fsdecode(name)] += 1
        return found


def test_two_pools_at_once_measure_each_folder_once(dataset: Path) -> None:
    folders = [path for path in dataset.iterdir() if path.is_dir()]
    due = {*GOOD, "C - Locked", os.fsdecode(b"G - caf\xe9")}
    renames = Renames(folders)
    pool = (PARALLEL, dataset, "--workers", "20")
    with started(*pool) as one, started(*pool) as other:
        both = [end_of(one), end_of(other)]
    assert [ended.code for ended in both] == [0, 0], [ended.err for ended in both]
    assert renames.seen() == dict.fromkeys((f"{name}.INFO" for name in due), 1)
    assert sum(ended.counts["Success"] for ended in both) == len(due)
    for ended in both:
        assert sum(ended.counts.values()) == 2 * ended.counts["Total folders"] == 2 * len(folders)
    for name in due:
        assert features_of(dataset / name).keys() == LOUDNESS
    assert leftovers(dataset) == ["F - Foreign lock.lock"]


# Ctrl-C


MANY = 40


@pytest.fixture
def long_work(tmp_path: Path) -> Path:
    """Make so many folders that a pass is far from its end when the first one is done. All have one file."""
    root = tmp_path / "dataset"
    made = write_audio(tmp_path / "made.flac", music(20, 44100, channels=2), 44100)
    for number in range(MANY):
        (root / f"{number:02d}").mkdir(parents=True)
        os.link(made, root / f"{number:02d}" / "full_mix.flac")
    return root


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize(("script", "options"), [(SIMPLE, []), (MODEL, []), (PARALLEL, ["--workers", "2"])])
def test_ctrl_c_ends_a_pass_soon_and_leaves_no_lock(long_work: Path, script: str, options: list[str]) -> None:
    with started(script, long_work, *options) as process:
        eventually(lambda: records(long_work) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        # One that arrives while C code calls back into Python is printed and lost; people press it again.
        eventually(lambda: process.poll() is not None or len(records(long_work)) > MANY / 4)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        ended = end_of(process)
    assert ended.code == -signal.SIGINT, ended.err
    assert 1 <= len(records(long_work)) < MANY / 2
    # A pool's processes may outlive the one that was waited for by a moment.
    eventually(lambda: not leftovers(long_work), what=lambda: leftovers(long_work))
    for folder in sorted(long_work.iterdir()):
        with FileLock(folder) as lock:
            assert lock.acquired
