"""`audiobatchctl verify`: whether files still have the content that was measured. Nothing is measured again by it."""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from audiobatchd.cli.local import worker_settings_here
from audiobatchd.cli.named import dataset_of, refuse_inside
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.progress import ProgressLine
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import AudiobatchError
from audiobatchd.exports import publish
from audiobatchd.vocabulary.names import parsed, printable, shown
from audiobatchd.vocabulary.quantities import counted, size_in_bytes, sized
from audiobatchd.worker import questions
from audiobatchd.worker.verification import Differing, Verification, Verified
from audiobatchd.worker.verification import verify as verified

_MOST_NAMED = 20
_HINTS = (
    "Put such a file back from a copy, with its time: then nothing is measured again.",
    "Only to take it as it is now: audiobatchctl analyze --save FOLDER",
    "That forgets how it was; a report (-o) keeps it.",
)


def verify(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show which files have another content. Exit code 1 where any has or cannot be read, or none was compared."""
    settings, dataset = dataset_of(arguments)
    if arguments.output is not None:
        publish.refuse_existing(arguments.output.absolute())
        refuse_inside(arguments.output.absolute(), dataset.path, settings, client)
    offers = questions.names(worker_settings_here(settings), installed=True)
    request = Verification(
        dataset.path,
        dataset.ignore,
        size_in_bytes(settings.record_limit),
        {offer.name: offer.features for offer in offers},
        arguments.after and shown(parsed(arguments.after).rstrip("/")),
        arguments.rate,
    )
    total = Total()
    broken_off: KeyboardInterrupt | AudiobatchError | None = None
    with _report(arguments.output) as report:
        try:
            _add_all(request, arguments.seconds, total, report)
        except (KeyboardInterrupt, AudiobatchError) as error:
            if not total.folders:
                raise
            broken_off = error  # when the report is published, and all that was found is told
    if arguments.json:
        say(as_json({"dataset": shown(dataset.path), **total.as_keys()}))
    else:
        for line in total.told():
            say(printable(line))
    if broken_off is not None:
        raise broken_off
    return 0 if total.is_clean else 1


def _add_all(request: Verification, seconds: float | None, total: Total, report: BinaryIO | None) -> None:
    """Count all folders in, and write down what differs. Once `seconds` are over no other folder is waited for."""
    end = None if seconds is None else time.monotonic() + seconds
    line = ProgressLine()
    try:
        with closing(verified(request)) as folders:
            for each in folders:
                total.add(each)
                if report is not None and each.differing:
                    report.writelines(_line(each.folder, file) for file in each.differing)
                    report.flush()
                line.show(f"{counted(total.folders, 'track folder')}, {sized(total.octets)} read; {each.folder}")
                if end is not None and time.monotonic() >= end:
                    return
        total.last = ""
    finally:
        line.clear()


def _line(folder: str, file: Differing) -> bytes:
    return msgspec.json.encode({"folder": folder, **msgspec.structs.asdict(file)}) + b"\n"


def _report(target: Path | None) -> AbstractContextManager[BinaryIO | None]:
    return nullcontext() if target is None else _opened(target.absolute())


@contextmanager
def _opened(target: Path) -> Iterator[BinaryIO]:
    with publish.published(target, is_directory=False) as hidden, hidden.open("wb") as file:
        yield file


@dataclass
class Total:
    """Result of a verification: all of what differs is counted, and the first of it named."""

    folders: int = 0
    """Number of track folders."""
    octets: int = 0
    """Bytes that were read."""
    intact: int = 0
    """Number of files with the content that was measured."""
    unknown: int = 0
    """Number of files that were not measured since they were put there."""
    changed: int = 0
    """Number of files that changed while they were read."""
    differing: int = 0
    """Number of files that have another content."""
    unread: int = 0
    """Number of files and folders that cannot be read."""
    named: list[tuple[str, Differing]] = field(default_factory=list)
    """The first files of another content, each with its folder."""
    troubles: list[tuple[str, str]] = field(default_factory=list)
    """The first that cannot be read, each with the reason."""
    not_compared: list[str] = field(default_factory=list)
    """The first that were not measured since they were put there, or changed meanwhile."""
    last: str = ""
    """The folder to go on after; empty where there is no other."""

    @property
    def is_clean(self) -> bool:
        """Tell whether something was compared, and nothing was found."""
        return self.intact > 0 and not (self.differing or self.unread)

    def add(self, folder: Verified) -> None:
        """Count one folder in."""
        self.folders += 1
        self.octets += folder.octets
        self.intact += folder.intact
        self.unknown += len(folder.unknown)
        self.changed += len(folder.changed)
        self.differing += len(folder.differing)
        self.unread += len(folder.troubles)
        self.named += [(folder.folder, each) for each in folder.differing[: _MOST_NAMED - len(self.named)]]
        troubles = [(f"{folder.folder}/{name}".rstrip("/"), why) for name, why in folder.troubles.items()]
        self.troubles += troubles[: _MOST_NAMED - len(self.troubles)]
        others = [f"{folder.folder}/{name}" for name in (*folder.unknown, *folder.changed)]
        self.not_compared += others[: _MOST_NAMED - len(self.not_compared)]
        self.last = folder.folder

    def told(self) -> Iterator[str]:
        """Yield the lines of the answer."""
        if not self.folders:
            yield "No track folder was found: there is nothing to verify."
            return
        place = f"{counted(self.folders, 'folder')}, {sized(self.octets)} read"
        yield f"{counted(self.intact, 'file')} with the content that was measured ({place})"
        if self.differing:
            yield f"! {counted(self.differing, 'file')} with another content, of the same size and time:"
            for folder, file in self.named:
                yield f"  {folder}/{file.file}"
                for each in file.noted:
                    where = f" on {each.host}" if each.host else ""
                    yield f"    not as measured {each.measured or 'before'}{where} ({', '.join(each.analyzers)})"
            if self.differing > len(self.named):
                yield f"  and {self.differing - len(self.named):,} more"
        for name, why in self.troubles:
            yield f"! {name}: {why}"
        if self.unread > len(self.troubles):
            yield f"! {self.unread - len(self.troubles):,} more that cannot be read"
        if others := self.unknown + self.changed:
            why = "not measured in this form, or changed meanwhile" if self.changed else "not measured in this form"
            yield f"{counted(others, 'file')} not compared, {why}:"
            yield from (f"  {name}" for name in self.not_compared)
            if others > len(self.not_compared):
                yield f"  and {others - len(self.not_compared):,} more"
        if self.differing:
            yield from ("", *_HINTS)
        if self.last:
            yield f"Not all of it was read. To go on: --after={shlex.quote(self.last)}"

    def as_keys(self) -> dict[str, object]:
        """Give the answer as keys of JSON."""
        counts = {
            name: getattr(self, name)
            for name in ("folders", "octets", "intact", "unknown", "changed", "differing", "unread")
        }
        differing = [{"folder": folder, **msgspec.structs.asdict(file)} for folder, file in self.named]
        troubles = [{"name": name, "reason": why} for name, why in self.troubles]
        found = {"examples": differing, "troubles": troubles, "not_compared": self.not_compared}
        return {**counts, **found, "after": self.last or None}
