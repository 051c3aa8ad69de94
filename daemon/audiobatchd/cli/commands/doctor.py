"""`audiobatchctl doctor`: what could keep the service from its work on this machine, and what to do about each."""

from __future__ import annotations

import argparse
import os
import pwd
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import psutil

from audiobatchd.cli import diagnosis
from audiobatchd.cli.diagnosis import NEEDED, WELCOME, Diagnosis, Level
from audiobatchd.cli.findings import finding_lines
from audiobatchd.cli.local import USER, checked_config, ended_first, model_directories_here, worker_settings_here
from audiobatchd.cli.page import page_findings
from audiobatchd.cli.terminal.output import Say, colour, room
from audiobatchd.cli.terminal.status import NARROWEST
from audiobatchd.cli.terminal.text import as_ansi, as_json
from audiobatchd.config.file import Config, DatasetConfig, InboxConfig, find_config
from audiobatchd.config.places import SERVICE_CONFIGURATION, service_is_installed, state_directory
from audiobatchd.control.client import ControlClient
from audiobatchd.control.status import Status
from audiobatchd.core.discovery import Contents
from audiobatchd.core.holds import BARRED
from audiobatchd.core.near_misses import Tally, misses_in
from audiobatchd.disk import filesystems, shares
from audiobatchd.disk.listing import walk
from audiobatchd.errors import AudiobatchError, ConfigError, NoDaemonError
from audiobatchd.models import store
from audiobatchd.models.store import State
from audiobatchd.scan.watch import limits, trial
from audiobatchd.vocabulary.commands import quoted
from audiobatchd.vocabulary.names import parsed, shown
from audiobatchd.vocabulary.states import WatchMode
from audiobatchd.worker import questions
from audiobatchd.worker.capacity import Capacity, capacity

_LOOKED_AT = 3
_WALKED = 20_000
"""Number of directories walked where no service knows a dataset: seconds, and minutes on a cold network disk."""

_MAY_WORK = "import os, sys; sys.exit(not os.access('.', os.R_OK | os.W_OK | os.X_OK))"


