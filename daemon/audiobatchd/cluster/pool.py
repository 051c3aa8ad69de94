"""The pool of workers on the machines of a cluster, behind the same contract as the pool of this machine's own.

A slot is a place in a Dask worker. What the core wants done in it goes there by Dask, and what happens to the worker
there comes back as the same events. Where a Dask worker is gone, its slots are: `PlaceLeft`.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from distributed import Client

from audiobatchd.cluster import place, preflight
from audiobatchd.cluster.client import KEYS, PassClient
from audiobatchd.cluster.wire import MEASURED, TOLD, Ended, Said
from audiobatchd.core.assessment import Offer
from audiobatchd.core.events import Event, PlaceJoined, PlaceLeft, WorkerExited, WorkerSaid
from audiobatchd.core.messages import Job, Ready, Result, Stop, ToWorker, WorkerSettings, decode_from_worker, encode

ANSWER = 20.0
"""Seconds in which a Dask worker has to answer: connections that are dead are known as such before."""
_ATTEMPTS = 3
"""Starts of workers that may come to nothing in a row until a host is not used."""
_NEWS = 10.0
"""Seconds within which the end of a worker is told, after its task has ended without a result."""


@dataclass(eq=False)
class Host:
    """A Dask worker that is used."""

    client: PassClient
    """The connection by which it was found."""
    address: str
    """Its address in Dask."""
    name: str
    """Name of its machine."""
    slots: tuple[int, ...] = ()
    """The slots that its places have, in their order there."""
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is asked for something: the start of a worker is not to be overtaken by its end."""


@dataclass(eq=False)
class _Worker:
    """A slot's worker, or the place for one."""

    host: Host
    there: int
    """Number of the place at the host."""
    number: int = 0
    """Number by which events name the worker; 0 where there is none."""
    has_loaded: bool = False
    """True where it has told what its analyzers offer."""
    failures: int = 0
    """Number of workers in a row that ended there before they had loaded."""
    jobs: int = 0
    """Number of jobs that were sent to the workers of this place."""
    task: asyncio.Task[None] | None = None
    """Waits for the end of the job that it is at."""
    resident: int = 0
    asleep: float = 0.0


