"""A pass's stay in a cluster: the connection to the scheduler, and which of the Dask workers there are used.

The scheduler is asked every second which workers it has. A new one is looked at (`preflight`) and used, one that is
gone has left. Where the scheduler itself is gone, all have, and it is looked for until it answers again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import dask
import msgspec
from distributed import Client, Security

from audiobatchd.cluster import local, place, preflight
from audiobatchd.cluster.client import PassClient
from audiobatchd.cluster.contact import Contact, refuse_open
from audiobatchd.cluster.pool import ANSWER, Host, RemotePool, ask
from audiobatchd.cluster.wire import CALLS, FACTS, Facts, Terms
from audiobatchd.core.backoff import Backoff
from audiobatchd.core.events import Event, StopAsked
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.exits import DaemonExit
from audiobatchd.vocabulary.log_events import LogEvent, write

_TIMEOUTS = {
    # Of a connection that does not answer (below 11 s Dask takes none), and of one that is being made; by default 30 s.
    "distributed.comm.timeouts.tcp": "15s",
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.retry.count": 0,
}
_LOOKS = 1.0
"""Seconds between two looks at which workers the scheduler has."""
_FIRST_PATIENCE, _PATIENCE = 60.0, 600.0
"""Seconds without any answer of the scheduler after which the pass ends: at its beginning, and later."""
_REFUSED = Backoff(5.0, 300.0)
"""The waits until a worker that was refused is looked at again."""
_FAREWELL = 5.0

_T = TypeVar("_T")


@dataclass
class _Refusal:
    """A Dask worker that is not used."""

    name: str
    """Name of its machine, or its address where that is not known."""
    reason: str
    until: float
    """Moment when it is looked at again."""
    times: int
    """Number of times before."""
    is_told: bool
    """True where the reason was told: not before it shows that the worker is there, and not only on its way out."""


class Session:
    """One pass's stay in a cluster. `datasets` are the directories that all its machines have to share."""

    def __init__(self, contact: Contact, datasets: Sequence[str]) -> None:
        self._contact = contact
        self._datasets = datasets
        self._settings = WorkerSettings()
        self._post: Callable[[Event], None] = lambda _: None
        self._pool = RemotePool(self._post, self._refuse)
        self._joining: dict[str, asyncio.Task[None]] = {}
        """What looks at Dask workers that are new, by their address."""
        self._calling: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, _Refusal] = {}
        self._differing: set[tuple[str, str]] = set()
        """The hosts that were told to differ, and in what."""
        self._trouble: UsageError | OSError | None = None
        """Reason why this cluster cannot be used at all, or any longer."""

    def workers(self, settings: WorkerSettings, post: Callable[[Event], None]) -> RemotePool:
        """Make the pool of workers for a supervisor."""
        self._settings, self._post = settings, post
        self._pool = RemotePool(post, self._refuse)
        return self._pool

    async def serve(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Stay in the cluster while `work` is done.

        Raises UsageError where it cannot be used, OSError where its scheduler does not answer for long.
        """
        dask.config.set(_TIMEOUTS)
        _be_quiet()
        async with contextlib.AsyncExitStack() as stack:
            if self._contact.local:
                try:
                    self._contact = await stack.enter_async_context(local.cluster(self._contact.local))
                except BaseException:
                    work.close()
                    raise
            stay = asyncio.create_task(self._stay())
            try:
                result = await work
            finally:
                stay.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await stay
        if self._trouble is not None:
            raise self._trouble
        return result

    # The connection

    async def _stay(self) -> None:
        """Look for the scheduler, and stay with it, again and again."""
        patience, since, told = _FIRST_PATIENCE, time.monotonic(), False
        try:
            while True:
                address, reason = "", ""
                try:
                    address = await asyncio.to_thread(self._contact.found)
                    async with self._connected(address) as client:
                        if told:
                            write(LogEvent.CLUSTER_FOUND, {"scheduler": address})
                        reason = await self._stay_with(client)
                        patience, since, told = _PATIENCE, time.monotonic(), True
                        write(LogEvent.CLUSTER_LOST, {"scheduler": address, "reason": reason})
                except OSError as error:
                    _raise_distrust(error, address)
                    reason = _in_words(error)
                if not told:
                    write(LogEvent.CLUSTER_LOST, {"scheduler": address or str(self._contact.file), "reason": reason})
                    told = True
                if time.monotonic() - since > patience:
                    message = f"cannot reach the scheduler {address or self._contact.file}: {reason}"
                    self._give_up(OSError(message))
                    return
                await asyncio.sleep(_LOOKS)
        except UsageError as error:
            self._give_up(error)
        except Exception as error:  # noqa: BLE001  # a task's exception is lost unless told
            write(LogEvent.HELPER_BROKE, error=error)
            self._post(StopAsked(DaemonExit.BROKEN, at_once=True))

    def _give_up(self, trouble: UsageError | OSError) -> None:
        self._trouble = trouble
        self._post(StopAsked(DaemonExit.TROUBLE, at_once=True))

    @contextlib.asynccontextmanager
    async def _connected(self, address: str) -> Any:  # noqa: ANN401  # an iterator of one client
        needs = {"require_encryption": True} if address.startswith("tls:") else {}
        client = PassClient(
            address, asynchronous=True, security=Security(**self._contact.tls(), **needs), set_as_default=False
        )
        try:
            await client
            client.subscribe_topic(self._pool.pass_id, lambda event: self._hear(client, event))
            yield client
        finally:
            await self._take_leave(client)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), _FAREWELL)

    async def _take_leave(self, client: Client) -> None:
        """Leave all hosts."""
        tasks = [*self._joining.values(), *self._calling.values()]
        for task in tasks:
            task.cancel()
        self._joining.clear()
        self._calling.clear()
        hosts = list(self._pool.hosts.values())
        for host in hosts:
            self._pool.leave(host, "the scheduler does not answer")
        if client.status == "running":
            asked = (ask(client, host.address, place.remove, self._pool.pass_id) for host in hosts)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_FAREWELL):
                    await asyncio.gather(*asked, return_exceptions=True)

    async def _stay_with(self, client: PassClient) -> str:
        """Use the workers that the scheduler has, until it answers no more; why it does not.

        Dask's client connects again by itself, and then hears no events any more: another one has to take its place.
        """
        connection = client.scheduler_comm
        while True:
            try:
                async with asyncio.timeout(ANSWER):
                    there = (await _scheduler_of(client).identity())["workers"]
            except (OSError, TimeoutError) as error:
                return _in_words(error)
            if client.status != "running" or client.scheduler_comm is not connection:
                return "the connection is lost"
            for address, host in list(self._pool.hosts.items()):
                if address not in there:
                    self._part(host, "its Dask worker is gone")
            self._refused = {address: each for address, each in self._refused.items() if address in there}
            self._tell_refusals()
            for address, known in there.items():
                if self._is_new(address) and known["status"] == "running":
                    self._joining[address] = asyncio.create_task(self._join(client, address))
            await asyncio.sleep(_LOOKS)

    # The hosts

    def _is_new(self, address: str) -> bool:
        refusal = self._refused.get(address)
        waits = refusal is not None and time.monotonic() < refusal.until
        return not (waits or address in self._pool.hosts or address in self._joining)

    async def _join(self, client: PassClient, address: str) -> None:
        """Look at a Dask worker, and use it."""
        try:
            if str(_scheduler_of(client).address).startswith("tls:"):
                refuse_open(address)
            facts = await self._look_at(client, address)
        except Exception as error:  # noqa: BLE001  # whatever comes of it there, or on the way
            self._not_used(address, address, _in_words(error))
            return
        finally:
            self._joining.pop(address, None)
        host = Host(client, address, facts.host)
        here = preflight.versions()
        if facts.versions["audiobatchd"] != here["audiobatchd"]:
            other = facts.versions["audiobatchd"]
            self._not_used(address, facts.host, f"it has audiobatchd {other}, and this machine {here['audiobatchd']}")
            return
        differences = preflight.differences(here, facts.versions)
        if differences and (facts.host, differences) not in self._differing:
            self._differing.add((facts.host, differences))
            write(LogEvent.HOST_DIFFERS, {"host": facts.host, "differences": differences})
        self._pool.join(host, facts.places)
        self._calling[address] = asyncio.create_task(self._call(host))

    async def _look_at(self, client: PassClient, address: str) -> Facts:
        with contextlib.ExitStack() as stack:
            signs = await asyncio.to_thread(stack.enter_context, preflight.signs(self._datasets))
            try:
                terms = msgspec.msgpack.encode(Terms(self._pool.pass_id, signs, self._settings))
                return FACTS.decode(await ask(client, address, place.prepare, terms))
            finally:
                await asyncio.to_thread(stack.close)

    async def _call(self, host: Host) -> None:
        """Call at a host's place again and again: it knows by that that the pass is there."""
        while True:
            await asyncio.sleep(CALLS)
            try:
                answer = await ask(host.client, host.address, place.call, self._pool.pass_id)
                if not answer:
                    self._part(host, "its Dask worker was started again")
                    return
                self._pool.measured(host, answer)
            except Exception as error:  # noqa: BLE001  # whatever comes of it there, or on the way
                self._refuse(host, f"it does not answer: {_in_words(error)}")
                return

    def _hear(self, client: Client, event: tuple[float, dict[str, Any]]) -> None:
        """Take in one of Dask's events."""
        told = event[1]
        host = self._pool.hosts.get(told.get("from", ""))
        if host is None or host.client is not client:
            return
        try:
            self._pool.hear(host, told.get("told", b""))
        except (msgspec.MsgspecError, TypeError) as error:
            self._refuse(host, f"it sent no message: {error}")

    def _part(self, host: Host, reason: str) -> None:
        if (calls := self._calling.pop(host.address, None)) is not None and calls is not asyncio.current_task():
            calls.cancel()
        self._pool.leave(host, reason)

    def _refuse(self, host: Host, reason: str) -> None:
        """Use a host no more that is there and does not do what it should; it is looked at again later."""
        if self._pool.hosts.get(host.address) is host:
            self._part(host, reason)
            self._not_used(host.address, host.name, reason)

    def _not_used(self, address: str, name: str, reason: str) -> None:
        before = self._refused.get(address)
        times, is_told = (before.times + 1, before.is_told and before.reason == reason) if before else (0, False)
        self._refused[address] = _Refusal(name, reason, time.monotonic() + _REFUSED.wait(times), times, is_told)

    def _tell_refusals(self) -> None:
        for each in self._refused.values():
            if not each.is_told:
                each.is_told = True
                write(LogEvent.HOST_REFUSED, {"host": each.name, "reason": each.reason})


def _scheduler_of(client: Client) -> Any:  # noqa: ANN401  # Dask's, which answers anything
    return client.scheduler


def _raise_distrust(error: BaseException, address: str) -> None:
    """Raise UsageError where a connection failed because one end does not trust the other's certificate."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            message = f"cannot trust the scheduler {address}: {cause.verify_message}"
            raise UsageError(message) from error
        cause = cause.__cause__ or cause.__context__


def _in_words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _be_quiet() -> None:
    """Keep what Dask would write to the terminal, where the pass draws; what matters of it is told as events."""
    log = logging.getLogger("distributed")
    log.handlers, log.propagate = [logging.NullHandler()], False
