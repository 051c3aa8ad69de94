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
from contextlib import closing

from audiobatchd.cli.terminal import screen
from audiobatchd.cli.terminal.asking import Asker
from audiobatchd.cli.terminal.output import Say, colour
from audiobatchd.cli.terminal.screen import Screen
from audiobatchd.cli.terminal.status import (
    NARROWEST,
    bar_line,
    count_lines,
    dataset_lines,
    folder_counts,
    header_lines,
    lacking_lines,
    pace_lines,
    stands_still,
    trouble_lines,
    worker_lines,
)
from audiobatchd.cli.terminal.text import Line, Span, Tone, as_ansi, clipped, cut, flowed, harmless_json, padded
from audiobatchd.cli.wording import overridden_in_words, paused_in_words, resumed_in_words, retried_in_words
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import PAUSE, RESUME, RETRY
from audiobatchd.control.requests import Pause, Paused, Resume, RetryFolders
from audiobatchd.control.status import DatasetStatus, Status
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.quantities import counted
from audiobatchd.vocabulary.states import DatasetState, FolderState

_INTERVAL, _SOON = 1.0, 0.1
_BETWEEN_LINES = 5.0
_NOTE_SECONDS = 6.0
# Below these there is no room for empty lines, and for more than the first line of what is said of the whole.
_SPACED, _TALL = 20, 12
_SMALL_BAR = 18
_STATE = 9
_ENDLESS = sys.maxsize
_HELP = "?"
_KEYS = (
    ("q", "quit; the service works on"),
    ("p", "pause: no more jobs, in all datasets; again: go on"),
    ("r", "try again what failed or is blocked, after a y"),
    ("o", "override the schedule that holds jobs back now"),
    ("?", "this help"),
)
_SIGNS = (
    "█ complete   ▓ failed or blocked   ░ to be done",
    "x real time: seconds of audio measured in a second",
    "a worker: folder, what it is at, memory, time at that",
    "greyed out: what a service told before it was gone",
)


