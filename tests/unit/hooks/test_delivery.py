"""The delivery to one hook, with a real server that breaks in every way and comes back: all of it, in order."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TypeVar

import pytest

from audiobatchd.config.hooks import HookConfig
from audiobatchd.core.backoff import Backoff
from audiobatchd.hooks import command, delivery
from audiobatchd.hooks.delivery import Delivery, Means
from audiobatchd.hooks.outbox import Entry
from audiobatchd.hooks.waiting import Waiting
from audiobatchd.vocabulary.hook_events import HookEvent
from audiobatchd.vocabulary.states import HookState
from support.hook_rig import CLOSE, STALL, HookServer, answer, serving, until

_T = TypeVar("_T")
DONE = (HookEvent.FOLDER_DONE,)


class Box:
    """An outbox in memory."""

    def __init__(self) -> None:
        self.bodies: dict[int, bytes] = {}
        self.dropped: list[int] = []

    async def read(self, number: int) -> bytes | None:
        return self.bodies.get(number)

    def drop(self, numbers: Collection[int]) -> None:
        self.dropped += numbers

    def means(self) -> Means:
        return Means(self.read, self.drop, asyncio.get_running_loop().time)

    def entry(self, number: int, folder: str) -> Entry:
        self.bodies[number] = json.dumps({"id": str(number), "event": "folder-done", "time": ""}).encode()
        return Entry(number, "mail", ("/music", folder), len(self.bodies[number]))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be waited for that only spares others."""
    monkeypatch.setattr(delivery, "_OF_MESSAGE", Backoff(0.05, 0.05))
    monkeypatch.setattr(delivery, "_OF_HOOK", Backoff(0.0, 0.0))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    made = tmp_path / "secret"
    made.write_text("correct horse battery staple")
    made.chmod(0o600)
    return made


def delivered(
    config: Callable[[HookServer], HookConfig],
    check: Callable[[HookServer, Delivery, Box], Awaitable[_T]],
    *told: bytes,
) -> _T:
    """Run a delivery to a server that answers so."""

    async def work() -> _T:
        box = Box()
        async with serving(*told) as server:
            made = Delivery("mail", config(server), box.means())
            made.start()
            try:
                return await check(server, made, box)
            finally:
                await made.stop(0.0)

    return asyncio.run(work())


def test_through_all_that_breaks_each_folder_keeps_its_order(secret: Path) -> None:
    key = secret.read_bytes()
    broken = [answer(500), CLOSE, b"garbage\r\n\r\n", answer(302, b"", "Location: /"), STALL, answer(429)]

    async def check(server: HookServer, made: Delivery, box: Box) -> None:
        for number in range(8):
            made.add(box.entry(number, "ab"[number % 2]))
        await until(lambda: made.status().delivered == 8)
        ids = [int(each.headers["idempotency-key"]) for each in server.received]
        for folder in (0, 1):
            told = [each for each in ids if each % 2 == folder]
            assert told == sorted(told), "each again until it is taken, and only then the next"
        assert set(ids) == set(range(8))
        assert len(ids) == 8 + len(broken)
        for each in server.received:
            signed = f"{each.headers['webhook-id']}.{each.headers['webhook-timestamp']}.".encode() + each.body
            digest = hmac.new(key, signed, hashlib.sha256).digest()
            assert each.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
        assert sorted(box.dropped) == list(range(8))
        assert (made.status().failures, made.status().state, made.status().remark) == (6, HookState.IDLE, "")

    delivered(
        lambda server: HookConfig(DONE, url=server.url, secret_file=str(secret), timeout=0.5), check, *broken
    )  # fmt: skip


def test_a_server_that_wants_none_for_a_while_is_left_alone() -> None:
    async def check(server: HookServer, made: Delivery, box: Box) -> None:
        made.add(box.entry(1, "a"))
        await server.requests(1)
        await until(lambda: made.status().remark)
        made.add(box.entry(2, "b"))
        status = made.status()
        assert (status.state, status.waiting, status.remark) == (
            HookState.FAILING,
            2,
            "the answer is 429 (Too Many Requests)",
        )
        assert status.next_in is not None
        assert 3000 < status.next_in <= 3600
        assert len(server.received) == 1
        made.change(HookConfig(DONE, url=server.url))
        await server.requests(3)  # another configuration is tried at once

    delivered(lambda server: HookConfig(DONE, url=server.url), check, answer(429, b"later", "Retry-After: 99999"))


