"""`audiobatchctl setup`: let the service work on a dataset, in the configuration and in its unit; and undo that.

The unit sees no directory as writable but its own (ProtectSystem=strict): each dataset has a drop-in that says so.
"""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from audiobatchd.cli.local import UNIT, USER
from audiobatchd.cli.rights import configuration, drop_in, hooks_drop_in, membership, web_drop_in
from audiobatchd.cli.rights.grants import Grants, Report, grants_are_saved
from audiobatchd.cli.rights.inboxes import refuse_unfit
from audiobatchd.cli.rights.unsuitable import unsuitable, unwritable
from audiobatchd.cli.rights.user_unit import UserUnit
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.config.file import load_config
from audiobatchd.config.places import SERVICE_CONFIGURATION, own_configuration
from audiobatchd.control.client import ControlClient
from audiobatchd.disk import bounded
from audiobatchd.errors import AudiobatchError, ConfigError, UsageError
from audiobatchd.vocabulary.commands import joined
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import counted

_CONFIGURATION = SERVICE_CONFIGURATION
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
    """Have the service work on a dataset, or, with `--undo`, no longer; with `--operator` have a person direct it.

    Where the service's user cannot write it gets rights before, but with `--no-grant`. Where it cannot all the same,
    neither configuration nor unit is changed, and the exit code is 1.
    """
    places = _places(arguments)
    if arguments.web or arguments.hooks:
        return _network(arguments, places, say)
    dataset = os.path.realpath(arguments.dataset) if arguments.dataset else ""
    if dataset and not arguments.undo:
        _check(dataset, places)
    done = _made_operator(arguments.operator, places) if arguments.operator else []
    verb = "reload" if done else ""
    trouble, place = "", dataset
    inboxes = configuration.inboxes(_written(places.configuration), dataset, places.configuration) if dataset else []
    if dataset:
        granted: list[str] = []
        if not arguments.undo:
            granted, trouble, place = _granted_all(arguments, [dataset, *inboxes], places, say)
        changed: list[str] = []
        if not trouble:
            changed = _undo(dataset, places) if arguments.undo else _do(dataset, places)
            changed += _own_unit(places, undo=arguments.undo)
        verb = "restart" if changed else verb
        done += granted + changed
    if verb and places.drop_ins is not None:
        done += _tell_systemd(verb, now=not arguments.no_restart)
    # After the service has let go of it.
    for each in (dataset, *inboxes) if dataset and arguments.undo else ():
        done += _told_of_undo(each, places)
    if arguments.json:
        say(as_json({"dataset": shown(dataset), "done": [shown(line) for line in done], "trouble": trouble}))
        return 1 if trouble else 0
    for line in done if done or trouble else ["Nothing was to be done."]:
        say(shown(line))
    for line in _next(arguments, place, places, trouble):
        say(line)
    return 1 if trouble else 0


def _network(arguments: argparse.Namespace, places: Places, say: Say) -> int:
    """Let the unit serve the page, or reach hooks, or with `--undo` no longer. Raises as `_put`, and UsageError."""
    text = _written(places.configuration)
    own = UserUnit(places.configuration, os.environ).path.parent / f"{UNIT}.d"
    drop_ins, undo = places.drop_ins or own, arguments.undo
    if arguments.web:
        files = web_drop_in.changes(drop_ins, places.configuration, text, undo=undo)
        following = "A link to the page: audiobatchctl web"
    else:
        files = hooks_drop_in.changes(drop_ins, places.configuration, undo=undo)
        following = "Try them: audiobatchctl hooks list; audiobatchctl hooks test NAME"
    _put(files, places.configuration)
    done: list[str] = []
    for path, new in files.items():
        done.append(f"{path}: {'removed' if new is None else 'written'}")
        if new is not None and path.parent == drop_ins:
            done += [f"  {line}" for line in new.splitlines() if not line.startswith("#")]
    if files and places.drop_ins is not None:
        done += _tell_systemd("restart", now=not arguments.no_restart)
    elif files:
        done += [f"when you are ready: systemctl --user {verb}" for verb in ("daemon-reload", f"restart {UNIT}")]
    if arguments.json:
        say(as_json({"dataset": "", "done": [shown(line) for line in done], "trouble": ""}))
        return 0
    for line in [*(done or ["Nothing was to be done."]), *([] if undo else [following])]:
        say(shown(line))
    return 0


