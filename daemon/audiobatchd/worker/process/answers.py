"""The answers of a worker process that is started for one question: JSON in its last line, for loading may print."""

from __future__ import annotations

import os
import stat
import sys
from functools import partial
from typing import BinaryIO

import msgspec

from audiobatchd.core.asked import features_of, unknown_among, why_unknown
from audiobatchd.core.assessment import Facts, Offer, Policy, assess
from audiobatchd.core.messages import Result, WorkerSettings
from audiobatchd.core.passes import Decoding
from audiobatchd.disk.listing import read_folder
from audiobatchd.disk.record import opened
from audiobatchd.errors import (
    DamagedFileError,
    LockBusyError,
    LockLostError,
    OptionError,
    SourceChangedError,
    UnknownOptionError,
    UsageError,
)
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.plugin_api import FULL_MIX, AnyAnalyzer
from audiobatchd.vocabulary.analyzer_sets import ALL, chosen
from audiobatchd.vocabulary.files import ROLES, FileStamp, in_64_bits
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.worker.process.analyzers import (
    Bench,
    features_asked,
    giver_elsewhere,
    hindrance,
    made_by_entry_point,
    needed,
    offered,
    option_errors,
    remark_of,
)
from audiobatchd.worker.process.job import measure_all
from audiobatchd.worker.process.measure import FileResult
from audiobatchd.worker.process.needs import without_results
from audiobatchd.worker.process.phase import FolderPhase
from audiobatchd.worker.process.results import Stored, too_large
from audiobatchd.worker.questions import Answer, KnownAnalyzer, KnownFeature, Ready, Request, WrongOption

_BUDGET = 3600.0
"""In seconds: what the lock of a folder announces while it is analyzed by hand."""


def answer(verb: str, asked: BinaryIO) -> None:
    """Print the answer to `offers`, `options` or `features`, or serve `analyze`.

    The first line of `asked`, which is no longer standard input, has the settings in JSON.
    """
    terms = msgspec.json.decode(asked.readline(), type=WorkerSettings)
    match verb:
        case "offers":
            found: object = Bench.load(terms).offers
        case "options":
            found = [_wrong(entry, error) for entry, error in option_errors(terms)]
        case "features":
            found = _features(terms)
        case _:
            _serve(terms, asked)
            return
    sys.stdout.write("\n" + msgspec.json.encode(found).decode())


def _serve(settings: WorkerSettings, requests: BinaryIO) -> None:
    """Answer requests, a line of JSON each, by a line on standard output each, until they end.

    What a library prints goes elsewhere.
    """
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        bench = Bench.load(settings)
        found: Answer | Ready = Ready()
        while True:
            answers.write(msgspec.json.encode(found) + b"\n")
            answers.flush()
            if not (line := requests.readline()):
                return
            found = _analysis(bench, msgspec.json.decode(line, type=Request))


def _wrong(entry: str, error: OptionError) -> WrongOption:
    unknown = (error.key, error.known) if isinstance(error, UnknownOptionError) else ("", ())
    return WrongOption(entry, printable(str(error)), *unknown)


def _features(settings: WorkerSettings) -> list[KnownAnalyzer]:
    """Describe all analyzers that are installed, or those that give what is asked for; what is off is not loaded."""
    found = list(made_by_entry_point(msgspec.structs.replace(settings, analyzers=(ALL,))))
    working = chosen(settings.analyzers, [entry for entry, _ in found])
    asked = features_asked(settings.features, found)
    known = [_known(entry, made, asked, on=entry in working) for entry, made in found]
    at_work = [made for entry, made in found if entry in working and not isinstance(made, Offer)]
    known = _without_what_they_need(known, at_work, settings)
    # Of one that cannot be made it is not known what it gives.
    words = settings.features or ()
    return [each for each in known if each.features or asked is None or {each.name, each.entry}.intersection(words)]


def _without_what_they_need(
    known: list[KnownAnalyzer], at_work: list[AnyAnalyzer], settings: WorkerSettings
) -> list[KnownAnalyzer]:
    """Mark those unavailable that need results which nothing at work here gives."""
    wanted = tuple(feature.name for each in known if each.on for feature in each.features)
    reasons = {each.name: each.unavailable for each in known if each.on and each.features}
    loaded = needed(at_work, wanted) if wanted else []
    offers = tuple(
        offered(each, reasons[each.name] if each.name in reasons else hindrance(each))  # which is not loaded yet
        for each in loaded
    )
    lacking = without_results(offers, partial(giver_elsewhere, settings))
    return [
        msgspec.structs.replace(each, unavailable=lacking[each.name], remark="")
        if each.name in reasons and each.name in lacking
        else each
        for each in known
    ]


def _known(entry: str, made: AnyAnalyzer | Offer, asked: tuple[str, ...] | None, *, on: bool) -> KnownAnalyzer:
    if isinstance(made, Offer):
        return KnownAnalyzer(made.name, entry, made.version, on, (), made.unavailable)
    given = [each for role in ROLES for each in made.features(role) if asked is None or each.name in asked]
    unavailable = hindrance(made) if given and on else None
    features = tuple(KnownFeature(each.name, each.unit, each.description, each.bounds, each.source) for each in given)
    remark = remark_of(made, unavailable) if given and on else ""
    return KnownAnalyzer(made.name, entry, made.version, on, features, unavailable, remark)


