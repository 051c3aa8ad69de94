"""The failure of each system call of a publish in turn, once or with all behind it, or as the end of the process.

Whatever happens, the record and its companions are the old or the new ones, whole, and the next publish needs no help:
it leaves what an undisturbed one leaves, and nothing else. What publishes is `support.publish_once`, and strace makes
its calls fail. Figures: `--log-cli-level=INFO`.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path

import msgspec
import pytest

from audiobatchd.core.provenance import KEY
from audiobatchd.disk.record import is_temporary
from support import publish_once
from support.publish_once import DONE, DROP, ENTRIES, FILES, TOLD, VALUES

_LOG = logging.getLogger(__name__)

KILL = "KILL"
# Not every machine has each of these calls: those that the publish makes are swept.
OPENING = ("open", "openat")
CHANGING = ("write", "pwrite64", "fsync", "ftruncate", "rename", "renameat", "renameat2", "unlink", "unlinkat")
GIVING = ("fchmod", "fchown")
READING = ("read", "pread64", "newfstatat", "getdents64", "fcntl", "flock", "close")
FAULTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(OPENING, ("EIO", "ENOSPC", "EACCES", KILL)),
    **dict.fromkeys((*CHANGING, *GIVING), ("EIO", "ENOSPC", KILL)),
    **dict.fromkeys(READING, ("EIO",)),
}
FOLDER = "A.B Song"
"""The guide's scripts lock it by another name, so there is one more file to look for."""

RECORD, MIX, LOCK = f"{FOLDER}/{FOLDER}.INFO", f"{FOLDER}/full_mix.flac", f"{FOLDER}.lock"
THEIRS = {
    "mine": b"1.10",
    "large": b"12345678901234567890123",
    "title": b'"\\u0041\\/\\ud83d\\ude00"',
    "nothing": b"null",
}
ENTRIES_BEFORE = {
    "key": {"full_mix": b'{"version":"of their own","n":1.10}'},
    "loudness": {"drums": b'{"fingerprint":["drums.flac",1,1,"blake2b:00"],"version":0}'},
}
RECORD_BEFORE = b"""{"lufs": -9.0, "stale": 1, "mine" :\t1.10, "large": 12345678901234567890123, "nothing": null,
"title": "\\u0041\\/\\ud83d\\ude00", "_audiobatch": {"format": 1, "analyzers": {
"key": {"full_mix": {"version": "of their own", "n": 1.10}},
"loudness": {"drums": {"fingerprint": ["drums.flac", 1, 1, "blake2b:00"], "version": 0}}}}}"""
COMPANIONS = {".BEATS_GRID": b"9.99\n", ".ONSETS": b"0.25\n", ".THEIRS": b"not ours\n"}
BEFORE: Mapping[str, Mapping[str, bytes]] = {
    "no record": {},
    "a record": {".INFO": RECORD_BEFORE},
    "a record and companions": {".INFO": RECORD_BEFORE, **COMPANIONS},
}

Tree = Mapping[str, tuple[int, bytes]]
"""Mode and content of every file below a place, by its path."""


@dataclass(frozen=True)
class Fault:
    """Failure of the call of this `number`, from 1, and with `for_good` of all behind it."""

    call: str
    what: str
    number: int
    for_good: bool

    @property
    def option(self) -> str:
        """Option of strace for it."""
        action = "signal=KILL" if self.what == KILL else f"error={self.what}"
        return f"inject={self.call}:{action}:when={self.number}{'+' if self.for_good else ''}"

    def __str__(self) -> str:
        return f"{self.call} no. {self.number}{' and all behind it' if self.for_good else ''}: {self.what}"


@dataclass(frozen=True)
class Run:
    """Publish with its exit code, its error, and the calls that strace saw."""

    code: int
    error: str = ""
    calls: tuple[str, ...] = ()

    def met(self, fault: Fault) -> bool:
        """Tell whether there was a call for the fault."""
        return self.code == -signal.SIGKILL if fault.what == KILL else any("(INJECTED)" in call for call in self.calls)


