"""The analyzers that measure one file: fed block by block while it is decoded, or given views of it afterwards.

Owns their order, what is gathered for them, and whether that fits into memory. What their answers are worth is
`measure`'s business.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeVar

from audiobatchd.audio.blocks import Block
from audiobatchd.audio.gather import Gatherer
from audiobatchd.audio.sums import Summed
from audiobatchd.audio.views import Decoded, ResultValue, plain, size
from audiobatchd.plugin_api import (
    NATIVE,
    Analyzer,
    AnyAnalyzer,
    AudioAnalyzer,
    BlockAnalyzer,
    Feed,
    Measurement,
    Stream,
    View,
)
from audiobatchd.vocabulary.quantities import exact_size, sized
from audiobatchd.worker.process.charge import charged

_STEP = 1 << 20
"""Frames by which a file may grow beyond what was foreseen before its views are reckoned again."""
SPARE = 33 / 32
"""Ratio by which what is reckoned may be exceeded, by fragments and what is held for a moment."""

Report = Callable[[str, float | None], None]
"""Tells what is begun, and how much audio is to be analyzed from now on; see `messages.Stage`."""

_Analyzer = TypeVar("_Analyzer", bound=AnyAnalyzer)


@dataclass(frozen=True)
class Found:
    """Results of the folder that an analyzer needs for the features of one role."""

    values: Mapping[str, ResultValue] = field(default_factory=dict)
    """Values by feature, None where the folder has none."""
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    """States, see `needs.state_of`, by the analyzer that gave them and role."""


Look = Callable[[AnyAnalyzer], Found | None]
"""Looks up the results that an analyzer needs; None where one of them came to no end in this job."""


def no_results(_analyzer: AnyAnalyzer) -> Found:
    """Look up nothing: of a folder where no analyzer needs any result."""
    return Found()


class Addition(Protocol):
    """Sum to which a file is added while it is decoded."""

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:
        """See `decode.Receiver`."""

    def feed(self, block: Block) -> None:
        """See `decode.Receiver`."""

    def growth(self, seconds: float) -> int:
        """Bytes that it takes, beyond those that it held when the file was begun, if that has so many `seconds`."""


@dataclass(frozen=True)
class Beside:
    """Part of the folder that counts beside the file that is read."""

    before: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Names of the analyzers whose results of the same role an analyzer needs, by its name."""
    look: Look = no_results
    sums: Sequence[Addition] = ()
    """Sums that the file is added to."""


ALONE = Beside()


def in_turn(analyzers: Sequence[_Analyzer], before: Mapping[str, frozenset[str]]) -> list[_Analyzer]:
    """Put analyzers behind those whose results they need, and leave their order as it is otherwise."""
    left, turn = list(analyzers), []
    while left:
        names = {each.name for each in left}
        free = (place for place, each in enumerate(left) if not before.get(each.name, frozenset()) & names)
        turn.append(left.pop(next(free, 0)))
    return turn


@dataclass(frozen=True)
class Answer:
    """Answer of one analyzer about a file: exactly one of the first four."""

    analyzer: AnyAnalyzer
    measurement: object = None
    """Measurement that it gave, not yet looked at."""
    fault: str = ""
    """Fault of the analyzer, in words."""
    needs: int = 0
    """Bytes of memory that it would have taken, more than there may be."""
    is_lacking: bool = False
    """True where it was not asked: a result that it needs came to no end."""
    states: dict[str, dict[str, str]] = field(default_factory=dict)
    """States of the results that it read, see `Found`."""


