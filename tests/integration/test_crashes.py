"""Real workers of a real daemon that come to every kind of harm at every moment: what follows, and that all ends well.

The table is the heart of it: each fault, and what follows where it strikes in each of four moments. One daemon serves
two moments, so that the waits overlap; each cell is then looked at by itself.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from signal import SIGABRT, SIGKILL, SIGSEGV
from typing import Any

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import FolderReport, WorkerStatus
from audiobatchd.vocabulary.states import FolderState
from support.audio_files import tone, write_audio
from support.plugins import install_analyzer
from support.service import (
    Service,
    configuration,
    descriptors_of,
    eventually,
    leftovers,
    machine_went_down,
    record_of,
    run,
    service,
)

pytestmark = pytest.mark.timeout(600)

BOOT, IDLE, JOB, PUBLISHING = "boot", "idle", "job", "publishing"
"""Moments of a worker: it loads its analyzers, waits for a job, analyzes, has written a record that has no name yet."""

JOB_TIMEOUT = 10.0
"""Seconds that a busy machine, with sixteen workers that load at once, needs none of."""
MEMORY = "300 MiB"
NO_ANSWER = "no answer for too long while "


# What may follow


@dataclass(frozen=True)
class Then:
    """Outcome of a fault, with the evidence that is kept of a lost job."""

    what: str
    why: str = ""
    """Reason that is told."""
    signal: int = 0
    exit_code: int | None = None
    runs: int = 2
    """Number of times that the folder is analyzed until it is complete."""


NOTHING = Then("nothing", runs=1)
"""Outcome as if nothing had happened."""

REPLACED = Then("replaced")
"""The worker is told to stop and another one is started, without a word: it is no trouble."""


def cannot_start(why: str) -> Then:
    """Expect one line `worker-cannot-start`; it is started again after a second."""
    return Then("cannot start", why)


def unavailable(why: str) -> Then:
    """The worker starts without the analyzer, which is told once; it starts again when another one has it."""
    return Then("unavailable", why)


def dies(why: str) -> Then:
    """Expect one line `worker-died`; another one is started, and no folder pays."""
    return Then("dies", why)


def charged(why: str, *, signal: int = 0, exit_code: int | None = None, runs: int = 2) -> Then:
    """The folder backs off, charged once; then it is complete. At `IDLE`: the folder whose job comes next."""
    return Then("charged", why, signal, exit_code, runs)


def no_such_cell(why: str) -> Then:
    """Mark a fault that cannot strike at this moment."""
    return Then("no such cell", why)


@dataclass(frozen=True)
class Fault:
    """Code that is run in the worker, and what follows at each moment. `value` in the code is the analyzer's answer."""

    code: str
    boot: Then
    idle: Then
    job: Then
    publishing: Then


NO_CODE = no_such_cell("an idle worker runs no code of an analyzer but threads, and one that raises ends alone")
NO_RESULT = no_such_cell("an idle worker has nothing to tell")
ALONE = no_such_cell("a thread that waits holds up no other, unless it keeps the interpreter's lock")
CHECKED = no_such_cell("what is written was checked before")
TOLD_LATER = no_such_cell("a result is told when the record is in its place, as mid job")

