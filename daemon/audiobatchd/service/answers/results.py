"""The answers to questions about the values of records, out of the catalog: in threads, a few of them at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from audiobatchd.control.results import (
    AskColumns,
    AskHistogram,
    AskPage,
    AskRows,
    AskScatter,
    AskSummary,
    Column,
    Histogram,
    Page,
    Query,
    Scatter,
    Summary,
)
from audiobatchd.errors import UsageError
from audiobatchd.results.figures import Results
from audiobatchd.results.sources import open_catalog
from audiobatchd.results.states import States
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.readers import in_a_thread

_AT_ONCE = 3
"""Number of threads that ask the catalog at once: each takes time from the loop."""
_STREAMS = 8
"""Number of answers in rows that are under way at once."""
_T = TypeVar("_T")


class ResultAnswers:
    """Answers by what the catalog has; where it is in memory, or before a dataset was walked, it is refused.

    `known` finds a dataset by the name that it was asked for, with the states of its folders. Raises UsageError where
    it is none of ours, or has not been walked.
    """

    def __init__(self, catalog: Catalog, known: Callable[[str], tuple[str, States]]) -> None:
        self._catalog = catalog
        self._known = known
        self._threads = asyncio.Semaphore(_AT_ONCE)
        self._streams = 0

    async def columns(self, asked: AskColumns) -> list[Column]:
        """List the columns."""
        return list(await self._with(asked.dataset, lambda results: results.columns()))

    async def summary(self, asked: AskSummary) -> list[Summary]:
        """Tell columns in short."""
        return await self._with(
            asked.dataset, lambda results: list(results.summary(asked.features or None, asked.where))
        )

    async def histogram(self, asked: AskHistogram) -> Histogram:
        """Count numbers in bins."""
        return await self._with(
            asked.dataset, lambda results: results.histogram(asked.feature, asked.bins, asked.where)
        )

    async def scatter(self, asked: AskScatter) -> Scatter:
        """Count folders by two numbers."""
        return await self._with(
            asked.dataset, lambda results: results.scatter(asked.x, asked.y, asked.bins, asked.where)
        )

    async def page(self, asked: AskPage) -> Page:
        """Tell some rows out of the middle, and how many there are."""
        query = Query(tuple(asked.columns) or None, asked.where, tuple(asked.sort), asked.limit)

        def ask(results: Results) -> Page:
            rows, total = results.page(query, asked.search, asked.offset)
            return Page(results.chosen(query.columns), tuple(rows), total)

        return await self._with(asked.dataset, ask)

    async def rows(self, asked: AskRows) -> AsyncGenerator[bytes, None]:
        """Begin to tell rows: the columns in a first line, a row a line, and in the last line how many there were."""
        if self._streams >= _STREAMS:
            message = f"{_STREAMS} answers in rows are under way already; try again"
            raise UsageError(message)
        query = Query(tuple(asked.columns) or None, asked.where, tuple(asked.sort), asked.limit)
        self._streams += 1
        try:
            results = await self.in_turn(partial(open_catalog, *self._place(asked.dataset)))
            pieces = _Pieces(results, query)
            try:
                first = await self.in_turn(pieces.next)
            except BaseException:
                await in_a_thread(pieces.close)
                raise
        except BaseException:
            self._streams -= 1
            raise
        return _Stream(self, first, pieces)

    def ended(self) -> None:
        """Count an answer in rows no more."""
        self._streams -= 1

    async def _with(self, dataset: str, ask: Callable[[Results], _T]) -> _T:
        place = self._place(dataset)

        def work() -> _T:
            with open_catalog(*place) as results:
                return ask(results)

        return await self.in_turn(work)

    def _place(self, name: str) -> tuple[Path, str, States]:
        """Find what is to be opened for a question about a dataset. Raises UsageError."""
        dataset, states = self._known(name)
        if (path := self._catalog.path) is None:
            message = f"{name} is not kept in a catalog"
            raise UsageError(message)
        return path, dataset, states

    async def in_turn(self, work: Callable[[], _T]) -> _T:
        """Do `work` in a thread, when fewer than `_AT_ONCE` are at it."""
        async with self._threads:
            return await in_a_thread(work)


class _Pieces:
    """An answer in rows, encoded piece by piece, in threads: a piece that is under way is waited for by `close`."""

    def __init__(self, results: Results, query: Query) -> None:
        self._results = results
        self._lines = _lines(results, query)
        self._lock = threading.Lock()

    def next(self) -> bytes | None:
        """Encode the next piece; None where there is none. Raises UsageError at the first for what cannot be asked."""
        with self._lock:
            return next(self._lines, None)

    def close(self) -> None:
        """End the answer."""
        with self._lock:
            self._lines = iter(())
            self._results.close()


class _Stream(AsyncGenerator[bytes, None]):
    """An answer in rows that has begun."""

    def __init__(self, answers: ResultAnswers, first: bytes | None, pieces: _Pieces) -> None:
        self._answers = answers
        self._first = first
        self._pieces = pieces
        self._is_over = False

    async def asend(self, _value: None) -> bytes:
        """Return the next piece."""
        piece, self._first = self._first, None
        if piece is None:
            piece = await self._answers.in_turn(self._pieces.next)
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def athrow(self, *_: object) -> bytes:
        """End it."""
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End it, whether all of it was told or not."""
        if not self._is_over:
            self._is_over = True
            self._answers.ended()
            await in_a_thread(self._pieces.close)


def _lines(results: Results, query: Query) -> Iterator[bytes]:
    """Encode an answer in rows, in pieces of some lines; the first has the first rows, so what is wrong shows in it."""
    head = msgspec.json.encode({"columns": results.chosen(query.columns)}) + b"\n"
    encode = msgspec.json.Encoder().encode_lines
    count = 0
    try:
        for part in results.parts(query, _raw):
            count += len(part)
            yield head + encode(part)
            head = b""
    except UsageError as error:
        if head:
            raise
        yield msgspec.json.encode({"error": str(error)}) + b"\n"
        return
    yield head + msgspec.json.encode({"rows": count}) + b"\n"


def _raw(stored: bytes) -> Any:  # noqa: ANN401  # what msgspec encodes
    if stored in (b"0", b"1"):
        return stored == b"1"
    return Raw(stored)
