"""`audiobatchctl setup`: let the service work on a dataset, in the configuration and in its unit; and undo that.

The unit sees no directory as writable but its own (ProtectSystem=strict): each dataset has a drop-in that says so.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from audiobatchd.cli.local import UNIT, USER
from audiobatchd.cli.rights import drop_in
from audiobatchd.cli.rights.grants import Grants, Report, grants_are_saved
from audiobatchd.cli.rights.unsuitable import unsuitable, unwritable
from audiobatchd.cli.rights.user_unit import UserUnit
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.config.file import load_config
from audiobatchd.control.client import ControlClient
from audiobatchd.disk import bounded
from audiobatchd.errors import AudiobatchError, ConfigError, UsageError
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import counted

_CONFIGURATION = Path("/etc/audiobatchd/audiobatchd.toml")
_DROP_INS = Path("/etc/systemd/system")
# Root's alone: /var/lib/audiobatchd is the service's, which is not to say what rights root puts back.
_SAVED_ACLS = Path("/var/lib/audiobatchd-setup")
_LOOKED_AT = 3
_SYSTEMCTL = "/usr/bin/systemctl"
_NAMED = 10

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
    """The service's files: of the machine's service, or of a user's own."""

    configuration: Path
    """The configuration file."""
    drop_ins: Path | None
    """The directory of the unit's drop-ins; None for a user's own service."""
    user: str | None
    """The service's user; None where it is the one who asks."""


