"""A program that imports or undoes on order, each time in a child that a signal ends before one of its system calls.

Orders come as lines of JSON on standard input: `act` ("import", "undo", "inbox"), `source`, `dataset`, `mode`,
`number` (the call before which it ends), `signal` (SIGKILL, or SIGINT as Ctrl-C sends it) and `across` (true: as if the
library lay on another device). The answer is a line with the child's exit code, below 0 for a signal.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from audiobatchd.imports import manifest, session
from audiobatchd.imports.importer import Channel, Importer
from audiobatchd.imports.inbox import Order, Report, Terms
from audiobatchd.imports.manifest import Mode
from audiobatchd.imports.naming import USUAL
from audiobatchd.vocabulary.files import FileId
from support.music_library import import_all

INTERRUPTED = 130
CALLS = (
    "mkdir",
    "rename",
    "unlink",
    "rmdir",
    "link",
    "symlink",
    "fsync",
    "pwrite",
    "copy_file_range",
    "utime",
    "ftruncate",
)
"""What changes a disk, or says that it is changed for good."""


_CODES: dict[type[BaseException] | None, int] = {None: 0, KeyboardInterrupt: INTERRUPTED}


def undo_all(dataset: str) -> list[str]:
    """Undo every import of a dataset; the reasons why folders were left."""
    left = []
    for each in manifest.all_in(dataset):
        found = session.undone(dataset, each.id, dict, lambda *_: None)
        left += [trouble.why for trouble in found.left] if found else []
    return left


class Inbox:
    """An importer of an inbox, in this process, that hears that all may be moved at once, and what it reports."""

    def __init__(self, inbox: Path, dataset: Path, settle: float = 0.0, name: str = USUAL, marker: str = "") -> None:
        self._dataset = dataset
        self._reading, self._orders = os.pipe()
        self._reports, self._writing = os.pipe()
        terms = Terms(str(inbox), str(inbox), str(dataset), settle, name, "", (), marker)
        self._importer = Importer(terms, Channel(self._reading, self._writing))
        self.order(Order(go=True, root=FileId.of(dataset.stat())))

    def order(self, order: Order) -> None:
        """Send an order."""
        os.write(self._orders, msgspec.json.encode(order) + b"\n")

    def look(self) -> list[Report]:
        """Have it look once; its reports."""
        self._importer.look()
        os.set_blocking(self._reports, False)
        content = b""
        with suppress(BlockingIOError):
            content = os.read(self._reports, 1 << 20)
        return [msgspec.json.decode(line, type=Report) for line in content.splitlines()]

    def close(self) -> None:
        """Close its streams."""
        for descriptor in (self._reading, self._orders, self._reports, self._writing):
            os.close(descriptor)


@contextmanager
def working(inbox: Path, dataset: Path, **terms: Any) -> Iterator[Inbox]:  # noqa: ANN401  # those of an Inbox
    """An importer of an inbox."""
    made = Inbox(inbox, dataset, **terms)
    try:
        yield made
    finally:
        made.close()


def across_devices(*_: object, **__: object) -> None:
    """Stand in for `os.link` where a library lies on another device."""
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def _ending(number: int, by: int) -> None:
    """Have the process ended by a signal before the call of this number."""
    made = 0

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def calling(*arguments: Any, **keys: Any) -> Any:  # noqa: ANN401  # any call's
            nonlocal made
            made += 1
            if made == number:
                signal.raise_signal(by)
            return call(*arguments, **keys)

        return calling

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


def _obey(order: dict[str, Any]) -> None:
    if order["across"]:
        os.link = across_devices
    _ending(order["number"], order["signal"])
    if order["act"] == "inbox":
        with working(Path(order["source"]), Path(order["dataset"])) as made:
            made.look()
    elif order["act"] == "import":
        import_all(Path(order["source"]), Path(order["dataset"]), Mode(order["mode"]))
    else:
        undo_all(order["dataset"])


def main() -> None:
    """Obey until standard input ends."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            try:
                _obey(json.loads(line))
            finally:
                os._exit(_CODES.get(sys.exc_info()[0], 1))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
