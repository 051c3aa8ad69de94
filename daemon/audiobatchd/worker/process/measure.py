"""One source file: read it once, decode it once, and let every analyzer that is due have it."""

from __future__ import annotations

import logging
import math
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import SourceFile, digest, open_source
from audiobatchd.audio.views import Decoded
from audiobatchd.core.assessment import Due
from audiobatchd.core.discovery import is_companion
from audiobatchd.core.provenance import Entry
from audiobatchd.disk.filesystems import cause_of
from audiobatchd.errors import (
    AnalyzerFaultError,
    BeyondLimitError,
    DamagedFileError,
    SourceChangedError,
    UnmeasurableError,
)
from audiobatchd.plugin_api import LONGEST_LABEL, MOST_LABELS, NATIVE, Analyzer, Measurement, Value
from audiobatchd.vocabulary.files import FileStamp, Fingerprint
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.states import Cause
from audiobatchd.worker.process.analyzers import Bench

_LOG = logging.getLogger(__name__)
_INTEGERS = range(-(1 << 63), 1 << 64)
"""What MessagePack can carry."""


@dataclass
class FileResult:
    """The results of one file."""

    fingerprint: Fingerprint
    values: dict[str, Value] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    """The content of companion files, by their names."""
    unmeasurable: dict[str, str] = field(default_factory=dict)
    """By feature, why the audio has no value of it."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """For the provenance, by each analyzer that was due and came to an end."""
    faults: dict[str, str] = field(default_factory=dict)
    """By each analyzer without an entry, what went wrong in it."""
    beyond_limit: float | None = None
    """Seconds of audio of a file that is longer than the configuration allows; None for all others."""
    audio_seconds: float = 0.0
    costs: dict[str, float] = field(default_factory=dict)
    """Seconds of processor time, by analyzer and for decoding."""


Report = Callable[[str, float | None], None]
"""Tells what is begun, and how much audio is to be analyzed from now on; see `messages.Stage`."""


def measure(
    folder: int,
    role: str,
    stamp: FileStamp,
    due: tuple[Due, ...],
    bench: Bench,
    report: Report,
    on_progress: Callable[[], None] = lambda: None,
) -> FileResult:
    """Measure the file with this `stamp` in the directory `folder`; `on_progress` is called while it is read.

    An analyzer whose digest turns out to be the one that it measured before is left out. Raises DamagedFileError,
    SourceChangedError (the file is not, or did not stay, what `stamp` says) and OSError.
    """
    report(f"reading {stamp.shown}", 0.0)
    with open_source(folder, stamp.name, on_progress) as source:
        if source.stamp != stamp:
            raise SourceChangedError(stamp.shown)
        try:
            result = _measure(source, role, due, bench, report)
        except DamagedFileError:
            # A file that is still being written looks damaged.
            if source.unchanged():
                raise
            raise SourceChangedError(stamp.shown) from None
        if not source.unchanged():
            raise SourceChangedError(stamp.shown)
    return result


def _measure(source: SourceFile, role: str, due: tuple[Due, ...], bench: Bench, report: Report) -> FileResult:
    stamp, started = source.stamp, time.process_time()
    result = FileResult(Fingerprint(stamp.shown, stamp.size, stamp.mtime_ns, ""))

    def read_content() -> None:
        if not result.fingerprint.digest:
            result.fingerprint = msgspec.structs.replace(result.fingerprint, digest=digest(source))

    def begin(_promised: float | None) -> None:
        read_content()
        report(f"decoding {stamp.shown}", 0.0)

    # Where no content is known, none need be read to learn that the file's promise cannot be measured.
    if any(work.unless_digest for work in due):
        read_content()
    content = result.fingerprint.digest
    again = [work for work in due if not work.unless_digest or work.unless_digest != content]
    wanted = _in_turn([bench.analyzers[work.analyzer] for work in again], role)
    if not wanted:
        return result
    try:
        audio = decode(source, role, bench.settings.max_duration, begin)
    except UnmeasurableError as error:
        if isinstance(error, BeyondLimitError):
            result.beyond_limit = error.seconds
        for analyzer in wanted:
            _note(result, analyzer, role, _refusal(analyzer, role, str(error)))
        return result
    finally:
        result.costs["decoding"] = time.process_time() - started
    result.audio_seconds = audio.duration
    _analyze(result, audio, wanted, stamp, report)
    return result


def _analyze(result: FileResult, audio: Decoded, wanted: list[Analyzer], stamp: FileStamp, report: Report) -> None:
    """Have each analyzer measure the file; all of them together have the time that its length gives."""
    for place, analyzer in enumerate(wanted):
        report(f"{analyzer.name} of {stamp.shown}", None if place else audio.duration)
        audio.turn(
            analyzer.views(audio.role), [view for other in wanted[place + 1 :] for view in other.views(audio.role)]
        )
        started = time.process_time()
        try:
            _note(result, analyzer, audio.role, _call(analyzer, audio))
        except AnalyzerFaultError as error:
            result.faults[analyzer.name] = str(error)  # the others' results are as good as without it
        result.costs[analyzer.name] = time.process_time() - started


def _in_turn(analyzers: list[Analyzer], role: str) -> list[Analyzer]:
    """Sort analyzers: those that read the native samples first, so that these can go; then by cost."""
    return sorted(analyzers, key=lambda each: (NATIVE not in each.views(role), each.cost))


def _call(analyzer: Analyzer, audio: Decoded) -> Measurement:
    try:
        return analyzer.analyze(audio)
    except Exception as error:
        if isinstance(error, OSError) and cause_of(error) is Cause.SHORTAGE:
            raise  # of this process, whatever the analyzer wanted
        # The boundary of an analyzer's call, which may raise anything.
        _LOG.exception("analyzer %s", analyzer.name)
        message = printable(f"analyzer {analyzer.name} failed: {type(error).__name__}: {error}")
        raise AnalyzerFaultError(message) from error


def _refusal(analyzer: Analyzer, role: str, reason: str) -> Measurement:
    return Measurement({}, {feature.name: reason for feature in analyzer.features(role)})


def _note(result: FileResult, analyzer: Analyzer, role: str, measurement: Measurement) -> None:
    """Take in a measurement, after checking that it keeps what the analyzer promised."""
    values, unmeasurable = _checked(analyzer, role, measurement)
    result.values |= values
    result.files |= measurement.files
    result.unmeasurable |= unmeasurable
    result.entries[analyzer.name] = _entry(result, analyzer, unmeasurable)


def _checked(analyzer: Analyzer, role: str, given: object) -> tuple[dict[str, Value], dict[str, str]]:
    """Return the values and the reasons in `given`, as records and messages can carry them."""
    if not isinstance(given, Measurement):
        message = f"analyzer {analyzer.name} gave {type(given).__name__} and no measurement"
        raise AnalyzerFaultError(message)
    promised = sorted(feature.name for feature in analyzer.features(role))
    names = sorted([*given.values, *given.unmeasurable, *given.files])
    if names != promised:
        message = f"analyzer {analyzer.name} promised {promised} and gave {names}"
        raise AnalyzerFaultError(message)
    values = {}
    for name, value in given.values.items():
        try:
            values[name] = _plain(value)
        except ValueError as error:
            message = printable(f"analyzer {analyzer.name} gave {value!r:.100} for {name}: {error}")
            raise AnalyzerFaultError(message) from error
    for name in [*values, *given.files]:
        if is_companion(name) != (name in given.files):
            message = f"analyzer {analyzer.name} gave {name} as what it cannot be, a file or a value"
            raise AnalyzerFaultError(message)
    return values, {name: printable(reason) for name, reason in given.unmeasurable.items()}


def _plain(value: object) -> Value:
    """Return `value` without what a subclass adds (numpy's float64 is a float).

    Raises ValueError, with what it should be, for what no record may hold.
    """
    match value:
        case bool():
            return value
        case int() | float():
            return _number(value)
        case str():
            return _text(value)
        case Mapping():
            return _labelled(value)
    message = "expected a number, a text, a boolean or a mapping of labels to numbers"
    raise ValueError(message)


def _number(value: object) -> float | int:
    match value:
        case bool():
            pass  # an `int` to Python, and no number to who reads the record
        case int() if value in _INTEGERS:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
    message = "expected a finite number of at most 64 bits"
    raise ValueError(message)


def _text(value: object) -> str:
    if not isinstance(value, str) or any("\ud800" <= char <= "\udfff" for char in value):
        message = "expected a text of whole characters"
        raise ValueError(message)
    return str(value)


def _labelled(value: Mapping[object, object]) -> dict[str, float | int]:
    """Return numbers by label, in the order in which they were given."""
    if not 0 < len(value) <= MOST_LABELS:
        message = f"it has {len(value)} labels, expected 1 to {MOST_LABELS}"
        raise ValueError(message)
    plain: dict[str, float | int] = {}
    for label, number in value.items():
        try:
            name = _text(label)
            plain[name] = _number(number)
        except ValueError as error:
            message = f"label {label!r:.100}: {error}"
            raise ValueError(message) from error
        if not 0 < len(name) <= LONGEST_LABEL:
            message = f"a label has {len(name)} characters, expected 1 to {LONGEST_LABEL}"
            raise ValueError(message)
    return plain


def _entry(result: FileResult, analyzer: Analyzer, unmeasurable: dict[str, str]) -> Entry:
    return Entry(
        fingerprint=result.fingerprint,
        version=analyzer.version,
        models=dict(analyzer.models),
        unmeasurable=unmeasurable,
        beyond_limit=result.beyond_limit,
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        host=shown(socket.gethostname()),
    )
