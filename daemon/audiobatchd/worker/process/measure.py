"""One source file: read it once, decode it once if at all, and let every analyzer that is due have it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from audiobatchd.audio.decode import decode_into
from audiobatchd.audio.inspected import InspectedFile
from audiobatchd.audio.source import SourceFile, digest, digests, open_source
from audiobatchd.core.assessment import Due
from audiobatchd.core.provenance import Entry
from audiobatchd.errors import (
    AnalyzerFaultError,
    BeyondLimitError,
    DamagedFileError,
    SourceChangedError,
    UnmeasurableError,
)
from audiobatchd.plugin_api import (
    Analyzer,
    AnyAnalyzer,
    FileAnalyzer,
    Measurement,
    Value,
)
from audiobatchd.vocabulary.files import FileStamp, Fingerprint
from audiobatchd.vocabulary.names import shown
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.inspection import inspect
from audiobatchd.worker.process.readers import (
    ALONE,
    Answer,
    Beside,
    Readers,
    Report,
    beyond_memory,
    in_turn,
)
from audiobatchd.worker.process.sums import FolderSum
from audiobatchd.worker.process.validity import checked


@dataclass
class FileResult:
    """The results of one file."""

    fingerprint: Fingerprint
    """The file with the digest of its content, "" where that was not read."""
    whole: str = ""
    """The digest of all of its bytes, "" where that was not read."""
    values: dict[str, Value] = field(default_factory=dict)
    files: dict[str, str | bytes] = field(default_factory=dict)
    """The content of companion files, by their names."""
    unmeasurable: dict[str, str] = field(default_factory=dict)
    """By feature, why the audio has no value of it."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """For the provenance, by each analyzer that was due and came to an end."""
    faults: dict[str, str] = field(default_factory=dict)
    """By each analyzer without an entry, what went wrong in it."""
    lacking: set[str] = field(default_factory=set)
    """Analyzers that were not asked: a result that they need came to no end."""
    unchanged: set[str] = field(default_factory=set)
    """Analyzers that were not asked: the file is the one that they measured before."""
    others: dict[str, Fingerprint] = field(default_factory=dict)
    """Further files of a sum, by role."""
    refusal: str = ""
    """Reason why the audio cannot be measured."""
    beyond_limit: float | None = None
    """Seconds of audio of a file that was refused as it is longer than the configuration allows."""
    beyond_memory: dict[str, int] = field(default_factory=dict)
    """Bytes that measuring would take, by each analyzer for which that is more than the configuration allows."""
    audio_seconds: float = 0.0
    heard: dict[str, float] = field(default_factory=dict)
    """Seconds of audio of a sum, by each analyzer that had it; `audio_seconds` are those that were decoded."""
    costs: dict[str, float] = field(default_factory=dict)
    """Seconds of processor time, by analyzer and for decoding."""

    @property
    def shown(self) -> str:
        """The file's name, or those of the files of a sum."""
        return " + ".join([self.fingerprint.file, *(each.file for each in self.others.values())])

    def fingerprint_for(self, analyzer: AnyAnalyzer) -> Fingerprint:
        """Return the file with the digest that this analyzer's results go by."""
        if isinstance(analyzer, FileAnalyzer):
            return msgspec.structs.replace(self.fingerprint, digest=self.whole)
        return self.fingerprint


Place = Callable[[FileResult], Beside]
"""Tells what counts beside a file, or a sum, given the results that it will have."""


def alone(_result: FileResult) -> Beside:
    """Tell that nothing counts beside a file."""
    return ALONE


def digests_of(folder: int, stamp: FileStamp, on_progress: Callable[[], None]) -> tuple[str, str]:
    """Read the digests of the content and of all bytes of the file with this `stamp` in the directory `folder`.

    Raises SourceChangedError, and OSError.
    """
    with open_source(folder, stamp.name, on_progress) as source:
        if source.stamp != stamp:
            raise SourceChangedError(stamp.shown)
        found = digests(source)
        if not source.unchanged():
            raise SourceChangedError(stamp.shown)
    return found