def _own_unit(places: Places, *, undo: bool) -> list[str]:
    """Write the unit of a user's own service, or remove it with the last dataset; say what was done."""
    if places.user is not None:
        return []
    unit = UserUnit(places.configuration, os.environ)
    if not undo:
        return unit.write()
    left = configuration.datasets(_written(places.configuration), places.configuration)
    return [] if left else unit.remove()


def _made_operator(user: str, places: Places) -> list[str]:
    """Let a user look and change things; what was done for that. Raises UsageError, AudiobatchError, ConfigError."""
    text = _written(places.configuration)
    done = []
    if membership.join(user, USER):
        done.append(
            f"{user} is in the group {USER} now, and may ask the service from the next login on, or by: newgrp {USER}"
        )
    if user not in configuration.operators(text, places.configuration):
        _put(
            {places.configuration: configuration.with_operator(text, user, places.configuration)}, places.configuration
        )
        done.append(f"{places.configuration}: {user} is an operator, who may pause, retry and reload")
    return done


def _granted_all(
    arguments: argparse.Namespace, directories: list[str], places: Places, say: Say
) -> tuple[list[str], str, str]:
    """Give the service's user the rights that it lacks in a dataset, which comes first, and in its inboxes.

    What was done, why it still cannot write in one of them, and which one that is; the dataset where it can. Nothing is
    granted where one of them can be given no rights. Raises UsageError where that was asked for.
    """
    for each in directories if not arguments.no_grant else ():
        if (grants := _grants(each, places, undo=False)) is None or not (why := grants.trouble()):
            continue
        if arguments.grant:
            raise _cannot_grant(each, why)
        if trouble := _trouble(each, places):
            return [], trouble, each
    done: list[str] = []
    hindered: list[tuple[str, str]] = []
    for each in directories:
        told, why = _granted(arguments, each, places, (lambda _: None) if arguments.json else say)
        done += told
        hindered += [(why, each)] if why else []
    return done, *(hindered[0] if hindered else ("", directories[0]))


def _cannot_grant(place: str, why: str) -> UsageError:
    return UsageError(f"cannot grant rights below {shown(place)}: {why}. {_WITHOUT_ACLS}")


def _granted(arguments: argparse.Namespace, dataset: str, places: Places, tell: Say) -> tuple[list[str], str]:
    """Give the service's user the rights that it lacks: what was done, and why it still cannot write."""
    grants = _grants(dataset, places, undo=False)
    trouble = _trouble(dataset, places)
    if grants is None or not (arguments.grant or (trouble and not arguments.no_grant)):
        return [], trouble
    why = grants.trouble()
    if why and not arguments.grant:
        return [], trouble
    if trouble and not why:
        tell(shown(f"The service's user {USER} cannot write there yet: {trouble}"))
        tell(f"It gets rights to this dataset alone, by ACLs, which `--undo` takes back exactly: {_ACLS}")
    return _told_of_grant(dataset, places), _trouble(dataset, places)


def _next(arguments: argparse.Namespace, dataset: str, places: Places, trouble: str) -> list[str]:
    """Say what to do next."""
    if trouble:
        return _advice(arguments, dataset, places, trouble)
    if places.user is None or arguments.undo or arguments.no_restart:
        return []
    person = arguments.operator or membership.caller(os.environ)
    if not person:
        return ["Watch it work: audiobatchctl top"]
    if membership.is_member(person, USER):
        return [f"Watch it work: audiobatchctl top; where that is refused, log in again, or: newgrp {USER}"]
    return [f"Watch it work: sudo audiobatchctl top; without sudo after: sudo audiobatchctl setup --operator {person}"]


