"""A drop-in that lets the service's unit, which has no network, reach some of it: for the page, and for hooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

LOCALHOST, ANY = "localhost", "any"
"""Addresses as systemd names them: those of this machine, and all."""


def content(option: str, purpose: str, allowed: Sequence[str]) -> str:
    """Write the drop-in that `setup` writes with this option; `purpose` says what for, `allowed` are the addresses."""
    return "\n".join(
        [
            f"# Written by `audiobatchctl setup {option}`; `setup {option} --undo` removes it.",
            "[Service]",
            f"# {purpose}. The workers, which decode audio, get the same network.",
            "PrivateNetwork=no",
            "RestrictAddressFamilies=AF_INET AF_INET6",
            "# All else stays denied (IPAddressDeny=any).",
            f"IPAddressAllow={' '.join(allowed)}",
            "",
        ]
    )


def differs(path: Path, new: str) -> bool:
    """Tell whether a drop-in is to be written: it is not there, or another one."""
    try:
        return path.read_text() != new
    except (OSError, UnicodeDecodeError):
        return True