def measure(
    folder: int,
    role: str,
    stamp: FileStamp,
    due: tuple[Due, ...],
    bench: Bench,
    report: Report,
    on_progress: Callable[[], None] = lambda: None,
    *,
    place: Place | None = None,
) -> FileResult:
    """Measure the file with this `stamp` in the directory `folder`; `on_progress` is called while it is read.

    `place` tells what counts beside the file. An analyzer for which the digests turn out to be those that it measured
    before is left out. Raises DamagedFileError, SourceChangedError (the file is not, or did not stay, what `stamp`
    says) and OSError.
    """
    report(f"reading {stamp.shown}", 0.0)
    with open_source(folder, stamp.name, on_progress) as source:
        if source.stamp != stamp:
            raise SourceChangedError(stamp.shown)
        try:
            result = _measure(source, role, due, bench, report, place or alone)
        except DamagedFileError:
            # A file that is still being written looks damaged.
            if source.unchanged():
                raise
            raise SourceChangedError(stamp.shown) from None
        if not source.unchanged():
            raise SourceChangedError(stamp.shown)
    return result


def _measure(
    source: SourceFile, role: str, due: tuple[Due, ...], bench: Bench, report: Report, place: Place
) -> FileResult:
    stamp, started = source.stamp, time.process_time()
    result = FileResult(Fingerprint(stamp.shown, stamp.size, stamp.mtime_ns, ""))
    beside = place(result)
    pairs = [(work, bench.analyzers[work.analyzer]) for work in due]
    wants_whole = any(isinstance(analyzer, FileAnalyzer) for _, analyzer in pairs)

    def read_content() -> None:
        if not result.fingerprint.digest:
            content, result.whole = digests(source) if wants_whole else (digest(source), "")
            result.fingerprint = msgspec.structs.replace(result.fingerprint, digest=content)

    # Where no content is known, none need be read to learn that the file's promise cannot be measured.
    if any(work.unless for work, _ in pairs):
        read_content()
    known = {result.fingerprint.digest, result.whole}
    result.unchanged = {
        work.analyzer for work in due if work.unless and {old.digest for _, old in work.unless} <= known
    }
    again = [analyzer for _, analyzer in pairs if analyzer.name not in result.unchanged]
    inspecting = [each for each in again if isinstance(each, FileAnalyzer)]
    decoding = [each for each in again if not isinstance(each, FileAnalyzer)]
    readers = None
    if decoding or beside.sums:
        limit = bench.settings.worker_memory
        readers = Readers(role, stamp.shown, decoding, limit, read_content, report, beside)
        _decode(result, source, bench, readers)
    if inspecting:
        _inspect(result, source, role, inspecting, bench, read_content, report)
    if readers is not None:
        _analyze(result, role, decoding, readers, bench, beside)
    if again or beside.sums:
        result.costs["decoding"] = time.process_time() - started - sum(result.costs.values())
    return result


def _decode(result: FileResult, source: SourceFile, bench: Bench, readers: Readers) -> None:
    """Decode the file; where its audio is unmeasurable, that is its refusal."""
    try:
        decode_into(source, bench.settings.max_duration, readers)
    except UnmeasurableError as error:
        result.refusal = str(error)
        result.beyond_limit = error.seconds if isinstance(error, BeyondLimitError) else None
    else:
        result.audio_seconds = readers.seconds


def _analyze(
    result: FileResult,
    role: str,
    analyzers: Sequence[AnyAnalyzer],
    readers: Readers,
    bench: Bench,
    beside: Beside,
) -> None:
    """Have what was decoded measured; where it was refused, all of these are told so."""
    if result.refusal:
        _refuse(result, analyzers, role, beside)
    else:
        for answer in readers.answers():
            _take(result, answer, role, bench.settings.worker_memory)
    result.costs |= readers.costs


