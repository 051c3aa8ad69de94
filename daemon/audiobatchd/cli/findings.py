"""Findings on a machine as lines for a terminal: the worst first, each broken between its words, with a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from audiobatchd.cli.diagnosis import Diagnosis, Level
from audiobatchd.cli.terminal.text import Line, Span, Tone, worded
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.quantities import counted

_MARKS = {
    Level.ACT: Span("[!!]", Tone.BAD),
    Level.NOTE: Span("[--]", Tone.CAUTION),
    Level.OK: Span("[ok]", Tone.GOOD),
}
"""The marks of findings, the worst first."""

_INDENT = len("  [!!] ")


def finding_lines(findings: Sequence[Diagnosis], width: int) -> list[Line]:
    """Draw findings for a terminal of `width` cells, in the order in which they have to be dealt with."""
    lines: list[Line] = []
    for level, mark in _MARKS.items():
        for finding in findings:
            if finding.level is level:
                first, *others = worded(printable(finding.what), width - _INDENT) or [""]
                lines.append((Span("  "), mark, Span(" "), Span(first, _TONES[level])))
                lines += [(Span(" " * _INDENT), Span(line, _TONES[level])) for line in others]
                todo = worded(printable(finding.todo), width - _INDENT)
                lines += [(Span(" " * _INDENT), Span(line)) for line in todo]
    return [*lines, _verdict(findings)]


_TONES = {Level.ACT: Tone.STRONG, Level.NOTE: Tone.PLAIN, Level.OK: Tone.FAINT}


def _verdict(findings: Sequence[Diagnosis]) -> Line:
    levels = Counter(finding.level for finding in findings)
    beside = f"; {counted(levels[Level.NOTE], 'thing')} could be better: [--]" if levels[Level.NOTE] else ""
    if levels[Level.ACT]:
        return (Span(f"{counted(levels[Level.ACT], 'thing')} to be done: [!!]{beside}", Tone.BAD),)
    return (Span(f"Nothing has to be done{beside or '.'}", Tone.GOOD),)
