"""Trials of a lock between two participants: one that answers, one that dies, and notes written by hand."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from audiobatchd.core.discovery import enters, is_relevant
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import kernel
from audiobatchd.locks.trial import between_machines, on_one_machine
from audiobatchd.locks.trial.between_machines import LOCK, Note, Outcome, Phase
from audiobatchd.locks.trial.on_one_machine import Finding, try_locks
from support.lock_trials import ME, PARTNER, TIMEOUT, left_in, quiet

BEFORE_ME = ".audiobatch-trial-a-2-" + "1" * 16
BEHIND_ME = ".audiobatch-trial-z-3-" + "2" * 16


class Partner:
    """The same trial in another process, which passes for another machine, and kills itself when it says `end`.

    `host` "a" makes it the holder and "z" the challenger, for this process is "m".
    """

    def __init__(self, dataset: Path, *arguments: str) -> None:
        command = [sys.executable, "-c", PARTNER, str(dataset), *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def says(self, start: str) -> None:
        """Wait for a line that it says."""
        assert self.process.stdout is not None
        assert any(line.startswith(start) for line in self.process.stdout)

    def found(self) -> list[Outcome]:
        """Return what it found."""
        output, _ = self.process.communicate(timeout=TIMEOUT)
        assert self.process.returncode == 0
        return [Outcome(detail, ok=ok) for detail, ok in json.loads(output.splitlines()[-1])]


Start = Callable[..., Partner]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts partners in `tmp_path`, and ends those that are still there."""
    with contextlib.ExitStack() as stack:

        def start(host: str, boot_id: str = "another machine", end: str = "", *, whole: bool = False) -> Partner:
            partner = Partner(tmp_path, host, boot_id, end, *([] if whole else ["only meet"]))
            stack.enter_context(partner.process)
            stack.callback(partner.process.kill)
            return partner

        yield start


@pytest.fixture
def as_m(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "m")


def test_old_files_of_killed_trials_are_removed(tmp_path: Path) -> None:
    ours = [ME, f"{ME}.file", BEHIND_ME, LOCK]
    others = [".audiobatch-trial-notes", f"{ME}.flac", "track.lock", ".audiobatch-trial-m-1-0123"]
    for name in [*ours, *others]:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - 700, time.time() - 700))
    (tmp_path / BEFORE_ME).touch()
    (tmp_path / f"{BEFORE_ME}.file").mkdir()
    os.utime(tmp_path / f"{BEFORE_ME}.file", (0, 0))
    between_machines.clear_leftovers(str(tmp_path))
    assert left_in(tmp_path) == sorted([*others, BEFORE_ME, f"{BEFORE_ME}.file"])


OWN = between_machines.own_name()


@pytest.mark.parametrize("name", [OWN, f"{OWN}.file", LOCK], ids=["a mark", "a file", "the lock"])
def test_its_files_are_nothing_to_a_walk(name: str) -> None:
    assert name.startswith(".")
    assert not is_relevant(name)
    assert not enters(name, ())


