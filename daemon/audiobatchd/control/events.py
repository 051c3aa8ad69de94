"""An event as one line: what logs have of it, and `audiobatchctl follow` shows."""

from __future__ import annotations

from collections.abc import Mapping

from audiobatchd.vocabulary.names import printable, shown


def event_line(event: str, fields: Mapping[str, object]) -> str:
    """`folder-done folder="A - B" lufs=-14.2`: one line, whatever a name or a traceback contains."""
    return printable(" ".join([event, *(f"{name}={_quoted(value)}" for name, value in fields.items())]))


def plainly(value: object) -> str:
    """A field's value as text, fit to be shown; numbers by label as `Rock 0.61; Pop 0.2`."""
    match value:
        case str():
            return shown(value)
        case float():
            return f"{value:g}"
        case Mapping():
            return "; ".join(f"{plainly(label)} {plainly(number)}" for label, number in value.items())
    return str(value)


def _quoted(value: object) -> str:
    text = plainly(value)
    quoted = text.replace('"', r"\x22")
    return f'"{quoted}"' if text == "" or any(char in text for char in ' "=') else text
