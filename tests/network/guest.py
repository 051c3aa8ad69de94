"""The guest that is switched on, its hosts, and the programs that run on them."""

from __future__ import annotations

import base64
import itertools
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from network import disks
from system.machine import Done

BOOT_LIMIT = 600.0
"""Seconds until the agent has to answer, beside whatever else this machine does."""
TIMEOUT = 600.0


class Program:
    """Program that runs, or ran, on a host of the guest."""

    def __init__(self, guest: Guest, number: int, command: str) -> None:
        self._guest = guest
        self._number = number
        self._command = command
        self._told = threading.Condition()
        self._out, self._err = "", ""
        self._read = 0
        self._code: int | None = None

    def hear(self, *, out: str = "", err: str = "", code: int | None = None) -> None:
        """Take what the agent says of it."""
        with self._told:
            self._out += out
            self._err += err
            self._code = code if self._code is None else self._code
            self._told.notify_all()

    def line(self, timeout: float = TIMEOUT) -> str:
        """The next line of its output, without the line feed; raises where it ends before."""
        with self._told:
            self._wait_until(lambda: "\n" in self._out[self._read :] or self._code is not None, timeout)
            line, feed, _ = self._out[self._read :].partition("\n")
            assert feed, f"{self._command} ended: {self._as_done()}"
            self._read += len(line) + 1
            return line

    def until(self, text: str, timeout: float = TIMEOUT) -> Self:
        """Wait until it has said this, on either stream; raises where it ends before."""
        with self._told:
            self._wait_until(lambda: text in self._out + self._err or self._code is not None, timeout)
            assert text in self._out + self._err, f"{self._command} ended: {self._as_done()}"
        return self

    def write(self, text: str | None) -> None:
        """Write to its standard input; None ends that."""
        self._guest.say(do="input", id=self._number, text=text)

    def signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        self._guest.say(do="signal", id=self._number, number=int(number))

    @property
    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self._code is None

    def so_far(self) -> Done:
        """What it has said; -1 is the code of one that runs."""
        with self._told:
            return self._as_done()

    def wait(self, timeout: float = TIMEOUT) -> Done:
        """Wait for its end."""
        with self._told:
            self._wait_until(lambda: self._code is not None, timeout)
            return self._as_done()

    def _wait_until(self, what: Callable[[], bool], timeout: float) -> None:
        assert self._told.wait_for(what, timeout), f"{self._command} goes on after {timeout:g} s: {self._as_done()}"

    def _as_done(self) -> Done:
        return Done(-1 if self._code is None else self._code, self._out, self._err)


@dataclass(frozen=True)
class Host:
    """Host of the guest: the server, or one that mounts from it."""

    guest: Guest
    name: str

    def start(self, *command: object, env: Mapping[str, str] | None = None) -> Program:
        """Start a program there."""
        return self.guest.start(self.name, [str(each) for each in command], dict(env or {}))

    def run(
        self, *command: object, check: bool = True, timeout: float = TIMEOUT, env: Mapping[str, str] | None = None
    ) -> Done:
        """Run a program there to its end; with `check` it has to end with 0."""
        program = self.start(*command, env=env)
        program.write(None)
        done = program.wait(timeout)
        assert done.code == 0 or not check, f"{self.name}: {command}: {done}"
        return done

    def sh(self, script: str, *arguments: object, check: bool = True, timeout: float = TIMEOUT) -> Done:
        """Run lines of shell there; they end with the first that fails."""
        return self.run("sh", "-euc", script, "sh", *arguments, check=check, timeout=timeout)

    def python(self, code: str, *arguments: object) -> Program:
        """Start lines of Python there, with the project's modules at hand."""
        return self.start("/usr/bin/python3", "-u", "-c", code, *arguments)


class Guest:
    """The machine that is switched on. One session at a time has it."""

    def __init__(self, directory: Path) -> None:
        self.console = directory / "console"
        self._programs: dict[int, Program] = {}
        self._numbers = itertools.count(1)
        self._writing = threading.Lock()
        self._ready = threading.Event()
        with socket.socket(socket.AF_UNIX) as listener:
            path = directory / "agent"
            listener.bind(str(path))
            listener.listen()
            listener.settimeout(30)
            # It ends with this program, however that ends.
            command = ["setpriv", "--pdeathsig", "KILL", *disks.command(directory, path)]
            with self.console.open("wb") as console:
                self._machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
            self._line, _ = listener.accept()
        self.server, self.a, self.b = (Host(self, name) for name in ("server", "a", "b"))
        threading.Thread(target=self._listen, daemon=True).start()

    def boot(self) -> None:
        """Wait until its server serves, and its hosts are there."""
        assert self._ready.wait(BOOT_LIMIT), f"the guest does not answer: {self.said()}"
        done = self.server.sh("until [ -e /run/hosts/all ]; do sleep 0.2; done", check=False, timeout=BOOT_LIMIT)
        assert done.code == 0, f"the guest is not set up: {self.said()}"

    @contextmanager
    def cut_off(self, host: str) -> Iterator[None]:
        """Pull the cable of a host for as long as this lasts."""
        self.server.run("ip", "link", "set", f"to-{host}", "down")
        try:
            yield
        finally:
            self.server.run("ip", "link", "set", f"to-{host}", "up")

    def start(self, host: str, argv: list[str], env: dict[str, str]) -> Program:
        """Start a program on one of its hosts."""
        number = next(self._numbers)
        program = self._programs[number] = Program(self, number, f"{host}: {argv}")
        self.say(do="start", id=number, host=host, argv=argv, env=env)
        return program

    def update(self) -> None:
        """Bring the project's modules in as they are now."""
        archive = base64.b64encode(disks.packed_project()).decode()
        unpacking = self.server.start("sh", "-euc", f"base64 -d | tar -xz -C /{disks.PROJECT}")
        unpacking.write(archive)
        unpacking.write(None)
        assert unpacking.wait().code == 0

    def say(self, **frame: object) -> None:
        """Send one frame to the agent."""
        with self._writing:
            self._line.sendall(json.dumps(frame).encode() + b"\n")

    def said(self) -> str:
        """What its console said last."""
        return self.console.read_text(errors="replace")[-3000:]

    def switch_off(self) -> None:
        """End it at once, as when the power goes."""
        self._machine.kill()
        self._machine.wait()
        self._line.close()

    def _listen(self) -> None:
        with self._line.makefile("rb") as lines:
            for line in lines:
                frame = json.loads(line)
                if "id" not in frame:
                    self._ready.set()
                else:
                    self._programs[frame.pop("id")].hear(**frame)