def _installed(settings: WorkerSettings) -> tuple[Offer, ...]:
    """Name what all installed analyzers give, whether they are configured or not; none is loaded."""
    return Bench.load(msgspec.structs.replace(settings, analyzers=(ALL,), features=())).offers


def _analysis(bench: Bench, request: Request) -> Answer:
    if unknown := unknown_among(request.features, bench.offers):
        return Answer(refused=why_unknown(unknown, bench.offers, _installed(bench.settings)), is_wrong=True)
    try:
        return _Analysis(bench, request).answer()
    except (UsageError, LockBusyError, LockLostError) as error:
        return Answer(refused=str(error))
    except OSError as error:
        return Answer(refused=f"cannot read {shown(request.path)}: {error.strerror}")


class _Analysis:
    """One request: a folder's source files, or one file, which may be one of them."""

    def __init__(self, bench: Bench, request: Request) -> None:
        self._bench = bench
        self._request = request
        path = os.path.normpath(request.path)
        self._file = b"" if stat.S_ISDIR(os.stat(path).st_mode) else os.fsencode(os.path.basename(path))
        self._folder = os.path.dirname(path) if self._file else path
        self._stamps = self._found()
        self._wanted = self._names()

    def answer(self) -> Answer:
        """Measure, and confine the answer to the features that are wanted."""
        found = self._saved() if self._request.save else self._measured()
        return msgspec.structs.replace(
            found,
            values={name: value for name, value in found.values.items() if name in self._wanted},
            files={name: text for name, text in found.files.items() if name in self._wanted},
            binary_files={name: content for name, content in found.binary_files.items() if name in self._wanted},
            unmeasurable={name: why for name, why in found.unmeasurable.items() if name in self._wanted},
            units=self._units(),
            unavailable={
                offer.name: offer.unavailable
                for offer in self._bench.offers
                if offer.unavailable is not None and (not self._request.features or self._gives(offer))
            },
        )

    def _found(self) -> dict[str, FileStamp]:
        """Find the files to measure, by role. Raises UsageError where there are none."""
        listing = read_folder(self._folder)
        if not self._file:
            if not listing.contents.is_track:
                message = f"no track folder: there is no full mix in {shown(self._folder)}"
                raise UsageError(message)
            return listing.stamps
        for role, stamp in listing.stamps.items():
            if stamp.name == self._file:
                return {role: stamp}
        if self._request.save:
            message = f"cannot save: {shown(self._request.path)} is no source file of a track folder"
            raise UsageError(message)
        status = os.stat(os.path.join(os.fsencode(self._folder), self._file))
        return {FULL_MIX: FileStamp(self._file, status.st_size, in_64_bits(status.st_mtime_ns))}

    def _names(self) -> frozenset[str]:
        words, offers = self._request.features, self._bench.offers
        here = {name for offer in self._bench.offers for role in self._stamps for name in offer.features.get(role, ())}
        return frozenset(here.intersection(features_of(words, offers)) if words else here)

    def _units(self) -> dict[str, str]:
        return {
            each.name: each.unit
            for analyzer in self._bench.analyzers.values()
            for role in self._stamps
            for each in analyzer.features(role)
        }

    def _gives(self, offer: Offer) -> bool:
        return any(name in self._wanted for names in offer.features.values() for name in names)

    def _saved(self) -> Answer:
        lock = FolderLock(self._folder, _BUDGET)
        lock.acquire()
        try:
            result = measure_all(self._folder, lock.gate, self._bench, tuple(sorted(self._wanted)))
        finally:
            lock.release()
        return _told(result)

    def _measured(self) -> Answer:
        """Measure everything afresh, also what is needed for that; nothing is read of a record."""
        answer = Answer()
        policy = Policy(overwrite=True, only=tuple(self._wanted))
        facts = Facts(self._stamps, frozenset(), lambda _analyzer, _role: None, {})
        due = assess(facts, self._bench.offers, policy).due
        with opened(self._folder) as descriptor:
            stored = Stored(refuse=lambda suffix, size: answer.failures.update({suffix: str(too_large(size))}))
            phase = FolderPhase(descriptor, self._stamps, due, self._bench, stored, lambda _doing, _seconds: None)
            for step in phase.steps:
                if isinstance(step, Decoding):
                    _note(answer, self._decoded(phase, step, answer))
                else:
                    _note(answer, phase.add_up(step))
        return answer

    def _decoded(self, phase: FolderPhase, step: Decoding, answer: Answer) -> FileResult | None:
        """Do a step; what stands in its way is a failure of the answer."""
        name = self._stamps[step.role].shown
        try:
            return phase.decode(step)
        except DamagedFileError as error:
            answer.failures[name] = str(error)
        except SourceChangedError:
            answer.failures[name] = "it changed while it was read"
        except OSError as error:
            answer.failures[name] = f"cannot read it: {error.strerror}"
        return None


def _note(answer: Answer, result: FileResult | None) -> None:
    if result is None:
        return
    answer.values.update(result.values)
    answer.files.update({name: content for name, content in result.files.items() if isinstance(content, str)})
    answer.binary_files.update({name: each for name, each in result.files.items() if isinstance(each, bytes)})
    answer.unmeasurable.update(result.unmeasurable)
    if result.faults:
        answer.failures[result.shown] = "; ".join(result.faults.values())


def _told(result: Result) -> Answer:
    return Answer(values=dict(result.values), unmeasurable=dict(result.unmeasurable), failures=dict(result.reasons))