def test_after_the_last_try_the_folder_s_next_message_comes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery, "MOST_TRIES", 3)
    caplog.set_level(logging.INFO)

    async def check(server: HookServer, made: Delivery, box: Box) -> None:
        made.add(box.entry(1, "a"))
        made.add(box.entry(2, "a"))
        await until(lambda: made.status().delivered)
        assert [each.headers["webhook-id"] for each in server.received] == ["1", "1", "1", "2"]
        assert (made.status().dropped, made.status().waiting) == (1, 0)

    delivered(lambda server: HookConfig(DONE, url=server.url), check, answer(500), answer(500), answer(500))
    told = [record.getMessage() for record in caplog.records if record.name == "audiobatchd"]
    assert told == ["hook-failed", "hook-dropped", "hook-works"], "each once, however often it is tried"


def test_a_secret_that_others_may_read_sends_nothing(secret: Path) -> None:
    secret.chmod(0o644)

    async def check(server: HookServer, made: Delivery, box: Box) -> None:
        made.add(box.entry(1, "a"))
        await until(lambda: made.status().remark)
        assert "chmod 0640" in made.status().remark
        assert server.received == []
        secret.chmod(0o640)  # noqa: ASYNC240  # nothing else is to go on meanwhile
        await server.requests(1)

    delivered(lambda server: HookConfig(DONE, url=server.url, secret_file=str(secret)), check)


def test_of_a_url_only_the_machine_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def check(server: HookServer, made: Delivery, box: Box) -> None:
        made.add(box.entry(1, "a"))
        await until(lambda: made.status().remark)
        assert made.status().target == f"http://127.0.0.1:{server.port}"
        assert "secret" not in repr(made.status())

    delivered(lambda server: HookConfig(DONE, url=server.url), check, answer(500))
    assert "secret" not in repr([getattr(record, "fields", "") for record in caplog.records])


def test_what_is_dropped_is_counted_and_told_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0

    async def work() -> None:
        nonlocal now
        box = Box()
        made = Delivery("mail", HookConfig(DONE, command=("true",)), Means(box.read, box.drop, lambda: now))
        made._waiting = Waiting(most=2)
        for number in range(5):
            made.add(box.entry(number, "a"))
        made.look_after()
        assert [told(record) for record in caplog.records] == [1]
        now = 61.0
        made.look_after()
        assert [told(record) for record in caplog.records] == [1, 2]
        assert (box.dropped, made.status().dropped) == ([0, 1, 2], 3)

    def told(record: logging.LogRecord) -> object:
        assert record.getMessage() == "hook-dropped"
        return record.__dict__["fields"]["messages"]

    asyncio.run(work())


def test_a_hook_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    async def work() -> None:
        box = Box()
        means = box.means()
        slow = Delivery("slow", HookConfig(DONE, command=("sleep", "600")), means)
        quick = Delivery("quick", HookConfig(DONE, command=("true",)), means)
        for each in (slow, quick):
            each.start()
            each.add(box.entry(1, "a"))
        await until(lambda: quick.status().delivered)
        assert slow.status().state is HookState.SENDING
        await asyncio.gather(slow.stop(0.0), quick.stop(0.0))

    asyncio.run(work())


def test_what_breaks_in_the_service_is_a_try_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", None)

    async def work() -> str:
        box = Box()
        return await Delivery("mail", HookConfig(DONE, command=("true",)), box.means()).test(b"{}")

    assert asyncio.run(work()) == "TypeError in the service"


def test_an_outbox_that_cannot_be_read_is_no_fault_of_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_UNTIL_READ_AGAIN", 0.05)

    async def check(server: HookServer, made: Delivery, box: Box) -> None:
        unread = box.entry(1, "a")
        body = box.bodies.pop(1)
        for each in (unread, box.entry(2, "a"), box.entry(3, "b")):
            made.add(each)
        await until(lambda: made.status().delivered == 1)
        status = made.status()
        assert (status.state, status.remark, status.failures, status.waiting) == (HookState.IDLE, "", 0, 2)
        box.bodies[1] = body
        await server.requests(3)
        assert [each.headers["idempotency-key"] for each in server.received] == ["3", "1", "2"]

    delivered(lambda server: HookConfig(DONE, url=server.url), check)
