"""The one queue of events: order, threads, and what comes before the loop runs or after it has ended."""

from __future__ import annotations

import asyncio
import threading
import time

from audiobatchd.core.events import Event, Short
from audiobatchd.service.event_queue import EventQueue


def test_event_posted_before_the_loop_runs_is_kept() -> None:
    queue = EventQueue()
    queue.post(Short("early"))

    async def take() -> list[Event]:
        queue.open()
        return list(queue.taken())

    assert asyncio.run(take()) == [Short("early")]


def test_event_of_a_thread_ends_the_waiting() -> None:
    async def take() -> tuple[list[Event], float]:
        queue, started = EventQueue(), time.monotonic()
        queue.open()
        threading.Timer(0.05, queue.post, [Short("late")]).start()
        await queue.wait(30)
        return list(queue.taken()), time.monotonic() - started

    events, took = asyncio.run(take())
    assert events == [Short("late")]
    assert took < 20


def test_waiting_ends_without_an_event_when_time_is_up() -> None:
    async def take() -> list[Event]:
        queue = EventQueue()
        queue.open()
        await queue.wait(0.01)
        return list(queue.taken())

    assert asyncio.run(take()) == []


def test_event_that_comes_while_others_are_taken_stays() -> None:
    queue = EventQueue()
    queue.put(Short("1"))
    queue.put(Short("2"))
    seen = []
    for event in queue.taken():
        seen.append(event)
        queue.put(Short("more"))
    assert seen == [Short("1"), Short("2")]
    assert len(queue) == 2


def test_event_after_the_end_breaks_no_thread() -> None:
    queue = EventQueue()

    async def begin() -> None:
        queue.open()
        queue.close()

    asyncio.run(begin())
    queue.post(Short("too late"))
    assert len(queue) == 1


def test_event_taken_before_its_call_ends_no_waiting() -> None:
    async def take() -> float:
        queue = EventQueue()
        queue.open()
        thread = threading.Thread(target=queue.post, args=[Short("soon")])
        thread.start()
        thread.join()  # its call waits for the loop, which is held up here
        assert list(queue.taken()) == [Short("soon")]
        started = time.monotonic()
        await queue.wait(0.2)
        return time.monotonic() - started

    assert asyncio.run(take()) > 0.15


def test_waking_ends_the_waiting_without_an_event() -> None:
    async def take() -> float:
        queue, started = EventQueue(), time.monotonic()
        queue.wake()
        await queue.wait(30)
        return time.monotonic() - started

    assert asyncio.run(take()) < 20
