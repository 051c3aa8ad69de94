"""Findings on a terminal: in order, broken between words, with marks and a verdict."""

from __future__ import annotations

import re

import pytest

from audiobatchd.cli.diagnosis import Diagnosis, Level
from audiobatchd.cli.findings import finding_lines
from audiobatchd.cli.terminal.text import Tone, as_ansi

WELL = Diagnosis(Level.OK, "the configuration is valid")
COMMAND = "sysctl fs.inotify.max_user_watches=1 >> /etc/sysctl.d/90-audiobatchd-with-a-rather-long-name-of-its-own.conf"
COULD = Diagnosis(Level.NOTE, "of 10 track folders 5 can be watched: walks find changes in the others", COMMAND)
MUST = Diagnosis(Level.ACT, "a\x1bb cannot be read " * 6, "mend it")


def told(*findings: Diagnosis, width: int = 60) -> list[str]:
    return [as_ansi(line, colour=False) for line in finding_lines(findings, width)]


def test_the_worst_come_first_and_the_verdict_last() -> None:
    lines = told(WELL, COULD, MUST, COULD)
    marks = [found[1] for line in lines[:-1] if (found := re.match(r"  \[(..)\]", line))]
    assert marks == ["!!", "--", "--", "ok"]
    assert lines[-1] == "1 thing to be done: [!!]; 2 things could be better: [--]"


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([WELL], "Nothing has to be done."),
        ([WELL, COULD], "Nothing has to be done; 1 thing could be better: [--]"),
        ([MUST, MUST], "2 things to be done: [!!]"),
    ],
)
def test_verdict(findings: list[Diagnosis], verdict: str) -> None:
    assert told(*findings)[-1] == verdict


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_lines_hang_below_their_first_and_words_stay_whole(width: int) -> None:
    lines = told(WELL, COULD, MUST, width=width)[:-1]
    assert all(line.startswith(("  [", "       ")) for line in lines)
    words = " ".join(" ".join(lines).split())
    for each in (WELL, COULD, MUST):
        assert " ".join(each.what.replace("\x1b", r"\x1b").split()) in words
    long = COMMAND.rsplit(maxsplit=1)[-1]
    assert [line for line in lines if len(line) > width] == [f"       {long}"] * (width < 7 + len(long))


def test_marks_have_colours() -> None:
    tones = {span.text: span.tone for line in finding_lines([WELL, COULD, MUST], 80) for span in line}
    assert (tones["[!!]"], tones["[--]"], tones["[ok]"]) == (Tone.BAD, Tone.CAUTION, Tone.GOOD)