def measure_sum(
    whole: FolderSum, role: str, due: tuple[Due, ...], bench: Bench, report: Report, place: Place, *, is_last: bool
) -> FileResult:
    """Measure a sum of files for features of `role`; none of it is kept where that `is_last`."""
    first, *others = (whole.fingerprints[member] for member in whole.members)
    result = FileResult(first, others=dict(zip(whole.members[1:], others, strict=True)))
    beside, limit = place(result), bench.settings.worker_memory
    analyzers = [bench.analyzers[work.analyzer] for work in due]
    if whole.refusal:
        result.refusal, result.beyond_limit = whole.refusal, whole.beyond_limit
        _refuse(result, analyzers, role, beside)
        return result
    for each in in_turn(analyzers, beside.before):
        key = each.name, role
        if key in whole.faults:
            result.faults[each.name] = whole.faults[key]
        elif key in whole.needs:
            found = beside.look(each)
            states = found.states if found else {}
            _take(result, Answer(each, needs=whole.needs[key], is_lacking=found is None, states=states), role, limit)
    left = [
        each
        for each in analyzers
        if isinstance(each, Analyzer) and (each.name, role) not in {*whole.faults, *whole.needs}
    ]
    if left:
        readers = Readers(role, whole.shown, left, None, lambda: None, report, beside)
        audio = whole.audio(role, is_last=is_last)
        seconds = audio.duration
        for answer in readers.turns(audio, seconds):
            _take(result, answer, role, limit)
        result.costs = dict(readers.costs)
        result.heard = dict.fromkeys(result.costs, seconds)
    return result


def _refuse(result: FileResult, analyzers: Sequence[AnyAnalyzer], role: str, beside: Beside) -> None:
    """Tell analyzers that the audio cannot be measured."""
    for each in in_turn(analyzers, beside.before):
        found = beside.look(each)
        if found is None:
            result.lacking.add(each.name)
        else:
            _note(result, each, role, _refusal(each, role, result.refusal), result.beyond_limit, found.states)


def _inspect(
    result: FileResult,
    source: SourceFile,
    role: str,
    analyzers: Sequence[FileAnalyzer],
    bench: Bench,
    read_content: Callable[[], None],
    report: Report,
) -> None:
    """Have the file itself measured; one that was not decoded is judged by its container, before all of it is read."""
    file = InspectedFile(source, role, bench.settings.max_duration)
    if not result.audio_seconds:
        try:
            file.encoding()
        except BeyondLimitError as error:
            for analyzer in analyzers:
                _note(result, analyzer, role, _refusal(analyzer, role, str(error)), error.seconds)
            return
        except UnmeasurableError:
            pass  # for those to say that want to know of it
    read_content()
    for answer in inspect(file, analyzers, report, result.costs):
        _take(result, answer, role, None)


def _take(result: FileResult, answer: Answer, role: str, limit: int | None) -> None:
    """Take in what an analyzer made of the file; where one failed, the others' results are as good as without it."""
    analyzer = answer.analyzer
    if answer.is_lacking:
        result.lacking.add(analyzer.name)
        return
    if answer.fault:
        result.faults[analyzer.name] = answer.fault
        return
    given = answer.measurement
    if answer.needs and limit is not None:
        result.beyond_memory[analyzer.name] = answer.needs
        given = _refusal(analyzer, role, beyond_memory(answer.needs, limit))
    try:
        _note(result, analyzer, role, given, states=answer.states)
    except AnalyzerFaultError as error:
        result.faults[analyzer.name] = str(error)


def _refusal(analyzer: AnyAnalyzer, role: str, reason: str) -> Measurement:
    return Measurement({}, {feature.name: reason for feature in analyzer.features(role)})


def _note(
    result: FileResult,
    analyzer: AnyAnalyzer,
    role: str,
    given: object,
    beyond_limit: float | None = None,
    states: dict[str, dict[str, str]] | None = None,
) -> None:
    """Take in a measurement, after checking that it keeps what the analyzer promised."""
    values, files, unmeasurable = checked(analyzer, role, given)
    result.values |= values
    result.files |= files
    result.unmeasurable |= unmeasurable
    result.entries[analyzer.name] = _entry(result, analyzer, files, unmeasurable, beyond_limit, states or {})


def _entry(
    result: FileResult,
    analyzer: AnyAnalyzer,
    files: Collection[str],
    unmeasurable: dict[str, str],
    beyond_limit: float | None,
    states: dict[str, dict[str, str]],
) -> Entry:
    return Entry(
        fingerprint=result.fingerprint_for(analyzer),
        version=analyzer.version,
        models=dict(analyzer.models),
        unmeasurable=unmeasurable,
        files=tuple(sorted(files)),
        others=result.others,
        results=states,
        beyond_limit=beyond_limit,
        beyond_memory=result.beyond_memory.get(analyzer.name),
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        host=shown(socket.gethostname()),
    )