class Readers:
    """Analyzers that read one file of `role`, called `name`; a `decode.Receiver`.

    `limit`: bytes of memory that this process may take; None: any number. `on_worth` is called when the file is found
    to be worth reading, before it is decoded.
    """

    def __init__(
        self,
        role: str,
        name: str,
        analyzers: Sequence[AudioAnalyzer],
        limit: int | None,
        on_worth: Callable[[], None],
        report: Report,
        beside: Beside = ALONE,
    ) -> None:
        self._beside = beside
        self._role = role
        self._name = name
        self._limit = limit
        self._on_worth = on_worth
        self._report = report
        by_cost = sorted(analyzers, key=lambda each: each.cost)
        self._fed = [each for each in by_cost if isinstance(each, BlockAnalyzer)]
        """Analyzers that take blocks, in their turn."""
        # Those that read the native samples go first, so that these can be freed.
        viewing = [each for each in by_cost if isinstance(each, Analyzer)]
        viewing.sort(key=lambda each: NATIVE not in each.views(role))
        self._viewing = in_turn(viewing, beside.before)
        """Analyzers that read views, in their turn: those that fit."""
        self._feeds: dict[str, Feed] = {}
        """Feeds by analyzer, without those that failed."""
        self._faults: dict[str, str] = {}
        self._left_out: list[Answer] = []
        """Answers of analyzers whose views are not gathered."""
        self._gatherer: Gatherer | None = None
        self._resident = 0
        self._stream = Stream(role, 0, (), None)
        self._frames = 0
        self._reckoned = 0
        """Frames for which views were found to fit."""
        self.costs: dict[str, float] = {}
        """Seconds of processor time, by analyzer."""

    @property
    def seconds(self) -> float:
        """Length of what was fed."""
        return self._frames / self._stream.rate if self._frames else 0.0

    def on_promise(self, seconds: float | None) -> None:  # noqa: ARG002  # however long it is
        """See `decode.Receiver`."""
        self._on_worth()
        self._report(f"decoding {self._name}", 0.0)

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:
        """See `decode.Receiver`."""
        self._stream = Stream(self._role, rate, channels, promised)
        if self._fed:
            # Should this process end in one of them, that is all that is known of it.
            self._report(f"decoding {self._name} for {', '.join(each.name for each in self._fed)}", 0.0)
        for analyzer in self._fed:
            with self._charged(analyzer):
                self._feeds[analyzer.name] = analyzer.begin(self._stream)
        for each in self._beside.sums:
            each.begin(rate, channels, promised)
        self._resident = resident()
        self._reckon(int((promised or 0.0) * rate))
        if self._viewing:
            self._gatherer = Gatherer(self._role, rate, channels, self._views(self._viewing), promised)

    def feed(self, block: Block) -> None:
        """See `decode.Receiver`."""
        self._frames += len(block)
        for analyzer in self._fed:
            if analyzer.name in self._feeds:
                with self._charged(analyzer):
                    self._feeds[analyzer.name].feed(block)
        for each in self._beside.sums:
            each.feed(block)
        if self._gatherer is None:
            return
        if self._frames > self._reckoned:
            self._reckon(self._frames + _STEP)
            self._gatherer.keep(self._views(self._viewing))
            if not self._viewing:
                self._gatherer = None
                return
        self._gatherer.feed(block)

    def answers(self) -> Iterator[Answer]:
        """Let each of them come to its end, of a file that was found to be whole; all have the time of its length."""
        seconds: float | None = self.seconds
        for analyzer in self._fed:
            if analyzer.name in self._feeds:
                self._report(f"{analyzer.name} of {self._name}", seconds)
                seconds = None
                yield self._answer(analyzer, self._feeds.pop(analyzer.name).finish)
            else:
                yield Answer(analyzer, fault=self._faults[analyzer.name])
        yield from map(self._told_without, self._left_out)
        if self._gatherer is not None:
            yield from self.turns(self._gatherer.decoded(), seconds)

    def turns(self, audio: Decoded | Summed, seconds: float | None) -> Iterator[Answer]:
        """Let those that read views have their turns with `audio`; `seconds` are as `Report` takes them."""
        for place, viewing in enumerate(self._viewing):
            found = self._beside.look(viewing)
            if found is None:
                yield Answer(viewing, is_lacking=True)
                continue
            self._report(f"{viewing.name} of {self._name}", seconds)
            seconds = None
            audio.turn(viewing.views(self._role), self._views(self._viewing[place + 1 :]), found.values)
            yield replace(self._answer(viewing, partial(viewing.analyze, audio)), states=found.states)

    def _told_without(self, answer: Answer) -> Answer:
        """Complete the answer of an analyzer that was left out."""
        found = self._beside.look(answer.analyzer)
        return Answer(answer.analyzer, is_lacking=True) if found is None else replace(answer, states=found.states)

    def _answer(self, analyzer: AnyAnalyzer, measure: Callable[[], Measurement]) -> Answer:
        measurement = None
        with self._charged(analyzer):
            measurement = measure()
        return Answer(analyzer, measurement, self._faults.get(analyzer.name, ""))

    @contextmanager
    def _charged(self, analyzer: AnyAnalyzer) -> Iterator[None]:
        """Charge an analyzer's call to it: it is fed no more where it raises."""
        with charged(analyzer, self.costs, self._faults):
            yield
        if analyzer.name in self._faults:
            self._feeds.pop(analyzer.name, None)

    # Memory

    def _views(self, analyzers: Sequence[Analyzer]) -> list[View]:
        return [view for analyzer in analyzers for view in analyzer.views(self._role)]

    def _reckon(self, frames: int) -> None:
        """Leave out analyzers, the largest first, until the others fit into memory with a file of so many frames."""
        self._reckoned = frames
        if self._limit is None:
            return
        working: dict[str, float] = {}
        for analyzer in self._viewing:
            with self._charged(analyzer):
                views = self._size(analyzer.views(self._role), frames)
                working[analyzer.name] = working_memory(analyzer, self._stream, frames / self._stream.rate, views)
        for analyzer in [each for each in self._viewing if each.name not in working]:
            self._leave_out(Answer(analyzer, fault=self._faults[analyzer.name]))
        while self._viewing and (needs := self._needs(working, frames)) > self._limit:
            largest = max(
                self._viewing, key=lambda each: working[each.name] + self._size(each.views(self._role), frames)
            )
            self._leave_out(Answer(largest, needs=needs))

    def _leave_out(self, answer: Answer) -> None:
        self._left_out.append(answer)
        self._viewing = [each for each in self._viewing if each is not answer.analyzer]

    def _needs(self, working: Mapping[str, float], frames: int) -> int:
        """Bytes that this process takes at most while the analyzers that read views have their turns."""
        most = 0.0
        for place, analyzer in enumerate(self._viewing):
            most = max(most, self._size(self._views(self._viewing[place:]), frames) + working[analyzer.name])
        growth = sum(each.growth(frames / self._stream.rate) for each in self._beside.sums)
        return int((self._resident + growth + most) * SPARE)

    def _size(self, views: Sequence[View], frames: int) -> int:
        rate, channels = self._stream.rate, len(self._stream.channels)
        return sum(size(view, rate, channels, frames / rate) for view in {plain(view, rate) for view in views})


def working_memory(analyzer: Analyzer, stream: Stream, seconds: float, views: int) -> float:
    """Bytes that an analyzer takes beside its views; as many as these `views` take, where it does not say."""
    return float(analyzer.working_memory(stream, seconds)) if hasattr(analyzer, "working_memory") else views


def beyond_memory(needs: int, limit: int) -> str:
    """Say why a file was not measured that takes so many bytes of memory."""
    return f"takes {sized(needs)} of memory, more than worker_memory ({exact_size(limit)})"


def resident() -> int:
    """Bytes of memory that this process takes."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