@pytest.mark.parametrize(
    ("host", "told"),
    [("nas-1.local", "nas-1.local"), ("a/b", "a_b"), ("x\ny", "x_y"), ("", "unnamed"), ("caf\udce9-12", "caf_-12")],
)
def test_every_host_has_a_name_for_its_files(host: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    name = between_machines.own_name()
    assert between_machines._NOTE.fullmatch(name)
    assert os.sep not in name
    assert between_machines._who(name) == f"process {os.getpid()} on {told}"


# Two participants


def test_two_on_this_machine_say_so(tmp_path: Path, start: Start) -> None:
    partners = start("a", "this machine", whole=True), start("z", "this machine", whole=True)
    first, second = (partner.found() for partner in partners)
    assert first[-1] == second[-1]
    assert [each.ok for each in first] == [*[True] * 6, None]
    holder, challenger = (partner.process.pid for partner in partners)
    told = f"process {challenger} on z was refused the lock while process {holder} on a held it, and got it "
    assert first[-1].detail.startswith(told)
    assert first[-1].detail.endswith("; but both are this machine: start one of them on another")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("a", ["was refused the lock", "got the lock after its release"]),
        ("z", ["holding the lock", "released the lock"]),
    ],
    ids=["as challenger", "as holder"],
)
def test_two_machines(host: str, said: list[str], tmp_path: Path, as_m: None, start: Start) -> None:
    partner = start(host)
    heard: list[str] = []
    outcome = between_machines.meet(str(tmp_path), Kind.LOCAL, TIMEOUT, TIMEOUT, heard.append)
    assert outcome.ok is True
    assert [outcome] == partner.found()
    assert heard[1:] == [f"met process {partner.process.pid} on {host}", *said]
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("boot_id", ["another machine", "this machine"])
def test_two_machines_whose_locks_do_not_exclude(
    boot_id: str, tmp_path: Path, as_m: None, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "take", lambda descriptor, *, local: True)
    monkeypatch.setattr(between_machines, "boot_id", lambda: "this machine")
    partner = start("a", boot_id)
    outcome = between_machines.meet(str(tmp_path), Kind.LOCAL, TIMEOUT, TIMEOUT, quiet)
    assert [outcome] == partner.found()
    assert outcome.ok is False
    assert " got the lock while process " in outcome.detail
    assert outcome.detail.endswith(" (both are this machine)") is (boot_id == "this machine")
    assert left_in(tmp_path) == []


