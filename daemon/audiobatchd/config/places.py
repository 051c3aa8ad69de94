"""The places of the service's own files: its state directory, the models of analyzers, and its control socket.

Each is where the environment says, else where root's, else where a user's files belong. Nothing is made here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import shown

SERVICE_SOCKET = Path("/run/audiobatchd/control.sock")
"""The socket of the system's service."""

SERVICE_CONFIGURATION = Path("/etc/audiobatchd/audiobatchd.toml")
"""The configuration file of the system's service."""

_UNIT_PLACES = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_SERVICE_STATE = Path("/var/lib/audiobatchd")
_SHARED_MODELS = Path("/usr/share/audiobatchd/models")
LONGEST_SOCKET = 107
"""Bytes of a socket's name: `sun_path` of unix(7) has 108, of which the last ends the string."""


def state_directory(environ: Mapping[str, str], uid: int) -> Path:
    """Find the state directory: what systemd gives (STATE_DIRECTORY), else root's, else the user's XDG place."""
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if uid == 0:
        return _SERVICE_STATE
    home = Path(environ.get("XDG_STATE_HOME") or Path(environ.get("HOME", "/")) / ".local" / "state")
    return home / "audiobatchd"


def model_directories(configured: str | None, environ: Mapping[str, str], state: Path) -> tuple[Path, ...]:
    """List where models are looked for, in this order; the first that has both files of a model serves it.

    The configured directory, ESSENTIA_MODELS_DIR, `models` in the state directory, the user's own XDG place, and
    what the machine shares. None of them need be there.
    """
    places = (_chosen_models(configured, environ), _models_given(environ), state / "models", _user_models(environ))
    return tuple(dict.fromkeys(place for place in (*places, _SHARED_MODELS) if place is not None))


def model_target(configured: str | None, environ: Mapping[str, str], state: Path, uid: int) -> Path:
    """Find the one of them that a model is put into.

    The configured directory, ESSENTIA_MODELS_DIR, the service's for root, or the user's own.
    """
    return _chosen_models(configured, environ) or (None if uid == 0 else _user_models(environ)) or state / "models"


def _chosen_models(configured: str | None, environ: Mapping[str, str]) -> Path | None:
    return Path(configured) if configured else _models_given(environ)


def _models_given(environ: Mapping[str, str]) -> Path | None:
    given = environ.get("ESSENTIA_MODELS_DIR", "")
    return Path(given) if given else None


def _user_models(environ: Mapping[str, str]) -> Path | None:
    """Find the user's own place; None where the user has no home, as a service of the system may not."""
    data, home = environ.get("XDG_DATA_HOME", ""), environ.get("HOME", "")
    if data:
        return Path(data) / "audiobatchd" / "models"
    return Path(home) / ".local" / "share" / "audiobatchd" / "models" if home else None


def default_socket(environ: Mapping[str, str], uid: int) -> Path:
    """Find the socket where no option names one.

    AUDIOBATCHD_SOCKET; else the service's, for root or where there is one; else below XDG_RUNTIME_DIR.
    """
    given = environ.get("AUDIOBATCHD_SOCKET", "")
    if given:
        return Path(given)
    if uid == 0 or _service_is_there():
        return SERVICE_SOCKET
    return own_socket(environ, uid)


def own_socket(environ: Mapping[str, str], uid: int) -> Path:
    """Find the socket of a user's own service."""
    return Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}") / "audiobatchd" / "control.sock"


def own_configuration(environ: Mapping[str, str]) -> Path:
    """Find the configuration file of a user's own service."""
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")
    return home / "audiobatchd" / "audiobatchd.toml"


def service_is_installed() -> bool:
    """Tell whether the machine has a unit of the service."""
    return any(Path(place, "audiobatchd.service").exists() for place in _UNIT_PLACES)


def _service_is_there() -> bool:
    try:
        SERVICE_SOCKET.lstat()
    except PermissionError:
        # A user outside the service's group should hear of that, not of a socket of their own that never was.
        return True
    except OSError:
        return False
    return True


def check_length(socket: Path) -> None:
    """Raise UsageError where a socket's path is longer than the kernel lets its name be."""
    size = len(os.fsencode(socket))
    if size > LONGEST_SOCKET:
        message = (
            f"cannot use {shown(str(socket))} as a socket: its {size} bytes are more than the {LONGEST_SOCKET} allowed"
        )
        raise UsageError(message)
