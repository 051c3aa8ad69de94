"""The status as lines of text: what an operator reads in `audiobatchctl status`, and the pieces of the live view.

The numbers are the service's; nothing is asked or measured here, and ages are told by the service's own clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import NamedTuple

from audiobatchd.cli.terminal.lacking import is_fetchable, lacking_line
from audiobatchd.cli.terminal.text import Line, Span, Tone, as_ansi, cells, clipped, flowed, padded, shortened, wrapped
from audiobatchd.control.status import (
    AnalyzerStatus,
    DatasetStatus,
    HookStatus,
    InboxStatus,
    Status,
    Trouble,
    WorkerStatus,
)
from audiobatchd.vocabulary.commands import import_command
from audiobatchd.vocabulary.files import MissKind
from audiobatchd.vocabulary.names import parsed, printable
from audiobatchd.vocabulary.quantities import counted, duration, significant, sized
from audiobatchd.vocabulary.states import ENDED, TO_DO, DatasetState, FolderState, HookState, InboxState

NARROWEST = 32
"""No view is laid out for less; a terminal that is narrower cuts it off."""

_BAR = 50
_REASON_LINES = 3
_WHOLE = 99
"""Lines of what is of no use when its end is left out."""
# "loudness of full_mix.flac", and "99 s" with room for a digit more: columns that seldom move.
_DOING = 26
_HOST = 16
_CLOCK = 5
_MEMORY = 10
_ROOM_FOR_MEMORY = 56
_ROOM_FOR_BOTH = 40
# Beyond this the eye loses the line between a name and what is done with it.
_WIDEST = 100
_STATE_TONES = {
    FolderState.COMPLETE: Tone.GOOD,
    FolderState.FAILED: Tone.BAD,
    FolderState.BLOCKED: Tone.CAUTION,
    FolderState.BACKOFF: Tone.CAUTION,
}
_LEFT_SHOWN = 5
_INBOX_TONES = {
    InboxState.STARTING: Tone.PLAIN,
    InboxState.WATCHING: Tone.GOOD,
    InboxState.MOVING: Tone.GOOD,
    InboxState.HELD: Tone.CAUTION,
    InboxState.HINDERED: Tone.BAD,
}
_HOOK_TONES = {HookState.IDLE: Tone.GOOD, HookState.SENDING: Tone.GOOD, HookState.FAILING: Tone.BAD}
_DATASET_TONES = {
    DatasetState.ACTIVE: Tone.GOOD,
    DatasetState.WALKING: Tone.GOOD,
    DatasetState.PAUSED: Tone.CAUTION,
    DatasetState.MISSING: Tone.BAD,
}


def status_text(status: Status, width: int, *, colour: bool) -> str:
    """Draw all of `status` for a terminal of `width` cells, as several lines without the last line's end."""
    width = max(NARROWEST, width)
    sections: list[list[Line]] = [
        header_lines(status, width),
        *(_dataset(dataset, _now(status), width) for dataset in status.datasets),
        [] if status.datasets else [(Span("no dataset is configured", Tone.CAUTION),)],
        *(_inbox(inbox, width) for inbox in status.inboxes),
        [line for hook in status.hooks for line in hook_lines(hook, width)],
        [(Span("Workers", Tone.STRONG),), *worker_lines(status, width, indent="  ")],
        [*pace_lines(status, width), *_done(status, width)],
        _troubles(status, width),
        _analyzers(status, width),
    ]
    lines = [line for section in sections if section for line in ((), *section)]
    return "\n".join(as_ansi(line, colour=colour) for line in lines[1:])


# The pieces, which the live view shares


def folder_counts(datasets: Iterable[DatasetStatus]) -> Counter[FolderState]:
    """Count the folders in each state, over all of `datasets`."""
    total: Counter[FolderState] = Counter()
    for dataset in datasets:
        total.update(dataset.folders)
    return total


