"""The service as it is installed in a machine: what an operator does with it, and waits for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from audiobatchd.control.client import ControlClient
from audiobatchd.control.status import Status, WorkerStatus
from audiobatchd.errors import NoDaemonError
from support.service import TIMEOUT, Answering, eventually, leftovers, record_of
from system.machine import Machine

MUSIC = "/srv/music"
CONFIGURATION = "/etc/audiobatchd/audiobatchd.toml"
DROP_INS = "/etc/systemd/system/audiobatchd.service.d"
TRACKS = "/var/tmp/tracks"  # noqa: S108  # of a machine that is ours alone
PACKAGE = "/var/tmp/audiobatchd.deb"  # noqa: S108
"""The one under test; another of that name may be built in dist/ meanwhile."""

_SETTLE = 0.5


def login_of_before(user: str) -> tuple[str, ...]:
    """A command in front of another that runs it as a login of `user` does that is older than their other groups."""
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")


class Unit(Answering):
    """The package `audiobatchd` in a machine, and its unit."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    # The package

    def installed(self) -> bool:
        """Tell whether the package is there, wholly."""
        found = self.machine.run("dpkg-query", "-Wf", "${db:Status-Abbrev}", "audiobatchd", check=False)
        return found.out.strip() == "ii"

    def install(self, package: str = PACKAGE) -> str:
        """Install the package, or another one; all that was said."""
        return self.machine.run("apt-get", "-qq", "-y", "install", package, timeout=300).text

    # From nothing

    def begin(self, *datasets: str, settle: float = _SETTLE, **keys: object) -> None:
        """The service with these datasets, empty ones, by the analyzer that loads quickly; all else is forgotten."""
        self.machine.run("systemctl", "stop", "audiobatchd")
        self.machine.sh(
            f"rm -rf {DROP_INS} /var/lib/audiobatchd/catalog.sqlite* /var/lib/audiobatchd/hooks.sqlite* /srv/*"
        )
        self.machine.run("journalctl", "--rotate", "--vacuum-size=1K")
        self.configure(*datasets, settle=settle, **keys)
        for dataset in datasets:
            # As docs/how-to/run-as-a-service.md says: directories are setgid, so that all that comes is the group's.
            self.machine.run("install", "-d", "-o", "root", "-g", "audiobatch", "-m", "2775", dataset)
            self.machine.run("audiobatchctl", "setup", "--no-restart", dataset)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "reset-failed", "audiobatchd", check=False)
        self.machine.run("systemctl", "start", "audiobatchd")

    def configure(self, *datasets: str, settle: float = _SETTLE, **keys: object) -> None:
        """Write the configuration: one worker and the analyzer `loudness`, or others; None leaves a key out."""
        keys = {"workers": 1, "analyzers": ["loudness"], **keys}
        lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value is not None]
        for dataset in datasets:
            lines += ["[[dataset]]", f"path = {json.dumps(dataset)}", f"settle = {settle}"]
        self.machine.path(CONFIGURATION).write_text("\n".join(lines) + "\n")

    def drop_in(self, *lines: str) -> None:
        """Settings of an administrator's own in [Service]; `begin` forgets them. Counts from the next start."""
        self.machine.run("install", "-d", DROP_INS)
        self.machine.path(f"{DROP_INS}/test.conf").write_text("\n".join(["[Service]", *lines]) + "\n")
        self.machine.run("systemctl", "daemon-reload")

    def add(self, folder: str, *, track: str = "short", dataset: str = MUSIC, user: str = "root") -> Path:
        """Have a user drop a track folder in, open to the group; its path as it is seen from outside."""
        self.machine.sh('umask 002; mkdir "$2"; cp "$1"/* "$2"', f"{TRACKS}/{track}", f"{dataset}/{folder}", user=user)
        return self.machine.path(f"{dataset}/{folder}")

    def backfill(self, number: int, *, track: str) -> list[Path]:
        """Have many folders dropped in at once."""
        script = 'umask 002; for n in $(seq "$3"); do mkdir "$2/Track $n"; cp "$1"/* "$2/Track $n"; done'
        self.machine.sh(script, f"{TRACKS}/{track}", MUSIC, number)
        return [self.machine.path(f"{MUSIC}/Track {place + 1}") for place in range(number)]

    # What it tells

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.machine.run("systemctl", "show", "-P", name, "audiobatchd").out.strip()

    def status(self) -> Status | None:
        """Ask the service; None while it does not answer."""
        try:
            return ControlClient(self.machine.passing("/run/audiobatchd/control.sock")).status()
        except NoDaemonError:
            return None

    def complete(self) -> int:
        """Count the folders that are complete."""
        return self.states().get("complete", 0)

    def busy(self) -> WorkerStatus:
        """Wait for a worker that is at a folder."""

        def found() -> WorkerStatus | None:
            status = self.status()
            return next((each for each in status.workers if each.state == "busy"), None) if status else None

        worker = eventually(found, TIMEOUT, self.log)
        assert worker is not None
        return worker

    def workers(self) -> list[int]:
        """The PIDs of its workers inside the machine."""
        status = self.status()
        return [worker.pid for worker in status.workers if worker.pid > 0] if status else []

    def restarted(self, since: str, timeout: float = TIMEOUT) -> str:
        """Wait until another main process than `since` is ready; its PID."""
        eventually(lambda: self._ready_as() not in ("", "0", since), timeout, self.log)
        return self._ready_as()

    def log(self) -> str:
        """The journal of the unit."""
        return self.machine.run("journalctl", "-u", "audiobatchd", "-n", "200", "--no-pager").out

    def events(self, event: str, **fields: str) -> list[dict[str, Any]]:
        """Entries of the journal of one kind of event, with all their fields."""
        matches = [f"AUDIOBATCH_{name.upper()}={value}" for name, value in fields.items()]
        command = ["journalctl", "-u", "audiobatchd", "-o", "json", f"AUDIOBATCH_EVENT={event}", *matches]
        return [json.loads(line) for line in self.machine.run(*command).out.splitlines()]

    def leftovers(self, dataset: str = MUSIC) -> list[str]:
        """Lock files and temporary files in a dataset."""
        return leftovers(self.machine.path(dataset))

    def _ready_as(self) -> str:
        shown = self.machine.run("systemctl", "show", "-p", "MainPID,ActiveState", "audiobatchd").out
        properties = dict(line.split("=", 1) for line in shown.splitlines())
        return properties["MainPID"] if properties["ActiveState"] == "active" else ""


def all_measured(folders: list[Path], *features: str) -> None:
    """Assert that every folder has a record that can be read, with these features."""
    for folder in folders:
        record = record_of(folder)  # fails where it is torn
        assert set(features) <= record.keys(), (folder, record)