TABLE = {
    "raise": Fault(
        "raise RuntimeError('no such luck')",
        boot=unavailable("it cannot be loaded: RuntimeError: no such luck"),
        idle=NO_CODE,
        job=charged("full_mix.wav: analyzer deed failed: RuntimeError: no such luck"),
        publishing=charged("RuntimeError: no such luck"),
    ),
    "sys.exit": Fault(
        "sys.exit(5)",
        boot=unavailable("it cannot be loaded: SystemExit: 5"),
        idle=NO_CODE,
        job=charged("exit code 5 (sys.exit comes)", exit_code=5),
        publishing=charged("exit code 5 (sys.exit comes)", exit_code=5),
    ),
    "os._exit": Fault(
        "os._exit(7)",
        boot=cannot_start("exit code 7 (os._exit comes)"),
        idle=dies("exit code 7 (os._exit comes)"),
        job=charged("exit code 7 (os._exit comes)", exit_code=7),
        publishing=charged("exit code 7 (os._exit comes)", exit_code=7),
    ),
    "SIGKILL": Fault(
        "os.kill(os.getpid(), signal.SIGKILL)",
        boot=cannot_start("killed by signal 9, Killed (SIGKILL comes)"),
        idle=dies("killed by signal 9, Killed (SIGKILL comes)"),
        job=charged("killed by signal 9, Killed (SIGKILL comes)", signal=SIGKILL),
        publishing=charged("killed by signal 9, Killed (SIGKILL comes)", signal=SIGKILL),
    ),
    "SIGSEGV": Fault(
        "ctypes.string_at(0)",
        boot=cannot_start("killed by signal 11, Segmentation fault (SIGSEGV comes)"),
        idle=dies("killed by signal 11, Segmentation fault (SIGSEGV comes)"),
        job=charged("killed by signal 11, Segmentation fault (SIGSEGV comes)", signal=SIGSEGV),
        publishing=charged("killed by signal 11, Segmentation fault (SIGSEGV comes)", signal=SIGSEGV),
    ),
    "SIGABRT": Fault(
        "os.abort()",
        boot=cannot_start("killed by signal 6, Aborted (SIGABRT comes)"),
        idle=dies("killed by signal 6, Aborted (SIGABRT comes)"),
        job=charged("killed by signal 6, Aborted (SIGABRT comes)", signal=SIGABRT),
        publishing=charged("killed by signal 6, Aborted (SIGABRT comes)", signal=SIGABRT),
    ),
    "SIGSTOP": Fault(
        "os.kill(os.getpid(), signal.SIGSTOP)",
        boot=cannot_start(NO_ANSWER + "booting"),
        idle=charged(NO_ANSWER + "starting", signal=SIGKILL, runs=1),
        job=charged(NO_ANSWER + "deed of full_mix.wav", signal=SIGKILL),
        publishing=charged(NO_ANSWER + "writing the record", signal=SIGKILL),
    ),
    "hang": Fault(
        "while True: time.sleep(1000)",
        boot=cannot_start(NO_ANSWER + "booting"),
        idle=ALONE,
        job=charged(NO_ANSWER + "deed of full_mix.wav", signal=SIGKILL),
        publishing=charged(NO_ANSWER + "writing the record", signal=SIGKILL),
    ),
    "native hang": Fault(
        "ctypes.PyDLL(None).sleep(1000)",  # which keeps the interpreter's lock
        boot=cannot_start(NO_ANSWER + "booting"),
        idle=charged(NO_ANSWER + "starting", signal=SIGKILL, runs=1),
        job=charged(NO_ANSWER + "deed of full_mix.wav", signal=SIGKILL),
        publishing=charged(NO_ANSWER + "writing the record", signal=SIGKILL),
    ),
    "no value": Fault(
        "value = object()",
        boot=unavailable("it cannot be asked what it gives: TypeError: "),
        idle=NO_RESULT,
        job=charged("full_mix.wav: analyzer deed gave <object object at 0x"),
        publishing=CHECKED,
    ),
    "huge result": Fault(
        "value = 'x' * 200_000",
        boot=cannot_start("AudiobatchError: what the analyzers offer is too long to be told (20"),
        idle=NO_RESULT,
        job=charged("its result is too long to be told (20", runs=1),  # the record has it
        publishing=TOLD_LATER,
    ),
    "grandchild": Fault(
        "child = subprocess.Popen(['sleep', '1000']); (PLACE / f'child {child.pid}').touch(); os._exit(8)",
        boot=cannot_start("exit code 8 (grandchild comes)"),
        idle=dies("exit code 8 (grandchild comes)"),
        job=charged("exit code 8 (grandchild comes)", exit_code=8),
        publishing=charged("exit code 8 (grandchild comes)", exit_code=8),
    ),
    "memory": Fault(
        "hoard = b'x' * (400 << 20); time.sleep(1000)",
        boot=cannot_start("it grew to "),
        idle=REPLACED,
        job=charged("it grew to ", signal=SIGKILL),
        publishing=charged("it grew to ", signal=SIGKILL),
    ),
    "memory of a child": Fault(
        "import subprocess\n"
        "subprocess.run([sys.executable, '-c', 'import time; hoard = b\"x\" * (400 << 20); time.sleep(1000)'])",
        boot=no_such_cell("told in the words of the row above, and those once"),
        idle=REPLACED,
        job=charged("it grew to ", signal=SIGKILL),
        publishing=charged("it grew to ", signal=SIGKILL),
    ),
    "closed pipe": Fault(
        "os.close(CHANNEL)",
        boot=cannot_start("exit code 1 (OSError: [Errno "),
        idle=charged("exit code 1 (OSError: [Errno ", exit_code=1, runs=1),
        job=charged("exit code 1 (OSError: [Errno ", exit_code=1),
        publishing=charged("exit code 1 (OSError: [Errno ", exit_code=1, runs=1),  # the record is in its place
    ),
    "garbage": Fault(
        "os.write(CHANNEL, b'garbage'); time.sleep(1000)",
        boot=cannot_start("it sent no message: "),
        idle=dies("it sent no message: "),
        job=charged("it sent no message: ", signal=SIGKILL),
        publishing=charged("it sent no message: ", signal=SIGKILL),
    ),
    "flood": Fault(
        "[os.write(2, b'word ' * 200 + b'\\n') for _ in range(2000)]",
        boot=NOTHING,
        idle=NOTHING,
        job=NOTHING,
        publishing=NOTHING,
    ),
}


