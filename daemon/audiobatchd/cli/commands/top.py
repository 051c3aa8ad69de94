"""`audiobatchctl top`: the status as a screen that is drawn again every second; as lines where there is no terminal.

Drawing is pure: a status and a size in, lines out. The terminal is `screen`'s.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable

from audiobatchd.cli.terminal import screen
from audiobatchd.cli.terminal.output import Say, colour
from audiobatchd.cli.terminal.screen import Screen
from audiobatchd.cli.terminal.status import (
    NARROWEST,
    bar_line,
    count_lines,
    dataset_lines,
    folder_counts,
    header_lines,
    pace_lines,
    stands_still,
    trouble_lines,
    worker_lines,
)
from audiobatchd.cli.terminal.text import Line, Span, Tone, as_ansi, clipped, cut, flowed, harmless_json, padded
from audiobatchd.cli.wording import paused_in_words, resumed_in_words, retried_in_words
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import PAUSE, RESUME, RETRY
from audiobatchd.control.requests import Pause, Resume, RetryFolders
from audiobatchd.control.status import DatasetStatus, Status
from audiobatchd.errors import AudiobatchError
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.quantities import counted
from audiobatchd.vocabulary.states import DatasetState, FolderState

_INTERVAL = 1.0
_BETWEEN_LINES = 5.0
_NOTE_SECONDS = 6.0
# Below these there is no room for empty lines, and for more than the first line of what is said of the whole.
_SPACED, _TALL = 20, 12
_SMALL_BAR = 18
_STATE = 9
_ENDLESS = sys.maxsize


def top(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show the status again every second until `q`; a line every few seconds where there is no terminal."""
    if arguments.json or not screen.usable():
        return _tell(client, say, as_json=arguments.json)
    status = client.status()
    with Screen(colour=colour(os.environ)) as taken:
        return Live(client, taken, status).run()


def _tell(client: ControlClient, say: Say, *, as_json: bool) -> int:
    while True:
        if as_json:
            say(harmless_json(client.status_json(), indent=0))
        else:
            say(plain_line(client.status(), time.strftime("%H:%M:%S")))
        time.sleep(_INTERVAL if as_json else _BETWEEN_LINES)


