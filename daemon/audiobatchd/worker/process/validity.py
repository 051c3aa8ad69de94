"""Validity of what analyzers give: whether it is what was promised, and what records and messages can carry."""

from __future__ import annotations

import math
from collections.abc import Mapping

from audiobatchd.core.discovery import is_companion
from audiobatchd.errors import AnalyzerFaultError
from audiobatchd.plugin_api import LARGEST_FILE, LONGEST_LABEL, MOST_LABELS, AnyAnalyzer, Measurement, Value
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.quantities import exact_size

_INTEGERS = range(-(1 << 63), 1 << 64)
"""Integers that MessagePack can carry."""


def checked(
    analyzer: AnyAnalyzer, role: str, given: object
) -> tuple[dict[str, Value], dict[str, str | bytes], dict[str, str]]:
    """Return the values, the files and the reasons in `given`, as records and messages can carry them."""
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
    files = {name: _content(analyzer, name, content) for name, content in given.files.items()}
    return values, files, {name: printable(reason) for name, reason in given.unmeasurable.items()}


def _content(analyzer: AnyAnalyzer, name: str, content: object) -> str | bytes:
    """Return the content of a companion file, without what a subclass adds."""
    try:
        plain = bytes(content) if isinstance(content, bytes) else _text(content)
    except ValueError as error:
        message = f"analyzer {analyzer.name} gave {type(content).__name__} for {name}: expected a text, or bytes"
        raise AnalyzerFaultError(message) from error
    size = len(plain.encode() if isinstance(plain, str) else plain)
    if size > LARGEST_FILE:
        message = f"analyzer {analyzer.name} gave {size:,} bytes for {name}, more than {exact_size(LARGEST_FILE)}"
        raise AnalyzerFaultError(message)
    return plain


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
            pass  # an `int` to Python, and no number to readers of the record
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