class RemotePool:
    """All workers of one pass. Everything that happens to them is handed to `post`, in the event loop.

    `refuse` is told of a host that does not do what it should, and why.
    """

    def __init__(self, post: Callable[[Event], None], refuse: Callable[[Host, str], None]) -> None:
        self.pass_id = f"audiobatchd-{secrets.token_hex(4)}"
        """Name of the pass in the cluster."""
        self.hosts: dict[str, Host] = {}
        """The hosts, by address."""
        self._post = post
        self._refuse = refuse
        self._workers: dict[int, _Worker] = {}
        self._numbers = itertools.count(1)
        self._offers: tuple[Offer, ...] | None = None
        """Offers of the analyzers in the workers that load now."""
        self._tasks: set[asyncio.Task[None]] = set()

    # What the supervisor asks of its workers, see there

    def replan(self, settings: WorkerSettings) -> None:
        """See `supervisor.Workers`; a pass reads no configuration again."""

    def pids(self) -> list[int]:
        """See `supervisor.Workers`: none is of this machine."""
        return []

    def owns(self, pid: int) -> bool:  # noqa: ARG002  # see below
        """See `supervisor.Workers`: none is of this machine."""
        return False

    def resident(self) -> dict[int, int]:
        """See `supervisor.Workers`; as last told."""
        return {worker.number: worker.resident for worker in self._workers.values() if worker.resident}

    def asleep(self, now: float) -> dict[int, float]:  # noqa: ARG002  # measured where they are
        """See `supervisor.Workers`; as last told."""
        return {worker.number: worker.asleep for worker in self._workers.values() if worker.number}

    def spawn(self, slot: int) -> int:
        """See `supervisor.Workers`. What keeps it from starting comes later, as its end."""
        number = next(self._numbers)
        if worker := self._workers.get(slot):
            self._workers[slot] = replace(worker, number=number, has_loaded=False, task=None, resident=0, asleep=0.0)
            self._start(self._spawn(slot, self._workers[slot]))
        return number

    def send(self, slot: int, message: ToWorker) -> None:
        """See `supervisor.Workers`."""
        worker = self._workers.get(slot)
        if worker is None:
            return
        if isinstance(message, Job):
            worker.task = self._start(self._measure(slot, worker, message))
        elif isinstance(message, Stop):
            self._start(self._ask(worker, place.stop, worker.there))

    def kill(self, slot: int) -> None:
        """See `supervisor.Workers`."""
        if worker := self._workers.get(slot):
            self._start(self._ask(worker, place.kill, worker.there, worker.number))

    # What the session tells

    def join(self, host: Host, places: int) -> None:
        """Take in a host that is ready to be used."""
        free = (slot for slot in itertools.count() if slot not in self._workers)
        host.slots = tuple(itertools.islice(free, places))
        self.hosts[host.address] = host
        for there, slot in enumerate(host.slots):
            self._workers[slot] = _Worker(host, there)
            self._post(PlaceJoined(slot, host.name))

    def leave(self, host: Host, reason: str) -> None:
        """Take in that a host is gone, or is used no more."""
        if self.hosts.get(host.address) is not host:
            return
        del self.hosts[host.address]
        for slot in host.slots:
            worker = self._workers.pop(slot)
            if worker.task is not None:
                worker.task.cancel()
            self._post(PlaceLeft(slot, reason))

    def hear(self, host: Host, packet: bytes) -> None:
        """Take in what a place tells. Raises msgspec.MsgspecError where that is no message."""
        told = TOLD.decode(packet)
        if not 0 <= told.event.slot < len(host.slots):
            return
        slot = host.slots[told.event.slot]
        worker = self._workers[slot]
        if worker.number != told.event.pid:
            return  # of one before
        if isinstance(told, Said) and isinstance(told.event.message, Ready):
            if unlike := self._unlike(told.event.message.offers, host):
                self._refuse(host, unlike)
                return
            self._offers, worker.has_loaded, worker.failures = told.event.message.offers, True, 0
        self._post(replace(told.event, slot=slot))
        if isinstance(told, Ended):
            worker.failures += not worker.has_loaded
            worker.has_loaded = False
            if worker.failures >= _ATTEMPTS:
                self._refuse(host, f"no worker can start there: {told.event.how}")

    def measured(self, host: Host, packet: bytes) -> None:
        """Take in the answer to a call. Raises msgspec.MsgspecError where that is none."""
        answer = MEASURED.decode(packet)
        for slot in host.slots:
            worker = self._workers[slot]
            worker.resident = answer.resident.get(worker.number, 0)
            worker.asleep = answer.asleep.get(worker.number, 0.0)

    def _unlike(self, offers: tuple[Offer, ...], host: Host) -> str:
        """Say in what the analyzers of a host differ from those of the others; empty where they do not."""
        others = any(worker.has_loaded and worker.host is not host for worker in self._workers.values())
        if self._offers is None or not others:
            return ""
        told = preflight.differences(_essence(self._offers), _essence(offers), "elsewhere {}")
        return f"its analyzers are not those of the other machines: {told}" if told else ""

    # How

    async def _spawn(self, slot: int, worker: _Worker) -> None:
        trouble = await self._ask(worker, place.spawn, worker.there, worker.number)
        if trouble:
            self._post(WorkerExited(slot, worker.number, f"cannot start a process: {trouble}"))

    async def _measure(self, slot: int, worker: _Worker, job: Job) -> None:
        """Have a task of Dask's measure a folder, there and nowhere else."""
        worker.jobs += 1
        key: place.Key = (self.pass_id, worker.number, worker.jobs % KEYS)
        host = worker.host
        try:
            answer = await host.client.work(host.address, place.measure, key, worker.there, encode(job), key=key)
            if answer:
                self._hear_result(slot, worker, answer)
                return
            await asyncio.sleep(_NEWS)
            if self._workers.get(slot) is worker:
                self._refuse(host, "it told nothing of the end of a worker")
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever Dask raises: the host cannot be relied upon
            if self._workers.get(slot) is worker:
                self._refuse(host, f"Dask gave up a job there: {type(error).__name__}")

    def _hear_result(self, slot: int, worker: _Worker, answer: bytes) -> None:
        try:
            result = decode_from_worker(answer)
        except msgspec.MsgspecError as error:
            self._refuse(worker.host, f"it sent no result: {error}")
            return
        if isinstance(result, Result) and self._workers.get(slot) is worker:
            # Where the dataset leads to there need not be the way that it has here.
            told = msgspec.structs.replace(result, place=b"")
            self._post(WorkerSaid(slot, worker.number, told))

    async def _ask(self, worker: _Worker, what: Callable[..., Coroutine[Any, Any, Any]], *arguments: int) -> Any:  # noqa: ANN401  # whatever it answers
        """Have a host do something; one that does not is not used any more."""
        host = worker.host
        try:
            async with host.order:
                return await ask(host.client, host.address, what, self.pass_id, *arguments)
        except Exception as error:  # noqa: BLE001  # whatever comes of it there, or on the way
            self._refuse(host, f"it does not answer: {error or type(error).__name__}")
        return ""

    def _start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def ask(client: Client, address: str, what: Callable[..., Coroutine[Any, Any, Any]], *arguments: object) -> Any:  # noqa: ANN401  # whatever it answers
    """Have a Dask worker do something, by way of the scheduler; its answer. Raises whatever is raised there."""
    async with asyncio.timeout(ANSWER):
        answers = await client.run(what, *arguments, workers=[address])
    return answers[address]


def _essence(offers: tuple[Offer, ...]) -> dict[str, str]:
    """Return all on which values rest of what analyzers offer, in words, by the analyzer's name."""
    return {
        each.name: "is unavailable"
        if each.unavailable is not None
        else " ".join(
            [f"of version {each.version}", *(f"{name}={digest[:12]}" for name, digest in sorted(each.models.items()))]
        )
        for each in offers
        if each.asked
    }
