"""Interrupts that are held back until a step is done."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from audiobatchd.disk import interrupts

pytestmark = pytest.mark.usefixtures("_interruptible")


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
