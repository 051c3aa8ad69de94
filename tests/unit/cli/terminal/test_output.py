"""Standard streams that are closed, full or gone, each in a process of its own."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import sys
import termios
from io import StringIO

import pytest

from audiobatchd.cli.terminal.output import Voice, colour, room, width
from audiobatchd.errors import OutputLostError

SAYS = (
    "import sys; from audiobatchd.cli.terminal import output; output.open_closed(); say = output.Voice(); say('word');"
    "sys.exit(output.end('prog', 0, say.lost, stands=len(sys.argv) > 1))"
)


def run(redirection: str, *arguments: str) -> tuple[int, str]:
    """A program that says one word, its streams as a shell sets them up: (exit code, standard error)."""
    command = ["sh", "-c", f'"$0" -c "$1" {" ".join(arguments)} {redirection}', sys.executable, SAYS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("redirection", "code", "told"),
    [
        ("", 0, ""),
        (">&-", 74, "prog: cannot write to standard output: it is closed\n"),
        (">/dev/full", 74, f"prog: cannot write to standard output: {os.strerror(errno.ENOSPC)}\n"),
        (">/dev/full 2>&-", 74, ""),
        ("<&- 2>&-", 0, ""),
    ],
)
def test_lost_answer_is_told_where_that_works(redirection: str, code: int, told: str) -> None:
    assert run(redirection) == (code, told)


def test_code_that_stands_is_kept() -> None:
    code, told = run(">/dev/full", "stands")
    assert (code, "cannot write to standard output" in told) == (0, True)


def test_closed_stream_gives_its_descriptor_to_nothing_else() -> None:
    program = (
        "import os, sys; from audiobatchd.cli.terminal import output; output.open_closed();"
        "opened = os.open('/', os.O_RDONLY); sys.stderr.write(str(opened))"
    )
    done = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" <&- >&-', sys.executable, program], capture_output=True, text=True, check=True
    )
    assert int(done.stderr) > 2


class Full:
    """A stream that takes nothing more."""

    encoding = "utf-8"
    tried = 0

    def write(self, _text: str) -> int:
        self.tried += 1
        raise OSError(errno.ENOSPC, "full")

    def flush(self) -> None:
        pass


def test_no_line_is_tried_after_one_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, say = Full(), Voice()
    monkeypatch.setattr(sys, "stdout", stream)
    say("one")
    say("two")
    assert say.lost is not None
    assert (say.lost.errno, stream.tried) == (errno.ENOSPC, 1)


def test_endless_answer_ends_with_its_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    say = Voice()
    say.endless = True
    with pytest.raises(OutputLostError):
        say("one")


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], coloured: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert colour(environ) == coloured
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert not colour(environ)


@pytest.mark.parametrize(
    ("columns", "environ", "cells"),
    [(132, None, 132), (0, None, 80), (132, {"COLUMNS": "40"}, 40), (132, {"COLUMNS": "wide"}, 132), (132, {}, 132)],
)
def test_width_is_the_terminal_s_unless_columns_says_it(
    columns: int, environ: dict[str, str] | None, cells: int
) -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        assert width(stream, environ) == cells
    os.close(master)


def test_width_of_what_is_no_terminal_is_80() -> None:
    assert width(StringIO()) == 80
    with open(os.devnull, "w", encoding="utf-8") as stream:
        assert width(stream) == 80


def test_what_is_kept_has_lines_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", StringIO())
    assert room({}) == sys.maxsize
    assert room({"COLUMNS": "60"}) == 60
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert room({}) == 80