class ImpatientTime:
    """The time as it is; but once `process` is dead, every look at the clock finds it ten seconds later."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._skipped = 0.0

    def monotonic(self) -> float:
        if self._process.poll() is not None:
            self._skipped += 10.0
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(min(seconds, 0.02))


@dataclass(frozen=True)
class Death:
    """Moment at which the partner dies, and what is found. As holder it is "a", as challenger "z"."""

    host: str
    end: str
    found: str
    ok: bool | None = None


DEATHS = [
    Death("a", "waiting", "no other machine took part within 60 s"),
    Death("z", "waiting", "no other machine took part within 60 s"),
    Death("a", "met", "stopped answering before it held the lock (waited 60 s)"),
    Death("z", "met", "stopped answering before it tried the lock (waited 60 s)"),
    # The kernel frees its lock, so we may get it: that is nothing against the locks.
    Death("a", "holding", "stopped answering before it released the lock (waited 60 s)"),
    Death("z", "was refused", "stopped answering before it tried the lock again (waited 120 s)"),
    Death("a", "released", "was refused the lock while process", ok=True),
    Death("z", "got the lock", "was refused the lock while process", ok=True),
]


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: f"{death.host}-{death.end}")
def test_a_partner_that_is_killed(
    death: Death, tmp_path: Path, as_m: None, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = start(death.host, end=death.end)
    monkeypatch.setattr(between_machines, "time", ImpatientTime(partner.process))
    found = between_machines.meet(str(tmp_path), Kind.LOCAL, 60.0, on_one_machine.PATIENCE, quiet)
    assert death.found in found.detail
    assert found.ok is death.ok
    assert partner.process.wait(TIMEOUT) == -signal.SIGKILL
    assert [name.split("-")[2:4] for name in left_in(tmp_path)] == [[death.host, str(partner.process.pid)]]


# What a partner may do, written by hand


@pytest.fixture
def as_me(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(between_machines, "own_name", lambda: ME)
    monkeypatch.setattr(between_machines, "boot_id", lambda: "this machine")


def write(dataset: Path, name: str, **fields: object) -> None:
    note = {"v": 1, "boot_id": "another machine", "hears": [ME], **fields}
    (dataset / name).write_bytes(msgspec.json.encode(note) + b"\n")


def meet(dataset: Path, say: Callable[[str], None] = quiet, patience: float = 0.0) -> Outcome:
    outcome = between_machines.meet(str(dataset), Kind.LOCAL, 0.0, patience, say)
    assert ME not in left_in(dataset)
    assert LOCK not in left_in(dataset)
    return outcome


def test_more_than_one_other(tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEFORE_ME)
    write(tmp_path, BEHIND_ME)
    assert meet(tmp_path) == Outcome(
        "more than one other takes part (process 2 on a, process 3 on z): start two at a time"
    )


@pytest.mark.parametrize("note", [{"hears": [BEFORE_ME]}, {"partner": BEFORE_ME}, {"v": "?"}])
def test_process_that_does_not_answer_is_no_partner(note: dict[str, object], tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEHIND_ME, **note)
    assert meet(tmp_path).detail.startswith("no other machine took part within 0 s")


def test_a_note_is_read_to_the_end_of_its_line(tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEFORE_ME, trouble="it is tired\x1b[2J")
    with (tmp_path / BEFORE_ME).open("ab") as file:
        file.write(b'rest of a longer one"}\n')
    assert meet(tmp_path) == Outcome("it is tired\\x1b[2J")


def test_a_partner_that_prefers_another(tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEFORE_ME)
    outcome = meet(tmp_path, lambda said: write(tmp_path, BEFORE_ME, partner=BEHIND_ME) if "met" in said else None)
    assert outcome == Outcome("process 2 on a is at it with another partner: try again")


def test_a_partner_that_leaves(tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEFORE_ME)
    outcome = meet(tmp_path, lambda said: (tmp_path / BEFORE_ME).unlink() if "met" in said else None)
    assert outcome == Outcome("process 2 on a left before the end")


def test_lock_held_by_another_process_ends_the_trial(tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEHIND_ME)
    path = tmp_path / LOCK
    descriptor = kernel.open_lock(str(path), os.O_RDWR | os.O_CREAT)
    assert kernel.take(descriptor, local=True)
    outcome = between_machines.meet(str(tmp_path), Kind.LOCAL, 0.0, 0.0, quiet)
    assert outcome == Outcome(f"process 1 on m cannot hold {LOCK}: another process does")
    assert path.exists(), "another pair's"
    kernel.close_lock(descriptor)


def test_a_lock_that_is_removed_under_its_holder(tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEHIND_ME)

    def say(said: str) -> None:
        if said == "holding the lock":
            (tmp_path / LOCK).unlink()
            write(tmp_path, BEHIND_ME, phase="tried", refused=False)

    assert meet(tmp_path, say) == Outcome(f"process 1 on m cannot hold {LOCK}: another process removed it")


def test_a_lock_that_cannot_be_opened(tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEHIND_ME)
    (tmp_path / LOCK).mkdir()
    outcome = between_machines.meet(str(tmp_path), Kind.LOCAL, 0.0, 0.0, quiet)
    assert outcome == Outcome(f"process 1 on m cannot try {LOCK}: Is a directory")
    assert left_in(tmp_path) == sorted([BEHIND_ME, LOCK])


def test_a_lock_that_is_never_seen(tmp_path: Path, as_me: None) -> None:
    write(tmp_path, BEFORE_ME, phase="holding")
    assert meet(tmp_path) == Outcome(f"process 1 on m cannot try {LOCK}: No such file or directory")


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ESTALE, errno.EACCES], ids=errno.errorcode.get)
def test_a_lock_is_looked_for_again_where_it_may_yet_be_seen(
    code: int, tmp_path: Path, as_me: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError(code, os.strerror(code))]
    open_lock = kernel.open_lock

    def fail_first(path: str, flags: int, mode: int = 0o660) -> int:
        if failures:
            raise failures.pop()
        return open_lock(path, flags, mode)

    (tmp_path / LOCK).touch()
    monkeypatch.setattr(kernel, "open_lock", fail_first)
    with between_machines._Participant(str(tmp_path), TIMEOUT) as me:
        lock = between_machines._Lock(str(tmp_path), Kind.LOCAL, BEFORE_ME)
        if code == errno.EACCES:
            with pytest.raises(PermissionError):
                lock.is_granted(me)
        else:
            assert lock.is_granted(me)


def test_a_dataset_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meet(*_: object) -> Outcome:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(on_one_machine, "_ATTEMPTS", ())
    monkeypatch.setattr(between_machines, "meet", meet)
    last = try_locks(str(tmp_path), 0.0, quiet)[-1]
    assert last == Finding("between machines", None, "cannot meet another machine: Input/output error")


@pytest.mark.usefixtures("as_me")
def test_a_note_in_use_never_looks_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with between_machines._Participant(str(tmp_path), 0.0) as me:
        os.utime(tmp_path / ME, (0, 0))
        me.tell()
        assert (tmp_path / ME).stat().st_mtime == 0
        now += between_machines._REFRESH + 1
        me.tell()
        assert (tmp_path / ME).stat().st_mtime > 0
    assert between_machines._REFRESH < between_machines.OLD / 2


@pytest.mark.parametrize(("boot", "device", "one"), [("b", 5, True), ("b", 6, False), ("c", 5, False)])
def test_one_kernel_may_have_two_clients(boot: str, device: int, one: bool) -> None:
    assert between_machines._are_one(Note(v=1, boot_id="b", device=5), Note(v=1, boot_id=boot, device=device)) is one


VERDICTS = [
    (
        True,
        0.0031,
        False,
        True,
        "z was refused the lock while process 2 on a held it, and got it 3 ms after its release",
    ),
    (True, 0.5, True, None, "500 ms after its release; but both are this machine: start one of them on another"),
    (False, 0.0, False, False, "z got the lock while process 2 on a held it: two would work on one folder"),
    (False, 0.0, True, False, "two would work on one folder (both are this machine)"),
    (True, None, False, False, "z was refused the lock even after process 2 on a had released it"),
    (True, None, True, False, "had released it (both are this machine)"),
]


@pytest.mark.parametrize(("refused", "seconds", "same_machine", "ok", "words"), VERDICTS)
def test_verdict(refused: bool, seconds: float | None, same_machine: bool, ok: bool | None, words: str) -> None:
    note = Note(v=1, boot_id="", phase=Phase.FINISHED, refused=refused, seconds=seconds)
    outcome = between_machines._verdict(BEFORE_ME, BEHIND_ME, note, same_machine=same_machine)
    assert outcome.ok is ok
    assert outcome.detail.endswith(words)


def test_a_lock_that_is_refused_for_ever(tmp_path: Path, as_me: None) -> None:
    descriptor = kernel.open_lock(str(tmp_path / LOCK), os.O_RDWR | os.O_CREAT)
    assert kernel.take(descriptor, local=True)
    with (
        between_machines._Participant(str(tmp_path), 0.0) as me,
        between_machines._Lock(str(tmp_path), Kind.LOCAL, BEFORE_ME) as lock,
    ):
        assert between_machines._time_to_get(lock, me) is None
    kernel.close_lock(descriptor)


# Interrupted


@pytest.mark.parametrize("moment", ["waiting", "met", "holding"])
def test_interrupted_at_the_rendezvous(moment: str, tmp_path: Path, as_me: None) -> None:
    def say(said: str) -> None:
        if said.startswith(moment):
            raise KeyboardInterrupt

    write(tmp_path, BEHIND_ME)
    with pytest.raises(KeyboardInterrupt):
        meet(tmp_path, say)
    assert left_in(tmp_path) == [BEHIND_ME]


@pytest.mark.usefixtures("_interruptible")
def test_interrupted_from_the_keyboard(tmp_path: Path, start: Start) -> None:
    partner = start("m")
    partner.says("waiting")
    partner.process.send_signal(signal.SIGINT)
    assert partner.process.wait(TIMEOUT) == -signal.SIGINT
    assert left_in(tmp_path) == []