def cells(*moments: str) -> list[tuple[str, str, Then]]:
    """The cells of these moments: (moment, fault, what follows)."""
    found = [(moment, name, getattr(fault, moment)) for moment in moments for name, fault in TABLE.items()]
    return [(moment, name, then) for moment, name, then in found if then.what != "no such cell"]


def parametrized(*moments: str) -> pytest.MarkDecorator:
    """Make one test per cell."""
    found = cells(*moments)
    names = [f"{moment}: {name}: {then.what}" for moment, name, then in found]
    return pytest.mark.parametrize(("moment", "name", "then"), found, ids=names)


# The stage

FAULTS = """
import ctypes, os, pathlib, signal, subprocess, sys, threading, time
from audiobatchd.plugin_api import Measurement

PLACE = pathlib.Path({place!r})
CODES = {codes!r}
CHANNEL = int(sys.argv[3])
rename = os.rename

def meet(what):
    try:
        rename(PLACE / what, PLACE / f"{{what}} met by {{os.getpid()}}")
    except FileNotFoundError:
        return None
    name = what.partition(" ")[2]
    os.write(2, f"{{name}} comes\\n".encode())
    told = {{}}
    exec(CODES[name], globals(), told)
    return told

def load(analyzer):
    with open(PLACE / "loads", "a") as loads:
        loads.write("x")
    if (PLACE / "broken").exists():
        os.write(2, b"RuntimeError: no such luck\\n")
        os._exit(1)
    threading.Thread(target=wait_for_orders, daemon=True).start()
    for what in sorted(path.name for path in PLACE.glob("boot *") if " met by " not in path.name):
        told = meet(what)
        if told is not None:
            analyzer.models = {{"model": told["value"]}} if "value" in told else {{}}
            break

def wait_for_orders():
    order = PLACE / f"order for {{os.getpid()}}"
    while not order.exists():
        time.sleep(0.05)
    meet(order.read_text())

def analyze(audio):
    song = (PLACE / f"song of {{audio.duration:.2f}}").read_text()
    mark = PLACE / f"at {{song}} {{os.getpid()}}"
    mark.touch()
    for other in PLACE.glob(f"at {{song}} *"):
        if other != mark and is_at_work(other.name.rpartition(" ")[2]):
            (PLACE / f"two at {{song}}").touch()
    with open(PLACE / "runs", "a") as runs:
        runs.write(song + "\\n")
    try:
        told = (song.startswith("job ") and meet(song)) or {{}}
    finally:
        mark.unlink()  # it is at it no more, also where it raised
    return Measurement({{"deed": told.get("value", audio.duration)}})

def is_at_work(pid):
    try:
        return pathlib.Path(f"/proc/{{pid}}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False

def publishing(source, target, **places):
    song = str(target).removesuffix(".INFO")
    if song != str(target) and song.startswith("publishing "):
        meet(song)
    rename(source, target, **places)

os.rename = publishing
"""
"""Source of what the analyzer calls. A file "MOMENT NAME" arms a fault; the worker that it strikes renames it.
"""

