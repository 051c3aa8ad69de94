"""Verification of a dataset's files by a process of its own: what is asked, and what it tells of each track folder.

It reads audio, which the command line never does, gives way to all other work, and may hang with its disk.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Generator

import msgspec
from msgspec import Raw, Struct

from audiobatchd.errors import AudiobatchError
from audiobatchd.worker.questions import end_of, last_line

_MOST_TOLD = 200
"""Bytes of a line that is no answer, to be told."""


class Verification(Struct, frozen=True):
    """A request to verify the track folders at and below a directory."""

    root: str
    """The directory, absolute."""
    ignore: tuple[str, ...]
    record_limit: int
    """Bytes that a record may have."""
    features: dict[str, dict[str, tuple[str, ...]]]
    """Names of the features that analyzers give, by analyzer and role: to tell whose values are of another content."""
    after: str | None = None
    """Path of a folder below the root, as it is shown: only those that come later in the order are verified."""
    rate: float | None = None
    """Bytes a second to read on average; None: as fast as the disk gives them."""


class Noted(Struct, frozen=True):
    """Digest that provenance has of a file with the size and time that the file has now."""

    digest: str
    analyzers: tuple[str, ...]
    """Names of the analyzers that noted it."""
    measured: str = ""
    """Time in UTC of the first of them, for people."""
    host: str = ""
    """Machine where that was."""


class Differing(Struct, frozen=True):
    """A file that has the size and the time with which it was measured, and another content."""

    file: str
    """Its name, as it is shown."""
    size: int
    mtime_ns: int
    digest: str
    """Digest of its content now."""
    noted: tuple[Noted, ...]
    """The digests that were noted and are not those of the file as it is now."""
    values: dict[str, Raw] = {}
    """Values in the record that were measured of the content as it was, by feature; a text for what is no JSON."""


class Verified(Struct, frozen=True):
    """What came of one track folder."""

    folder: str
    """Its path below the root, as it is shown."""
    intact: int = 0
    """Number of files with the content that was measured."""
    unknown: tuple[str, ...] = ()
    """Names, as they are shown, of the files of which no digest was noted since they were put there."""
    changed: tuple[str, ...] = ()
    """The same of files that changed while they were read."""
    octets: int = 0
    """Bytes that were read."""
    differing: tuple[Differing, ...] = ()
    troubles: dict[str, str] = {}
    """Reasons why a file cannot be read, by its name, as it is shown; of the folder or its record under ""."""


def verify(request: Verification) -> Generator[Verified, None, None]:
    """Yield each track folder when it is verified, ordered by path. Raises AudiobatchError where the process dies."""
    command = [sys.executable, "-m", "audiobatchd.worker.process", "verify"]
    with contextlib.ExitStack() as stack:
        last_words = stack.enter_context(tempfile.TemporaryFile())
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=last_words)
        except OSError as error:
            message = f"cannot start a process to read the files: {error.strerror}"
            raise AudiobatchError(message) from error
        stack.enter_context(process)
        stack.callback(process.kill)
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # it has died, which shows by its exit code
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            process.stdin.close()
        for line in process.stdout:
            if line.endswith(b"\n") or not process.wait():  # else cut short, by its death
                yield _decoded(line, request)
        if code := process.wait():
            why = last_line(end_of(last_words)) or f"the process ended with {code}"
            message = f"cannot verify {request.root}: {why}"
            raise AudiobatchError(message)


def _decoded(line: bytes, request: Verification) -> Verified:
    try:
        return msgspec.json.decode(line, type=Verified)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        told = line[:_MOST_TOLD].decode(errors="backslashreplace").strip()
        message = (
            f"cannot verify {request.root}: the process that reads the files gave no answer, but: {told} ({error})"
        )
        raise AudiobatchError(message) from error
