"""One question to a worker process: what the analyzers offer, which features there are, what a file measures.

Analyzers load slowly, may be of any quality, and may crash on a file: they run in no process but a worker's.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TypeVar

import msgspec
from msgspec import Struct

from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import AudiobatchError
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.analyzer_sets import ALL

_LOADING = 120.0
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


class Request(Struct, frozen=True):
    """A request to measure the source files of a folder, or one file."""

    path: str
    """The folder or the file, absolute."""
    features: tuple[str, ...] = ()
    """The features that are wanted; all, where none is named."""
    save: bool = False
    """Whether the results go into the record, under the folder's lock."""


class Question(Struct, frozen=True):
    """Standard input of the process that is asked, in JSON."""

    settings: WorkerSettings
    request: Request | None = None
    """The request of `analyze`."""


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


def offers(settings: WorkerSettings) -> tuple[Offer, ...]:
    """Return what a worker with these settings would offer. Raises AudiobatchError where it cannot offer anything."""
    return _ask("offers", Question(settings), tuple[Offer, ...], _LOADING)


def names(settings: WorkerSettings, *, installed: bool = False) -> tuple[Offer, ...]:
    """Return what these analyzers give, or all that are installed, without loading any. Raises AudiobatchError."""
    analyzers = (ALL,) if installed else settings.analyzers
    return offers(msgspec.structs.replace(settings, analyzers=analyzers, features=()))


def features(settings: WorkerSettings, words: tuple[str, ...] = ()) -> tuple[KnownAnalyzer, ...]:
    """Return what is known of these features and analyzers, or of all that are installed, loaded or not.

    Raises AudiobatchError.
    """
    return _ask("features", Question(_for(settings, words)), tuple[KnownAnalyzer, ...], _LOADING)


def analyze(settings: WorkerSettings, request: Request) -> Answer:
    """Measure as `request` says, however long it takes. Raises AudiobatchError where the process dies of it."""
    return _ask("analyze", Question(_for(settings, request.features), request), Answer, None)


def _for(settings: WorkerSettings, features: tuple[str, ...]) -> WorkerSettings:
    """Settings by which no more is loaded than gives these features; all where none is named."""
    return msgspec.structs.replace(settings, features=features or None)


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _ask(verb: str, question: Question, answer: type[_T], timeout: float | None) -> _T:
    command = [sys.executable, "-m", "audiobatchd.worker.process", verb]
    asked = msgspec.json.encode(question)
    try:
        done = subprocess.run(command, input=asked, capture_output=True, timeout=timeout, check=False)
        return msgspec.json.decode(done.stdout.rpartition(b"\n")[2], type=answer)
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"cannot ask the analyzers: {error}"
        raise AudiobatchError(message) from error
    except msgspec.MsgspecError as error:
        last = done.stderr.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        message = f"cannot ask the analyzers: {last or _how(done.returncode)}"
        raise AudiobatchError(message) from error