EVERY_TIME = {
    "always": "(PLACE / 'job always').touch(); os.kill(os.getpid(), signal.SIGKILL)",
    "endless": "(PLACE / 'job endless').touch(); time.sleep(1000)",
}
"""Faults that strike again as often as their song is analyzed."""

LESS_PATIENT = """
import functools, runpy, sys
from audiobatchd.core import plan
plan.Plan = functools.partial(plan.Plan, boot_timeout={seconds})
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program with another limit for loading, which no configuration has."""


@dataclass
class Stage:
    """A dataset, an analyzer that does what files tell it, and the daemon that is at them."""

    directory: Path
    root: Path = field(init=False)
    place: Path = field(init=False)
    """Directory of the files that tell the analyzer what to do."""
    env: dict[str, str] = field(init=False)
    daemon: Service = field(init=False)
    descriptors: int = 0
    """Number of the daemon's descriptors before any fault."""
    songs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root, self.place = self.directory / "dataset", self.directory / "place"
        self.root.mkdir(parents=True)
        self.place.mkdir()
        plugin = self.directory / "plugin"
        self.env = install_analyzer(plugin, "deed", "import faults; return faults.analyze(audio)")
        module = plugin / "deed_analyzer.py"
        loads = "def load(self):\n        import faults; faults.load(self)"
        module.write_text(module.read_text().replace("def load(self):\n        pass", loads))
        codes = {name: fault.code for name, fault in TABLE.items()} | EVERY_TIME
        (plugin / "faults.py").write_text(FAULTS.format(place=str(self.place), codes=codes))

    def config(self, settle: float = 0.0, **keys: object) -> Path:
        """A configuration with this analyzer alone."""
        terms = {"analyzers": ["deed"], "job_timeout": JOB_TIMEOUT, "worker_memory": MEMORY, "max_deaths": 2, **keys}
        return configuration(self.directory / "c.toml", self.root, settle=settle, rescan=3600.0, plugins=(), **terms)

    @contextmanager
    def runs(self, config: Path, **options: Any) -> Iterator[Service]:  # noqa: ANN401  # passed on
        """Have the daemon at it; killed at the end where it still runs."""
        env = {**self.env, **options.pop("env", {})}
        with service(self.directory / "d", config, env=env, **options) as self.daemon:
            yield self.daemon

    def arm(self, moment: str, name: str) -> None:
        """Have the fault strike, once."""
        (self.place / f"{moment} {name}").touch()

    def song(self, name: str) -> None:
        """Bring in a track folder; the analyzer knows it by its length."""
        self.songs.append(name)
        seconds = 0.1 + len(self.songs) / 100
        (self.place / f"song of {seconds:.2f}").write_text(name)
        made = self.directory / name
        made.mkdir()
        write_audio(made / "full_mix.wav", tone(seconds, 8000, channels=1), 8000)
        made.rename(self.root / name)

    def met_by(self, moment: str, name: str) -> int:
        """The PID of the worker that a fault has struck; 0 while it has not."""
        found = [path.name.rpartition(" ")[2] for path in self.place.glob(f"{moment} {name} met by *")]
        return int(found[0]) if found else 0

    def analyzed(self) -> Counter[str]:
        """Count how often each song was analyzed."""
        runs = self.place / "runs"
        return Counter(runs.read_text().splitlines() if runs.exists() else ())

    def workers(self) -> list[WorkerStatus]:
        """Status of all slots."""
        status = self.daemon.status()
        return status.workers if status else []

    def all_idle(self, number: int) -> None:
        """Wait until the pool is at full strength."""
        eventually(
            lambda: [each.state for each in self.workers()] == ["idle"] * number,
            240,
            lambda: f"{self.workers()}\n{self.daemon.log()}",
        )

    def count_descriptors(self) -> None:
        """Note how many descriptors the daemon has, once the first walk is done: workers may be ready before it."""
        eventually(self.daemon.is_watched, 60, self.daemon.log)
        self.descriptors = len(descriptors_of(self.daemon.process.pid))

    def is_replaced(self, slot: int, pid: int) -> bool:
        """Tell whether another process is in this slot by now."""
        return self.workers()[slot].pid not in (0, pid)

    def is_taken(self, slot: int) -> bool:
        """Tell whether this slot waits for a job no more."""
        return self.workers()[slot].state != "idle"

    def report(self, name: str) -> FolderReport:
        """Ask about a folder."""
        return ControlClient(self.daemon.socket).ask(EXPLAIN, FolderName(str(self.root), name))

    def told(self, event: str) -> list[str]:
        """The log's lines of one event, without the time."""
        lines = (line.partition(" ")[2] for line in self.daemon.log().splitlines())
        return [line for line in lines if line.partition(" ")[0] == event]


