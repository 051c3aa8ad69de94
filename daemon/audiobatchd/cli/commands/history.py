"""`audiobatchctl history`: what was done day by day, what took the time, and what failed; or the same of one folder."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from datetime import time as datetime_time

from audiobatchd.cli.named import dataset_named, datasets_of, folder_of
from audiobatchd.cli.terminal import output
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json, cells, padded, worded
from audiobatchd.cli.wording import attempt_in_words
from audiobatchd.control.client import ControlClient
from audiobatchd.control.history import AskHistory, Span
from audiobatchd.control.operations import EXPLAIN, HISTORY
from audiobatchd.control.status import FolderReport
from audiobatchd.errors import UsageError
from audiobatchd.report.history import Stretch, by_day, by_hour, total
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import counted, duration, significant

_BY_DEFAULT = 6
"""Whole days before this one that are shown where nothing is asked for."""
_HOUR = 3600.0
_BY_HOUR = 2 * 86400.0
"""Up to so many seconds back each hour has a line, else each day."""
_MOST_CAUSES, _MOST_COSTS = 15, 25
"""Lines of causes and of analyzers; `--json` has all."""
_NARROWEST, _WIDEST = 8, 40
"""Cells of the longest bar; none is drawn where there are fewer."""
_EIGHTHS, _PLAIN = " ▏▎▍▌▋▊▉█", " ########"


def history(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show what was done over time. Exit code 1 where nothing was."""
    if arguments.folder:
        if arguments.dataset:
            raise UsageError("name a folder or a dataset, not both")
        return _of_folder(arguments, client, say)
    now = time.time()
    since = _begin(now) if arguments.since is None else arguments.since
    dataset = shown(dataset_named(arguments.dataset, datasets_of(client))) if arguments.dataset else ""
    spans = client.ask(HISTORY, AskHistory(dataset, max(0, int(since)))).spans
    if arguments.json:
        say(as_json({"dataset": dataset, "since": max(0, int(since)), "spans": spans}))
    elif spans:
        width = output.width(sys.stdout, os.environ)
        for line in _lines(spans, width, hourly=now - since <= _BY_HOUR):
            say(printable(line))
    else:
        say(f"No job has ended since {datetime.fromtimestamp(since).astimezone():%Y-%m-%d %H:%M}.")
    return 0 if spans else 1


def _begin(now: float) -> float:
    """Find the midnight with which the days begin that are shown by default."""
    today = datetime.fromtimestamp(now).astimezone().date()
    return datetime.combine(today - timedelta(days=_BY_DEFAULT), datetime_time()).timestamp()


def _lines(spans: Sequence[Span], width: int, *, hourly: bool) -> Iterator[str]:
    stretches, whole = (by_hour if hourly else by_day)(spans), total(spans)
    name = max(10, *(len(each.name) for each in stretches))
    most = max(each.done + each.failed for each in stretches)
    yield f"{'':{name}}  {'done':>8} {'failed':>7} {'music':>9} {'per hour':>8}"
    for each in stretches:
        numbers = _numbers(each, name)
        room = min(_WIDEST, width - len(numbers) - 2)
        yield f"{numbers}  {_bar(each.done + each.failed, most, room)}" if room >= _NARROWEST else numbers
    if len(stretches) > 1:
        yield _numbers(whole, name, "in all")
    if whole.costs:
        yield ""
        yield from _costs(whole)
    if whole.causes:
        yield ""
        yield from _causes(whole, width)


def _numbers(each: Stretch, width: int, name: str = "") -> str:
    rate = significant(each.per_hour) if each.per_hour else "-"
    music = _music(each.audio_seconds) if each.audio_seconds else "-"
    return f"{name or each.name:{width}}  {each.done:>8,} {each.failed:>7,} {music:>9} {rate:>8}"


def _music(seconds: float) -> str:
    """Say a length of music in one unit."""
    if seconds >= _HOUR:
        return f"{significant(seconds / _HOUR)} h"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"  # noqa: PLR2004  # a minute


def _bar(count: int, most: int, room: int) -> str:
    """Draw a bar as long as its share of the most; one that counts anything shows."""
    eighths = -(-count * room * 8 // most) if most else 0
    signs = _EIGHTHS if _draws_blocks() else _PLAIN
    return signs[-1] * (eighths // 8) + (signs[eighths % 8] if eighths % 8 else "")


def _draws_blocks() -> bool:
    try:
        _EIGHTHS.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _costs(whole: Stretch) -> Iterator[str]:
    costs = whole.costs_by_size()
    everything = sum(whole.costs.values()) or 1.0
    width = min(40, max(cells(printable(name)) for name, _ in costs[:_MOST_COSTS]))
    yield "Processor time"
    for name, seconds in costs[:_MOST_COSTS]:
        yield f"  {padded(printable(name), width)}  {duration(seconds):>12}  {100 * seconds / everything:5.1f} %"
    if len(costs) > _MOST_COSTS:
        yield f"  and {counted(len(costs) - _MOST_COSTS, 'analyzer')} more"


def _causes(whole: Stretch, width: int) -> Iterator[str]:
    causes = whole.causes_by_size()
    yield "Failures by cause (# stands for numbers)"
    for cause, count in causes[:_MOST_CAUSES]:
        first, *rest = worded(printable(cause), width - 11) or [""]
        yield f"  {count:>7,}  {first}"
        yield from (f"{'':11}{line}" for line in rest)
    if len(causes) > _MOST_CAUSES:
        yield f"  and {counted(len(causes) - _MOST_CAUSES, 'cause')} more"


def _of_folder(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show when a folder was measured, and how its last jobs ended. Exit code 1 where nothing is known of that."""
    report = client.ask(EXPLAIN, folder_of(arguments.folder, client))
    since = 0.0 if arguments.since is None else arguments.since
    attempts = [each for each in report.attempts if _moment(each.at) >= since]
    measured = {
        name: kept
        for name, by_role in report.measured.items()
        if (kept := {role: at for role, at in by_role.items() if _moment(at) >= since})
    }
    if arguments.json:
        say(as_json({"dataset": report.dataset, "folder": report.folder, "measured": measured, "attempts": attempts}))
        return 0 if measured or attempts else 1
    say(printable(_heading(report)))
    if measured:
        say("  Measured, the latest first:")
    for at, names in _by_time(measured):
        say(printable(f"    {at}"))
        for line in worded(", ".join(names), 74):
            say(printable(f"      {line}"))
    if attempts:
        say("  Jobs that came to no good end, the latest first:")
        for attempt in attempts:
            for line in attempt_in_words(attempt):
                say(printable(line))
    if not (measured or attempts):
        say("  No analyzer has measured it, and no job has failed there.")
    return 0 if measured or attempts else 1


def _heading(report: FolderReport) -> str:
    place = "" if report.folder == "." else f"/{report.folder}"
    return f"{report.dataset}{place}: {report.state.value}"


def _by_time(measured: dict[str, dict[str, str]]) -> list[tuple[str, list[str]]]:
    """List what was measured at each moment, the latest first."""
    found: dict[str, list[str]] = {}
    for name, by_role in measured.items():
        for role, at in by_role.items():
            found.setdefault(at, []).append(f"{name} of {role}")
    return sorted(found.items(), reverse=True)


def _moment(at: str) -> float:
    """Read a time of a record or an attempt; one that is none is taken for now, so that it is shown."""
    try:
        return datetime.fromisoformat(at).timestamp()
    except (ValueError, OverflowError):
        return time.time()
