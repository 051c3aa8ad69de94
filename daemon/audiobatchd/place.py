"""Where this daemon keeps its own files: the state directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def state_directory(environ: Mapping[str, str], uid: int) -> Path:
    """What systemd gives (STATE_DIRECTORY), else /var/lib/audiobatchd for root, else the user's XDG place."""
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if uid == 0:
        return Path("/var/lib/audiobatchd")
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local" / "state")
    return home / "audiobatchd"