_ACLS = (
    f"on directories u:{USER}:rwx d:u:{USER}:rwx d:u:OWNER:rwx d:g:GROUP:(as now), "
    f"on files that it cannot read u:{USER}:r"
)
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
    datasets = configuration.datasets(text, places.configuration)
    if why := unsuitable(dataset, datasets):
        message = f"cannot set up {shown(dataset)}: {why}"
        raise UsageError(message)
    for inbox in configuration.inboxes(text, dataset, places.configuration):
        refuse_unfit(inbox)
    if text and dataset not in datasets:  # before anything is granted
        with ExitStack() as stack:
            new = _staged(places.configuration, configuration.with_dataset(text, dataset), stack)
            _refuse_invalid(new, places.configuration)


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


def _told_of_grant(dataset: str, places: Places) -> list[str]:
    """Grant rights in a dataset or an inbox; the lines that tell of it. Raises UsageError where that cannot be."""
    grants = _grants(dataset, places, undo=False)
    if grants is None:
        return []
    if trouble := grants.trouble():
        raise _cannot_grant(dataset, trouble)
    report = grants.grant()
    if not report.changed:
        return _told_of_skipped(report)
    return [
        f"{dataset}: {USER} got rights to what is there and comes: {counted(report.changed, 'ACL')}",
        f"{grants.saved}: has the ACLs that were there; --undo puts them back",
        *_told_of_skipped(report),
    ]


def _told_of_skipped(report: Report) -> list[str]:
    lines = [f"left alone: {path}: {why}" for path, why in report.skipped[:_NAMED]]
    more = len(report.skipped) - len(lines)
    return [*lines, f"left alone: {more:,} more"] if more else lines


def _told_of_undo(dataset: str, places: Places) -> list[str]:
    """Take back the rights in a dataset or an inbox, where some were granted; the lines that tell of it."""
    grants = _grants(dataset, places, undo=True)
    if grants is None:
        return []
    if not Path(dataset).is_dir():
        return [f"{dataset} is not there: its ACLs stay in {grants.saved}; when it is, repeat this"]
    report = grants.undo()
    lines = [f"{dataset}: the ACLs that were there are back ({report.changed:,} changed)"]
    if report.changed_since:
        lines.append(f"changed since: {counted(report.changed_since, 'ACL')}: {USER} was taken out, no more")
    return lines + _told_of_skipped(report)


def _advice(arguments: argparse.Namespace, dataset: str, places: Places, trouble: str) -> list[str]:
    """Say what to do where the service's user cannot write: commands for this dataset alone, none of them recursive."""
    lines = [shown(f"The configuration was not changed: the service's user {USER} cannot write there: {trouble}")]
    grants = _grants(dataset, places, undo=False)
    if grants is None:
        return lines
    if why := grants.trouble():
        return [*lines, f"No rights can be granted: {why}.", f"{_WITHOUT_ACLS}."]
    if arguments.no_grant:
        return [
            *lines,
            "Without `--no-grant` it gets rights to this dataset alone, by ACLs, which `--undo` takes back exactly:",
            f"  {_ACLS}",
        ]
    rights = f"{USER} has rights below it now, which `--undo` takes back"
    return [*lines, f"{rights}; it must also be able to pass the directories above it."]


def _places(arguments: argparse.Namespace) -> Places:
    """Find the files to change. Raises UsageError where that takes root."""
    network = arguments.web or arguments.hooks
    if network and (arguments.dataset or arguments.operator or arguments.grant or arguments.no_grant):
        message = f"`{'--web' if arguments.web else '--hooks'}` goes alone, or with `--undo`"
        raise UsageError(message)
    if not (arguments.dataset or network) and (arguments.undo or arguments.grant or not arguments.operator):
        raise UsageError("which dataset? setup DATASET; only `--operator USER`, `--web` and `--hooks` go without one")
    if arguments.user:
        if arguments.grant or arguments.operator:
            option = "--grant" if arguments.grant else "--operator"
            message = f"{option} is for the machine's service: your own has the rights that you have, and obeys you"
            raise UsageError(message)
        return Places(arguments.config or own_configuration(os.environ), None, None)
    if os.geteuid() != 0:
        message = (
            f"cannot set up the machine's service: that takes root: {_as_root(arguments)}; --user sets up your own"
        )
        raise UsageError(message)
    return Places(arguments.config or _CONFIGURATION, _DROP_INS / f"{UNIT}.d", USER)