def bar_line(counts: Counter[FolderState], width: int, indent: str = "") -> Line:
    """A bar of what has come to an end, good or bad, with the percentage; never 100 % before the last folder."""
    total = counts.total()
    ended = sum(counts[state] for state in ENDED)
    share = int(1000 * ended / total) / 10 if total else 0.0
    text = f"  {share:.1f} %" if ended < total or not total else "  100 %"
    room = max(5, min(_BAR, width - len(indent) - cells("  99.9 %")))
    good = room * counts[FolderState.COMPLETE] // total if total else 0
    bad = room * ended // total - good if total else 0
    if ended > counts[FolderState.COMPLETE] and not bad and good:
        good, bad = good - 1, 1  # one bad folder in a million shall still be seen
    return (
        Span(indent),
        Span("█" * good, Tone.GOOD),
        Span("▓" * bad, Tone.BAD),
        Span("░" * (room - good - bad), Tone.FAINT),
        Span(text, Tone.STRONG),
    )


def count_lines(counts: Counter[FolderState], width: int, indent: str = "") -> list[Line]:
    """Say how many folders there are, and how many in each state that has any, in the vocabulary's order."""
    items = [Span(counted(counts.total(), "folder"), Tone.STRONG)]
    items += [
        Span(f"{counts[state]:,} {state.value}", _STATE_TONES.get(state, Tone.PLAIN))
        for state in FolderState
        if counts[state]
    ]
    return flowed(items, width, indent)


def worker_lines(
    status: Status, width: int, indent: str = "", most: int | None = None, *, memory: bool = False
) -> list[Line]:
    """Say what each worker does and for how long: at most `most` lines; those that wait are counted.

    `memory`: with what its process takes, where there is room for that.
    """
    ready = [worker for worker in status.workers if worker.state == "idle"]
    shown = [worker for worker in status.workers if worker.state != "idle"]
    several = len(status.datasets) > 1
    width = min(width, _WIDEST)
    rest: list[Span] = []
    if most is not None and len(shown) + bool(ready) > most:
        kept = max(0, most - 1)
        rest.append(Span(f"{len(shown) - kept} more at work"))
        shown = shown[:kept]
    if ready:
        rest.append(Span(f"{len(ready)} idle", Tone.FAINT))
    if status.lost:
        pids = ", ".join(str(each.pid) for each in status.lost)
        rest.insert(0, Span(f"{len(status.lost)} lost to a disk that does not answer (PID {pids})", Tone.BAD))
    if not status.workers:
        rest.append(Span("none yet", Tone.FAINT))
    clock = max((len(duration(worker.seconds)) for worker in shown), default=0)
    numbers = _Numbers(max(_CLOCK, clock), memory and width >= _ROOM_FOR_MEMORY)
    lines = [_worker(worker, width, indent, numbers, several=several) for worker in shown]
    return lines + flowed(rest, width, indent)[:1]


def pace_lines(status: Status, width: int, indent: str = "") -> list[Line]:
    """Say when it will be over, and how fast it goes: the most important first."""
    if not sum(folder_counts(status.datasets)[state] for state in TO_DO):
        known = status.state != "starting"
        return flowed([Span("nothing to do" if known else "looking for folders", Tone.FAINT)], width, indent)
    items = [Span("time left unknown", Tone.FAINT)]
    if status.time_left is not None:
        items = [Span(f"{duration(status.time_left)} left", Tone.STRONG)]
    if status.audio_seconds_per_second:
        items.append(Span(f"{significant(status.audio_seconds_per_second)} x real time"))
    if status.folders_per_hour:
        items.append(Span(f"{significant(status.folders_per_hour)} folders an hour"))
    return flowed(items, width, indent)


