"""The standard streams of a program: each may be closed, full or gone, and the program does its work all the same.

What is fit to be written is in `text`; a terminal that is taken over belongs to `screen` or `live`.
"""

from __future__ import annotations

import errno
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from typing import TextIO

from audiobatchd.cli.terminal.text import write
from audiobatchd.errors import OutputLostError
from audiobatchd.vocabulary.exits import ControlExit
from audiobatchd.vocabulary.names import printable

Say = Callable[[str], None]
"""Prints a line of a command's answer."""

_CLOSED_ERRORS = "backslashreplace"
_WIDTH = 80


def open_closed() -> None:
    """Open /dev/null onto each standard descriptor that is closed. To be called before anything else is opened.

    Otherwise the next socket or database gets that descriptor, and what is printed goes into it. Standard output is
    opened for reading only: an answer that is written there has to be seen to be lost.
    """
    for descriptor, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, mode)
            os.dup2(opened, descriptor)  # which makes it one that children inherit, too
            if opened != descriptor:
                os.close(opened)
    # Python has None in place of a stream that was closed when it started.
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", errors=_CLOSED_ERRORS, closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", errors=_CLOSED_ERRORS, closefd=False)


class Voice:
    """Says an answer on standard output, line by line.

    A line that cannot be written stops no work: the cause is kept in `lost`, and no further line is tried.
    """

    def __init__(self) -> None:
        self.lost: OSError | None = None
        """Reason why a line could not be written; None while all could."""
        self.endless = False
        """True where the answer has no end: then nothing but its lines is of use, and each is written out at once."""

    def __call__(self, text: str) -> None:
        """Say one line. Raises OutputLostError where an endless answer cannot be written."""
        if self.lost is None:
            try:
                write(text, sys.stdout)
                if self.endless:
                    sys.stdout.flush()
            except OSError as error:
                self.lost = error
        if self.endless and self.lost is not None:
            raise OutputLostError(self.lost)


class Utf8Output:
    """Standard output as a file that text is written to, as UTF-8 in whatever locale: for what programs read."""

    def write(self, text: str) -> int:
        """Write text; the number of characters. Raises OutputLostError where it cannot be written."""
        try:
            sys.stdout.buffer.write(text.encode())
        except OSError as error:
            raise OutputLostError(error) from error
        return len(text)


def colour(environ: Mapping[str, str]) -> bool:
    """Tell whether standard output shows colours, and the environment does not refuse them."""
    return sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


def width(stream: TextIO, environ: Mapping[str, str] | None = None) -> int:
    """Width in cells of the terminal behind a stream; 80 where there is none, or it does not know.

    The variable COLUMNS of `environ`, where that is given, goes before.
    """
    columns = (environ or {}).get("COLUMNS", "")
    if columns.isdecimal():
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    except (OSError, ValueError):  # not a terminal; not even a file
        return _WIDTH


def room(environ: Mapping[str, str]) -> int:
    """Width for an answer on standard output: no bound where it is kept or searched, a line for each thing there."""
    return width(sys.stdout, environ) if sys.stdout.isatty() or environ.get("COLUMNS") else sys.maxsize


def parsed(parser: ArgumentParser, argv: Sequence[str] | None, say: Voice) -> Namespace:
    """The arguments of a command line; what the parser has to tell is told by `say`, or on standard error.

    Raises SystemExit as the parser does. It would write by itself, and break where a stream does not take that.
    """
    answer, complaint = StringIO(), StringIO()
    try:
        with redirect_stdout(answer), redirect_stderr(complaint):
            return parser.parse_args(argv)
    finally:
        if text := answer.getvalue():
            say(text.removesuffix("\n"))
        with suppress(OSError):
            sys.stderr.write(complaint.getvalue())


def complain(program: str, text: str) -> None:
    """Write a line about a program on standard error, where that works."""
    try:
        write(f"{program}: {printable(text)}", sys.stderr)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # there is no other place to say it


def end(program: str, code: int, lost: OSError | None = None, *, stands: bool = False) -> int:
    """Write out what is left in the streams; the exit code of a program that would end with `code`.

    Where its answer could not be written, now or before (`lost`), a line on standard error says so, and the code is
    74; or nothing, and it is 141, where the reader has left, as `head` does. Where the code `stands`, because the
    answer is not what the program is for, it is kept, and the line is written whatever the cause.
    """
    lost = lost or _flushed(sys.stdout)
    if lost is not None:
        left = lost.errno == errno.EPIPE
        if stands or not left:
            complain(program, f"cannot write to standard output: {_cause(lost)}")
        if not stands:
            code = ControlExit.READER_LEFT if left else ControlExit.LOST
        _discard(sys.stdout)
    if _flushed(sys.stderr) is not None:
        _discard(sys.stderr)
    return code


def _cause(error: OSError) -> str:
    if error.errno == errno.EBADF:
        return "it is closed"
    return error.strerror or str(error)


def _flushed(stream: TextIO) -> OSError | None:
    """Write out what is left in a stream; why that cannot be done, or None where it is."""
    try:
        stream.flush()
    except OSError as error:
        return error
    except ValueError:  # a stream that the program itself has closed
        return OSError(errno.EBADF, os.strerror(errno.EBADF))
    return None


def _discard(stream: TextIO) -> None:
    """Send what is left in a stream nowhere: Python writes it at its end, and would complain, and exit with 120."""
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)
    except (OSError, ValueError):
        pass  # not even a file: nothing of it is left either