def _as_root(arguments: argparse.Namespace) -> str:
    """The same command for root."""
    options = [f"--{name.replace('_', '-')}" for name in ("grant", "no_grant", "undo") if getattr(arguments, name)]
    person = ["--operator", arguments.operator] if arguments.operator else []
    place = [arguments.dataset] if arguments.dataset else []
    return joined(["sudo", "audiobatchctl", "setup", *options, *person, *place])


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
    if dataset not in configuration.datasets(text, places.configuration):
        files[places.configuration] = configuration.with_dataset(text, dataset)
        done.append(f"{places.configuration}: added the dataset {dataset}")
    for path, content in _drop_ins(dataset, text, places).items():
        if _written(path) != content:
            files[path] = content
            done.append(f"{path}: the unit may write there")
    _put(files, places.configuration)
    return done


def _undo(dataset: str, places: Places) -> list[str]:
    done = []
    files: dict[Path, str | None] = {}
    text = _written(places.configuration)
    if dataset in configuration.datasets(text, places.configuration):
        files[places.configuration] = configuration.without_dataset(text, dataset, places.configuration)
        done.append(f"{places.configuration}: took out the dataset {dataset}")
    for path in _drop_ins(dataset, text, places):
        if path.exists():
            files[path] = None
            done.append(f"{path}: removed")
    _put(files, places.configuration)
    return done


def _drop_ins(dataset: str, text: str, places: Places) -> dict[Path, str]:
    """The content of each drop-in that a dataset and its inboxes need; none for a user's own service."""
    if places.drop_ins is None:
        return {}
    inboxes = ("", *configuration.inboxes(text, dataset, places.configuration))
    return {places.drop_ins / drop_in.file_name(dataset, each): drop_in.content(dataset, each) for each in inboxes}


def _put(files: Mapping[Path, str | None], configuration: Path) -> None:
    """Give all these files their new text, or none of them; None removes one.

    Raises ConfigError where the configuration would be invalid, AudiobatchError where one cannot be written.
    """
    put: list[tuple[Path, bytes | None]] = []
    with ExitStack() as stack:
        try:
            staged = {path: _staged(path, text, stack) for path, text in files.items()}
            _refuse_invalid(staged.get(configuration), configuration)
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


def _refuse_invalid(new: Path | None, configuration: Path) -> None:
    """Raise ConfigError where a staged configuration is invalid, with the name of the file that it is for."""
    try:
        if new is not None:
            load_config(new)
    except ConfigError as error:
        raise ConfigError(str(error).replace(str(new), str(configuration))) from error


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
    top = os.curdir if hidden else dataset
    tried = [top, *(os.path.join(top, name) for name in inside)]
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
    why = done.stderr.strip() if done.returncode else ""
    return dataset + why.removeprefix(os.curdir) if why and hidden else why


def _tell_systemd(verb: str, *, now: bool) -> list[str]:
    """Have the service restarted, or started for the first time: another mount namespace takes a new process.

    A reload suffices where only the configuration is another.
    """
    if not Path("/run/systemd/system").is_dir():
        return ["systemd does not run here: start the service when it does"]
    subprocess.run([_SYSTEMCTL, "daemon-reload"], check=False)
    if not now:
        return [f"when you are ready: systemctl {verb} audiobatchd"]
    # Restarts by hand are no crashes, and do not count against the limit of starts.
    subprocess.run([_SYSTEMCTL, "reset-failed", UNIT], capture_output=True, check=False)
    # One that is stopped is started: it has a dataset now. For an operator alone it stays as it is.
    command = [_SYSTEMCTL, verb if verb == "restart" else "try-reload-or-restart", UNIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"cannot {verb} {UNIT}: {done.stderr.strip()}"]
    return [f"{UNIT} was restarted"] if verb == "restart" else []
