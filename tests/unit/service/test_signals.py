"""What signals come to, sent to this process itself while a loop runs in it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from audiobatchd.core.events import Event, StopAsked
from audiobatchd.disk import interrupts
from audiobatchd.service.signals import Signals


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Put all handlers back; SIGHUP is not ignored, as it is under nohup(1)."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def heard(*numbers: signal.Signals, once: bool = False, works: bool = True) -> list[Event | str]:
    """Send these signals, and return what came of them."""
    came: list[Event | str] = []

    async def send() -> None:
        Signals(came.append, lambda: came.append("reload"), lambda: works, once=once).catch()
        for number in numbers:
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
            await asyncio.sleep(0.01)

    asyncio.run(send())
    return came


@pytest.mark.parametrize(("once", "code"), [(False, 0), (True, 130)])
def test_sigterm_drains_and_only_a_pass_has_failed(*, once: bool, code: int) -> None:
    assert heard(signal.SIGTERM, once=once) == [StopAsked(code)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_keyboard_s_signals_interrupt(number: signal.Signals) -> None:
    assert heard(number) == [StopAsked(130)]


def test_sigabrt_ends_at_once() -> None:
    assert heard(signal.SIGABRT) == [StopAsked(134, at_once=True)]


def test_sighup_reloads_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "has_terminal", lambda: False)
    assert heard(signal.SIGHUP, signal.SIGHUP) == ["reload", "reload"]


def test_hang_ups_that_came_during_the_start_are_one_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "has_terminal", lambda: False)
    interrupts.keep_hang_up()
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    assert heard() == ["reload"]
    assert heard() == [], "told once"


def test_ignored_hang_up_is_not_kept() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts.keep_hang_up()
    assert interrupts.hang_up_is_ignored()


def test_second_hang_up_ends_nothing_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "has_terminal", lambda: True)
    assert heard(signal.SIGHUP, signal.SIGHUP) == [StopAsked(0)]
    assert heard(signal.SIGHUP, once=True) == [StopAsked(130)]


def test_hang_up_after_a_stop_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "has_terminal", lambda: True)
    assert heard(signal.SIGHUP, works=False) == []


def test_ignored_hang_up_of_a_pass_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert heard(signal.SIGHUP, once=True) == []
