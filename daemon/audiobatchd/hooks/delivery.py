"""The delivery of messages to one hook: one at a time, until each is taken or given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from audiobatchd.config.hooks import HookConfig
from audiobatchd.control.status import HookStatus
from audiobatchd.core.backoff import Backoff
from audiobatchd.errors import UsageError
from audiobatchd.hooks import command, signature
from audiobatchd.hooks.message import identity_of
from audiobatchd.hooks.outbox import Entry
from audiobatchd.hooks.waiting import Waiting
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.vocabulary.hook_events import HookEvent
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import HookState

MOST_TRIES = 20
"""Tries after which a message is given up: some ten hours after the first."""
_OF_MESSAGE, _OF_HOOK = Backoff(5.0, 3600.0), Backoff(1.0, 300.0)
"""Waits of a message that was not taken, with all about its folder; and of a hook that took none since, with all."""
_UNTIL_READ_AGAIN = 60.0
"""Seconds until a message that the outbox could not give is asked for again."""
_BETWEEN_FAILURES, _BETWEEN_LOSSES = 600.0, 60.0
"""Seconds between two log events that say that a hook fails, and that messages were dropped."""


@dataclass(frozen=True)
class Means:
    """What all deliveries share."""

    read: Callable[[int], Awaitable[bytes | None]]
    """Looks up the body of a message."""
    drop: Callable[[Collection[int]], None]
    """Removes messages from the outbox."""
    monotonic: Callable[[], float]


class Delivery:
    """One hook at work, in the event loop, from `start` to `stop`."""

    def __init__(self, name: str, config: HookConfig, means: Means) -> None:
        self.name = name
        self._config = config
        self._means = means
        self._waiting = Waiting()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_sending = self._is_ending = False
        self._failures = 0
        """Tries in vain since the last one that was not."""
        self._rest_until = 0.0
        """Moment until which nothing is tried."""
        self._delivered = self._failed = self._dropped = 0
        """Counts since the service started: messages that were taken, tries in vain, messages that are lost."""
        self._trouble = ""
        """Why the last try was in vain; empty where it was not."""
        self._failure_told: tuple[float, int] | None = None
        """Moment when it was last logged that the hook fails, and `_failed` then; None where it works."""
        self._loss_told: tuple[float, int] = (float("-inf"), 0)
        """The same of losses, and `_dropped`."""
        self._loss = ""
        """Why the last message was lost."""

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run())

    async def stop(self, patience: float) -> None:
        """Send nothing more; what is under way has `patience` seconds."""
        self._is_ending = True
        deadline = self._means.monotonic() + patience
        while self._is_sending and self._means.monotonic() < deadline:
            self._woken.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), deadline - self._means.monotonic())
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def change(self, config: HookConfig) -> None:
        """Go by another configuration from the next message on, and try what has failed at once."""
        self._config, self._rest_until, self._failures = config, 0.0, 0
        self._waiting.all_at_once()
        self._woken.set()

    def wants(self, event: HookEvent, dataset: str) -> bool:
        """Tell whether the hook is told of this event in this dataset."""
        return self._config.wants(event, dataset)

    def add(self, entry: Entry) -> None:
        """Put a message at the end of what is to be sent; where there is too much, the oldest is lost."""
        if dropped := self._waiting.add(entry):
            self._means.drop(dropped)
            self._lose(len(dropped), "too many messages wait for it, and the oldest were dropped")
        self._woken.set()

    def give_up_all(self) -> None:
        """Drop everything: the hook is no longer configured."""
        if numbers := self._waiting.numbers():
            self._means.drop(numbers)
            self._lose(len(numbers), "it is no longer configured", at_once=True)

    async def test(self, body: bytes) -> str:
        """Send one message that is in no outbox, once; why it was not taken, empty where it was."""
        return await self._send(body)

    def status(self) -> HookStatus:
        """Tell how the hook stands."""
        return HookStatus(
            name=self.name,
            kind="command" if self._config.command is not None else "url",
            target=shown(self._config.target),
            on=[each.value for each in self._config.on],
            datasets=[shown(each) for each in self._config.dataset],
            state=HookState.SENDING if self._is_sending else HookState.FAILING if self._trouble else HookState.IDLE,
            remark=self._trouble,
            waiting=len(self._waiting),
            waiting_bytes=self._waiting.bytes,
            next_in=self._next_in(),
            delivered=self._delivered,
            failures=self._failed,
            dropped=self._dropped,
        )

    def look_after(self) -> None:
        """Log the losses that were not logged yet; called every second or so."""
        moment, told = self._loss_told
        if self._dropped > told and self._means.monotonic() - moment >= _BETWEEN_LOSSES:
            self._tell_loss()

    # How

    def _next_in(self) -> float | None:
        """Seconds until something is tried again; None where nothing waits for that."""
        if not len(self._waiting) or self._is_sending or not self._trouble:
            return None
        moment = max(self._rest_until, self._waiting.next_moment() or 0.0)
        return round(max(0.0, moment - self._means.monotonic()), 1)

    async def _run(self) -> None:
        while not self._is_ending:
            self._woken.clear()
            now = self._means.monotonic()
            entry = self._waiting.take(now) if now >= self._rest_until else None
            if entry is not None:
                await self._deliver(entry)
                continue
            moments = [self._waiting.next_moment() or now, self._rest_until] if len(self._waiting) else []
            wait = max(moments) - now if moments else None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), wait if wait is None else max(0.05, wait))

    async def _deliver(self, entry: Entry) -> None:
        self._is_sending = True
        try:
            body = await self._means.read(entry.number)
            trouble = await self._send(body) if body else ""
        finally:
            self._is_sending = False
            self._woken.set()
        if body is None:  # which is no fault of the hook: other messages may be there
            self._waiting.later(entry, self._means.monotonic() + _UNTIL_READ_AGAIN)
        elif not body:
            self._gone(entry)
        elif not trouble:
            self._taken(entry)
        else:
            self._not_taken(entry, trouble)

    async def _send(self, body: bytes) -> str:
        """Send a message once, to where the configuration says; why that failed, empty where it did not."""
        config = self._config
        try:
            if config.command is not None:
                return await command.run(config.command, body, config.timeout)
            return await self._post(config, body)
        except Exception as error:  # noqa: BLE001  # told: a hook that breaks must not end what measures
            return f"{type(error).__name__} in the service"

    async def _post(self, config: HookConfig, body: bytes) -> str:
        from audiobatchd.hooks.post import post  # noqa: PLC0415  # loads aiohttp, which a pass without hooks spares

        secret = None
        if config.secret_file is not None:
            try:
                async with asyncio.timeout(config.timeout):
                    secret = await in_a_thread(partial(signature.secret_in, config.secret_file))
            except TimeoutError:
                return f"the disk of the secret {shown(config.secret_file)} does not answer"
            except (UsageError, RuntimeError) as error:  # RuntimeError: no thread is to be had
                return str(error)
        headers = signature.headers(secret, identity_of(body), int(time.time()), body)
        trouble, wait = await post(config.url or "", body, headers, config.timeout)
        if wait:
            self._rest_until = max(self._rest_until, self._means.monotonic() + wait)
        return trouble

    def _taken(self, entry: Entry) -> None:
        self._waiting.done(entry)
        self._means.drop([entry.number])
        self._delivered += 1
        self._failures, self._trouble = 0, ""
        if self._failure_told is not None:
            self._failure_told = None
            write(LogEvent.HOOK_WORKS, {"hook": self.name})

    def _gone(self, entry: Entry) -> None:
        """Take out a message that the outbox has no more, which is no fault of the hook."""
        self._waiting.done(entry)
        self._lose(1, "no longer in the outbox")

    def _not_taken(self, entry: Entry, trouble: str) -> None:
        now = self._means.monotonic()
        self._failed += 1
        self._trouble = trouble
        self._rest_until = max(self._rest_until, now + _OF_HOOK.wait(self._failures))
        self._failures += 1
        tries = self._waiting.tries(entry)
        if tries + 1 >= MOST_TRIES:
            self._waiting.done(entry)
            self._means.drop([entry.number])
            self._lose(1, f"given up after {MOST_TRIES} tries: {trouble}")
        else:
            self._waiting.failed(entry, now + _OF_MESSAGE.wait(tries))
        self._tell_failure(entry, now)

    def _tell_failure(self, entry: Entry, now: float) -> None:
        if self._failure_told is not None and now - self._failure_told[0] < _BETWEEN_FAILURES:
            return
        told = self._failure_told[1] if self._failure_told is not None else self._failed - 1
        self._failure_told = now, self._failed
        dataset, folder = entry.subject
        fields = {"hook": self.name, "dataset": dataset, "reason": self._trouble, "failures": self._failed - told}
        write(LogEvent.HOOK_FAILED, fields | ({"folder": folder or "."} if folder is not None else {}))

    def _lose(self, number: int, why: str, *, at_once: bool = False) -> None:
        self._dropped += number
        self._loss = why
        if at_once or self._means.monotonic() - self._loss_told[0] >= _BETWEEN_LOSSES:
            self._tell_loss()

    def _tell_loss(self) -> None:
        messages = self._dropped - self._loss_told[1]
        self._loss_told = self._means.monotonic(), self._dropped
        write(LogEvent.HOOK_DROPPED, {"hook": self.name, "messages": messages, "reason": self._loss})
