"""The kernel's name for this machine's present boot."""

from __future__ import annotations

from pathlib import Path


def boot_id() -> str:
    """Return the name, which no two boots share; empty where /proc is not there."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
