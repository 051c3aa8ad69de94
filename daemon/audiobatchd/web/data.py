"""The answers of the page about the values of records: columns, rows, summaries and their pictures.

All but one record come from the service, which is asked as over the control socket. Pictures are drawn in threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from audiobatchd.control.requests import FolderName
from audiobatchd.control.results import (
    AskColumns,
    AskHistogram,
    AskPage,
    AskScatter,
    AskSummary,
    Cell,
    Value,
)
from audiobatchd.control.server.routes import RefusedError, as_json, query
from audiobatchd.disk import record
from audiobatchd.errors import RecordError, UnknownFolderError
from audiobatchd.pictures import drawing
from audiobatchd.results.query import value_of
from audiobatchd.scan import values
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.meanings import meaning_of
from audiobatchd.vocabulary.names import shown
from audiobatchd.web.contract import Contract
from audiobatchd.web.folder import beneath, opened_folder, source_names

_AT_ONCE = 16
"""Records that are read at the same time: a disk that hangs keeps no more threads."""
_MOST_VALUES = 5000
"""Values of one record that are told."""


class RecordTold(Struct, frozen=True):
    """One record, and the source files beside it."""

    values: dict[str, Value]
    """By key; what is no value, or too large for the catalog, is left out."""
    files: dict[str, str]
    """Name of each source file by role, as it is shown."""


class HistogramTold(Struct, frozen=True):
    """The numbers of a column in bins, and their picture."""

    svg: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int


class ScatterTold(Struct, frozen=True):
    """The numbers of two columns against each other, and their picture."""

    svg: str
    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    cells: tuple[Cell, ...]
    count: int
    missing: int


def routes(contract: Contract) -> Iterable[web.RouteDef]:
    """Give the routes."""
    made = _Data(contract)
    return [
        web.get("/api/record", made.record),
        web.get("/api/columns", made.columns),
        web.get("/api/rows", made.rows),
        web.get("/api/summary", made.summary),
        web.get("/api/histogram", made.histogram),
        web.get("/api/scatter", made.scatter),
    ]


class _Data:
    """The handlers."""

    def __init__(self, contract: Contract) -> None:
        self._service = contract.service
        self._at_work = 0
        """Records that are being read."""

    async def record(self, request: web.Request) -> web.StreamResponse:
        asked = query(request, FolderName)
        key = self._service.place(asked)
        if self._at_work >= _AT_ONCE:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"{_AT_ONCE} records are read already; try again")
        self._at_work += 1
        try:
            return as_json(await in_a_thread(partial(told, key)))
        except RecordError as error:
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        except OSError as error:
            message = f"cannot read the record in {asked.folder}: {error.strerror}"
            raise UnknownFolderError(message) from error
        finally:
            self._at_work -= 1

    async def columns(self, request: web.Request) -> web.StreamResponse:
        return as_json(await self._service.columns(query(request, AskColumns)))

    async def rows(self, request: web.Request) -> web.StreamResponse:
        found = await self._service.page(query(request, AskPage))
        return await in_a_thread(partial(as_json, found))

    async def summary(self, request: web.Request) -> web.StreamResponse:
        return as_json(await self._service.summary(query(request, AskSummary)))

    async def histogram(self, request: web.Request) -> web.StreamResponse:
        asked = query(request, AskHistogram)
        found = await self._service.histogram(asked)
        unit, _ = meaning_of(asked.feature)
        svg = await in_a_thread(partial(drawing.histogram, found, asked.feature, unit))
        return as_json(HistogramTold(svg, found.edges, found.counts, found.missing))

    async def scatter(self, request: web.Request) -> web.StreamResponse:
        asked = query(request, AskScatter)
        found = await self._service.scatter(asked)
        svg = await in_a_thread(partial(drawing.scatter, found, asked.x, asked.y))
        return as_json(ScatterTold(svg, found.x_edges, found.y_edges, found.cells, found.count, found.missing))


def told(key: FolderKey) -> RecordTold:
    """Read a record without following any link. Raises RecordError, and OSError where there is no such folder."""
    with opened_folder(key) as folder:
        files = {role: shown(name) for role, name in source_names(folder).items()}
        try:
            file = beneath(folder, record.name_in(os.path.join(key.dataset, key.path)), os.O_RDONLY)
        except FileNotFoundError:
            return RecordTold({}, files)
        try:
            found = record.read(f"/proc/self/fd/{file}", folder)
        finally:
            os.close(file)
    decoded = values.decoded(dict(list(found.values.items())[:_MOST_VALUES]))
    there = {
        name.encode(errors="replace").decode(): value_of(each) if isinstance(each, bytes) else each
        for name, each in decoded.items()
        if each is not values.LEFT_OUT
    }
    return RecordTold(there, files)
