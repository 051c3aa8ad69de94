"""`audiobatchctl setup`: let the service work on a dataset, in the configuration and in its unit; and undo that.

The unit sees no directory as writable but its own (ProtectSystem=strict): each dataset has a drop-in that says so.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import string
import subprocess
import sys
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from audiobatchd import config
from audiobatchd.commands import Say
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import AudiobatchError, ConfigError, UsageError
from audiobatchd.names import shown
from audiobatchd.terminal_text import as_json

UNIT = "audiobatchd.service"
_USER = "audiobatch"
_CONFIGURATION = Path("/etc/audiobatchd/audiobatchd.toml")
_DROP_INS = Path("/etc/systemd/system")
_HIDDEN = ("/home", "/root", "/run/user")
_LOOKED_AT = 3
_SYSTEMCTL = "/usr/bin/systemctl"
_PLAIN = frozenset(f"{string.ascii_letters}{string.digits}:_.".encode())
_SLASH, _DOT = b"/."

_TRIAL = """
import os, sys
for place in sys.argv[1:]:
    trial = os.path.join(place, f".audiobatch-setup-{os.getpid()}.tmp")
    try:
        os.listdir(place)
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(trial)
    except OSError as error:
        sys.exit(f"{place}: {error.strerror}")
"""


@dataclass(frozen=True)
class Places:
    """Where the service's files are: of the machine's service, or of one user's own."""

    configuration: Path
    drop_ins: Path | None
    user: str | None


