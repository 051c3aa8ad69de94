"""Where this daemon keeps its own files, the state directory, and where the models are that analyzers load."""

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