class Program:
    """The program that publishes, waiting for orders."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def publish(self, folder: Path) -> Run:
        """An undisturbed publish."""
        self._order("plain", folder)
        return self._ended()

    def traced(self, folder: Path, *options: str) -> Run:
        """A publish under strace with these `-e` options. Skips the test where tracing is not allowed."""
        self._order("traced", folder)
        child = int(self._line())
        log = folder.parent.with_suffix(".strace")
        command = ["strace", "-p", str(child), "-o", str(log), *(f"-e{option}" for option in options)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            said = strace.stderr.readline()
            if not said.endswith("attached\n"):
                os.kill(child, signal.SIGKILL)
                self._ended()
                pytest.skip(f"strace can trace nothing here: {said.strip().replace(str(child), 'PID')}")
            os.kill(child, signal.SIGCONT)
            ended = self._ended()
        calls = tuple(log.read_text(errors="replace").splitlines())
        log.unlink()
        return Run(ended.code, ended.error, calls)

    def _order(self, mode: str, folder: Path) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{mode} {folder}\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def _ended(self) -> Run:
        code, _, error = self._line().strip().partition(" ")
        return Run(int(code), error)


@contextmanager
def program(way: str) -> Iterator[Program]:
    """The program, to publish by this way; killed at the end, with the child that may be waiting to be traced."""
    command = [sys.executable, publish_once.__file__, way]
    env = os.environ | {"PYTHONPATH": str(Path(publish_once.__file__).parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


def made(root: Path, before: str) -> Path:
    """A track folder in `root` as it is before the publish."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    for name, content in {"full_mix.flac": b"", **BEFORE[before]}.items():
        path = folder / (FOLDER + name if name.startswith(".") else name)
        path.write_bytes(content)
        path.chmod(0o640)
    return folder


def tree(root: Path) -> Tree:
    """Read what lies below `root`."""
    files = [path for path in root.rglob("*") if not path.is_dir()]
    return {str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes()) for path in files}


def without_rests(found: Tree) -> Tree:
    """`found` without what the next holder of the lock clears away: a dead lock, a record in the making."""
    return {name: what for name, what in found.items() if name != LOCK and not is_temporary(Path(name).name)}


def difference(found: Tree, expected: Tree) -> list[str]:
    """The names of files that are not as expected."""
    return sorted({name for name, _ in found.items() ^ expected.items()})


class Sweep:
    """Sweep of all faults over one state of the folder before, and what was wrong after any of them."""

    def __init__(self, publisher: Program, place: Path, before: str) -> None:
        self.cells = 0
        self.wrong: list[str] = []
        self._publisher = publisher
        self._place = place
        self._before = before
        root = place / "undisturbed"
        folder = made(root, before)
        self._old = tree(root)
        run = publisher.traced(folder, "trace=" + ",".join(f"?{call}" for call in FAULTS))
        assert run.code == DONE, run
        self.new = tree(root)
        names = [line.partition("(")[0] for line in run.calls]
        self.calls = Counter(name for name in names if name in FAULTS)
        """The calls of a publish that nothing befalls, by kind."""

    def over(self, call: str) -> None:
        """Run every fault of one kind of call, at its first to its last."""
        for what, for_good in product(FAULTS[call], (False, True)):
            if for_good and (what == KILL or call in READING):
                continue
            for number in count(1):
                if not self._meets(Fault(call, what, number, for_good)):
                    break

    def _meets(self, fault: Fault) -> bool:
        """Publish with a fault, then without one; whether there was a call for the fault."""
        root = self._place / "disturbed"
        folder = made(root, self._before)
        run = self._publisher.traced(folder, f"trace={fault.call}", fault.option)
        met = run.met(fault)
        wrong = list(self._wrong_after(run, tree(root)))
        if not met and run.code != DONE:
            wrong.append("it failed although nothing befell it")
        again = self._publisher.publish(folder)
        if again.code != DONE:
            wrong.append(f"it cannot be published again: {again.error}")
        elif tree(root) != self.new:
            wrong.append(f"publishing again gives no clean folder: {difference(tree(root), self.new)}")
        shutil.rmtree(root)
        self.cells += 1
        self.wrong += [f"{fault} (exit code {run.code} {run.error}): {each}" for each in wrong]
        return met

    def _wrong_after(self, run: Run, found: Tree) -> Iterator[str]:
        if run.code not in (DONE, TOLD, -signal.SIGKILL):
            yield "no test foresees this error"
        kept = without_rests(found)
        for name in sorted(kept.keys() | self._old.keys() | self.new.keys()):
            if kept.get(name) not in (self._old.get(name), self.new.get(name)):
                yield f"{name} is neither the old nor the new one: {kept.get(name)}"
        if run.code == DONE and kept != self.new:
            yield f"it says that it is done, but for {difference(kept, self.new)}"
        # Companions go first: no record tells of one that is not there.
        if kept.get(RECORD) == self.new[RECORD] and kept != self.new:
            yield f"the record is new before {difference(kept, self.new)}"