def setup(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Have the service work on a dataset, or, with `--undo`, no longer.

    Where the service could not write, nothing is changed and the exit code is 1.
    """
    places = _places(arguments)
    dataset = os.path.realpath(arguments.dataset)
    if not arguments.undo and not Path(dataset).is_dir():
        message = f"no such directory: {shown(dataset)}"
        raise UsageError(message)
    trouble = "" if arguments.undo else _trouble(dataset, places)
    done: list[str] = []
    if not trouble:
        done = _undo(dataset, places) if arguments.undo else _do(dataset, places)
    if places.drop_ins is not None and done:
        done += _tell_systemd(restart=not arguments.no_restart)
    if arguments.json:
        say(as_json({"dataset": shown(dataset), "done": done, "trouble": trouble}))
        return 1 if trouble else 0
    for line in done if done or trouble else ["Nothing was to be done."]:
        say(shown(line))
    if trouble:
        say(shown(f"Nothing was changed: the service's user {places.user} cannot write there: {trouble}"))
        say("Give it the group, for what is there and for what comes, and repeat this:")
        path = shown(dataset)
        say(f"  chgrp -R {_USER} '{path}' && chmod -R g+rwX '{path}' && find '{path}' -type d -exec chmod g+s {{}} +")
    return 1 if trouble else 0


def _places(arguments: argparse.Namespace) -> Places:
    """Raises UsageError where this takes somebody else."""
    if arguments.user:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return Places(arguments.config or home / "audiobatchd" / "audiobatchd.toml", None, None)
    if os.geteuid() != 0:
        raise UsageError("setting up the machine's service takes root; with --user it is your own")
    return Places(arguments.config or _CONFIGURATION, _DROP_INS / f"{UNIT}.d", _USER)


def _do(dataset: str, places: Places) -> list[str]:
    done = []
    text = places.configuration.read_text() if places.configuration.exists() else ""
    if dataset not in _datasets(text, places.configuration):
        _replace(places.configuration, f"{text.rstrip()}\n\n{_entry(dataset)}".lstrip())
        done.append(f"{places.configuration}: added the dataset {dataset}")
    if places.drop_ins is not None:
        drop_in, content = places.drop_ins / _drop_in_name(dataset), _drop_in(dataset)
        if not drop_in.exists() or drop_in.read_text() != content:
            places.drop_ins.mkdir(parents=True, exist_ok=True)
            drop_in.write_text(content)
            done.append(f"{drop_in}: the unit may write there")
    return done


def _undo(dataset: str, places: Places) -> list[str]:
    done = []
    text = places.configuration.read_text() if places.configuration.exists() else ""
    if dataset in _datasets(text, places.configuration):
        rest = _without(text, dataset, places.configuration)
        if dataset in _datasets(rest, places.configuration):
            message = (
                f"cannot take {shown(dataset)} out of {places.configuration}: its table is written in a way of its own"
            )
            raise UsageError(message)
        _replace(places.configuration, rest)
        done.append(f"{places.configuration}: took out the dataset {dataset}")
    if places.drop_ins is not None:
        drop_in = places.drop_ins / _drop_in_name(dataset)
        if drop_in.exists():
            drop_in.unlink()
            done.append(f"{drop_in}: removed")
    return done


def _entry(dataset: str) -> str:
    try:
        return f"[[dataset]]\npath = {msgspec.json.encode(dataset).decode()}\n"
    except UnicodeEncodeError as error:
        message = f"a path outside UTF-8 cannot be configured: {shown(dataset)}"
        raise UsageError(message) from error


def _datasets(text: str, path: Path) -> list[str]:
    """The real paths of the datasets in a configuration. Raises ConfigError where it is none."""
    try:
        tables = tomllib.loads(text).get("dataset", [])
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: not TOML: {error}"
        raise ConfigError(message) from error
    return [os.path.realpath(path.parent / str(each.get("path", ""))) for each in tables]


def _without(text: str, dataset: str, path: Path) -> str:
    """The configuration without one dataset's table; whatever else stands there stays as it is."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            parts.append([])
        parts[-1].append(line)
    blocks = ["".join(part) for part in parts]
    kept = [block for block in blocks if not (block.startswith("[[dataset]]") and dataset in _datasets(block, path))]
    return "".join(kept)


def _replace(path: Path, text: str) -> None:
    """Put a new configuration in place of the old one, once it has been found valid. Raises ConfigError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()  # a link stays one
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
        file.flush()
        old = path.stat() if path.exists() else None
        os.fchmod(file.fileno(), old.st_mode & 0o777 if old else 0o644)
        with suppress(PermissionError):
            os.fchown(file.fileno(), old.st_uid if old else -1, old.st_gid if old else -1)
        os.fsync(file.fileno())
    temporary = Path(file.name)
    try:
        config.load(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _drop_in_name(dataset: str) -> str:
    """Named as `systemd-escape --path` would: slashes become dashes, what is odd its hexadecimal number."""
    octets = os.fsencode(dataset.strip("/")) or b"/"
    escaped = "".join(
        "-" if octet == _SLASH else chr(octet) if octet in _PLAIN and (place or octet != _DOT) else f"\\x{octet:02x}"
        for place, octet in enumerate(octets)
    )
    return f"dataset-{escaped}.conf"


def _drop_in(dataset: str) -> str:
    escaped = dataset.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    lines = [
        f"# Written by `audiobatchctl setup {shown(dataset)}`; `--undo` removes it.",
        "[Unit]",
        f'RequiresMountsFor="{escaped}"',
        "",
        "[Service]",
        "# With a dash: without this directory the service starts all the same, and says that it is missing.",
        f'ReadWritePaths="-{escaped}"',
    ]
    if _hidden(dataset):
        lines += ["# ProtectHome=yes would hide it: of all homes the unit sees this directory alone."]
        lines += ["ProtectHome=tmpfs", f'BindPaths="-{escaped}"']
    return "\n".join(lines) + "\n"


def _hidden(dataset: str) -> bool:
    return any(dataset == place or dataset.startswith(f"{place}/") for place in _HIDDEN)


def _trouble(dataset: str, places: Places) -> str:
    """Why the service's user cannot work there; empty where it can. Tried out, in the root and in a few folders.

    What a home hides is bound into the unit's own tree, so nothing above it stands in the way: it is tried from within.
    """
    if places.user is None:
        return ""
    with os.scandir(dataset) as entries:
        inside = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)][:_LOOKED_AT]
    hidden = _hidden(dataset)
    tried = [os.path.join(os.curdir if hidden else dataset, name) for name in ("", *inside)]
    try:
        account = pwd.getpwnam(places.user)
    except KeyError as error:
        message = f"there is no user {places.user}: the package makes it"
        raise AudiobatchError(message) from error
    groups = [group.gr_gid for group in grp.getgrall() if places.user in group.gr_mem]
    done = subprocess.run(
        [sys.executable, "-I", "-c", _TRIAL, *tried],
        cwd=dataset if hidden else None,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=groups,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


def _tell_systemd(*, restart: bool) -> list[str]:
    """Another mount namespace takes a new process: the service is started anew, or for the first time."""
    if not Path("/run/systemd/system").is_dir():
        return ["systemd does not run here: start the service when it does"]
    subprocess.run([_SYSTEMCTL, "daemon-reload"], check=False)
    if not restart:
        return ["when you are ready: systemctl restart audiobatchd"]
    done = subprocess.run([_SYSTEMCTL, "restart", UNIT], capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"cannot start {UNIT}: {done.stderr.strip()}"]
    return [f"{UNIT} was started anew"]