def doctor(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Look at everything. Exit code 1 where something has to be done."""
    findings = list(_examined(arguments, client))
    acts = sum(finding.level is Level.ACT for finding in findings)
    if arguments.json:
        say(as_json({"findings": findings}))
        return 1 if acts else 0
    for line in finding_lines(findings, max(NARROWEST, room(os.environ))):
        say(as_ansi(line, colour=colour(os.environ)))
    return 1 if acts else 0


def _examined(arguments: argparse.Namespace, client: ControlClient) -> Iterator[Diagnosis]:
    yield from diagnosis.versions({name: _version(name) for name in (*NEEDED, *WELCOME)})
    yield diagnosis.journal(_journal_library())
    settings, file = Config(), arguments.config or find_config(os.environ)
    of_machine = file == SERVICE_CONFIGURATION and service_is_installed()
    try:
        settings = checked_config(file)
        yield Diagnosis(Level.OK, "the configuration is valid")
        what, _, todo = ended_first(settings).partition(": ")
        if what:
            yield Diagnosis(Level.NOTE, what, todo)
    except ConfigError as error:
        yield Diagnosis(Level.ACT, str(error), "mend it, and try: audiobatchctl config check")
    status, why, cure = None, "", ""
    try:
        status = client.status()
    except NoDaemonError as error:
        why, cure = error.what, error.cure
    yield from diagnosis.service(status, why, cure)
    uid = _uid_of(status)
    datasets = {each.path: each for each in settings.dataset}
    if status:
        served = [parsed(dataset.path) for dataset in status.datasets]
        datasets = {path: datasets.get(path, DatasetConfig(path)) for path in served}
    silent = {path for path in datasets if not filesystems.answers(path)}
    yield from _datasets(datasets.values(), silent, status, uid, of_machine=of_machine)
    yield from diagnosis.inboxes(status)
    yield from diagnosis.hooks(status)
    for inbox in settings.inbox:
        if inbox.dataset in datasets and inbox.dataset not in silent:
            yield from _inbox(inbox, uid)
    yield from page_findings(settings.web, status)
    state = state_directory(os.environ, os.getuid() if uid is None else uid)
    yield from _space("the state directory", state)
    memory = psutil.virtual_memory()
    try:
        room = capacity(settings)
    except ConfigError as error:  # its processors, which are another machine's
        room = Capacity(1, str(error))
    yield diagnosis.machine(psutil.getloadavg()[0], room, memory.available, memory.total, status)
    names = ("max_user_watches", "max_user_instances", "max_queued_events")
    yield from diagnosis.inotify({name: limits.limit(name) for name in names}, status, len(datasets))
    yield from _watching(status, [each for each in datasets.values() if each.path not in silent], uid)
    yield from _analyzers(status, settings)
    yield from _models(settings)


def _datasets(
    datasets: Iterable[DatasetConfig], silent: set[str], status: Status | None, uid: int | None, *, of_machine: bool
) -> Iterator[Diagnosis]:
    # What is tried from outside of the unit does not tell what it may do: the service tries by itself.
    barred = {parsed(each.path) for each in (status.datasets if status else ()) if BARRED in each.remark}
    for dataset in datasets:
        if dataset.path in silent:
            yield from diagnosis.silent(dataset.path, status)
            continue
        yield from _dataset(dataset, uid, of_machine=of_machine, barred=dataset.path in barred)
        yield from _tracks(dataset, status)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _journal_library() -> str | None:
    """Find the version of systemd-python, if it is there, without loading it."""
    try:
        return _version("systemd-python") if find_spec("systemd.journal") else None
    except ImportError:  # nothing at all is called `systemd`
        return None


def _uid_of(status: Status | None) -> int | None:
    """Find the UID that the service has, or would have where root asks; None where it cannot be found out."""
    try:
        if status:
            return psutil.Process(status.pid).uids().effective
        return pwd.getpwnam(USER).pw_uid if os.geteuid() == 0 else None
    except (psutil.Error, KeyError):
        # Behind hidepid a live process of another user cannot be seen.
        return None


def _dataset(dataset: DatasetConfig, uid: int | None, *, of_machine: bool, barred: bool) -> Iterator[Diagnosis]:
    path = dataset.path
    try:
        kind, filesystem = shares.of(path)
        with os.scandir(path) as entries:
            inside = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)][:_LOOKED_AT]
    except OSError as error:
        what = f"cannot read {shown(path)}: {error.strerror}"
        yield Diagnosis(
            Level.ACT,
            what,
            f"mount it, or let the service read it: sudo audiobatchctl setup {quoted(path)}",
        )
        return
    if (target := os.path.realpath(path)) != path:
        yield Diagnosis(Level.OK, f"{shown(path)} leads to {shown(target)}")
    yield diagnosis.locks(path, kind, filesystem, alone=dataset.alone)
    if not barred:
        closed = [each for each in (path, *inside) if not _may_work(each, uid)]
        # A mode does not tell what an ACL gives to another user, nor to whom the directory is closed.
        if closed and os.geteuid() not in (0, uid) and (of_machine if uid is None else _has_acl(closed[0])):
            yield diagnosis.unknown_permissions(path)
        else:
            yield diagnosis.permissions(path, closed, known=uid is not None)
    yield from _space(shown(path), Path(path))


def _inbox(inbox: InboxConfig, uid: int | None) -> Iterator[Diagnosis]:
    """Tell whether an inbox can be emptied, and how files get out of it."""
    if not filesystems.answers(inbox.path):
        yield from diagnosis.silent(inbox.path, None)
        return
    try:
        place, target = os.stat(inbox.path), os.stat(inbox.dataset)
        with os.scandir(inbox.path) as entries:
            inside = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)][:_LOOKED_AT]
    except OSError as error:
        what = f"cannot read the inbox {shown(inbox.path)}: {error.strerror}"
        yield Diagnosis(
            Level.ACT, what, f"make it, and let the service work there: audiobatchctl setup {quoted(inbox.dataset)}"
        )
        return
    yield diagnosis.inbox(inbox.path, inbox.dataset, same_disk=place.st_dev == target.st_dev)
    closed = [each for each in (inbox.path, *inside) if not _may_work(each, uid)]
    yield diagnosis.permissions(inbox.path, closed, known=uid is not None)


def _tracks(dataset: DatasetConfig, status: Status | None) -> Iterator[Diagnosis]:
    """Tell of a dataset's tracks what the service knows; else what a look at its first directories shows."""
    for known in status.datasets if status else ():
        if parsed(known.path) == dataset.path and known.last_walk:
            yield from diagnosis.tracks(dataset.path, known.total, known.near_misses)
            return
    tally, total, seen = Tally(), 0, 0
    try:
        for path, names in islice(walk(dataset.path, dataset.ignore), _WALKED):
            seen += 1
            if isinstance(names, Contents):
                total += names.is_track
                tally.add(path, misses_in(names, path))
    except OSError:
        return  # which `_dataset` has told
    yield from diagnosis.tracks(dataset.path, total, tally.told(), seen if seen == _WALKED else None)


def _has_acl(path: str) -> bool:
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except OSError:
        return False


def _may_work(path: str, uid: int | None) -> bool:
    """Tell whether the service's user can make files there, or this one where the user is not known."""
    if uid is None or uid == os.geteuid():
        return os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)
    if os.geteuid() == 0 and (answer := _asked_as(uid, path)) is not None:
        return answer
    return diagnosis.opens(os.stat(path), uid, _groups_of(uid))