def zombies_of(pid: int) -> list[int]:
    """List its children that have ended and were not waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == pid and state == "Z":
            found.append(int(path.parent.name))
    return found


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def assert_nothing_is_left(stage: Stage, workers: int) -> None:
    """The pool is whole, no folder is lost, and there is no trace of what happened."""
    stage.all_idle(workers)
    assert sum(stage.daemon.states().values()) == len(stage.songs)
    assert list(stage.place.glob("two at *")) == []
    pid = stage.daemon.process.pid
    eventually(lambda: len(descriptors_of(pid)) <= stage.descriptors + 1, what=lambda: descriptors_of(pid))
    assert sum("pidfd" in link for link in descriptors_of(pid).values()) == workers
    eventually(lambda: not zombies_of(pid))
    children = [int(path.name.rpartition(" ")[2]) for path in stage.place.glob("child *")]
    assert children
    assert [child for child in children if not is_gone(child)] == []
    eventually(lambda: leftovers(stage.root) == [], what=lambda: leftovers(stage.root))


# Without a job

HANGS = ("SIGSTOP", "hang", "native hang")
# The first slots are given jobs first.
WAITING = sorted(((name, then) for _, name, then in cells(IDLE)), key=lambda each: each[1].what != "charged")


@pytest.fixture(scope="module")
def hung(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Three workers that do not come to an end of loading; the daemon has less patience than usual."""
    stage = Stage(tmp_path_factory.mktemp("hung"))
    for name in HANGS:
        stage.arm(BOOT, name)
    prefix = (sys.executable, "-c", LESS_PATIENT.format(seconds=JOB_TIMEOUT))
    with stage.runs(stage.config(workers=len(HANGS)), prefix=prefix):
        yield stage


@pytest.fixture(scope="module")
def jobless(tmp_path_factory: pytest.TempPathFactory, hung: Stage) -> Iterator[Stage]:
    """Strike every worker while it loads, and most of them once more while they wait."""
    stage = Stage(tmp_path_factory.mktemp("jobless"))
    loading = [name for _, name, _ in cells(BOOT) if name not in HANGS]
    for name in loading:
        stage.arm(BOOT, name)
    with stage.runs(stage.config(workers=len(loading))) as daemon:
        stage.all_idle(len(loading))
        stage.count_descriptors()
        strike_the_waiting(stage)
        stage.all_idle(len(loading))
        yield stage
        assert daemon.stop() == 0


def strike_the_waiting(stage: Stage) -> None:
    """Strike the first slots once each, then add a song for each of those whose trouble only a job brings to light."""
    before = [each.pid for each in stage.workers()]
    for (name, _), pid in zip(WAITING, before, strict=False):
        stage.arm(IDLE, name)
        (stage.place / "order").write_text(f"{IDLE} {name}")
        (stage.place / "order").rename(stage.place / f"order for {pid}")
    for slot, (name, then) in enumerate(WAITING):
        eventually(partial(stage.met_by, IDLE, name))
        if then.what in ("dies", "replaced"):
            eventually(partial(stage.is_replaced, slot, before[slot]))
    for slot, (name, then) in enumerate(WAITING):
        if then.what == "charged":
            stage.song(f"{IDLE} {name}")
            eventually(partial(stage.is_taken, slot))
    stage.daemon.becomes(timeout=240, complete=len(stage.songs))


