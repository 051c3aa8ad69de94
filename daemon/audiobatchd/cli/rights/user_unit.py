"""The unit of a user's own service, which the wheel cannot install: the package's, with the paths of these programs.

It lies where a user's units do. One that `setup` has not written is never changed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata, resources
from pathlib import Path

from audiobatchd.cli.rights.unsuitable import unwritable
from audiobatchd.disk import bounded
from audiobatchd.errors import AudiobatchError
from audiobatchd.vocabulary.names import shown

NAME = "audiobatchd.service"
MARK = "# Written by `audiobatchctl setup --user`: change it by `systemctl --user edit audiobatchd`.\n"
"""The first line of what is ours."""

_PACKAGED = (Path("/etc/systemd/user"), Path("/usr/lib/systemd/user"), Path("/lib/systemd/user"))
_CONFIGURATION = "%E/audiobatchd/audiobatchd.toml"
_UNSAFE = frozenset("\"'\\")
_START = (
    "when you are ready: systemctl --user daemon-reload",
    "then: systemctl --user enable --now audiobatchd",
    "to go on when you log out: loginctl enable-linger",
)
_END = ("if it still runs: systemctl --user stop audiobatchd", "then: systemctl --user daemon-reload")


class UserUnit:
    """The unit of the user who asks, for this installation and one configuration file."""

    def __init__(self, configuration: Path, environ: Mapping[str, str]) -> None:
        self._configuration = configuration
        home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        self.path = home / "systemd" / "user" / NAME
        self._wanted = self.path.parent / "default.target.wants" / NAME

    def write(self) -> list[str]:
        """Write it, where no package has brought one; return what was done, and the commands that start it."""
        if any((place / NAME).exists() for place in _PACKAGED):
            return []
        new, old = self.content(), self._found()
        if old == new:
            return []
        if old is not None and not old.startswith(MARK):
            return [f"{self.path}: left alone, setup has not written it; it may start {_programs() / 'audiobatchd'}"]
        self._replace(new)
        return [f"{self.path}: the unit of your own service", *_START]

    def remove(self) -> list[str]:
        """Remove it, if `setup` has written it, with the link that enabled it; return what was done."""
        if not (self._found() or "").startswith(MARK):
            return []
        try:
            if self._wanted.is_symlink() and self._wanted.resolve() == self.path.resolve():
                self._wanted.unlink()
            self.path.unlink()
        except OSError as error:
            message = f"cannot remove {shown(str(error.filename))}: {error.strerror}"
            raise AudiobatchError(message) from error
        return [f"{self.path}: removed", *_END]

    def content(self) -> str:
        """Return the package's unit, with the real paths of the programs and of the configuration."""
        text = resources.files("audiobatchd.cli.rights").joinpath("user.service").read_text(encoding="utf-8")
        programs = _programs()
        if set(str(programs)) & _UNSAFE:
            message = f"cannot write {shown(str(programs))} into a unit: systemd starts nothing with quotes in its path"
            raise AudiobatchError(message)
        for program in ("audiobatchd", "audiobatchctl"):
            text = text.replace(f"=/usr/bin/{program} ", f"={_quoted(programs / program)} ")
        return MARK + text.replace(_CONFIGURATION, _quoted(self._configuration.absolute()))

    def _found(self) -> str | None:
        """Read the one that is there; None where there is none, and nothing is ours of what is no file or a link."""
        if self.path.is_symlink():
            return ""
        try:
            return bounded.text(self.path)
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            return ""
        except OSError as error:
            message = f"cannot read {shown(str(self.path))}: {error.strerror}"
            raise AudiobatchError(message) from error

    def _replace(self, text: str) -> None:
        part = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=self.path.parent, prefix=".audiobatch-setup.", delete=False
            ) as file:
                part = Path(file.name)
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as error:
            if part is not None:
                with suppress(OSError):
                    part.unlink()
            message = f"cannot write {shown(str(self.path))}: {error.strerror}"
            raise AudiobatchError(message) from error


def _programs() -> Path:
    """The real directory of the programs of this installation, by its own list of files."""
    for file in metadata.files("audiobatchd") or ():
        if file.name == "audiobatchd" and file.parent.name == "bin":
            return Path(os.path.realpath(str(file.locate()))).parent
    raise AudiobatchError("cannot find the program audiobatchd: it is not installed, only its sources are here")


def _quoted(path: Path) -> str:
    """A path as systemd reads it. Raises AudiobatchError for one that no line of a unit can hold."""
    if why := unwritable(str(path)):
        message = f"cannot write {shown(str(path))} into a unit: {why}"
        raise AudiobatchError(message)
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"' if set(text) & (_UNSAFE | {" ", ";"}) else text