def _asked_as(uid: int, path: str) -> bool | None:
    """Ask the kernel as that user, since a mode does not tell an ACL; None where the user cannot run this Python.

    Asked from within: a home is bound into the unit's tree, and what stands above it is not in the way.
    """
    groups = _groups_of(uid)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _MAY_WORK],
            cwd=path,
            user=uid,
            group=groups[0] if groups else uid,
            extra_groups=groups,
            check=False,
        )
    except OSError:
        return None
    return done.returncode == 0


def _groups_of(uid: int) -> list[int]:
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        return []
    return os.getgrouplist(account.pw_name, account.pw_gid)


def _space(what: str, path: Path) -> Iterator[Diagnosis]:
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        found = os.statvfs(path)
    except OSError as error:
        yield Diagnosis(Level.ACT, f"{what} cannot be looked at: {error.strerror}", f"see what is wrong with {path}")
        return
    yield diagnosis.space(what, found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def _watching(status: Status | None, datasets: list[DatasetConfig], uid: int | None) -> Iterator[Diagnosis]:
    """Try to watch what the service watches, or would, as the user whom the kernel counts it for."""
    paths = [each.path for each in datasets if each.mode is not WatchMode.WALK]
    if status:
        # It holds the instances that it has: what it could not have is tried, or whether one more could be had.
        lacking = {parsed(each.path) for each in status.datasets if each.remark and each.remark == each.watch}
        paths = [path for path in paths if path in lacking] or paths[:1]
    itself = uid is None or uid == os.geteuid()
    if not paths or not (itself or os.geteuid() == 0):
        return
    errors = trial.tried(paths) if itself or uid is None else trial.tried(paths, uid, _groups_of(uid))
    if errors is not None:
        yield from diagnosis.inotify_trial(errors, known=uid is not None)


def _analyzers(status: Status | None, settings: Config) -> Iterator[Diagnosis]:
    if status and status.analyzers:
        reasons = {name: "" if each.available else each.reason for name, each in status.analyzers.items()}
    else:
        try:
            offers = questions.offers(worker_settings_here(settings))
        except AudiobatchError as error:
            yield Diagnosis(Level.ACT, str(error), "install audiobatchd again, or the analyzer that breaks")
            return
        reasons = {offer.name: offer.unavailable or "" for offer in offers}
    yield from diagnosis.analyzers(reasons, settings.analyzers or ())


def _models(settings: Config) -> Iterator[Diagnosis]:
    """Tell what is wrong with the models that are here."""
    directories = model_directories_here(settings)
    for name in store.names_in(directories):
        files = store.find(name, directories)
        verdict = store.examine(files) if files else None
        if verdict and verdict.state is State.WRONG:
            yield Diagnosis(Level.ACT, f"the model {name}: {verdict.trouble}", f"audiobatchctl models fetch {name}")
