"""A worker process for one question: what the analyzers offer, which features there are, what a file measures.

Analyzers are anybody's code, load slowly, and may crash on a file: nobody who asks runs them in a process of its own.
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

_LOADING = 120.0
_T = TypeVar("_T")


class KnownFeature(Struct, frozen=True):
    """One feature, with the analyzer that gives it; see `plugin_api.Feature`."""

    analyzer: str
    version: int
    name: str
    unit: str
    description: str
    bounds: str
    source: str
    unavailable: str | None = None
    """Why it cannot be measured on this machine."""


class Request(Struct, frozen=True):
    """Measure the source files of the folder `path`, or the one file at `path`, which is absolute.

    `features` are those wanted, all where there are none. `save`: into the record, under the folder's lock.
    """

    path: str
    features: tuple[str, ...] = ()
    save: bool = False


class Answer(Struct, frozen=True):
    """What was measured, and what was not, with the reasons.

    `unmeasurable` and `unavailable` go by feature or analyzer, `failures` by file ("" where it is no one file's).
    `units` are of every feature in `values`. `refused` is for a request that cannot be.
    """

    values: dict[str, Value] = {}
    files: dict[str, str] = {}
    unmeasurable: dict[str, str] = {}
    unavailable: dict[str, str] = {}
    failures: dict[str, str] = {}
    units: dict[str, str] = {}
    refused: str = ""


def offers(settings: WorkerSettings) -> tuple[Offer, ...]:
    """What a worker with these settings would offer. Raises AudiobatchError where it cannot offer anything."""
    return _ask(["offers"], settings, tuple[Offer, ...], _LOADING)


def features(settings: WorkerSettings) -> tuple[KnownFeature, ...]:
    """All features of the analyzers, whether these can be loaded here or not. Raises AudiobatchError."""
    return _ask(["features"], settings, tuple[KnownFeature, ...], _LOADING)


def analyze(settings: WorkerSettings, request: Request) -> Answer:
    """Measure what `request` says, however long it takes. Raises AudiobatchError where the process dies of it."""
    return _ask(["analyze", msgspec.json.encode(request).decode()], settings, Answer, None)


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _ask(question: list[str], settings: WorkerSettings, answer: type[_T], timeout: float | None) -> _T:
    verb, *details = question
    command = [
        sys.executable,
        "-m",
        "audiobatchd.worker.process",
        verb,
        msgspec.json.encode(settings).decode(),
        *details,
    ]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)
        return msgspec.json.decode(done.stdout.rpartition(b"\n")[2], type=answer)
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"cannot ask the analyzers: {error}"
        raise AudiobatchError(message) from error
    except msgspec.MsgspecError as error:
        last = done.stderr.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        message = f"cannot ask the analyzers: {last or _how(done.returncode)}"
        raise AudiobatchError(message) from error
