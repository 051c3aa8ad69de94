"""The program of a process that works one inbox for the service; see `inbox` for what the two say to each other.

A process, for an album takes minutes and its disk may hang: it is ended without harm at any moment, since the manifest
of the import knows what was done, and the next one goes on from there. It dies with the service.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from audiobatchd.disk import interrupts
from audiobatchd.errors import AudiobatchError, LockBusyError
from audiobatchd.imports import inbox, library, manifest, session, settling
from audiobatchd.imports.inbox import Left, Moved, Order, Report, Terms
from audiobatchd.imports.manifest import Manifest, Mode
from audiobatchd.imports.session import Request, Result
from audiobatchd.imports.settling import LOOSE, Rest, Unit
from audiobatchd.vocabulary.commands import quoted
from audiobatchd.vocabulary.files import EXTENSIONS, FileId
from audiobatchd.vocabulary.names import parsed, shown
from audiobatchd.vocabulary.quantities import counted
from audiobatchd.vocabulary.states import InboxState

_LONGEST_PAUSE, _SHORTEST_PAUSE = 5.0, 0.1
_LOOKS_PER_SETTLE = 4
_REST_AFTER_LOOK = 20
"""So many times what a look took the next one waits."""
_FIRST_RETRY, _LAST_RETRY = 5.0, 300.0
_SHOWN = 20
"""Number of files that stay and are named."""
_AT_ONCE = 100
"""So many tracks and files a report tells of at most: what a path takes is bounded by the kernel alone."""
_MOST_TOLD = 1000
"""So many files that stay a look tells of; `status` has the number of all."""
_ORDER_LIMIT = 1 << 16


class _HeldError(AudiobatchError):
    """Raised between two tracks where nothing more may be moved."""


class Importer:
    """Works one inbox, by the orders that come through a channel."""

    def __init__(self, terms: Terms, channel: Channel) -> None:
        self._terms = terms
        self._channel = channel
        self._rest = Rest()
        self._tried: dict[str, bytes] = {}
        """The digest that each unit had when it was last moved, or what of it could be."""
        self._left: dict[str, tuple[Left, ...]] = {}
        """What stays, by unit."""
        self._retry_at = 0.0
        self._retry_in = _FIRST_RETRY
        self._trouble = ""
        """Reason why the last attempt did not come to its end."""
        self._busy = ""
        """The same where another process is at work, which ends by itself."""
        self._is_recovered = False
        """True once what an earlier process left unfinished has come to its end."""
        self._took = 0.0
        """Seconds that the last look through the inbox took."""

    def look(self) -> float:
        """Look at the inbox, move what has settled, and report; after how many seconds to look again."""
        terms, now = self._terms, time.monotonic()
        try:
            place = self._place()
            units = settling.look(place)
            self._took = time.monotonic() - now
        except (AudiobatchError, OSError) as error:
            # Whatever settled there has to do so again: another disk may be there the next time.
            self._rest, self._tried, self._left = Rest(), {}, {}
            self._channel.tell(Report(InboxState.HINDERED, _why(error)))
            return self._pause()
        for memory in (self._tried, self._left):
            for name in memory.keys() - units.keys():
                del memory[name]
        settled = self._rest.settled(units, terms.settle, now)
        due = {name for name in settled if units[name].files and self._tried.get(name) != units[name].digest}
        moved: tuple[Moved, ...] = ()
        told: tuple[Left, ...] = ()
        self._channel.hear()
        if not due and self._is_recovered:
            self._trouble = self._busy = ""
        if self._channel.order.go and now >= self._retry_at and (due or not self._is_recovered):
            moved, told = self._move(place, units, due)
        for begin in range(0, max(len(moved), len(told), 1), _AT_ONCE):
            these = slice(begin, begin + _AT_ONCE)
            self._channel.tell(self._report(units, moved[these], told[these]))
        return self._pause()

    def _place(self) -> str:
        """Find the inbox. Raises AudiobatchError where it is not the place that the configuration was checked for."""
        path = self._terms.path
        place = os.path.realpath(path)
        if place != self._terms.place:
            message = f"{shown(path)} leads to {shown(place)} now: `audiobatchctl reload` takes that over"
            raise AudiobatchError(message)
        return place

    def _move(self, place: str, units: dict[str, Unit], due: set[str]) -> tuple[tuple[Moved, ...], tuple[Left, ...]]:
        """Move what is due; what came of it, and what stays for a reason that is new."""
        dataset = os.path.realpath(self._terms.dataset)
        result: Result | None = None
        before = {each for unit in self._left.values() for each in unit}
        self._busy = ""
        try:
            self._refuse_another(dataset)
            with inbox.claimed(place):
                if not self._is_recovered:
                    session.recover(dataset, dict)
                    settling.remove_empty(_emptied(manifest.all_in(dataset), place), place)
                    self._is_recovered = True
                if due:
                    result = self._import(place, dataset, frozenset().union(*(units[name].names for name in due)))
            self._trouble = result.stopped.removesuffix(session.GOES_ON) if result is not None else ""
        except LockBusyError as error:
            self._trouble, self._busy = "", str(error)
        except (AudiobatchError, OSError) as error:
            self._trouble = _why(error)
            # systemd tells each process of a unit which start of it this is (systemd.exec(5)).
            if isinstance(error, OSError) and error.errno == errno.EROFS and "INVOCATION_ID" in os.environ:
                self._trouble += f"; where the unit may not write there: audiobatchctl setup {quoted(dataset)}"
        if not self._channel.order.go:
            self._trouble = ""  # it goes on with the next order
        elif self._trouble:
            self._retry_at = time.monotonic() + self._retry_in
            self._retry_in = min(2 * self._retry_in, _LAST_RETRY)
        else:
            self._retry_in = _FIRST_RETRY
        if result is None:
            return (), ()
        brought = (track for track in result.plan.tracks if shown(track.name) in result.imported)
        settling.remove_empty({file.directory for track in brought for file in track.files.values()}, place)
        if not result.stopped:
            self._note(place, units, due, result)
        moved = tuple(Moved(folder, source, result.id) for folder, source in result.imported.items())
        told = [each for name in sorted(due) for each in self._left.get(name, ()) if each not in before]
        return moved, tuple(told[:_MOST_TOLD])

    def _import(self, place: str, dataset: str, names: frozenset[str]) -> Result:
        terms = self._terms
        request = Request(
            (place,), dataset, Mode.MOVE, terms.name, terms.stems, terms.ignore, terms.marker, inbox=names
        )

        def on_progress(doing: str, done: int, most: int, _: str) -> None:
            self._channel.hear()
            self._refuse_another(dataset)
            if not self._channel.order.go:
                raise _HeldError(self._channel.order.why)
            if doing == "Importing":
                self._channel.tell(Report(InboxState.MOVING, f"track {done + 1:,} of {most:,}"))

        return session.run(request, dict, on_progress)

    def _refuse_another(self, dataset: str) -> None:
        """Raise AudiobatchError where a dataset's directory is not the one that the service has walked."""
        root = self._channel.order.root
        try:
            found = FileId.of(os.stat(dataset))
        except OSError as error:
            message = f"cannot move into {shown(dataset)}: {error.strerror}"
            raise AudiobatchError(message) from error
        if root is None or found != root:
            message = f"cannot move into {shown(dataset)}: it is not the directory that was walked; is a mount lost?"
            raise AudiobatchError(message)

    def _note(self, place: str, units: dict[str, Unit], due: set[str], result: Result) -> None:
        """Note what stays of the units that were due, each with its reason."""
        named = {each.path: each.why for each in (*result.plan.troubles, *result.plan.left_out, *result.failed)}
        for name in due:
            # Of what has changed meanwhile the next look sees another digest.
            self._tried[name] = units[name].digest
            reasons = {path: why for path, why in named.items() if _unit_of(path, place) == name}
            left = [Left(_below(path, place), why) for path, why in sorted(reasons.items())]
            kinds: Counter[str] = Counter()
            for path in units[name].files:
                if path not in reasons and os.path.lexists(path):
                    kinds[_kind(path)] += 1
            if kinds:
                what = ", ".join(counted(number, kind) for kind, number in sorted(kinds.items()))
                left.append(Left(shown(name) or ".", f"no track: {what}"))
            self._left[name] = tuple(left)

    def _report(self, units: dict[str, Unit], moved: tuple[Moved, ...], told: tuple[Left, ...]) -> Report:
        order = self._channel.order
        waiting = [unit for name, unit in units.items() if unit.files and self._tried.get(name) != unit.digest]
        left = [each for unit in self._left.values() for each in unit]
        state, remark = InboxState.WATCHING, ""
        if self._trouble:
            state, remark = InboxState.HINDERED, self._trouble
        elif not order.go or self._busy:
            state, remark = InboxState.HELD, self._busy if order.go else order.why
        elif unfinished := next((unit.unfinished for unit in units.values() if unit.unfinished), ""):
            remark = f"waits for {_below(unfinished, self._terms.place)}: by its name it is still written"
        return Report(
            state, remark, sum(len(unit.files) for unit in waiting), tuple(left[:_SHOWN]), len(left), moved, told
        )

    def _pause(self) -> float:
        usual = min(_LONGEST_PAUSE, max(_SHORTEST_PAUSE, self._terms.settle / _LOOKS_PER_SETTLE))
        return max(usual, _REST_AFTER_LOOK * self._took)


