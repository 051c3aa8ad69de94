"""An import from its beginning to its end: looked through, planned, tried out, built, and gone on with after a crash.

What is asked for is a `Request`, by the command line or for an inbox; words for people are made there.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from audiobatchd.disk import filesystems
from audiobatchd.errors import AudiobatchError, LockBusyError
from audiobatchd.imports import build, drops, library, manifest, stems, trial, undo
from audiobatchd.imports import plan as planning
from audiobatchd.imports.library import SourceFile, Trouble
from audiobatchd.imports.manifest import Begin, End, Entry, Manifest, Mode, Step
from audiobatchd.imports.naming import USUAL, Names, Template, longest_in
from audiobatchd.imports.plan import Known, Plan
from audiobatchd.vocabulary.names import shown

GOES_ON = "; the same command goes on when that is mended"
"""End of the reason why an import ended before its time."""
Progress = Callable[[str, int, int, str], None]
"""Callback that is told what is done ("Looking into", "Importing"), how many of how many, and which one it is at."""


@dataclass(frozen=True)
class Request:
    """An import that is asked for."""

    sources: tuple[str, ...]
    """Files and directories to import."""
    dataset: str
    """Its path without links."""
    mode: Mode = Mode.AUTO
    name: str = USUAL
    """Template of the folders' names."""
    stems: str = ""
    """Pattern by which stems are told; "" for the layouts that are known."""
    ignore: tuple[str, ...] = ()
    """The dataset's patterns of directories that are not entered."""
    marker: str = ""
    """The dataset's `ready_marker`; "" where it has none."""
    inbox: frozenset[str] | None = None
    """Of an inbox the names right in it that are taken; None for every other import."""


@dataclass
class Result:
    """Result of an import."""

    plan: Plan
    id: str = ""
    """Name of the import; empty where there was nothing to do."""
    imported: dict[str, str] = field(default_factory=dict)
    """Full mix's source by the track folder, as both are shown."""
    failed: list[Trouble] = field(default_factory=list)
    """Tracks that could not be imported, and remarks on those that were."""
    stopped: str = ""
    """Reason why it ended before its time; empty where it did not."""


def dry_run(request: Request, on_progress: Progress) -> Plan:
    """Plan an import, and change nothing. Raises AudiobatchError, OSError."""
    found = manifest.all_in(request.dataset) if Path(request.dataset).is_dir() else []
    return _plan(request, found, on_progress)


def run(request: Request, features: undo.Features, on_progress: Progress) -> Result:
    """Import what is asked for; what an earlier process left unfinished in this dataset is brought to its end first.

    The dataset is made where only its last directory is missing, but not for an inbox. Raises UsageError,
    AudiobatchError and OSError before anything has been imported; afterwards they stand in the result.
    """
    Template(request.name)
    _pattern(request)
    library.refuse_unfit(request.sources, request.dataset)
    with _worded("import into", request.dataset):
        if request.inbox is None:
            _make(request.dataset)
        with manifest.held(request.dataset):
            before = manifest.all_in(request.dataset)
            try:
                for each in before:
                    _settle(build.Site(request.dataset, each), features)
                plan = _plan(request, before, on_progress)
                result = Result(plan)
                if plan.tracks:
                    trial.refuse_impossible(plan.tracks, request.dataset, request.mode)
                    _import(request, _begun(request, before), result, on_progress)
            finally:
                for each in before:
                    each.close()
    return result


def recover(dataset: str, features: undo.Features) -> None:
    """Bring to its end what an earlier process left unfinished in a dataset. Raises AudiobatchError."""
    with _worded("import into", dataset):
        if not any(entry.is_open for each in manifest.all_in(dataset) for entry in each.entries.values()):
            return
        with manifest.held(dataset):
            for each in manifest.all_in(dataset):
                try:
                    _settle(build.Site(dataset, each), features)
                finally:
                    each.close()


def undone(dataset: str, name: str, features: undo.Features, on_progress: Progress) -> undo.Undoings | None:
    """Undo the import of this name; None where the dataset has none. Raises AudiobatchError, OSError."""
    if not any(each.id == name for each in manifest.all_in(dataset)):
        return None
    with _worded("undo an import in", dataset), manifest.held(dataset):
        made = manifest.all_in(dataset)
        found = next(each for each in made if each.id == name)
        later = made[made.index(found) + 1 :]
        others = {entry.build.folder: each.id for each in later for entry in each.entries.values() if entry.is_there}
        site = build.Site(dataset, found)
        try:
            build.settle(site, found.begin.mode)
            return undo.undo(site, features, others, lambda done, most: on_progress("Undoing", done, most, ""))
        finally:
            found.close()


