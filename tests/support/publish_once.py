"""A program that publishes one record, as scripts do or as a worker does; each time in a child that can be traced.

For every line on standard input, `traced FOLDER` or `plain FOLDER`, it forks. A traced child stops itself before the
first system call that belongs to the publishing, and its PID is told. At the child's end a line tells its exit code
(below 0: the signal that killed it) and the error. What goes wrong on purpose, and what must hold then, is the tests'.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping

from audiobatchd import save_to_info
from audiobatchd.core.provenance import Entry
from audiobatchd.disk import record
from audiobatchd.errors import AudiobatchError
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.files import Fingerprint
from support.at_work import at_work

DONE, TOLD, UNFORESEEN = 0, 1, 2
"""Exit codes: published; failed by an exception that callers are told of; failed by any other one."""

VALUES: Mapping[str, Value] = {"lufs": -14.2, "lra": 4.1}
FILES = {".BEATS_GRID": "0.50\n1.00\n1.50\n"}
DROP = ("stale", ".ONSETS")
ENTRIES = {"loudness": {"full_mix": Entry(fingerprint=Fingerprint("full_mix.flac", 0, 1, "blake2b:00"), version=1)}}

_PR_SET_PDEATHSIG, _PR_SET_PTRACER = 1, 0x59616D61
_ANY_PROCESS = ctypes.c_ulong(-1)
_LIMIT = 4096


def publish_as_scripts(folder: str) -> None:
    """Publish by the library, which takes the folder's lock for a moment."""
    save_to_info(folder, VALUES)


def publish_as_worker(folder: str) -> None:
    """Publish as `worker.process.job` does once everything is measured: values, provenance, companions, removals."""
    with at_work(folder) as (name, descriptor, gate):
        record.refuse_unwritable(name, descriptor)
        first = record.rights_like(descriptor, ["full_mix.flac"])
        record.publish(name, descriptor, VALUES, ENTRIES, files=FILES, drop=DROP, first=first, gate=gate)


WAYS: Mapping[str, Callable[[str], None]] = {"library": publish_as_scripts, "worker": publish_as_worker}


def main() -> None:
    """Publish by the way that the command line names, for every line on standard input."""
    publish = WAYS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as warm:
        publish(warm)  # whatever Python loads only when it is first used is loaded now
    # A forked child has one thread: others would have left it their locks.
    assert len(os.listdir("/proc/self/task")) == 1
    message = mmap.mmap(-1, _LIMIT)
    for line in sys.stdin:
        mode, _, folder = line.rstrip("\n").partition(" ")
        message[:] = bytes(_LIMIT)
        child = os.fork()
        if child == 0:
            _publish(publish, folder, message, stop=mode == "traced")
        if mode == "traced":
            os.waitpid(child, os.WUNTRACED)
            _say(str(child))
        _, status = os.waitpid(child, 0)
        _say(f"{os.waitstatus_to_exitcode(status)} {message[:].rstrip(bytes(1)).decode()}")


def _publish(publish: Callable[[str], None], folder: str, message: mmap.mmap, *, stop: bool) -> None:
    """Publish in the child. The error goes through memory: no call of ours stands between those that are to fail."""
    code = UNFORESEEN
    try:
        if stop:
            prctl = ctypes.CDLL(None).prctl
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # one that is stopped would wait for ever
            prctl(_PR_SET_PTRACER, _ANY_PROCESS, 0, 0, 0)  # where only a parent may trace
            os.kill(os.getpid(), signal.SIGSTOP)
        publish(folder)
        code = DONE
    except BaseException as error:  # noqa: BLE001  # what it is, is the finding
        code = TOLD if isinstance(error, AudiobatchError | OSError) else UNFORESEEN
        text = repr(error).encode(errors="backslashreplace").replace(b"\n", b" ")[:_LIMIT]
        message[: len(text)] = text
    finally:
        os._exit(code)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
