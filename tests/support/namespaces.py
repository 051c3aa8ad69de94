"""A user namespace of its own for a service: limits of the kernel that no other process on the machine feels."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

_LIMITS = "/proc/sys/user/max_inotify_"


_UNSHARE = ("unshare", "--user", "--map-root-user")


def may_limit_inotify() -> bool:
    """Tell whether user namespaces with limits of their own are allowed here."""
    command = [*_UNSHARE, "test", "-w", f"{_LIMITS}instances"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def with_inotify(**limits: int) -> Sequence[str]:
    """A command in front of a service's: it runs where so many `instances` and `watches` of inotify may be had."""
    if not may_limit_inotify():
        pytest.skip("user namespaces with limits of their own are not allowed here")
    lines = [f"echo {number} > {_LIMITS}{name}" for name, number in limits.items()]
    return [*_UNSHARE, "sh", "-c", "; ".join([*lines, 'exec "$@"']), "sh"]


def allow_inotify(pid: int, **limits: int) -> None:
    """Let the process with this PID have so many from now on."""
    lines = [f"echo {number} > {_LIMITS}{name}" for name, number in limits.items()]
    command = ["nsenter", f"--user=/proc/{pid}/ns/user", "--preserve-credentials", "sh", "-c", "; ".join(lines)]
    subprocess.run(command, check=True, capture_output=True)
