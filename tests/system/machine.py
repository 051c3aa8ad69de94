"""A machine for tests: a Debian root of its own in which systemd is booted, and commands that run inside.

Owns the root, the boot and the power cut. Knows nothing of audiobatchd.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.service import eventually

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "audiobatchd-dev"
"""Directory in which packaging/build-deb keeps its roots as well."""

PACKAGES = "systemd-sysv,dbus,libpam-systemd,python3,python3-systemd,acl,sudo"
"""A small Debian with systemd and logins, sudo, and what the package depends on: it is installed without a network."""

_MIRROR = "http://deb.debian.org/debian"
_OTHER_MIRRORS = {"noble": ("--components=main,universe", "http://archive.ubuntu.com/ubuntu")}
"""Of releases that are not Debian's; a debootstrap that knows them, and their keys, are those of such a machine."""
_COLUMNS = 100
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "COLUMNS": str(_COLUMNS),
    "SYSTEMD_COLORS": "0",
    "DEBIAN_FRONTEND": "noninteractive",
}


class CannotBootError(Exception):
    """Raised where systemd cannot be booted here at all, whatever is installed."""


@dataclass(frozen=True)
class Done:
    """Result of a command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Text that a person sees."""
        return self.out + self.err


@dataclass(eq=False)
class Machine:
    """A root and, while it is switched on, the systemd in it."""

    root: Path
    console: Path
    _container: subprocess.Popen[bytes] | None = None
    _leader: int = 0
    _groups: list[Path] = field(default_factory=list)

    def boot(self, timeout: float = 90.0) -> None:
        """Switch it on, and wait until every service has been started. Raises CannotBootError."""
        self._groups = _own_control_groups()
        with self.console.open("ab") as console:
            # It ends with the tests even where they are killed; what it leaves then the next boot ends.
            self._container = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *_entering(self._groups), *self._nspawn()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        container = self._container
        try:
            self._leader = eventually(lambda: leader_of(container), timeout)
            eventually(lambda: self._state() in ("running", "degraded"), timeout, self._state)
        except AssertionError as error:
            self.power_cut()
            message = f"{error}\n{self.console.read_text(errors='replace')[-2000:]}"
            raise CannotBootError(message) from error

    @property
    def running(self) -> bool:
        """Tell whether it is switched on."""
        return self._leader != 0

    def power_cut(self) -> None:
        """End everything in it at once, as when the power goes; what was written is kept."""
        assert self._container is not None
        if self._leader:
            # With the first process the kernel ends all of them, and then systemd-nspawn ends by itself.
            with suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGKILL)
        else:
            self._container.kill()
        self._leader = 0
        # A process that waits for a busy disk ends when it has been answered.
        self._container.wait(120)
        for group in self._groups:
            _clear(group)

    def run(
        self,
        *command: object,
        user: str = "root",
        check: bool = True,
        timeout: float = 60.0,
        env: Mapping[str, str] | None = None,
    ) -> Done:
        """Run a command inside, as `user` of the machine; with `check` it has to end with 0."""
        home = "/root" if user == "root" else f"/home/{user}"
        as_user = [] if user == "root" else ["runuser", "-u", user, "--"]
        done = subprocess.run(
            ["/usr/bin/nsenter", "-t", str(self._leader), "-a", "--", *as_user, *map(str, command)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd="/",
            stdin=subprocess.DEVNULL,
            env={**_ENVIRONMENT, "HOME": home, **(env or {})},
            check=False,
        )
        answer = Done(done.returncode, done.stdout, done.stderr)
        assert answer.code == 0 or not check, f"{command}: {answer}"
        return answer

    def sh(
        self, script: str, *arguments: object, user: str = "root", check: bool = True, timeout: float = 60.0
    ) -> Done:
        """Run lines of shell inside; they end with the first that fails."""
        return self.run("sh", "-euc", script, "sh", *arguments, user=user, check=check, timeout=timeout)

    def path(self, name: str) -> Path:
        """A file on the machine's disk, as it is seen from outside."""
        return self.root / name.lstrip("/")

    def passing(self, name: str) -> Path:
        """A file that is there only while the machine runs, below /run or /sys."""
        return Path(f"/proc/{self._leader}/root") / name.lstrip("/")

    def _nspawn(self) -> list[str]:
        # A manager of this machine gives it a place among its units; without one it stays in our own control groups.
        place = [] if Path("/run/systemd/system").is_dir() else ["--keep-unit"]
        return [
            *("systemd-nspawn", "--quiet", "--register=no", *place, "--console=pipe", "--private-network"),
            *(f"--directory={self.root}", "--boot"),
        ]

    def _state(self) -> str:
        assert self._container is not None
        if self._container.poll() is not None:
            message = f"systemd-nspawn ended with {self._container.returncode}"
            raise AssertionError(message)
        return self.run("systemctl", "is-system-running", check=False).out.strip()


def base_root(release: str) -> Path:
    """A root of this release with PACKAGES, which is never booted; made once, and kept for the next run."""
    root = CACHE / f"system-{release}"
    stamp = CACHE / f"system-{release}.packages"
    if root.is_dir() and stamp.exists() and stamp.read_text() == PACKAGES:
        return root
    fresh = root.with_suffix(".new")
    for old in (root, fresh):
        subprocess.run(["rm", "-rf", "--one-file-system", old], check=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    make_root(fresh, release, PACKAGES)
    fresh.rename(root)
    stamp.write_text(PACKAGES)
    return root


def make_root(root: Path, release: str, packages: str = "") -> None:
    """The smallest Debian of this release, with these packages."""
    include = [f"--include={packages}"] if packages else []
    log = root.with_suffix(".log")
    with log.open("wb") as output:
        components, mirror = _OTHER_MIRRORS.get(release, ("--components=main", _MIRROR))
        command = ["debootstrap", "--variant=minbase", components, *include, release, str(root), mirror]
        done = subprocess.run(command, stdout=output, stderr=output, timeout=900, check=False)
    assert done.returncode == 0, log.read_text(errors="replace")[-2000:]
    for archive in (root / "var/cache/apt/archives").glob("*.deb"):
        archive.unlink()


@contextmanager
def copy_of(root: Path, name: str) -> Iterator[Path]:
    """A copy of a root that may be used up, in the cache; it is removed at the end, or by the next run."""
    copy = CACHE / name
    subprocess.run(["rm", "-rf", "--one-file-system", copy], check=True)
    try:
        subprocess.run(["cp", "-a", "--reflink=auto", root, copy], check=True)
        yield copy
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", copy], check=True)


def leader_of(container: subprocess.Popen[bytes]) -> int:
    """The PID of the container's first process as this machine sees it; 0 while there is none."""
    found = subprocess.run(["pgrep", "--parent", str(container.pid)], capture_output=True, text=True, check=False)
    for pid in found.stdout.split():
        with suppress(OSError):
            # Before it comes another child, which makes the container and ends.
            inside = re.search(r"^NSpid:.*\s(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
            if inside and inside[1] == "1":
                return int(pid)
    return 0


def _own_control_groups() -> list[Path]:
    """Give ours a control group of its own: without systemd containers would share those of their units."""
    if Path("/run/systemd/system").is_dir():
        return []
    made = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            group = Path(place) / "audiobatchd-test"
            _clear(group)
            with suppress(OSError):  # not ours to write: then it has to do without
                group.mkdir(exist_ok=True)
                made.append(group)
    return made


def _entering(groups: list[Path]) -> list[str]:
    """A command in front of another that puts it into these control groups."""
    script = 'for group; do shift; [ "$group" != -- ] || break; echo $$ >"$group/cgroup.procs"; done; exec "$@"'
    return ["sh", "-c", script, "sh", *map(str, groups), "--"]


def _clear(group: Path) -> None:
    """End what runs in a control group, and remove it with all below it."""
    deadline = time.monotonic() + 10
    while group.exists() and time.monotonic() < deadline:
        for directory, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                for pid in Path(directory, "cgroup.procs").read_text().split():
                    if pid != "0":  # one that cannot be seen from here
                        os.kill(int(pid), signal.SIGKILL)
                Path(directory).rmdir()