@parametrized(BOOT)
def test_fault_of_a_loading_worker(jobless: Stage, hung: Stage, moment: str, name: str, then: Then) -> None:
    stage = hung if name in HANGS else jobless
    pid = eventually(lambda: stage.met_by(moment, name))
    if then.what in ("nothing", "unavailable"):
        eventually(lambda: any(f"pid={pid}" in line for line in stage.told("worker-ready")))
        if then.what == "unavailable":
            assert [then.why in line for line in stage.told("analyzer-unavailable")].count(True) == 1
    else:
        eventually(lambda: is_gone(pid))
        eventually(lambda: [then.why in line for line in stage.told("worker-cannot-start")].count(True) == 1)


def test_hung_workers_are_started_again(hung: Stage) -> None:
    hung.all_idle(len(HANGS))
    assert len(hung.told("worker-cannot-start")) == 1, "one reason, told once"
    assert hung.daemon.stop() == 0


@parametrized(IDLE)
def test_fault_of_a_waiting_worker(jobless: Stage, moment: str, name: str, then: Then) -> None:
    slot = WAITING.index((name, then))
    died = [line for line in jobless.told("worker-died") if line.startswith(f"worker-died worker={slot} ")]
    pid = jobless.met_by(moment, name)
    assert pid
    if then.what == "charged":
        assert len(died) == 1
        assert_charged(jobless, f"{moment} {name}", then)
    else:
        assert [then.why in line for line in died] == ([True] if then.what == "dies" else [])
        assert (pid in [each.pid for each in jobless.workers()]) == (then.what == "nothing")


def test_faults_without_a_job_leave_nothing(jobless: Stage) -> None:
    assert jobless.daemon.states() == {"complete": len(jobless.songs)}
    assert_nothing_is_left(jobless, len(jobless.workers()))


# With a job

