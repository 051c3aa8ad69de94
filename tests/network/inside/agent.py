"""Agent in the guest: runs programs on its hosts for the tests outside. One JSON object a line, over a serial port.

In come `start` (`id`, `host`, `argv`), `input` (`id`, `text`; null ends it) and `signal` (`id`, `number`); out go
`out`, `err` and at last `code` of the program with that `id`. It knows the standard library alone, and starts fast.
"""

from __future__ import annotations

import codecs
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

SERVER = "server"
PORT = "/dev/vport0p1"
HOSTS = Path("/run/hosts")
LINGERING = 1.0
"""Seconds that a program's output is waited for after its end: what it started may keep that open for ever."""


class Agent:
    """The programs that run, and the port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writing = threading.Lock()
        self._programs: dict[int, subprocess.Popen[bytes]] = {}

    def serve(self) -> None:
        """Do what is asked until the port is closed outside."""
        self.say(ready=True)
        with open(self._port, "rb", closefd=False) as lines:
            for line in lines:
                frame = json.loads(line)
                getattr(self, f"_{frame.pop('do')}")(**frame)

    def say(self, **frame: object) -> None:
        """Send one frame."""
        left = json.dumps(frame).encode() + b"\n"
        with self._writing:
            while left:
                left = left[os.write(self._port, left) :]

    def _start(self, id: int, host: str, argv: list[str], env: dict[str, str]) -> None:  # noqa: A002  # the frame's
        try:
            program = subprocess.Popen(
                [*entering(host), *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | env,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            self.say(id=id, err=f"{error}\n")
            self.say(id=id, code=127)
            return
        self._programs[id] = program
        threading.Thread(target=self._follow, args=(id, program), daemon=True).start()

    def _input(self, id: int, text: str | None) -> None:  # noqa: A002  # the frame's
        program = self._programs.get(id)
        if program is None or program.stdin is None:
            return
        try:
            if text is None:
                program.stdin.close()
            else:
                program.stdin.write(text.encode())
                program.stdin.flush()
        except BrokenPipeError:
            pass

    def _signal(self, id: int, number: int) -> None:  # noqa: A002  # the frame's
        program = self._programs.get(id)
        if program is not None and program.poll() is None:
            os.kill(program.pid, number)

    def _follow(self, number: int, program: subprocess.Popen[bytes]) -> None:
        pumps = [
            threading.Thread(target=self._pump, args=(number, name, stream), daemon=True)
            for name, stream in (("out", program.stdout), ("err", program.stderr))
        ]
        for pump in pumps:
            pump.start()
        code = program.wait()
        deadline = time.monotonic() + LINGERING
        for pump in pumps:
            pump.join(max(0.0, deadline - time.monotonic()))
        del self._programs[number]
        self.say(id=number, code=code)

    def _pump(self, number: int, name: str, stream: IO[bytes]) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        while said := os.read(stream.fileno(), 1 << 14):
            self.say(id=number, **{name: decoder.decode(said)})


def entering(host: str) -> list[str]:
    """A command in front of another by which it runs on that host: it keeps the PID."""
    if host == SERVER:
        return []
    target = (HOSTS / host).read_text().strip()
    return ["nsenter", "--target", target, "--net", "--uts", "--mount", "--"]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if len(sys.argv) > 1:
        PORT = sys.argv[1]
    Agent(os.open(PORT, os.O_RDWR | os.O_CLOEXEC)).serve()
