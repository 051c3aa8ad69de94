"""Ctrl-C at every step while a lock is taken, a record published, and the lock given back; `support.ctrl_c` does it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from audiobatchd import FileLock
from audiobatchd.disk import interrupts
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import folder_lock
from support.service import leftovers

pytestmark = pytest.mark.usefixtures("_interruptible")

TESTS = str(Path(__file__).parents[2])
PROGRAM = "from support.ctrl_c import main; main()"


@pytest.mark.parametrize("work", ["hold", "save", "save_under_a_lock", "acquire"])
def test_no_lock_and_no_temporary_file_stays(song: Path, work: str) -> None:
    command = [sys.executable, "-c", PROGRAM, work, str(song)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": TESTS})
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 100, "steps"


def test_a_signal_whose_handler_raises_leaves_none_either(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> NoReturn:
        sys.exit(1)

    before = signal.signal(signal.SIGTERM, end)
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(SystemExit):
            FileLock(song).acquire()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert leftovers(song.parent) == []


# The end of a script


def test_interrupt_while_giving_all_back_leaves_no_lock(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = song.with_name("Other")
    other.mkdir()
    locks = [FileLock(folder) for folder in (song, other)]
    assert all(lock.acquire() for lock in locks)
    give_back = folder_lock.give_back

    def interrupted_give_back(path: str, descriptor: int, kind: Kind) -> None:
        signal.raise_signal(signal.SIGINT)
        give_back(path, descriptor, kind)

    monkeypatch.setattr(folder_lock, "give_back", interrupted_give_back)
    with pytest.raises(KeyboardInterrupt):
        folder_lock._give_back_all()
    assert leftovers(song.parent) == []


def test_a_thread_keeps_what_it_has(song: Path) -> None:
    lock = FileLock(song)
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    folder_lock._give_back_all()
    assert lock.acquired
    lock.release()


def test_lock_is_given_back_when_the_script_ends(song: Path) -> None:
    program = (
        "import os, signal, sys; from audiobatchd import FileLock; lock = FileLock(sys.argv[1]); lock.acquire();"
        "print(*os.listdir(sys.argv[2]), flush=True); signal.raise_signal(signal.SIGINT)"
    )
    command = [sys.executable, "-c", program, str(song), str(song.parent)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGINT, ended.stderr
    assert sorted(ended.stdout.split()) == ["Song", "Song.lock"]
    assert leftovers(song.parent) == []


# What waits


def test_interrupt_comes_at_the_end_and_only_once() -> None:
    done = []

    def work() -> None:
        with interrupts.held_back():
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
            done.append("all")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["all"]


def test_the_third_does_not_wait() -> None:
    done = []

    def work() -> None:
        with interrupts.held_back():
            for number in range(4):
                done.append(number)
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [0, 1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_raising_handler_keeps_no_interrupt_back_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    real, handlers = signal.signal, []

    def set_handler(number: int, handler: signal._HANDLER) -> object:
        handlers.append(handler)
        if len(handlers) == 2:
            raise TimeoutError
        return real(number, handler)

    def work() -> None:
        with interrupts.held_back():
            pass

    monkeypatch.setattr(signal, "signal", set_handler)
    with pytest.raises(TimeoutError):
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_child_of_another_threads_fork_can_be_interrupted() -> None:
    program = """
import os, signal, threading
from audiobatchd.disk import interrupts
def fork():
    if (pid := os.fork()) == 0:
        os._exit(signal.getsignal(signal.SIGINT) is not signal.default_int_handler)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
with interrupts.held_back():
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "0\n"


def test_nested_holding_back_waits_for_the_end_of_both() -> None:
    done = []

    def work() -> None:
        with interrupts.held_back():
            with interrupts.held_back():
                signal.raise_signal(signal.SIGINT)
            done.append("the inner one")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the inner one"]


@pytest.mark.parametrize("how", [signal.SIG_IGN, signal.SIG_DFL])
def test_signal_without_a_python_handler_is_left_alone(how: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, how)
    with interrupts.held_back():
        assert signal.getsignal(signal.SIGINT) is how


def test_threads_have_no_handlers_to_hold_back() -> None:
    seen = []

    def work() -> None:
        with interrupts.held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