def header_lines(status: Status, width: int) -> list[Line]:
    """Say which service this is, its state, and what keeps it from working."""
    tone = Tone.GOOD if status.state == "running" else Tone.CAUTION
    items = [
        Span(f"audiobatchd {printable(status.version)}", Tone.STRONG),
        Span(printable(status.state), tone),
        Span(f"up {duration(status.uptime)}"),
        Span(f"pid {status.pid}", Tone.FAINT),
    ]
    lines = flowed(items, width)
    return lines + (_paragraph(status.remark, width, "", Tone.BAD) if status.remark else [])


def dataset_lines(dataset: DatasetStatus, width: int) -> list[Line]:
    """Say which dataset this is, its state, and why it is not as it should be."""
    state = dataset.state.value
    path = shortened(printable(dataset.path), width - len(state) - 2)
    name: Line = (Span(path, Tone.STRONG), Span("  "), Span(state, _DATASET_TONES[dataset.state]))
    target = _paragraph(f"leads to {dataset.target}", width, "  ", Tone.FAINT) if dataset.target else []
    overridden = dataset.schedule if dataset.state is not DatasetState.PAUSED else ""
    schedule = _paragraph(f"schedule {overridden}", width, "  ", Tone.CAUTION) if overridden else []
    return [name, *target, *_remark(dataset, width), *schedule]


def stands_still(dataset: DatasetStatus) -> bool:
    """Tell whether no job is given out in it."""
    return dataset.state in (DatasetState.PAUSED, DatasetState.MISSING)


# The parts of the whole


def _dataset(dataset: DatasetStatus, now: datetime | None, width: int) -> list[Line]:
    lines = dataset_lines(dataset, width)
    counts = Counter(dataset.folders)
    if counts.total():
        lines.append(bar_line(counts, width, "  "))
        lines += count_lines(counts, width, "  ")
    else:
        lines += _no_tracks(dataset, width)
    notes = []
    if dataset.unavailable:
        notes.append(f"{counted(dataset.unavailable, 'value')} of complete folders unavailable here")
    if dataset.walk:
        notes.append(f"walking: {printable(dataset.walk)}")
    if walked := _age(dataset.last_walk, now):
        notes.append(f"last full walk {walked}")
    elif passed := _age(dataset.last_pass, now):
        notes.append(f"last pass {passed}")
    elif not dataset.walk:
        notes.append("not walked yet")
    if dataset.locks and not dataset.locks.startswith("local"):
        notes.append(f"locks: {dataset.locks}")
    lines += flowed([Span(note, Tone.FAINT) for note in notes], width, "  ")
    for lock, holder in dataset.overdue.items():
        lines += _paragraph(f"! {lock} is held for longer than was announced, by {holder}", width, "  ", Tone.CAUTION)
    for miss in dataset.near_misses:
        if miss.kind is not MissKind.STEMS_ALONE:  # of these each is warned of by name
            lines += _paragraph(f"! {miss.line}", width, "  ", Tone.CAUTION)
    warnings = [*dataset.warnings, f"and {dataset.more_warnings:,} more"] if dataset.more_warnings else dataset.warnings
    for warning in warnings:
        lines += _paragraph(f"! {warning}", width, "  ", Tone.CAUTION)
    return lines


def _inbox(inbox: InboxStatus, width: int) -> list[Line]:
    """Say which inbox this is, how it stands, and what stays in it."""
    state = inbox.state.value
    path = shortened(printable(f"inbox {inbox.path}"), width - len(state) - 2)
    lines: list[Line] = [(Span(path, Tone.STRONG), Span("  "), Span(state, _INBOX_TONES[inbox.state]))]
    left = len(inbox.left) + inbox.more_left
    counts = [f"{counted(inbox.moved, 'track')} moved", f"{counted(inbox.waiting, 'file')} waiting", f"{left:,} left"]
    lines += flowed([Span(count) for count in counts], width, "  ")
    if inbox.remark:
        lines += _paragraph(inbox.remark, width, "  ", _INBOX_TONES[inbox.state])
    for each in inbox.left[:_LEFT_SHOWN]:
        lines += _paragraph(f"! {each.path}: {each.why}", width, "  ", Tone.CAUTION)
    if left > _LEFT_SHOWN:
        lines += _paragraph(f"! and {left - _LEFT_SHOWN:,} more", width, "  ", Tone.CAUTION)
    return lines


