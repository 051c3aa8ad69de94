"""The values of a dataset for commands: of the service that works on it, where there is one, else of the records.

Both answer the same questions in the same shapes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from tempfile import SpooledTemporaryFile
from typing import IO, Protocol
from urllib.parse import urlencode

import msgspec

from audiobatchd.cli.local import policy_of, worker_settings_here
from audiobatchd.cli.named import dataset_of
from audiobatchd.config.file import Config, DatasetConfig
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import COLUMNS, HISTOGRAM, ROWS, SCATTER, SUMMARY
from audiobatchd.control.results import (
    AskColumns,
    AskHistogram,
    AskRows,
    AskScatter,
    AskSummary,
    Column,
    Histogram,
    Query,
    Row,
    Scatter,
    Summary,
)
from audiobatchd.core.assessment import Facts, assess
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import surely_due
from audiobatchd.disk.listing import read_folder
from audiobatchd.disk.record import Record
from audiobatchd.errors import AudiobatchError, NoDaemonError, UsageError
from audiobatchd.results import condition
from audiobatchd.results.figures import BINS, SCATTER_BINS
from audiobatchd.results.query import mentions_state
from audiobatchd.results.sources import Judge, open_disk
from audiobatchd.scan.values import STATE, WHY
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import size_in_bytes
from audiobatchd.worker import questions

_IN_MEMORY = 8 << 20
"""Bytes of an answer in rows that are kept in memory; a longer one goes to a temporary file."""
_ROOM_FOR_NAMES = 32 << 10
"""Bytes that the names of columns may take in a request; a service takes 64 KiB, and the condition stands there too."""


class Source(Protocol):
    """The values of one dataset. What cannot be asked raises UsageError, or AudiobatchError of a service."""

    def columns(self) -> tuple[Column, ...]:
        """List `folder`, `state`, `why`, and the keys that any record has, by name."""

    def rows(self, query: Query) -> Iterator[Row]:
        """Yield a row for each folder that meets a condition."""

    def summary(self, features: Iterable[str] | None = None, where: str = "") -> Iterator[Summary]:
        """Tell columns in short, one by one; of None all keys of records."""

    def histogram(self, feature: str, bins: int = BINS, where: str = "") -> Histogram:
        """Count the numbers of a column in `bins` of one width."""

    def scatter(self, x: str, y: str, bins: int = SCATTER_BINS, where: str = "") -> Scatter:
        """Count folders by two numbers, in `bins` by `bins` rectangles."""


class Served:
    """The values of a dataset that a service has. `slowly`: rows are taken with pauses."""

    def __init__(self, client: ControlClient, dataset: str, columns: Iterable[Column], *, slowly: bool = False) -> None:
        self._client = client
        self._slowly = slowly
        self._dataset = shown(dataset)
        self._columns = tuple(columns)
        self._names = {column.name for column in self._columns}

    def columns(self) -> tuple[Column, ...]:
        """Answer as `Source` says."""
        return self._columns

    def rows(self, query: Query) -> Iterator[Row]:
        """Answer as `Source` says. Raises AudiobatchError where the answer breaks off."""
        names = list(query.columns or ())
        self._check((*names, *(self._plain(each) for each in query.sort)), query.where)
        are_too_many = len(urlencode({"columns": names}, doseq=True)) > _ROOM_FOR_NAMES
        if are_too_many and not {STATE, WHY}.isdisjoint(names):
            message = f"cannot ask the service for {STATE} or {WHY} beside so many columns: name fewer by --columns"
            raise UsageError(message)
        asked = AskRows(self._dataset, [] if are_too_many else names, query.where, list(query.sort), query.limit)
        lines = self._kept(asked) if self._slowly else self._lines(asked)
        head = next(lines)
        if not are_too_many:
            for line in lines:
                yield tuple(msgspec.json.decode(line))
            return
        there = {column.name: place for place, column in enumerate(msgspec.json.decode(head, type=_Head).columns)}
        places = [there.get(name) for name in names]
        for line in lines:
            row: Row = msgspec.json.decode(line)
            yield tuple(None if place is None else row[place] for place in places)

    def _lines(self, asked: AskRows) -> Iterator[bytes]:
        """Yield the lines of an answer but the last. Raises AudiobatchError where it breaks off."""
        with _refusing_alike(), closing(self._client.lines(ROWS, asked)) as lines:
            for number, line in enumerate(lines):
                if number and line.startswith(b"{"):
                    if error := msgspec.json.decode(line, type=_End).error:
                        raise AudiobatchError(error)
                    return
                yield line
        raise NoDaemonError("the daemon broke off its answer")

    def _kept(self, asked: AskRows) -> Iterator[bytes]:
        """Take the lines in as fast as they come, as the service gives up on a reader that pauses; then yield them."""
        with _temporary() as kept:
            kept.writelines(self._lines(asked))
            kept.seek(0)
            yield from kept

    def summary(self, features: Iterable[str] | None = None, where: str = "") -> Iterator[Summary]:
        """Answer as `Source` says."""
        names = list(features or ())
        self._check(names, where)
        with _refusing_alike():
            told = self._client.ask(SUMMARY, AskSummary(self._dataset, names, where))
        yield from told

    def histogram(self, feature: str, bins: int = BINS, where: str = "") -> Histogram:
        """Answer as `Source` says."""
        self._check((feature,), where)
        with _refusing_alike():
            return self._client.ask(HISTOGRAM, AskHistogram(self._dataset, feature, bins, where))

    def scatter(self, x: str, y: str, bins: int = SCATTER_BINS, where: str = "") -> Scatter:
        """Answer as `Source` says."""
        self._check((x, y), where)
        with _refusing_alike():
            return self._client.ask(SCATTER, AskScatter(self._dataset, x, y, bins, where))

    def _plain(self, name: str) -> str:
        return name if name in self._names else name.removeprefix("-")

    def _check(self, names: Iterable[str], where: str) -> None:
        """Refuse what the service would refuse, in the words that are said without one. Raises UsageError."""
        for name in names:
            if name not in self._names:
                raise UsageError(condition.no_column(name, self._names))
        condition.columns_of(where, self._names)


def nothing_found(source: Source, words: Iterable[str], where: str) -> str:
    """Say that no folder was found; of a condition on states, in `words` too, which states there are."""
    if not where:
        return "No track folder was found."
    if not mentions_state(words):
        return "No folder meets the condition."
    (about,) = (column.description for column in source.columns() if column.name == STATE)
    return f"No folder meets the condition. State: {about}."


@contextmanager
def _refusing_alike() -> Iterator[None]:
    """Make wrong usage of what the service says of a condition, in the words that are said without a service."""
    try:
        yield
    except AudiobatchError as error:
        _, begin, why = str(error).partition(condition.REFUSED)
        if begin:
            raise UsageError(begin + why) from error
        raise


@contextmanager
def _temporary() -> Iterator[IO[bytes]]:
    """Open a temporary file. Raises AudiobatchError where its disk is full or fails, at whatever is done with it."""
    try:
        with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            yield file
    except OSError as error:
        message = (
            "cannot keep the answer of the service in a temporary file: "
            f"{error.strerror or error}; the variable TMPDIR names another directory for it"
        )
        raise AudiobatchError(message) from error


class _Head(msgspec.Struct):
    """The first line of an answer in rows."""

    columns: list[Column]
    """The columns of its rows."""


class _End(msgspec.Struct):
    """The last line of an answer in rows."""

    rows: int = 0
    """Number of rows that were told."""
    error: str = ""
    """Reason why there are no more; empty where the answer is whole."""


@contextmanager
def results_of(
    arguments: argparse.Namespace,
    client: ControlClient,
    *,
    states: bool = False,
    slowly: bool = False,
    told: Callable[[int], None] = lambda _: None,
) -> Iterator[Source]:
    """Open the values of the dataset that a command names, by `dataset`, `config` and `disk`.

    `states`: `state` is asked for, which takes a process of analyzers where no service has it. `slowly`: rows are
    taken with pauses. `told` is given the number of records that were read, where they have to be. Raises UsageError,
    and OSError for the root.
    """
    settings, dataset = dataset_of(arguments)
    columns = None
    if not (arguments.disk or arguments.config):
        # The dataset may be another service's, or none's: then the disk is all there is.
        with suppress(AudiobatchError):
            columns = client.ask(COLUMNS, AskColumns(shown(dataset.path)))
    if columns is not None:
        yield Served(client, dataset.path, columns, slowly=slowly)
        return
    judge = _judge(settings, dataset) if states else None
    limit = size_in_bytes(settings.record_limit)
    with open_disk(dataset.path, dataset.ignore, limit, judge, told=told) as results:
        yield results


def _judge(settings: Config, dataset: DatasetConfig) -> Judge:
    """Tell whether a folder is complete, by what the analyzers of this machine would give."""
    policy = policy_of(settings, dataset)
    offers = questions.offers(worker_settings_here(settings))

    def judge(folder: str, record: Record) -> Finding:
        listing = read_folder(folder)
        facts = Facts(listing.stamps, record.present() | listing.companions, record.provenance.entry, {})
        is_due = surely_due(assess(facts, offers, policy), facts, offers, policy)
        return Finding.DUE if is_due else Finding.COMPLETE

    return judge