WORKERS = 8
HEALTHY = 6


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Make one folder for each fault that strikes in a job, one where it always does, and some where none does."""
    stage = Stage(tmp_path_factory.mktemp("working"))
    struck = [(moment, name) for moment, name, _ in cells(JOB, PUBLISHING)]
    struck.sort(key=lambda each: each[1] not in HANGS)  # they take longest
    with stage.runs(stage.config(workers=WORKERS)) as daemon:
        stage.all_idle(WORKERS)
        stage.count_descriptors()
        for moment, name in (*struck, (JOB, "always")):
            stage.arm(moment, name)
            stage.song(f"{moment} {name}")
        for number in range(HEALTHY):
            stage.song(f"healthy {number}")
        daemon.becomes(timeout=240, complete=len(struck) + HEALTHY, failed=1)
        stage.all_idle(WORKERS)
        yield stage
        assert daemon.stop() == 0


@parametrized(JOB, PUBLISHING)
def test_fault_in_a_job(working: Stage, moment: str, name: str, then: Then) -> None:
    song = f"{moment} {name}"
    assert working.met_by(moment, name)
    if then.what == "nothing":
        assert working.report(song).attempts == []
        assert_complete(working, song, then)
    else:
        assert_charged(working, song, then)
        [attempt] = working.report(song).attempts
        analyzing = moment == JOB and then.runs > 1
        assert attempt.stage == ("deed of full_mix.wav" if analyzing else "writing the record")


def test_the_healthy_never_knew(working: Stage) -> None:
    for number in range(HEALTHY):
        assert_complete(working, f"healthy {number}", NOTHING)
        assert working.report(f"healthy {number}").attempts == []


def test_folder_that_always_kills_is_given_up_with_evidence(working: Stage) -> None:
    report = working.report("job always")
    assert (report.state, report.charges, working.analyzed()["job always"]) == (FolderState.FAILED, 2, 2)
    assert report.reason == "its worker ended: killed by signal 9, Killed (always comes) (gave up after 2 attempts)"
    assert [(each.signal, each.lines[-1:]) for each in report.attempts] == [(SIGKILL, ("always comes",))] * 2
    [line] = working.told("folder-failed")
    assert report.reason in line


def test_faults_in_a_job_leave_nothing(working: Stage) -> None:
    assert set(working.analyzed()) == set(working.songs)
    assert_nothing_is_left(working, WORKERS)


def assert_charged(stage: Stage, song: str, then: Then) -> None:
    """Assert that it backed off once, with the evidence of why, and came to a good end."""
    [attempt] = stage.report(song).attempts
    assert attempt.charged
    assert then.why in attempt.reason
    assert (attempt.signal, attempt.exit_code) == (then.signal, then.exit_code)
    if then.signal or then.exit_code:
        last = attempt.lines[-1]
        assert last == f"{song.partition(' ')[2]} comes" or attempt.reason.endswith(f"({last})")
    [line] = [line for line in stage.told("folder-backoff") if f'folder="{song}"' in line]
    assert then.why in line
    assert_complete(stage, song, then)


def assert_complete(stage: Stage, song: str, then: Then) -> None:
    """Assert that it is complete, its record is whole, and it was analyzed no oftener than it takes."""
    report = stage.report(song)
    assert (report.state, report.reason, report.holder) == (FolderState.COMPLETE, "", "")
    assert isinstance(record_of(stage.root / song)["deed"], float | str)
    assert stage.analyzed()[song] == then.runs


# Worse


def test_workers_that_cannot_start_are_told_once_and_mended(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    stage.song("Song")
    (stage.place / "broken").touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(tmp_path / "notify"))
        notify.settimeout(60)
        with stage.runs(stage.config(workers=2), env={"NOTIFY_SOCKET": str(tmp_path / "notify")}) as daemon:
            while "READY=1" not in notify.recv(4096).decode():
                pass
            status = daemon.status()
            assert status is not None
            assert status.remark == "no worker can start: exit code 1 (RuntimeError: no such luck)"
            assert len((stage.place / "loads").read_text()) >= 6, "each has tried three times"
            [line] = stage.told("worker-cannot-start")
            assert line.endswith('reason="exit code 1 (RuntimeError: no such luck)"')
            (stage.place / "broken").unlink()
            daemon.becomes(complete=1)
            status = daemon.status()
            assert status is not None
            assert status.remark == ""
            assert len(stage.told("worker-cannot-start")) == 1
            stage.all_idle(2)


def test_suspect_runs_alone_then_is_given_up_until_retry(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    # While files settle, the lock of the dead is found before a job is given out.
    config = stage.config(settle=1.5, workers=2, max_suspect=2, job_timeout=600.0)
    stage.song("job endless")
    stage.arm(JOB, "endless")
    with stage.runs(config):
        dies_over_it(stage, times=1)
    machine_went_down(stage.root)
    others = [f"other {number}" for number in range(4)]
    for name in others:
        stage.song(name)
    with stage.runs(config) as daemon:
        eventually(lambda: stage.analyzed()["job endless"] == 2)
        stage.song("late")
        # With nothing beside it, whether the others came before it or have to wait.
        eventually(lambda: is_alone(daemon.states(), others=len(others) + 1), what=daemon.states)
        assert stage.report("job endless").suspicions == 1
        dies_over_it(stage, times=2)
    machine_went_down(stage.root)
    with stage.runs(config) as daemon:
        daemon.becomes(complete=len(others) + 1, failed=1)
        [line] = stage.told("folder-failed")
        assert "the process that worked on it died without giving back its lock, 2 times in a row" in line
        assert stage.report("job endless").state is FolderState.FAILED
        assert stage.analyzed()["job endless"] == 2
        (stage.place / "job endless").unlink()
        code, out, err = run("audiobatchctl", "--socket", daemon.socket, "retry", stage.root / "job endless")
        assert code == 0, (out, err)
        daemon.becomes(complete=len(stage.songs))
        assert_complete(stage, "job endless", charged("", runs=3))
        assert leftovers(stage.root) == []
        assert daemon.stop() == 0


def is_alone(states: dict[str, int], others: int) -> bool:
    """Tell whether one folder runs, and all others have been measured or wait."""
    return states.get("running") == 1 and states.get("queued", 0) + states.get("complete", 0) == others


def dies_over_it(stage: Stage, times: int) -> None:
    """Kill the daemon at once with its workers while it is at the endless song."""
    eventually(lambda: stage.analyzed()["job endless"] == times)
    eventually(lambda: len(list(stage.place.glob("job endless met by *"))) == times)
    os.killpg(stage.daemon.process.pid, SIGKILL)
    stage.daemon.process.wait()
    workers = [int(path.name.rpartition(" ")[2]) for path in stage.place.glob("job endless met by *")]
    eventually(lambda: all(is_gone(pid) for pid in workers))
