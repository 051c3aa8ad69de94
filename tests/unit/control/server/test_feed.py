"""The ring of events: numbered without a gap, bounded, and told to those who wait in any loop."""

from __future__ import annotations

import asyncio
import json
import logging
import threading

from audiobatchd.control.server.feed import KEPT, Feed


def event(name: str, **fields: object) -> logging.LogRecord:
    """A log event as the service makes one."""
    record = logging.LogRecord("audiobatchd", logging.WARNING, "", 1, name, (), None)
    record.fields = fields
    return record


def test_numbers_go_on_without_a_gap() -> None:
    feed = Feed()
    assert (feed.latest, feed.since(0)) == (0, [])
    for number in range(3):
        feed.handle(event(f"event-{number}"))
    assert feed.latest == 3
    assert [(each.number, each.event.event) for each in feed.since(1)] == [(2, "event-1"), (3, "event-2")]


def test_only_the_last_events_are_kept() -> None:
    feed = Feed()
    for number in range(KEPT + 5):
        feed.handle(event(f"event-{number}"))
    kept = feed.since(0)
    assert (len(kept), kept[0].number, kept[-1].number) == (KEPT, 6, KEPT + 5)


def test_threads_get_a_number_each() -> None:
    feed = Feed()
    threads = [
        threading.Thread(target=lambda: [feed.handle(event("event")) for _ in range(100)]) for _ in range(4)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.number for each in feed.since(0)] == list(range(1, 401))


def test_event_is_server_sent_with_numbers_as_numbers() -> None:
    feed = Feed()
    feed.handle(event("folder-done", folder="A\n- B", lufs=-14.2, whole=True, mood={"film": 0.5}, path=object))
    identity, name, data, *end = feed.since(0)[0].as_sse().decode().split("\n")
    assert (identity, name, end) == ("id: 1", "event: folder-done", ["", ""])
    told = json.loads(data.removeprefix("data: "))
    assert told["level"] == "warning"
    assert told["fields"]["folder"] == r"A\x0a- B"
    assert [told["fields"][key] for key in ("lufs", "whole", "mood")] == [-14.2, True, {"film": 0.5}]
    assert isinstance(told["fields"]["path"], str)


def test_followers_wake_from_another_thread_until_they_leave() -> None:
    feed = Feed()

    async def follow() -> None:
        with feed.following() as woken:
            threading.Thread(target=feed.handle, args=(event("event"),)).start()
            await asyncio.wait_for(woken.wait(), 20)
        assert not feed._followers

    asyncio.run(follow())
    feed.handle(event("after"))
    assert feed.latest == 2


def test_follower_in_a_closed_loop_hinders_no_event() -> None:
    feed, loop = Feed(), asyncio.new_event_loop()
    feed._followers.add((loop, asyncio.Event()))
    loop.close()
    feed.handle(event("event"))
    assert feed.latest == 1