def top(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show the status again every second until `q`; a line every few seconds where there is no terminal."""
    if arguments.json or not screen.usable():
        return _tell(client, say, as_json=arguments.json)
    status = client.status()
    with closing(Asker(client, status)) as asker, Screen(colour=colour(os.environ)) as taken:
        return Live(asker, taken).run()


def _tell(client: ControlClient, say: Say, *, as_json: bool) -> int:
    while True:
        if as_json:
            say(harmless_json(client.status_json(), indent=0))
        else:
            say(plain_line(client.status(), time.strftime("%H:%M:%S")))
        time.sleep(_INTERVAL if as_json else _BETWEEN_LINES)


class Live:
    """The screen and its keys, over what an `Asker` has been told."""

    def __init__(self, asker: Asker, taken: Screen, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._asker = asker
        self._screen = taken
        self._monotonic = monotonic
        self._is_confirming = False
        """True while `y` would try folders again."""
        self._is_helping = False
        """True while the help is shown."""
        self._waits = False
        """True while something that a key asked for is not answered yet."""
        self._note: Span | None = None
        self._note_ends = 0.0

    def run(self) -> int:
        """Draw and answer keys until `q`."""
        while True:
            self._take_answers()
            width, height = self._screen.size()
            self._screen.draw(self._lines(width, height), width)
            key = self._screen.key(_SOON if self._waits else _INTERVAL).lower()
            if key and self._is_helping:
                self._is_helping = False
            elif key == screen.QUIT:
                return 0
            elif key:
                self._pressed(key)

    def _lines(self, width: int, height: int) -> list[Line]:
        if self._is_helping:
            return help_lines(width, height)
        lost = self._asker.lost()
        return screen_lines(self._asker.status, width, height, self._bottom(is_lost=bool(lost)), lost)

    def _take_answers(self) -> None:
        while not self._asker.answers.empty():
            done, told = self._asker.answers.get()
            self._waits = False
            self._say(Span(printable(told), Tone.PLAIN if done else Tone.BAD))

    def _pressed(self, key: str) -> None:
        status, lost = self._asker.status, self._asker.lost()
        if key == _HELP:
            self._is_helping = True
        elif self._is_confirming:
            self._is_confirming = False
            if key == "y":
                self._ask(self._retry)
        elif lost and key in ("p", "r", "o"):
            self._say(Span(lost, Tone.BAD))
        elif key == "p":
            self._ask(self._resume if is_paused(status) else self._pause)
        elif key == "o":
            self._ask(self._override)
        elif key == "r":
            self._is_confirming = bool(_troubled(status))
            if not self._is_confirming:
                self._say(Span("nothing failed"))

    def _ask(self, question: Callable[[], str]) -> None:
        self._waits = True
        self._asker.want(question)

    def _retry(self) -> str:
        answer = self._asker.client.ask(RETRY, RetryFolders(all=True))
        return _note(retried_in_words(answer), answer.remarks)

    def _pause(self) -> str:
        answer = self._asker.client.ask(PAUSE, Pause())
        return _note(paused_in_words(answer), [*answer.remarks, "p lets it go on"])

    def _resume(self) -> str:
        answer = self._asker.client.ask(RESUME, Resume())
        return _note(resumed_in_words(answer), answer.remarks)

    def _override(self) -> str:
        held = [each.path for each in self._asker.status.datasets if _is_held(each)]
        answers = [self._asker.client.ask(RESUME, Resume(path, override=True)) for path in held]
        if not answers:
            return "no dataset is held back by its schedule alone"
        done = Paused(sum(each.datasets for each in answers))
        return _note(overridden_in_words(done), [remark for each in answers for remark in each.remarks])

    def _say(self, note: Span) -> None:
        self._note, self._note_ends = note, self._monotonic() + _NOTE_SECONDS

    def _bottom(self, *, is_lost: bool) -> Line:
        if self._is_confirming:
            count = counted(_troubled(self._asker.status), "folder")
            return (Span(f"try {count} again?  y yes  n no", Tone.STRONG),)
        if self._note is not None and self._monotonic() < self._note_ends:
            return (self._note,)
        return keys_line(self._asker.status, is_lost=is_lost)


def _note(done: str, remarks: list[str]) -> str:
    """Join what was done and the service's remarks on it in one line."""
    return printable("; ".join(each for each in (done.removesuffix(".") if remarks else done, *remarks) if each))


# Drawing


def screen_lines(status: Status, width: int, height: int, bottom: Line | None = None, lost: str = "") -> list[Line]:
    """The whole screen: `height` lines, none wider than `width`, the keys, or `bottom`, in the last.

    Where the service is `lost`, that stands in the first, and its last known state is faint.
    """
    inner = max(NARROWEST, width)
    head = header_lines(status, inner)[: None if height >= _TALL else 1]
    head += lacking_lines(status, inner)[:1] if height >= _SPACED else []
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
    if lost:
        faint = [tuple(Span(span.text, Tone.FAINT) for span in line) for line in lines[1:]]
        lines = [(Span(lost, Tone.BAD),), *faint]
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


def help_lines(width: int, height: int) -> list[Line]:
    """The help: `height` lines, none wider than `width`."""
    lines: list[Line] = [(Span("audiobatchctl top", Tone.STRONG),), ()]
    lines += [(Span(f"  {key}  ", Tone.STRONG), Span(text)) for key, text in _KEYS]
    lines += [(), *((Span(f"  {text}"),) for text in _SIGNS)]
    lines = [*lines[: height - 1], *([()] * (height - 1 - len(lines)))]
    return [cut(line, width) for line in (*lines, (Span("any key goes back", Tone.FAINT),))]


def keys_line(status: Status, *, is_lost: bool = False) -> Line:
    """Make the line of keys that can be pressed."""
    pause = "resume" if is_paused(status) else "pause"
    items = [("q", "quit"), ("p", pause), (_HELP, "help"), ("r", "retry what failed")]
    if any(_is_held(each) for each in status.datasets):
        items.append(("o", "override the schedule"))
    if is_lost:
        items = [("q", "quit"), (_HELP, "help")]
    return tuple(span for key, what in items for span in (Span(key, Tone.STRONG), Span(f" {what}   ", Tone.FAINT)))


def is_paused(status: Status) -> bool:
    """Tell whether no dataset that is there is worked on, and not by its schedule alone."""
    there = [dataset for dataset in status.datasets if dataset.state is not DatasetState.MISSING]
    by_schedule = any(_is_held(each) for each in there)
    return bool(there) and not by_schedule and all(each.state is DatasetState.PAUSED for each in there)


def _is_held(dataset: DatasetStatus) -> bool:
    """Tell whether jobs are held back by the dataset's schedule, and by nothing else."""
    return bool(dataset.schedule) and dataset.remark == dataset.schedule


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