class Live:
    """The screen and its keys, between two polls of the service."""

    def __init__(
        self,
        client: ControlClient,
        taken: Screen,
        status: Status,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._screen = taken
        self._status = status
        self._monotonic = monotonic
        self._due = monotonic() + _INTERVAL
        self._lost = ""
        self._asking = False
        self._note: Span | None = None
        self._note_ends = 0.0

    def run(self) -> int:
        """Draw and answer keys until `q`."""
        while True:
            width, height = self._screen.size()
            self._screen.draw(screen_lines(self._status, width, height, self._bottom()), width)
            key = self._screen.key(self._due - self._monotonic()).lower()
            if key == screen.QUIT:
                return 0
            if key:
                self._pressed(key)
            if self._monotonic() >= self._due:
                self._poll()

    def _poll(self) -> None:
        try:
            self._status = self._client.status()
            self._lost = ""
        except AudiobatchError as error:
            # It may be started again: the screen waits for it.
            self._lost = str(error)
        self._due = self._monotonic() + _INTERVAL

    def _pressed(self, key: str) -> None:
        if self._asking:
            self._asking = False
            if key == "y":
                self._do(self._retry)
        elif key == "p":
            self._do(self._resume if is_paused(self._status) else self._pause)
        elif key == "r":
            self._asking = bool(_troubled(self._status))
            if not self._asking:
                self._say(Span("nothing failed"))

    def _do(self, action: Callable[[], str]) -> None:
        try:
            self._say(Span(action()))
        except AudiobatchError as error:
            self._say(Span(printable(str(error)), Tone.BAD))
        self._poll()

    def _retry(self) -> str:
        answer = self._client.ask(RETRY, RetryFolders(all=True))
        return _note(retried_in_words(answer), answer.remarks)

    def _pause(self) -> str:
        answer = self._client.ask(PAUSE, Pause())
        return _note(paused_in_words(answer), [*answer.remarks, "p lets it go on"])

    def _resume(self) -> str:
        answer = self._client.ask(RESUME, Resume())
        return _note(resumed_in_words(answer), answer.remarks)

    def _say(self, note: Span) -> None:
        self._note, self._note_ends = note, self._monotonic() + _NOTE_SECONDS

    def _bottom(self) -> Line:
        if self._asking:
            return (Span(f"try {counted(_troubled(self._status), 'folder')} again?  y yes  n no", Tone.STRONG),)
        if self._note is not None and self._monotonic() < self._note_ends:
            return (self._note,)
        if self._lost:
            return (Span(f"q quit  {printable(self._lost)}", Tone.BAD),)
        return keys_line(self._status)


def _note(done: str, remarks: list[str]) -> str:
    """Join what was done and the service's remarks on it in one line."""
    return printable("; ".join(each for each in (done.removesuffix(".") if remarks else done, *remarks) if each))


# Drawing


def screen_lines(status: Status, width: int, height: int, bottom: Line | None = None) -> list[Line]:
    """The whole screen: `height` lines, none wider than `width`, the keys, or `bottom`, in the last."""
    inner = max(NARROWEST, width)
    head = header_lines(status, inner)[: None if height >= _TALL else 1]
    spaced = height >= _SPACED
    room = height - len(head) - 1 - (4 if spaced else 0)
    datasets = _datasets(status, inner, max(2, room // 2))
    pace = pace_lines(status, inner)[:1]
    room -= len(datasets) + len(pace)
    workers = worker_lines(status, inner, most=max(2, room * 2 // 3 if status.troubles else room), memory=True)
    troubles = _troubles(status, inner, room - len(workers))
    lines: list[Line] = []
    for section in (head, datasets, pace, workers, troubles):
        lines += [()] if lines and section and spaced else []
        lines += section
    lines = [*lines[: height - 1], *([()] * (height - 1 - len(lines)))]
    return [cut(line, width) for line in (*lines, keys_line(status) if bottom is None else bottom)]


def plain_line(status: Status, clock: str) -> str:
    """Say the status in one line, for a log or a program."""
    counts = folder_counts(status.datasets)
    share = bar_line(counts, 0)[-1]
    spans: list[Span] = [Span(clock), Span(printable(status.state)), Span(share.text.strip())]
    for line in (*count_lines(counts, _ENDLESS), *pace_lines(status, _ENDLESS)):
        spans += line
    spans += [Span(f"{printable(each.path)} is {each.state.value}") for each in status.datasets if stands_still(each)]
    return as_ansi(flowed([span for span in spans if span.text.strip()], _ENDLESS)[0], colour=False)


def keys_line(status: Status) -> Line:
    """Make the line of keys that can be pressed."""
    pause = "resume" if is_paused(status) else "pause"
    items = [("q", "quit"), ("p", pause), ("r", "retry what failed")]
    return tuple(span for key, what in items for span in (Span(key, Tone.STRONG), Span(f" {what}   ", Tone.FAINT)))


def is_paused(status: Status) -> bool:
    """Tell whether no dataset that is there is worked on."""
    states = [dataset.state for dataset in status.datasets if dataset.state is not DatasetState.MISSING]
    return bool(states) and all(state is DatasetState.PAUSED for state in states)


def _troubled(status: Status) -> int:
    counts = folder_counts(status.datasets)
    return counts[FolderState.FAILED] + counts[FolderState.BLOCKED]


def _datasets(status: Status, width: int, most: int) -> list[Line]:
    """Draw each dataset with its bar and counts; where that is too much, a line each and the counts of all."""
    if not status.datasets:
        return [(Span("no dataset is configured", Tone.CAUTION),)]
    whole = [line for dataset in status.datasets for line in _dataset(dataset, width)]
    if len(whole) <= most:
        return whole
    counts = count_lines(folder_counts(status.datasets), width)
    counts = counts[: max(1, most - len(status.datasets))]
    rows = max(1, most - len(counts))
    left_out = len(status.datasets) - rows if len(status.datasets) > rows else 0
    shown = status.datasets[: rows - 1 if left_out else rows]
    lines = [_small(dataset, width) for dataset in shown]
    if left_out:
        lines.append((Span(f"and {counted(len(status.datasets) - len(shown), 'more dataset')}", Tone.FAINT),))
    return [*lines, *counts]


def _dataset(dataset: DatasetStatus, width: int) -> list[Line]:
    counts = Counter(dataset.folders)
    walk = [(Span(clipped(f"  walk: {printable(dataset.walk)}", width), Tone.FAINT),)] if dataset.walk else []
    return [*dataset_lines(dataset, width), bar_line(counts, width, "  "), *count_lines(counts, width, "  "), *walk]


def _small(dataset: DatasetStatus, width: int) -> Line:
    name = padded(printable(dataset.path), max(6, width - _SMALL_BAR - _STATE - 2))
    state = padded(dataset.state.value, _STATE)
    bar = bar_line(Counter(dataset.folders), _SMALL_BAR)
    return (Span(name, Tone.STRONG), Span(f" {state} ", Tone.CAUTION if stands_still(dataset) else Tone.FAINT), *bar)


def _troubles(status: Status, width: int, room: int) -> list[Line]:
    """The last failures, as many as there is room for: at length, else with a line of reason each."""
    if not status.troubles or room < 1:
        return []
    lines: list[Line] = [(Span(clipped(f"{counted(_troubled(status), 'folder')} failed or blocked", width), Tone.BAD),)]
    wordy = [line for trouble in status.troubles for line in trouble_lines(trouble, status, width)]
    if len(wordy) < room:
        return lines + wordy
    for trouble in status.troubles:
        told = trouble_lines(trouble, status, width, 1)
        if len(lines) + len(told) > room:
            break
        lines += told
    return lines
