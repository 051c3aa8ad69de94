"""A process on a host of the guest that does what it is told, in Python: it can hold locks, publish, and be killed."""

from __future__ import annotations

import json
import signal

from network.guest import Host
from support.lock_rig import PROGRAM

_PUBLISHING = """
from audiobatchd import read_info, save_to_info, should_process_folder
from audiobatchd.disk import filesystems
from audiobatchd.locks import observer

locks = {}

def aim(at):
    "Have `lock` be that of another folder."
    global folder, path, lock
    folder, path = at, at + ".lock"
    lock = locks.setdefault(folder, FolderLock(folder, 60.0))

def until_acquired(seconds):
    deadline = time.monotonic() + seconds
    while (got := acquire()) != "got" and time.monotonic() < deadline:
        time.sleep(0.2)
    return got

def publish(value, **more):
    "By the library, as the holder of the lock or for a moment."
    try:
        save_to_info(folder, {"lufs": value, **more})
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "published"

def passes_gate():
    try:
        lock.gate()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "passed"

def seen():
    "The lock's state and its holder's host, as an observer finds them."
    found = observer.observe(path)
    return found and [found.state.value, getattr(found.content, "host", "")]
"""


class Peer:
    """Process on one host. `lock` is its lock of the folder that it was aimed at last."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._program = host.python(PROGRAM, "/nowhere")
        self.does(_PUBLISHING)

    def does(self, code: str) -> object:
        """Do it; its value, or the name of the exception."""
        return self.begins(code).answers()

    def begins(self, code: str) -> Peer:
        """Do it, and do not wait for it."""
        self._program.write(json.dumps(code) + "\n")
        return self

    def answers(self, timeout: float = 600.0) -> object:
        """Wait for the result of the last line that it began."""
        return json.loads(self._program.line(timeout))

    def at(self, folder: str) -> Peer:
        """Aim its lock at a folder."""
        self.does(f"aim({folder!r})")
        return self

    @property
    def lives(self) -> bool:
        """Tell whether it has not ended."""
        return self._program.running

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._program.signal(signal.SIGKILL)
        self._program.wait()
