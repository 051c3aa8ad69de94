"""The progress bar: drawn on a terminal, and nowhere else."""

from __future__ import annotations

import io
import os
import pty

import pytest

from audiobatchd.cli.terminal.progress import ProgressBar
from audiobatchd.cli.terminal.text import cells


def drawn(name: str, environ: dict[str, str]) -> str:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        bar = ProgressBar(stream, environ)
        bar("Importing", 5, 20, name)
        bar("Importing", 6, 20, "too soon")
        bar.clear()
        bar.clear()
        stream.write(".")
        stream.flush()
        text = ""
        while not text.endswith("."):  # what was written in parts may be read in parts
            text += os.read(master, 4096).decode()
    os.close(master)
    return text


def test_a_terminal_shows_a_line_that_goes_away() -> None:
    text = drawn("caf\udce9 \x1b[2J" + "x" * 200, {"TERM": "xterm"})
    line, last = text.removeprefix("\r\x1b[K").split("\r\x1b[K")
    assert line.startswith("Importing 5 of 20 ██████░░")
    assert r"caf\xe9 \x1b[2J" in line
    assert (cells(line) <= 79, last) == (True, ".")


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {}])
def test_a_dumb_terminal_shows_nothing(environ: dict[str, str]) -> None:
    assert drawn("song", environ) == "."


def test_a_file_and_a_closed_stream_get_nothing() -> None:
    stream = io.StringIO()
    bar = ProgressBar(stream, {"TERM": "xterm"})
    bar("Importing", 1, 2, "song")
    bar.clear()
    assert stream.getvalue() == ""