def hook_lines(hook: HookStatus, width: int) -> list[Line]:
    """Say which hook this is, how it stands, and what waits for it."""
    state = hook.state.value
    name = shortened(printable(f"hook {hook.name}: {hook.target}"), width - len(state) - 2)
    lines: list[Line] = [(Span(name, Tone.STRONG), Span("  "), Span(state, _HOOK_TONES[hook.state]))]
    counts = [f"{hook.delivered:,} delivered", f"{hook.waiting:,} waiting"]
    if hook.dropped:
        counts.append(f"{hook.dropped:,} lost")
    if hook.next_in is not None:
        counts.append(f"tried again in {duration(hook.next_in)}")
    lines += flowed([Span(count) for count in counts], width, "  ")
    return lines + (_paragraph(hook.remark, width, "  ", Tone.BAD) if hook.remark else [])


def _no_tracks(dataset: DatasetStatus, width: int) -> list[Line]:
    """Say that there is no track folder, and once everything has been looked at how to come by some."""
    lines: list[Line] = [(Span("  no track folder found"),)]
    if dataset.last_walk:
        command = import_command(parsed(dataset.path), has_music=bool(dataset.near_misses))
        lines += _paragraph(f"make them of your music: {command}", width, "  ", Tone.PLAIN, _WHOLE)
    return lines


def _remark(dataset: DatasetStatus, width: int) -> list[Line]:
    """Say why a dataset is not as it should be; None where all is well."""
    if not dataset.remark:
        return []
    working = dataset.state in (DatasetState.ACTIVE, DatasetState.WALKING)
    text = f"degraded: {dataset.remark}" if working else dataset.remark
    tone = Tone.CAUTION if working else _DATASET_TONES[dataset.state]
    return _paragraph(text, width, "  ", tone)


class _Numbers(NamedTuple):
    """The columns behind each worker: the width of its clock, and whether its memory is shown."""

    clock: int
    memory: bool

    def of(self, worker: WorkerStatus) -> Span:
        resident = sized(worker.resident) if worker.resident else ""
        memory = resident.rjust(_MEMORY) if self.memory else ""
        return Span(memory + duration(worker.seconds).rjust(self.clock + 2), Tone.FAINT)