def setup(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Have the service work on a dataset, or, with `--undo`, no longer.

    With `--grant` its user gets rights there before. Where it could not write, neither configuration nor unit is
    changed, and the exit code is 1.
    """
    places = _places(arguments)
    dataset = os.path.realpath(arguments.dataset)
    if not arguments.undo:
        _check(dataset, places)
    grants = _grants(dataset, places, undo=arguments.undo)
    if arguments.grant and grants is None:
        raise UsageError("--grant is for the machine's service: your own has the rights that you have")
    done: list[str] = []
    if arguments.grant and grants is not None:
        if trouble := grants.trouble():
            message = f"cannot grant rights below {shown(dataset)}: {trouble}. {_WITHOUT_ACLS}"
            raise UsageError(message)
        done += _told_of_grant(dataset, grants.saved, grants.grant())
    trouble = "" if arguments.undo else _trouble(dataset, places)
    changed: list[str] = []
    if not trouble:
        changed = _undo(dataset, places) if arguments.undo else _do(dataset, places)
        changed += _own_unit(places, undo=arguments.undo)
    done += changed
    if places.drop_ins is not None and changed:
        done += _tell_systemd(restart=not arguments.no_restart)
    if arguments.undo and grants is not None:
        done += _told_of_undo(dataset, grants)
    if arguments.json:
        say(as_json({"dataset": shown(dataset), "done": [shown(line) for line in done], "trouble": trouble}))
        return 1 if trouble else 0
    for line in done if done or trouble else ["Nothing was to be done."]:
        say(shown(line))
    if trouble and grants is not None:
        for line in _advice(dataset, grants, trouble, granted=arguments.grant):
            say(line)
    return 1 if trouble else 0


def _own_unit(places: Places, *, undo: bool) -> list[str]:
    """Write the unit of a user's own service, or remove it with the last dataset; say what was done."""
    if places.user is not None:
        return []
    unit = UserUnit(places.configuration, os.environ)
    if not undo:
        return unit.write()
    return [] if _datasets(_written(places.configuration), places.configuration) else unit.remove()


_WITHOUT_ACLS = (
    "Make the service's user a member of a group that may write there, or mount it so that this user may; "
    "docs/how-to/run-as-a-service.md tells how"
)


def _check(dataset: str, places: Places) -> None:
    """Raise UsageError where a directory is not there, cannot be written down, or is none to be worked on."""
    if why := unwritable(dataset):
        message = f"cannot set up {shown(dataset)}: {why}"
        raise UsageError(message)
    if not Path(dataset).is_dir():
        message = f"no such directory: {shown(dataset)}"
        raise UsageError(message)
    text = _written(places.configuration)
    if why := unsuitable(dataset, _datasets(text, places.configuration)):
        message = f"cannot set up {shown(dataset)}: {why}"
        raise UsageError(message)


def _grants(dataset: str, places: Places, *, undo: bool) -> Grants | None:
    """The rights of the machine's service there; None of a user's own, and where there are none to be undone."""
    saved = _SAVED_ACLS / f"{drop_in.escaped(dataset)}.acl"
    if places.user is None or (undo and not grants_are_saved(saved)):
        return None
    account, groups = _account(places.user)
    return Grants(dataset, account.pw_uid, frozenset({account.pw_gid, *groups}), saved)


def _account(user: str) -> tuple[pwd.struct_passwd, list[int]]:
    """The service's user, and the groups that it is in besides its own."""
    try:
        account = pwd.getpwnam(user)
    except KeyError as error:
        message = f"there is no user {user}: the package makes it"
        raise AudiobatchError(message) from error
    return account, [group.gr_gid for group in grp.getgrall() if user in group.gr_mem]


def _told_of_grant(dataset: str, saved: Path, report: Report) -> list[str]:
    if not report.changed:
        return _told_of_skipped(report)
    return [
        f"{dataset}: {USER} got rights to what is there and comes: {counted(report.changed, 'ACL')}",
        f"{saved}: has the ACLs that were there; --undo puts them back",
        *_told_of_skipped(report),
    ]


def _told_of_skipped(report: Report) -> list[str]:
    lines = [f"left alone: {path}: {why}" for path, why in report.skipped[:_NAMED]]
    more = len(report.skipped) - len(lines)
    return [*lines, f"left alone: {more:,} more"] if more else lines


def _told_of_undo(dataset: str, grants: Grants) -> list[str]:
    if not Path(dataset).is_dir():
        return [f"{dataset} is not there: its ACLs stay in {grants.saved}; when it is, repeat this"]
    report = grants.undo()
    lines = [f"{dataset}: the ACLs that were there are back ({report.changed:,} changed)"]
    if report.changed_since:
        lines.append(f"changed since: {counted(report.changed_since, 'ACL')}: {USER} was taken out, no more")
    return lines + _told_of_skipped(report)


def _advice(dataset: str, grants: Grants, trouble: str, *, granted: bool) -> list[str]:
    """Say what to do where the service's user cannot write: commands for this dataset alone, none of them recursive."""
    lines = [shown(f"The configuration was not changed: the service's user {USER} cannot write there: {trouble}")]
    if granted:
        return [*lines, f"{USER} has rights below it now; it must also be able to pass the directories above it."]
    if why := grants.trouble():
        return [*lines, f"No rights can be granted: {why}.", f"{_WITHOUT_ACLS}."]
    return [
        *lines,
        "Grant it rights to this dataset alone, which `--undo` takes back exactly:",
        f"  audiobatchctl setup --grant {shlex.quote(dataset)}",
        "That gives every directory in it these ACLs, and lets the service read each file that it cannot read yet:",
        f"  u:{USER}:rwx d:u:{USER}:rwx d:u:OWNER:rwx d:g:GROUP:(as now)",
    ]


def _places(arguments: argparse.Namespace) -> Places:
    """Find the files to change. Raises UsageError where that takes root."""
    if arguments.user:
        home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return Places(arguments.config or home / "audiobatchd" / "audiobatchd.toml", None, None)
    if os.geteuid() != 0:
        raise UsageError("setting up the machine's service takes root; with --user it is your own")
    return Places(arguments.config or _CONFIGURATION, _DROP_INS / f"{UNIT}.d", USER)


def _written(path: Path) -> str:
    """The text of a file of the service's; empty where there is none. Raises ConfigError where it cannot be read."""
    try:
        return bounded.text(path)
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        message = f"cannot read {shown(str(path))}: {why}"
        raise ConfigError(message) from error


def _do(dataset: str, places: Places) -> list[str]:
    done = []
    files: dict[Path, str | None] = {}
    text = _written(places.configuration)
    if dataset not in _datasets(text, places.configuration):
        files[places.configuration] = f"{text.rstrip()}\n\n{_entry(dataset)}".lstrip()
        done.append(f"{places.configuration}: added the dataset {dataset}")
    if places.drop_ins is not None:
        path, content = places.drop_ins / drop_in.file_name(dataset), drop_in.content(dataset)
        if _written(path) != content:
            files[path] = content
            done.append(f"{path}: the unit may write there")
    _put(files, places.configuration)
    return done


def _undo(dataset: str, places: Places) -> list[str]:
    done = []
    files: dict[Path, str | None] = {}
    text = _written(places.configuration)
    if dataset in _datasets(text, places.configuration):
        rest = _without(text, dataset, places.configuration)
        if dataset in _datasets(rest, places.configuration):
            message = (
                f"cannot take {shown(dataset)} out of {places.configuration}: its table is written in a way of its own"
            )
            raise UsageError(message)
        files[places.configuration] = rest
        done.append(f"{places.configuration}: took out the dataset {dataset}")
    if places.drop_ins is not None:
        path = places.drop_ins / drop_in.file_name(dataset)
        if path.exists():
            files[path] = None
            done.append(f"{path}: removed")
    _put(files, places.configuration)
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


def _put(files: Mapping[Path, str | None], configuration: Path) -> None:
    """Give all these files their new text, or none of them; None removes one.

    Raises ConfigError where the configuration would be invalid, AudiobatchError where one cannot be written.
    """
    put: list[tuple[Path, bytes | None]] = []
    with ExitStack() as stack:
        try:
            staged = {path: _staged(path, text, stack) for path, text in files.items()}
            if (new := staged.get(configuration)) is not None:
                load_config(new)
            for path, new in staged.items():
                put.append((path, path.read_bytes() if path.exists() else None))
                if new is None:
                    path.unlink()
                else:
                    new.replace(path.resolve())  # a link stays one
        except OSError as error:
            for path, old in put:
                with suppress(OSError):
                    _put_back(path, old)
            message = (
                f"cannot change {shown(str(error.filename2 or error.filename))}: {error.strerror}; nothing was changed"
            )
            raise AudiobatchError(message) from error


def _put_back(path: Path, old: bytes | None) -> None:
    if old is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != old:
        path.write_bytes(old)


def _staged(path: Path, text: str | None, stack: ExitStack) -> Path | None:
    """A new text beside the file that it is for, with its rights; it is gone at the end where it was not used."""
    if text is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".audiobatch-setup.", delete=False) as file:
        stack.callback(Path(file.name).unlink, missing_ok=True)
        file.write(text)
        file.flush()
        old = path.stat() if path.exists() else None
        os.fchmod(file.fileno(), old.st_mode & 0o777 if old else 0o644)
        with suppress(PermissionError):
            os.fchown(file.fileno(), old.st_uid if old else -1, old.st_gid if old else -1)
        os.fsync(file.fileno())
    return Path(file.name)


def _trouble(dataset: str, places: Places) -> str:
    """Try as the service's user to write in the root and in a few folders: why it cannot, empty where it can.

    What a home hides is bound into the unit's own tree, so nothing above it stands in the way: it is tried from within.
    """
    if places.user is None:
        return ""
    with os.scandir(dataset) as entries:
        inside = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)][:_LOOKED_AT]
    hidden = drop_in.is_hidden(dataset)
    tried = [os.path.join(os.curdir if hidden else dataset, name) for name in ("", *inside)]
    account, groups = _account(places.user)
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
    """Restart the service, or start it for the first time: another mount namespace takes a new process."""
    if not Path("/run/systemd/system").is_dir():
        return ["systemd does not run here: start the service when it does"]
    subprocess.run([_SYSTEMCTL, "daemon-reload"], check=False)
    if not restart:
        return ["when you are ready: systemctl restart audiobatchd"]
    # Restarts by hand are no crashes, and do not count against the limit of starts.
    subprocess.run([_SYSTEMCTL, "reset-failed", UNIT], capture_output=True, check=False)
    done = subprocess.run([_SYSTEMCTL, "restart", UNIT], capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"cannot start {UNIT}: {done.stderr.strip()}"]
    return [f"{UNIT} was started anew"]
