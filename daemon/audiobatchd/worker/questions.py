"""Questions to a worker process: what the analyzers offer, which features there are, what files measure.

Analyzers load slowly, may be of any quality, and may crash on a file: they run in no process but a worker's.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from typing import BinaryIO, Self, TypeVar

import msgspec
from msgspec import Struct

from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import AudiobatchError
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.analyzer_sets import ALL

_LOADING, _MAKING = 120.0, 60.0
"""Seconds that a process may take to load analyzers, or only to make them."""
_ENDING = 5.0
"""Seconds that a process has to end when it has nothing more to do."""
_MOST_LAST_WORDS = 4096
"""Bytes of what a process that died wrote last."""
_T = TypeVar("_T")


class KnownFeature(Struct, frozen=True):
    """One feature; see `plugin_api.Feature`."""

    name: str
    unit: str
    description: str
    bounds: str
    source: str


class KnownAnalyzer(Struct, frozen=True):
    """One analyzer that is installed, with the features that were asked for."""

    name: str
    entry: str
    """The name of its entry point, by which the configuration goes."""
    version: int
    on: bool
    """True where the configuration has it work."""
    features: tuple[KnownFeature, ...]
    unavailable: str | None = None
    """Why it cannot work on this machine; not found out of one that is off."""
    remark: str = ""
    """Words for people on how it works on this machine."""


class WrongOption(Struct, frozen=True):
    """A fault in the table `[analyzer.<entry>]` of a configuration."""

    entry: str
    """The name of the analyzer's entry point."""
    reason: str
    """The analyzer's own words."""
    key: str = ""
    """The key that is no option; empty where it is a value that is wrong."""
    known: tuple[str, ...] = ()
    """The options that there are, where it is a key."""


class Request(Struct, frozen=True):
    """A request to measure the source files of a folder, or one file."""

    path: str
    """The folder or the file, absolute."""
    features: tuple[str, ...] = ()
    """The features that are wanted; all, where none is named."""
    save: bool = False
    """Whether the results go into the record, under the folder's lock."""


class Answer(Struct, frozen=True):
    """The answer to a `Request`: what was measured, and what was not, with the reasons."""

    values: dict[str, Value] = {}
    files: dict[str, str] = {}
    """The content of companion files that are text, by their names."""
    binary_files: dict[str, bytes] = {}
    """The content of the others; base64 in JSON."""
    unmeasurable: dict[str, str] = {}
    """By feature, why the audio has no value of it."""
    unavailable: dict[str, str] = {}
    """By analyzer, why it cannot work on this machine."""
    failures: dict[str, str] = {}
    """By file, why it could not be measured; "" where that is no single file's doing."""
    units: dict[str, str] = {}
    """Of every feature in `values`."""
    refused: str = ""
    """Why nothing of the request can be done."""
    is_wrong: bool = False
    """True where that is so of every file: what is asked for is no feature."""


class Ready(Struct, frozen=True):
    """Tells that the analyzers are loaded, and that requests may come."""


def offers(settings: WorkerSettings) -> tuple[Offer, ...]:
    """Return what a worker with these settings would offer. Raises AudiobatchError where it cannot offer anything."""
    return _ask("offers", settings, tuple[Offer, ...], _LOADING)


def names(settings: WorkerSettings, *, installed: bool = False) -> tuple[Offer, ...]:
    """Return what these analyzers give, or all that are installed, without loading any. Raises AudiobatchError."""
    analyzers = (ALL,) if installed else settings.analyzers
    return offers(msgspec.structs.replace(settings, analyzers=analyzers, features=()))


def features(settings: WorkerSettings, words: tuple[str, ...] = ()) -> tuple[KnownAnalyzer, ...]:
    """Return what is known of these features and analyzers, or of all that are installed, loaded or not.

    Raises AudiobatchError.
    """
    return _ask("features", _for(settings, words), tuple[KnownAnalyzer, ...], _LOADING)


def wrong_options(settings: WorkerSettings) -> tuple[WrongOption, ...]:
    """Return what is wrong with the options in these settings, by the analyzers' word. Raises AudiobatchError."""
    return _ask("options", settings, tuple[WrongOption, ...], _MAKING)