def _worker(worker: WorkerStatus, width: int, indent: str, numbers: _Numbers, *, several: bool) -> Line:
    host = (
        f"{clipped(printable(worker.host), min(_HOST, width // 5))}  "
        if worker.host and width >= _ROOM_FOR_BOTH
        else ""
    )
    number = f"{indent}{worker.slot:>2}  {host}"
    since = numbers.of(worker)
    room = max(8, width - len(number) - len(since.text))
    doing = printable(worker.doing if worker.state == "busy" else f"{worker.state}: {worker.doing}".rstrip(": "))
    if not worker.folder:
        return Span(number), Span(padded(doing, room), Tone.FAINT), since
    if room < _ROOM_FOR_BOTH:
        return Span(number), Span(padded(_place(worker.dataset, worker.folder, several=several), room)), since
    told = max(6, min(_DOING, room * 2 // 5))
    name = padded(_place(worker.dataset, worker.folder, several=several), room - told - 2)
    return Span(number), Span(f"{name}  "), Span(padded(doing, told), Tone.FAINT), since


def _done(status: Status, width: int) -> list[Line]:
    audio = f" with {duration(status.audio_seconds)} of audio" if status.audio_seconds else ""
    return flowed([Span(f"since the start: {counted(status.done, 'folder')} completed{audio}", Tone.FAINT)], width)


def _troubles(status: Status, width: int) -> list[Line]:
    if not status.troubles:
        return []
    counts = folder_counts(status.datasets)
    all_of_them = counts[FolderState.FAILED] + counts[FolderState.BLOCKED]
    kept_back = all_of_them > len(status.troubles)
    title = f"Troubles (the latest {len(status.troubles)} of {all_of_them:,})" if kept_back else "Troubles"
    lines: list[Line] = [(Span(clipped(title, width), Tone.STRONG),)]
    for trouble in status.troubles:
        lines += trouble_lines(trouble, status, width)
    return lines


def trouble_lines(trouble: Trouble, status: Status, width: int, most: int = _REASON_LINES) -> list[Line]:
    """A folder that came to nothing, with its reason on at most `most` lines below."""
    state = trouble.state.value
    when = _age(trouble.at, _now(status))
    several = len(status.datasets) > 1
    age = f" {when}" if when and len(state) + len(when) + 25 <= width else ""
    name = shortened(_place(trouble.dataset, trouble.folder, several=several), width - len(state) - len(age) - 4)
    head = (Span(f"  {name}  "), Span(state, _STATE_TONES.get(trouble.state, Tone.PLAIN)), Span(age, Tone.FAINT))
    return [head, *_paragraph(trouble.reason or "no reason given", width, "    ", Tone.PLAIN, most)]


def _analyzers(status: Status, width: int) -> list[Line]:
    """Say what this machine lacks, and by which models the others work."""
    lines = lacking_lines(status, width)
    for name, analyzer in status.analyzers.items():
        if not analyzer.available and not is_fetchable(analyzer.reason):
            first, *others = _paragraph(
                f"! analyzer {name} is unavailable: {analyzer.reason}", width - 2, "", Tone.CAUTION
            )
            lines += [first, *((Span("  "), *line) for line in others)]
    for name, analyzer in status.analyzers.items():
        if analyzer.models:
            remark = f", {analyzer.remark}" if analyzer.remark else ""
            is_model = any(value.startswith("sha256:") for value in analyzer.models.values())
            how = "by" if is_model else "with"
            lines += _paragraph(f"{name} {how} {_models(analyzer)}{remark}", width, "", Tone.FAINT)
    return lines


def lacking_lines(status: Status, width: int) -> list[Line]:
    """Say which analyzers need models, in a line; nothing where none does."""
    line = lacking_line(unavailable(status), width - 2)
    return _paragraph(f"! {line}", width, "", Tone.CAUTION) if line else []


def unavailable(status: Status) -> dict[str, str]:
    """Say why analyzers do not work, by their names."""
    return {name: analyzer.reason for name, analyzer in status.analyzers.items() if not analyzer.available}


def _models(analyzer: AnalyzerStatus) -> str:
    """Models go by their names, their digests being for machines; options by their values."""
    return ", ".join(
        name if value.startswith("sha256:") else f"{name} {value}" for name, value in analyzer.models.items()
    )


def _paragraph(text: str, width: int, indent: str, tone: Tone, most: int = _REASON_LINES) -> list[Line]:
    lines = wrapped(printable(text), width - len(indent), most)
    return [(Span(indent), Span(line, tone)) for line in lines]


def _place(dataset: str, folder: str, *, several: bool) -> str:
    """A folder's name, with its dataset's where there are several."""
    return printable(f"{PurePath(dataset).name}/{folder}" if several else folder) or "."


def _now(status: Status) -> datetime | None:
    """The service's time of day when it told this."""
    try:
        return datetime.fromisoformat(status.started) + timedelta(seconds=status.uptime)
    except ValueError:
        return None


def _age(moment: str, now: datetime | None) -> str:
    try:
        return f"{duration((now - datetime.fromisoformat(moment)).total_seconds())} ago" if now and moment else ""
    except (ValueError, TypeError):  # not a time, or one without a zone
        return ""
