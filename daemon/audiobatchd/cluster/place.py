"""Place of a pass in a Dask worker: our own worker processes, which Dask neither sees nor restarts.

All of this runs in the event loop of the Dask worker, which is its process's main thread: so its workers die with it.
A task of Dask's stands for one folder: it hands the job to the worker and waits for the result. Whatever else a worker
tells goes by Dask's events.

Traps that this code steps around: a task is not cancelled when its client is gone, the worker goes on; so the place
listens to Dask's own states of the task, and ends the worker with it. Workers without a job end when no call came for
so long, see `wire.LEASE`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import socket
import time
from typing import Any

import msgspec
from distributed import Worker, WorkerPlugin, get_worker

from audiobatchd.cluster import preflight
from audiobatchd.cluster.wire import LEASE, TERMS, Broke, Ended, Facts, Measured, Said, Terms, Told
from audiobatchd.core.events import Event, WorkerBroke, WorkerExited, WorkerSaid
from audiobatchd.core.messages import Result, Stop, decode_for_worker, encode
from audiobatchd.errors import AudiobatchError
from audiobatchd.worker.pool import Pool

NAME = "audiobatchd"
"""Name of the plugin: a Dask worker works for one pass at a time."""
_LEAVES = ("cancelled", "released", "forgotten", "error")

Key = tuple[str, int, int]
"""Key of a task: the pass, the number of the worker, which of its keys it is; see `client.KEYS`."""


class Place(WorkerPlugin):
    """Plugin of a Dask worker: the workers of one pass there, one for each thread."""

    name = NAME

    def __init__(self, terms: Terms) -> None:
        self.pass_id = terms.pass_id
        self._pool = Pool(terms.settings, self._post)
        self._worker: Worker | None = None
        self._numbers: dict[int, int] = {}
        """Numbers that the pass gave its workers, by PID."""
        self._results: dict[int, asyncio.Future[bytes]] = {}
        """Results that tasks wait for, by the number of the worker."""
        self._tasks: dict[object, int] = {}
        """Slots of the workers that are at a task."""
        self._heard = time.monotonic()
        """Moment of the last call."""
        self._expiry: asyncio.Task[None] | None = None
        self._is_over = False

    def setup(self, worker: Worker) -> None:
        """Begin; called by Dask."""
        self._worker = worker
        self._expiry = asyncio.create_task(self._expire())

    def teardown(self, worker: Worker) -> None:
        """End all workers; called by Dask when its worker ends, or the plugin is taken off."""
        self._is_over = True
        if self._expiry is not None:
            self._expiry.cancel()
        for slot in range(worker.state.nthreads):
            self._pool.kill(slot)

    def transition(self, key: object, start: str, finish: str, **_: Any) -> None:  # noqa: ANN401  # Dask's
        """End the worker at a task that the pass gave up, or that it cannot ask for any more; called by Dask."""
        if start in ("executing", "long-running") and finish in _LEAVES and (slot := self._tasks.get(key)) is not None:
            self._pool.kill(slot)
            self._heard = -math.inf  # a pass that is there gives up no task, but one of a host that it has left

    @property
    def is_heard(self) -> bool:
        """Tell whether the pass still calls."""
        return time.monotonic() - self._heard < LEASE

    def call(self) -> Measured:
        """Take in that the pass is there; what its workers take."""
        now = self._heard = time.monotonic()
        resident, asleep = self._pool.resident(), self._pool.asleep(now)
        named = self._numbers
        return Measured(
            {named[pid]: size for pid, size in resident.items() if pid in named},
            {named[pid]: seconds for pid, seconds in asleep.items() if pid in named},
        )

    def spawn(self, slot: int, number: int) -> None:
        """Start a worker that the pass calls by `number`. Raises OSError."""
        self._numbers[self._pool.spawn(slot)] = number

    def stop(self, slot: int) -> None:
        """Tell a worker to end after what it is at."""
        self._pool.send(slot, Stop())

    def kill(self, slot: int, number: int) -> None:
        """End a worker now, if it is still the one of this number."""
        if number in self._numbers.values():
            self._pool.kill(slot)

    async def measure(self, key: Key, slot: int, job: bytes) -> bytes:
        """Give a job to the worker in `slot`, and wait for its result; empty where the worker has ended."""
        _, number, _ = key
        if number not in self._numbers.values():
            return b""
        result = self._results[number] = asyncio.get_running_loop().create_future()
        self._tasks[key] = slot
        try:
            self._pool.send(slot, decode_for_worker(job))
            answer: bytes = await result
            return answer
        finally:
            del self._tasks[key]
            self._results.pop(number, None)

    def _post(self, event: Event) -> None:
        """Take in what happens to a worker."""
        if self._is_over or not isinstance(event, WorkerSaid | WorkerBroke | WorkerExited):
            return
        number = self._numbers.get(event.pid)
        if number is None:
            return
        event = dataclasses.replace(event, pid=number)
        match event:
            case WorkerSaid(message=Result() as result):
                self._answer(number, encode(result))
            case WorkerSaid():
                self._tell(Said(event))
            case WorkerBroke():
                self._tell(Broke(event))
            case WorkerExited():
                self._numbers = {pid: each for pid, each in self._numbers.items() if each != number}
                self._tell(Ended(event))
                self._answer(number, b"")

    def _answer(self, number: int, result: bytes) -> None:
        waiting = self._results.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _tell(self, told: Told) -> None:
        if self._worker is not None:
            self._worker.log_event(self.pass_id, {"from": self._worker.address, "told": msgspec.msgpack.encode(told)})

    async def _expire(self) -> None:
        while (silent := time.monotonic() - self._heard) < LEASE:  # noqa: ASYNC110  # the calls are many, and this is the end of none
            await asyncio.sleep(LEASE - silent)
        if self._worker is not None:
            await self._worker.plugin_remove(name=NAME)


# What a pass has a Dask worker do


async def prepare(terms: bytes, dask_worker: Worker) -> bytes:
    """Have a place for a pass, after what `preflight` looks for. Raises AudiobatchError where that is not so."""
    asked = TERMS.decode(terms)
    there = dask_worker.plugins.get(NAME)
    if isinstance(there, Place):
        if there.pass_id != asked.pass_id and there.is_heard:
            message = "it works for another pass"
            raise AudiobatchError(message)
        await dask_worker.plugin_remove(name=NAME)
    for sign in asked.signs:
        await asyncio.to_thread(preflight.look, sign)  # a disk may hang
    await dask_worker.plugin_add(plugin=Place(asked), name=NAME)
    facts = Facts(socket.gethostname(), dask_worker.state.nthreads, preflight.versions())
    return msgspec.msgpack.encode(facts)


async def remove(pass_id: str, dask_worker: Worker) -> None:
    """Take the place of a pass away."""
    if _place(dask_worker, pass_id):
        await dask_worker.plugin_remove(name=NAME)


async def call(pass_id: str, dask_worker: Worker) -> bytes:
    """Call at a place; `wire.Measured`, empty where there is none any more."""
    place = _place(dask_worker, pass_id)
    return msgspec.msgpack.encode(place.call()) if place else b""


async def spawn(pass_id: str, slot: int, number: int, dask_worker: Worker) -> str:
    """Start a worker; why it could not be started, empty where it was."""
    place = _place(dask_worker, pass_id)
    if place is None:
        return "its place is gone"
    try:
        place.spawn(slot, number)
    except OSError as error:
        return error.strerror or str(error)
    return ""


async def stop(pass_id: str, slot: int, dask_worker: Worker) -> None:
    """Tell a worker to end after what it is at."""
    if place := _place(dask_worker, pass_id):
        place.stop(slot)


async def kill(pass_id: str, slot: int, number: int, dask_worker: Worker) -> None:
    """End a worker now."""
    if place := _place(dask_worker, pass_id):
        place.kill(slot, number)


async def measure(key: Key, slot: int, job: bytes) -> bytes:
    """Measure a folder: the task of Dask's. See `Place.measure`."""
    place = _place(get_worker(), key[0])
    return await place.measure(key, slot, job) if place else b""


def _place(worker: Worker, pass_id: str) -> Place | None:
    place = worker.plugins.get(NAME)
    return place if isinstance(place, Place) and place.pass_id == pass_id else None
