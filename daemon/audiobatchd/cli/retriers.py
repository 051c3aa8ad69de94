"""Ways to have what an audit finds measured again: by the service that works on the dataset, else by one pass."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from audiobatchd.cli.named import datasets_of, folder_named
from audiobatchd.cli.terminal.output import Say
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import RETRY
from audiobatchd.control.requests import FolderName, RetryFolders
from audiobatchd.disk.again import write_line
from audiobatchd.errors import AudiobatchError, NoDaemonError, UsageError
from audiobatchd.vocabulary.names import printable
from audiobatchd.vocabulary.quantities import counted

_SHOWN = 3
"""Number of refusals that are shown."""
_BATCH = 16 << 10
"""Bytes of names in one request; a request may have 64 KiB."""
_BESIDE = 64
"""Bytes of a name in a request beside the name itself."""


class Retrier(Protocol):
    """Has what is found measured again."""

    def add(self, folder: str, features: tuple[str, ...]) -> None:
        """Take in a folder, as it is shown, with the features that are wrong there."""

    def finish(self, say: Say) -> int:
        """Have done what is left; say what came of it, and return the number of folders."""


@contextmanager
def retrier(arguments: argparse.Namespace, client: ControlClient, dataset: str) -> Iterator[Retrier | None]:
    """Give what has findings measured again, where the command line asks for that."""
    if not arguments.retry:
        yield None
        return
    quiet = arguments.json
    try:
        place = folder_named(dataset, datasets_of(client))
    except (NoDaemonError, UsageError):  # no service works there
        with TemporaryDirectory(prefix="audiobatchd-audit-") as directory:
            yield _ByPass(Path(directory) / "again.jsonl", arguments, dataset, quiet=quiet)
    else:
        yield _ByService(client, place, quiet=quiet)


class _ByService:
    """Asks the service that works on the dataset, in requests of many folders each."""

    def __init__(self, client: ControlClient, place: FolderName, *, quiet: bool) -> None:
        self._client = client
        self._dataset = place.dataset
        self._below = "" if place.folder == "." else place.folder
        """Directory that was audited, below the service's dataset; empty where it is that."""
        self._quiet = quiet
        self._waiting: dict[tuple[str, ...], list[str]] = {}
        """Folders that are yet to be asked for, by their features."""
        self._size = 0
        self._asked = 0
        self._refusals: list[str] = []
        self._remarks: dict[str, None] = {}

    def add(self, folder: str, features: tuple[str, ...]) -> None:
        """See `Retrier`."""
        name = "/".join(part for part in (self._below, folder) if part not in ("", ".")) or "."
        self._waiting.setdefault(features, []).append(name)
        self._size += len(name.encode()) + len(self._dataset.encode()) + _BESIDE
        if self._size > _BATCH:
            self._send()

    def finish(self, say: Say) -> int:
        """See `Retrier`."""
        self._send()
        if not self._quiet and (self._asked or self._refusals):
            say("")
            say(f"{counted(self._asked, 'folder')} will be measured again by the service.")
            for line in (*self._remarks, *self._refusals[:_SHOWN]):
                say(printable(f"  ! {line}"))
        return self._asked

    def _send(self) -> None:
        for features, folders in self._waiting.items():
            names = [FolderName(self._dataset, folder) for folder in folders]
            try:
                self._ask(names, features)
            except NoDaemonError:
                raise
            except AudiobatchError:
                # One of them has gone meanwhile, or all are refused.
                for each in names:
                    self._ask_alone(each, features)
        self._waiting.clear()
        self._size = 0

    def _ask(self, names: list[FolderName], features: tuple[str, ...]) -> None:
        answer = self._client.ask(RETRY, RetryFolders(names, features=list(features)))
        self._asked += answer.folders
        self._remarks |= dict.fromkeys(answer.remarks)

    def _ask_alone(self, name: FolderName, features: tuple[str, ...]) -> None:
        try:
            self._ask([name], features)
        except NoDaemonError:
            raise
        except AudiobatchError as error:
            if not self._asked and len(self._refusals) >= _SHOWN:
                raise  # nothing is taken at all: it is not for this folder's sake
            self._refusals.append(str(error))


class _ByPass:
    """Runs one pass of `audiobatchd --once` when all is known."""

    def __init__(self, path: Path, arguments: argparse.Namespace, dataset: str, *, quiet: bool) -> None:
        self._path = path
        self._arguments = arguments
        self._dataset = dataset
        self._quiet = quiet
        self._file = path.open("wb")
        self._count = 0

    def add(self, folder: str, features: tuple[str, ...]) -> None:
        """See `Retrier`."""
        write_line(self._file, folder, features)
        self._count += 1

    def finish(self, say: Say) -> int:
        """See `Retrier`."""
        self._file.close()
        if not self._count:
            return 0
        if not self._quiet:
            say("")
            say(f"No service works there: one pass measures {counted(self._count, 'folder')} again.")
            sys.stdout.flush()
        command = [sys.executable, "-m", "audiobatchd.cli.daemon", "--once", self._dataset, "--again", str(self._path)]
        if self._arguments.config:
            command += ["--config", str(self._arguments.config)]
        code = subprocess.run(command, check=False, stdout=subprocess.DEVNULL if self._quiet else None).returncode
        if code:
            message = f"not everything was measured: the pass ended with exit code {code}"
            raise AudiobatchError(message)
        return self._count
