"""Where the control socket is: the one rule that the daemon and its clients share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from audiobatchd.errors import UsageError
from audiobatchd.names import shown

SERVICE_SOCKET = Path("/run/audiobatchd/control.sock")
"""The socket of the system's service."""

# `sun_path` of unix(7) has 108 bytes, of which the last ends the string.
_LONGEST = 107


def default_socket(environ: Mapping[str, str], uid: int) -> Path:
    """The socket's place when no option names one.

    AUDIOBATCHD_SOCKET; else the service's, for root or where there is one; else below XDG_RUNTIME_DIR.
    """
    given = environ.get("AUDIOBATCHD_SOCKET", "")
    if given:
        return Path(given)
    if uid == 0 or _service_is_there():
        return SERVICE_SOCKET
    return Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}") / "audiobatchd" / "control.sock"


def check_length(path: Path) -> None:
    """Raise UsageError where `path` is longer than the kernel lets a socket's name be."""
    size = len(os.fsencode(path))
    if size > _LONGEST:
        message = f"cannot use {shown(str(path))} as a socket: its {size} bytes are more than the {_LONGEST} allowed"
        raise UsageError(message)


def _service_is_there() -> bool:
    try:
        SERVICE_SOCKET.lstat()
    except PermissionError:
        # Somebody outside the service's group should hear of that, not of a socket of their own that never was.
        return True
    except OSError:
        return False
    return True
