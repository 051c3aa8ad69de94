"""A container for tests: an image's root as a container engine would run it, by systemd-nspawn.

Owns the unpacked image, and what an engine makes of its configuration: user, environment, command, volumes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiobatchd.control.client import ControlClient
from audiobatchd.control.status import Status
from audiobatchd.errors import NoDaemonError
from support.service import Answering, eventually
from system.machine import CACHE, Done, leader_of

MUSIC, STATE, MODELS, CONFIGURATION = "/music", "/state", "/models", "/etc/audiobatchd"
PASSING = ("/run/audiobatchd", "/tmp")  # noqa: S108  # of the container
"""What is kept in memory where the root file system is read-only."""

_SOCKET = "/run/audiobatchd/control.sock"


@dataclass(frozen=True)
class Image:
    """An image, unpacked."""

    root: Path
    config: Mapping[str, Any]
    """Its configuration: `User`, `Env`, `Entrypoint` and so on."""
    layers: tuple[str, ...]


def unpacked(archive: Path) -> Image:
    """Unpack a docker-archive into the cache; what is there of the same image is used again."""
    root = CACHE / f"{archive.name}.root"
    stamp = CACHE / f"{archive.name}.unpacked"
    with tarfile.open(archive) as opened:
        [manifest] = json.loads(_content(opened, "manifest.json"))
        config = json.loads(_content(opened, manifest["Config"]))
        if not stamp.exists() or stamp.read_text() != manifest["Config"]:
            stamp.unlink(missing_ok=True)
            subprocess.run(["rm", "-rf", "--one-file-system", root], check=True)
            root.mkdir(parents=True)
            for layer in manifest["Layers"]:
                command = ["sh", "-c", 'tar -xOf "$1" "$2" | tar -xp --numeric-owner -C "$3"', "sh"]
                subprocess.run([*command, str(archive), layer, str(root)], check=True)
            stamp.write_text(manifest["Config"])
    return Image(root, config["config"], tuple(manifest["Layers"]))


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    assert found is not None, name
    return found.read()


@dataclass(eq=False)
class Container(Answering):
    """A container of an image: its volumes, and, while it runs, its first process."""

    image: Image
    place: Path
    """A directory of the test's own, for volumes and the log."""
    user: str = ""
    """`UID:GID` instead of the image's own."""
    volumes: dict[str, Path] = field(default_factory=dict)
    """What is mounted, by its place in the container."""
    _process: subprocess.Popen[bytes] | None = None
    _leader: int = 0

    def __post_init__(self) -> None:
        for volume in self.image.config["Volumes"]:
            directory = self.place / volume.strip("/")
            directory.mkdir(exist_ok=True)
            uid, gid = map(int, self.identity)
            os.chown(directory, uid, gid)
            self.volumes.setdefault(volume, directory)

    @property
    def identity(self) -> list[str]:
        """UID and GID that it runs as."""
        return (self.user or self.image.config["User"]).split(":")

    @property
    def music(self) -> Path:
        """The dataset, from outside."""
        return self.volumes[MUSIC]

    def configure(self, *lines: str, analyzers: Sequence[str] = ("loudness",)) -> None:
        """Mount a configuration of its own: by default with the analyzer that loads quickly; folders settle at once."""
        directory = self.place / "configuration"
        directory.mkdir(exist_ok=True)
        text = [f"analyzers = {json.dumps(analyzers)}", *lines, "[[dataset]]", f'path = "{MUSIC}"', "settle = 0.5"]
        (directory / "audiobatchd.toml").write_text("\n".join(text) + "\n")
        self.volumes[CONFIGURATION] = directory

    def add(self, track: Path, name: str) -> Path:
        """Drop a track folder in, as the user whose files they are."""
        folder = shutil.copytree(track, self.music / name)
        for path in (folder, *folder.iterdir()):
            os.chown(path, *map(int, self.identity))
        return folder

    def start(self, *command: str) -> None:
        """Start it, with the image's command or another one, and wait until the command runs."""
        for volume in self.volumes:  # an engine makes what the image lacks; systemd-nspawn could not
            (self.image.root / volume.strip("/")).mkdir(exist_ok=True)
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._nspawn(), *self._as_configured(command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        process = self._process
        self._leader = eventually(lambda: leader_of(process) or -(process.poll() is not None), what=self.log)

    def up(self) -> None:
        """Start the service, and wait until it answers."""
        self.start()
        eventually(self.status, what=self.log)

    def runs(self, *command: str, timeout: float = 60.0) -> int:
        """Run it to its end; the exit code."""
        self.start(*command)
        assert self._process is not None
        return self._process.wait(timeout)

    def stop(self, timeout: float) -> int:
        """Send the image's signal to the first process, as `docker stop` does; the exit code."""
        assert self._process is not None
        os.kill(self._leader, getattr(signal, self.image.config["StopSignal"]))
        return self._process.wait(timeout)

    def kill(self) -> None:
        """End everything in it at once."""
        if self._process is not None and self._process.poll() is None:
            if self._leader > 0:
                os.kill(self._leader, signal.SIGKILL)
            else:
                self._process.kill()
            self._process.wait(60)

    def exec(self, *command: str, timeout: float = 30.0) -> Done:
        """Run a command beside the service, as `docker exec` does."""
        done = subprocess.run(
            ["/usr/bin/nsenter", "-t", str(self._leader), "-a", "--", *self._as_user(), *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd="/",
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def processes(self) -> dict[int, str]:
        """State letter of each process in it, by its PID inside."""
        found = {}
        for line in self.exec("sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null").out.splitlines():
            pid, _, rest = line.partition(" (")
            found[int(pid)] = rest.rpartition(") ")[2][0]
        return found

    def workers(self) -> list[int]:
        """PIDs of the workers inside."""
        status = self.status()
        return [worker.pid for worker in status.workers if worker.pid > 0] if status else []

    def log(self) -> str:
        """Text that it has written so far."""
        return (self.place / "log").read_text(errors="replace")

    def status(self) -> Status | None:
        """Status by the socket, from outside; None while it does not answer."""
        try:
            return ControlClient(Path(f"/proc/{self._leader}/root{_SOCKET}")).status()
        except NoDaemonError:
            return None

    def _nspawn(self) -> list[str]:
        place = [] if Path("/run/systemd/system").is_dir() else ["--keep-unit"]
        return [
            *("systemd-nspawn", "--quiet", "--register=no", *place, "--pipe", "--private-network", "--read-only"),
            f"--directory={self.image.root}",
            *(f"--tmpfs={directory}:mode=1777" for directory in PASSING),
            *(f"--bind={outside}:{inside}" for inside, outside in self.volumes.items()),
        ]

    def _as_configured(self, command: Sequence[str]) -> list[str]:
        return [*self._as_user(), *self.image.config["Entrypoint"], *(command or self.image.config["Cmd"])]

    def _as_user(self) -> list[str]:
        """The image's environment and nothing else, no capabilities, no new ones, and a home as engines give it."""
        uid, gid = self.identity
        rights = [f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"]
        return [
            *("setpriv", *rights, "--bounding-set=-all", "--inh-caps=-all"),
            *("env", "-i", *self.image.config["Env"], f"HOME={'/' if self.user else '/nonexistent'}"),
        ]