def analyze(settings: WorkerSettings, request: Request) -> Answer:
    """Measure as `request` says, however long it takes. Raises AudiobatchError where the process dies of it."""
    with Measuring(settings, request.features) as measuring:
        measuring.start()
        return measuring.ask(request)


class Measuring:
    """A process that loads what gives these features, and measures one file or folder after the other.

    It ends with the `with` that it is made in, and dies with this process, for want of requests.
    """

    def __init__(self, settings: WorkerSettings, features: tuple[str, ...]) -> None:
        self._settings = _for(settings, features)
        self._process: subprocess.Popen[bytes] | None = None
        self._last_words = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `__exit__`

    def start(self) -> None:
        """Start the process, where none runs, and wait until it is ready. Raises AudiobatchError."""
        if self._process is not None:
            return
        try:
            self._process = subprocess.Popen(
                _command("analyze"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._last_words
            )
        except OSError as error:
            message = f"cannot ask the analyzers: {error.strerror}"
            raise AudiobatchError(message) from error
        self._write(self._settings)
        self._read(Ready)

    def ask(self, request: Request) -> Answer:
        """Measure as `request` says, however long it takes. Raises AudiobatchError where the process dies of it.

        Then `start` starts another.
        """
        self._write(request)
        return self._read(Answer)

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the process, at once where an exception is on its way out."""
        self._end(0.0 if kind else _ENDING)
        self._last_words.close()

    def _write(self, asked: WorkerSettings | Request) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has died, which shows by what is read
            self._process.stdin.write(_line(asked))
            self._process.stdin.flush()

    def _read(self, kind: type[_T]) -> _T:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            return msgspec.json.decode(self._process.stdout.readline(), type=kind)
        except msgspec.MsgspecError as error:
            code = self._end(_ENDING)
            raise _gone(end_of(self._last_words), code) from error

    def _end(self, patience: float) -> int:
        """End the process, where one runs, and give it so many seconds to do so itself; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(OSError), process:  # which closes its pipes, and waits
            assert process.stdin is not None
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.returncode


def end_of(written: BinaryIO) -> bytes:
    """Read the end of what a process wrote into a file."""
    written.seek(max(written.seek(0, os.SEEK_END) - _MOST_LAST_WORDS, 0))
    return written.read()


def last_line(words: bytes) -> str:
    """Return the last line that a process wrote."""
    return words.decode(errors="backslashreplace").strip().rpartition("\n")[2]


def _for(settings: WorkerSettings, features: tuple[str, ...]) -> WorkerSettings:
    """Settings by which no more is loaded than gives these features; all where none is named."""
    return msgspec.structs.replace(settings, features=features or None)


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _command(verb: str) -> list[str]:
    return [sys.executable, "-m", "audiobatchd.worker.process", verb]


def _line(asked: WorkerSettings | Request) -> bytes:
    return msgspec.json.encode(asked) + b"\n"


def _ask(verb: str, settings: WorkerSettings, answer: type[_T], timeout: float | None) -> _T:
    command, asked = _command(verb), _line(settings)
    try:
        done = subprocess.run(command, input=asked, capture_output=True, timeout=timeout, check=False)
        return msgspec.json.decode(done.stdout.rpartition(b"\n")[2], type=answer)
    except subprocess.TimeoutExpired as error:
        message = f"cannot ask the analyzers: no answer within {timeout:g} s"
        raise AudiobatchError(message) from error
    except OSError as error:
        message = f"cannot ask the analyzers: {error.strerror}"
        raise AudiobatchError(message) from error
    except msgspec.MsgspecError as error:
        raise _gone(done.stderr, done.returncode) from error


def _gone(stderr: bytes, code: int) -> AudiobatchError:
    """Say why a process gave no answer, by the last line that it wrote."""
    last = re.sub(r"^audiobatchd\.errors\.\w+: ", "", last_line(stderr))  # the class of an error, before its message
    return AudiobatchError(f"cannot ask the analyzers: {last or _how(code)}")