class Channel:
    """The standard streams of the process: orders come in, reports go out."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = reading
        self._writing = writing
        self._rest = b""
        self._told: Report | None = None
        self.order = Order(go=False, why="the service has not said yet whether the dataset works")
        """The last one that came."""

    def terms(self) -> Terms:
        """Wait for the terms, which come before the first order; the process ends with the service."""
        while b"\n" not in self._rest:
            content = os.read(self._reading, _ORDER_LIMIT)
            if not content:
                sys.exit(0)
            self._rest += content
        line, _, rest = self._rest.partition(b"\n")
        self._rest = b""
        self._take(rest)  # an order may have come with them
        return msgspec.json.decode(line, type=Terms)

    def hear(self, patience: float = 0.0) -> None:
        """Take in the orders that have come, after waiting for the first; the process ends with the service."""
        while select.select([self._reading], [], [], patience)[0]:
            patience = 0.0
            content = os.read(self._reading, _ORDER_LIMIT)
            if not content:
                sys.exit(0)
            self._take(content)

    def _take(self, content: bytes) -> None:
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self.order = msgspec.json.decode(line, type=Order)

    def tell(self, report: Report) -> None:
        """Send a report, where anything in it is new."""
        if report == self._told and not report.moved and not report.told:
            return
        self._told = report
        rest = msgspec.json.encode(report) + b"\n"
        while rest:
            rest = rest[os.write(self._writing, rest) :]


def main() -> None:
    """Work until told to end; the arguments are the service's PID and, for people, the inbox."""
    interrupts.die_with(int(sys.argv[1]))
    for number in interrupts.SENT - {signal.SIGINT, signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)
    # A Ctrl-C that the service sends: whatever it interrupts takes back what is half done.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(OSError):
        os.nice(10)
    channel = Channel(0, 1)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SENT)
        importer = Importer(channel.terms(), channel)
        while True:
            channel.hear(importer.look())
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(0)


def _emptied(made: Iterable[Manifest], place: str) -> set[str]:
    """List the directories of an inbox that files were moved out of: an end at the wrong moment leaves them empty."""
    return {
        os.path.dirname(parsed(origin.source))
        for each in made
        if each.begin.inbox and each.begin.sources == (shown(place),)
        for entry in each.entries.values()
        if entry.is_there
        for origin in entry.build.files.values()
    }


def _kind(path: str) -> str:
    """Name the kind of a file that is passed over; of the names of audio, links and videos are."""
    extension = path.rpartition(".")[2].lower()
    if Path(path).is_symlink():
        return library.FILE_LINK
    return library.VIDEO if extension in EXTENSIONS else library.kind_of(os.path.basename(path))


def _unit_of(path: str, place: str) -> str:
    below = os.path.relpath(path, place)
    top, slash, _ = below.partition("/")
    return top if slash or Path(path).is_dir() else LOOSE


def _below(path: str, place: str) -> str:
    return shown(os.path.relpath(path, place))


def _why(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        name = f"{shown(os.fsdecode(error.filename))}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return str(error)


if __name__ == "__main__":
    main()