def assert_complete(new: Tree, way: str, before: str) -> None:
    """Assert that what every cell is held against is right: ours is in it, and no value of another tool is lost."""
    was, by_worker = BEFORE[before], way == "worker"
    raw = compact(new[RECORD][1])
    analyzers = compact(compact(raw.pop(KEY, b"{}")).get("analyzers", b"{}"))
    entries = {name: compact(roles) for name, roles in analyzers.items()}
    theirs = {**THEIRS, **({} if by_worker else {"stale": b"1"})}
    assert raw == {**(theirs if was else {}), **{key: msgspec.json.encode(value) for key, value in VALUES.items()}}
    expected = {name: dict(roles) for name, roles in ENTRIES_BEFORE.items()} if was else {}
    if by_worker:
        expected.setdefault("loudness", {})["full_mix"] = msgspec.json.encode(ENTRIES["loudness"]["full_mix"])
    assert entries == expected
    companions = {suffix: content for suffix, content in was.items() if suffix != ".INFO"}
    if by_worker:
        companions |= {suffix: text.encode() for suffix, text in FILES.items()}
        companions = {suffix: content for suffix, content in companions.items() if suffix not in DROP}
    names = {f"{FOLDER}/{FOLDER}{suffix}": content for suffix, content in companions.items()}
    assert {name: content for name, (_, content) in new.items() if name != RECORD} == {MIX: b"", **names}


def compact(text: bytes) -> dict[str, bytes]:
    """The values of a JSON object as they stand there, without white space between their parts."""
    values = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    return {key: msgspec.json.format(bytes(value), indent=-1) for key, value in values.items()}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """Make a place, in memory where that can be: on a disk that others use too, the syncs of all cells take minutes."""
    memory = "/dev/shm"  # noqa: S108  # the directory in it has a name of its own
    if not os.access(memory, os.W_OK | os.X_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as made_there:
        yield Path(made_there)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: ./dev test does it where it can")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("way", "before"),
    [
        ("library", "no record"),
        ("library", "a record and companions"),
        ("worker", "no record"),
        ("worker", "a record"),
        ("worker", "a record and companions"),
    ],
)
def test_no_call_that_fails_or_is_the_last_one_harms_a_record(place: Path, way: str, before: str) -> None:
    with program(way) as publisher:
        sweep = Sweep(publisher, place, before)
        assert_complete(sweep.new, way, before)
        assert sweep.calls.keys() >= {"write", "pwrite64", "fsync", "ftruncate"}, "it was not traced"
        for call in sweep.calls:
            sweep.over(call)
    _LOG.info("%s, %s: %d cells over %s", way, before, sweep.cells, dict(sweep.calls))
    assert sweep.wrong == [], f"{len(sweep.wrong)} of {sweep.cells}:\n" + "\n".join(sweep.wrong)
