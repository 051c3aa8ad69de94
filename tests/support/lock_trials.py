"""Tools of the trials of locks: a partner in another process, and the looks at what they leave."""

from __future__ import annotations

import os
from pathlib import Path

TIMEOUT = 20.0
ME = ".audiobatch-trial-m-1-" + "0" * 16

PARTNER = """
import json, os, signal, sys
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks.trial import between_machines, on_one_machine

dataset, host, boot_id, end, *only_meet = sys.argv[1:]
between_machines.socket.gethostname = lambda: host
between_machines.boot_id = lambda: boot_id

def say(text):
    print(text, flush=True)
    if end and text.startswith(end):
        os.kill(os.getpid(), signal.SIGKILL)

if only_meet:
    found = [between_machines.meet(dataset, Kind.LOCAL, 60.0, on_one_machine.PATIENCE, say)]
else:
    found = on_one_machine.try_locks(dataset, 60.0, say)
print(json.dumps([[each.detail, each.ok] for each in found]))
"""


def quiet(_: str) -> None:
    pass


def left_in(dataset: Path) -> list[str]:
    return sorted(os.listdir(dataset))
