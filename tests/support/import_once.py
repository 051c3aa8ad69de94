"""A program that imports or undoes on order, each time in a child that a signal ends before one of its system calls.

Orders come as lines of JSON on standard input: `act` ("import", "undo"), `source`, `dataset`, `mode`, `number` (the
call before which it ends), `signal` (SIGKILL, or SIGINT as Ctrl-C sends it) and `across` (true: as if the library lay
on another device). The answer is a line with the child's exit code, below 0 for a signal.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from audiobatchd.imports import manifest, session
from audiobatchd.imports.manifest import Mode
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
    if order["act"] == "import":
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
