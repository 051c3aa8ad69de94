"""Boots the guest and runs what is typed, `HOST COMMAND...` a line, for whoever wants to look: `a mount`, `b ls /mnt`.

A line that ends with ` &` is left running, and what it says is printed when it ends. `update` brings the project's
modules in as they are now, without another boot.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

from network.guest import Guest, Program
from network.kinds import mount_all


def main() -> None:
    """Boot, and serve standard input to its end."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        guest = Guest(Path(directory))
        try:
            guest.boot()
            mount_all(guest)
            _say("ready: server, a, b; /mnt/{nfs4,nfs3,nfs3-nolock,smb,smb-nobrl}/{music,small}, /srv on the server")
            for line in sys.stdin:
                _do(guest, line.strip())
        finally:
            guest.switch_off()


def _do(guest: Guest, line: str) -> None:
    host, _, command = line.partition(" ")
    start = time.monotonic()
    if host == "update":
        guest.update()
        _say("updated")
    elif host in {"server", "a", "b"}:
        program = getattr(guest, host).start("sh", "-c", command.removesuffix(" &"))
        program.write(None)
        if command.endswith(" &"):
            threading.Thread(target=_report, args=(program, line, start), daemon=True).start()
        else:
            _report(program, line, start)
    elif line:
        _say(f"no such host: {host}")


def _report(program: Program, line: str, start: float) -> None:
    try:
        done = program.wait(600)
    except AssertionError as error:
        _say(str(error))
        return
    _say(f"{done.text}[{line}: ended with {done.code} after {time.monotonic() - start:.1f} s]")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
