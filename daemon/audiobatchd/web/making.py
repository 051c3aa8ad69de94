"""The line of pictures that are to be made: one after the other, each once, and none that is not asked for any more."""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from audiobatchd.control.server.routes import RefusedError
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.web.cache import PictureCache
from audiobatchd.web.folder import Source
from audiobatchd.worker.media import PictureError, PictureMaker
from audiobatchd.worker.orders import Kind, Order

MOST_WAITING = 16
"""Pictures that wait or are made at the same time."""
_ASKED_FOR = 60.0
"""Seconds for which a picture waits without being asked for again: the page has gone."""
_MOST_RECENT = 8
"""Pictures that are kept in memory as well, so that one is there although the disk takes none."""
_MOST_FAILURES = 256
_SHORT = 30.0
"""Seconds for which it is told why there is no picture, where another attempt may end otherwise."""
_LONGEST_AUDIO = 21600.0
"""Seconds of audio beyond which no picture is made."""


@dataclass
class _Job:
    """A picture that is to be made."""

    kind: Kind
    source: Source
    """Open since it was asked for, so that what was looked at is what is decoded."""
    asked: float
    """Moment when it was asked for last."""


class Makers:
    """Makes what is asked for, in the event loop, and keeps it in `cache`."""

    def __init__(self, cache: PictureCache, maker: PictureMaker | None = None) -> None:
        self._cache = cache
        self._maker = maker or PictureMaker()
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        """Jobs in their order, by the name of what they make; the first one is being made."""
        self._working: asyncio.Task[None] | None = None
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        """What was made last, by name."""
        self._failures: OrderedDict[str, tuple[str, float | None]] = OrderedDict()
        """Why there is no picture, by name, and the moment until which that counts; None: for ever."""

    def recent(self, name: str) -> bytes | None:
        """Give what was made just now; None where it was not."""
        return self._recent.get(name)

    def ask(self, name: str, kind: Kind, source: Source) -> None:
        """Have a picture made, unless it is waited for already. Raises RefusedError where there is none to be had."""
        now = time.monotonic()
        if name in self._jobs:
            self._jobs[name].asked = now
            return
        why, until = self._failures.get(name, ("", None))
        if why and (until is None or now < until):
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, why)
        if len(self._jobs) >= MOST_WAITING:
            message = f"{MOST_WAITING} pictures are waited for already; try again"
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, message)
        self._jobs[name] = _Job(kind, source, now)
        if self._working is None:
            self._working = asyncio.create_task(self._work())

    async def close(self) -> None:
        """End what is under way, and the process."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        self._maker.close()

    async def _work(self) -> None:
        """Make one after the other until none is left."""
        try:
            while self._jobs:
                name, job = next(iter(self._jobs.items()))
                if time.monotonic() - job.asked < _ASKED_FOR:
                    await self._make(name, job)
                del self._jobs[name]
        finally:
            self._jobs.clear()
            self._working = None

    async def _make(self, name: str, job: _Job) -> None:
        order = Order(job.kind, os.fsencode(job.source.name), _LONGEST_AUDIO)
        try:
            content = await self._maker.make(order, job.source.fileno())
            if not job.source.is_unchanged():
                raise PictureError("changed while it was read; try again", lasting=False)
        except PictureError as error:
            self._fail(name, f"{job.source.shown} {error}", lasting=error.lasting)
        except Exception as error:  # noqa: BLE001  # logged: pictures that break must not end what measures
            write(LogEvent.REQUEST_FAILED, {"request": f"{job.kind} of {job.source.shown}"}, error=error)
            self._fail(name, "the daemon failed to draw it; its log says why", lasting=False)
        else:
            self._recent[name] = content
            while len(self._recent) > _MOST_RECENT:
                self._recent.popitem(last=False)
            await in_a_thread(partial(self._cache.put, name, content))

    def _fail(self, name: str, why: str, *, lasting: bool) -> None:
        self._failures[name] = why, None if lasting else time.monotonic() + _SHORT
        self._failures.move_to_end(name)
        while len(self._failures) > _MOST_FAILURES:
            self._failures.popitem(last=False)
