"""The places of the service's own files: its state directory, its control socket, and the models of analyzers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import shown


def state_directory(environ: Mapping[str, str], uid: int) -> Path:
    """What systemd gives (STATE_DIRECTORY), else /var/lib/audiobatchd for root, else the user's XDG place."""
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if uid == 0:
        return Path("/var/lib/audiobatchd")
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local" / "state")
    return home / "audiobatchd"


def model_directories(configured: str | None, environ: Mapping[str, str], state: Path) -> tuple[Path, ...]:
    """Where models are looked for, in this order; the first that has both files of a model serves it.

    The configured directory, ESSENTIA_MODELS_DIR, `models` in the state directory, the user's own XDG place, and
    what the machine shares. None of them need be there.
    """
    places = [
        Path(configured) if configured else None,
        _from_environment(environ),
        state / "models",
        _user_models(environ),
        Path("/usr/share/audiobatchd/models"),
    ]
    return tuple(dict.fromkeys(place for place in places if place is not None))


def model_target(configured: str | None, environ: Mapping[str, str], state: Path, uid: int) -> Path:
    """The one of them that a model is put into.

    The configured directory, ESSENTIA_MODELS_DIR, the service's for root, or the user's own.
    """
    if configured:
        return Path(configured)
    return _from_environment(environ) or (None if uid == 0 else _user_models(environ)) or state / "models"


def _from_environment(environ: Mapping[str, str]) -> Path | None:
    given = environ.get("ESSENTIA_MODELS_DIR", "")
    return Path(given) if given else None


def _user_models(environ: Mapping[str, str]) -> Path | None:
    """None where the user has no home, as a service of the system may not."""
    data, home = environ.get("XDG_DATA_HOME", ""), environ.get("HOME", "")
    if data:
        return Path(data) / "audiobatchd" / "models"
    return Path(home) / ".local" / "share" / "audiobatchd" / "models" if home else None


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