@contextmanager
def _worded(verb: str, dataset: str) -> Iterator[None]:
    """Put an error of the dataset's directory into words."""
    try:
        yield
    except OSError as error:
        name = shown(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else ""
        where = "" if name in ("", shown(dataset)) else f"{name}: "
        message = f"cannot {verb} {shown(dataset)}: {where}{error.strerror or error}"
        raise AudiobatchError(message) from error


def _make(dataset: str) -> None:
    try:
        Path(dataset).mkdir()
    except FileExistsError:
        return
    manifest.sync_directory(os.path.dirname(dataset))


def _settle(site: build.Site, features: undo.Features) -> None:
    if not any(entry.is_open for entry in site.manifest.entries.values()):
        return
    build.settle(site, site.manifest.begin.mode)
    for entry in list(site.manifest.entries.values()):
        if entry.step is Step.UNDOING:
            with suppress(undo.KeptError, LockBusyError):  # it stays, which `--undo` tells with the reason
                undo.undo_one(site, entry, features)


def _plan(request: Request, before: list[Manifest], on_progress: Progress) -> Plan:
    template = Template(request.name)
    own = _pattern(request)
    is_inbox = request.inbox is not None
    found = library.read(request.sources, request.dataset, request.inbox, links=not is_inbox)
    there = _directories(request.dataset)
    place = request.dataset if Path(request.dataset).is_dir() else os.path.dirname(request.dataset)
    names = Names(there, request.ignore, longest_in(place), filesystems.of(place)[1])
    known = drops.known(before, request.dataset) if is_inbox else _known(before, request.dataset, there)
    return planning.make(
        found, names, template, own, known, lambda done, most: on_progress("Looking into", done, most, "")
    )


def _pattern(request: Request) -> re.Pattern[str] | None:
    return stems.pattern(request.stems) if request.stems else None


def _directories(dataset: str) -> dict[str, int]:
    """The names in a dataset, with their inodes; none where it is yet to be made."""
    try:
        with os.scandir(dataset) as entries:
            return {entry.name: entry.inode() for entry in entries}
    except FileNotFoundError:
        return {}


def _known(before: list[Manifest], dataset: str, there: Mapping[str, int]) -> Known:
    """Make the memory of earlier imports: those whose folder is there, by the name that it got or by any other."""
    by_inode = {inode: name for name, inode in there.items()}
    shown_names = {shown(name) for name in there}
    by_source: dict[str, tuple[Manifest, Entry]] = {}
    for each in before:
        for entry in each.entries.values():
            if entry.is_there and (entry.build.folder in shown_names or _is_renamed(entry, dataset, by_inode)):
                by_source |= {origin.source: (each, entry) for origin in entry.build.files.values()}

    def known(files: Mapping[str, SourceFile]) -> str | None:
        mix = next(file for name, file in files.items() if name.startswith("full_mix."))
        if shown(mix.path) not in by_source:
            return None
        made_by, entry = by_source[shown(mix.path)]
        was = {origin.source: (origin.size, origin.mtime_ns) for origin in entry.build.files.values()}
        now = {shown(file.path): (file.size, file.mtime_ns) for file in files.values()}
        changed = [path for path, stamp in now.items() if was.get(path) != stamp]
        if changed and made_by.begin.mode is Mode.MOVE:
            return None  # what lay there is in the dataset: this is another file
        if not changed:
            return ""
        what = "changed" if changed[0] in was else "was not there"
        cure = f"audiobatchctl import --undo {made_by.id} takes that out again"
        return f"{os.path.basename(changed[0])} {what} when {entry.build.folder} was imported: {cure}"

    return known


def _is_renamed(entry: Entry, dataset: str, by_inode: Mapping[int, str]) -> bool:
    """Tell whether the folder of an import is there by another name; its inode may have become another directory's."""
    if entry.publish is None or entry.publish.inode not in by_inode:
        return False
    return entry.publish.holds(os.path.join(dataset, by_inode[entry.publish.inode]))


def _begun(request: Request, before: list[Manifest]) -> Manifest:
    """Find the manifest of the same import that did not come to its end, or make a new one."""
    sources = tuple(shown(os.path.realpath(source)) for source in request.sources)
    now = time.time()
    is_inbox = request.inbox is not None
    begin = Begin(
        manifest.new_id(request.dataset, now), sources, request.mode, request.name, request.stems, now, inbox=is_inbox
    )
    for each in reversed(before):
        old = each.begin
        undoing = each.count(Step.UNDONE, Step.UNDOING)
        is_same = _asked(old) == _asked(begin)
        if is_same and not (each.ended or undoing):
            return each
    return manifest.new(request.dataset, begin)


def _asked(begin: Begin) -> tuple[object, ...]:
    return begin.sources, begin.mode, begin.name, begin.stems, begin.inbox


def _import(request: Request, into: Manifest, result: Result, on_progress: Progress) -> None:
    result.id = into.id
    site = build.Site(request.dataset, into, request.marker)
    tracks = result.plan.tracks
    try:
        for number, track in enumerate(tracks, 1):
            on_progress("Importing", number - 1, len(tracks), track.name)
            mix = next(file for name, file in track.files.items() if name.startswith("full_mix."))
            try:
                remark = build.build(site, track, request.mode)
            except build.TrackError as error:
                result.failed.append(Trouble(mix.path, str(error)))
                continue
            result.imported[shown(track.name)] = shown(mix.path)
            if remark:
                result.failed.append(Trouble(mix.path, remark))
        into.write(End(len(result.failed)))
    except (AudiobatchError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        result.stopped = f"cannot go on in {shown(request.dataset)}: {why}{GOES_ON}"
    finally:
        into.close()
