"""Findings on a machine that could keep the service from its work, with the cure of each: judged, not looked up.

`audiobatchctl doctor` looks at the machine.
"""

from __future__ import annotations

import errno
import os
import platform
import stat
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct

from audiobatchd import __version__
from audiobatchd.cli.terminal.status import folder_counts
from audiobatchd.control.status import DatasetStatus, HookStatus, Status
from audiobatchd.core.holds import BARRED, NO_ANSWER
from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.plugin_api import absence
from audiobatchd.scan.watch import limits
from audiobatchd.vocabulary.commands import import_command, quoted
from audiobatchd.vocabulary.files import NearMiss
from audiobatchd.vocabulary.names import parsed, shown
from audiobatchd.vocabulary.quantities import counted, sized
from audiobatchd.vocabulary.states import DatasetState, FolderState, InboxState
from audiobatchd.worker.capacity import Capacity

NEEDED = ("numpy", "scipy", "av", "soxr", "msgspec", "watchdog", "aiohttp", "psutil")
WELCOME = {
    "essentia-tensorflow": "rhythm, key and some models need it",
    "onnxruntime": "danceability and atonality take thrice the time without it",
}
"""Distributions that everything needs, and those that something can do without, with what that is."""

_LITTLE, _NEARLY_NOTHING, _FEW = 1 << 30, 100 << 20, 1000
# What a worker takes once Essentia and TensorFlow are loaded and it has a track of some minutes.
_WORKER = 512 << 20
# Desktops and editors have instances of their own.
_OTHERS = 16
_QUEUE = 16_384
_FETCH = "audiobatchctl models fetch "
_INSTALL = " pip install "


class Level(StrEnum):
    """The gravity of a finding."""

    OK = "ok"
    NOTE = "note"
    """It works, and could do better."""
    ACT = "act"
    """Something has to be done."""


class Diagnosis(Struct, frozen=True):
    """A judgement on one thing that was looked at."""

    level: Level
    what: str
    todo: str = ""
    """Advice what to do about it; empty where nothing is to be done."""


def versions(installed: Mapping[str, str | None]) -> Iterator[Diagnosis]:
    """Judge what is installed, by name and version; None for what is not."""
    there = ", ".join(f"{name} {each}" for name, each in installed.items() if each)
    yield Diagnosis(Level.OK, f"audiobatchd {__version__}, Python {platform.python_version()}, {there}")
    for name, each in installed.items():
        if each is None and name in WELCOME:
            yield Diagnosis(Level.NOTE, f"{name} is not installed: {WELCOME[name]}", _remedy(name))
        elif each is None:
            yield Diagnosis(Level.ACT, f"{name} is not installed", "install audiobatchd again")


def journal(library: str | None) -> Diagnosis:
    """Judge how a service of systemd's tells its events; `library` is the version of systemd-python, if it is there."""
    told = "systemd: READY and WATCHDOG go to its socket, events to the journal"
    if library is not None:
        return Diagnosis(Level.OK, f"{told} with their fields, by systemd-python {library}")
    what = f"{told} as lines with a priority: their fields take systemd-python, which a compiler has to build"
    return Diagnosis(Level.NOTE, what, _remedy("systemd-python"))


def _remedy(distribution: str) -> str:
    """Name the command that installs what is told to be absent already, or say that there is none here."""
    return absence(distribution).removeprefix("it is not installed: ")


def service(status: Status | None, why: str, cure: str = "") -> Iterator[Diagnosis]:
    """Judge the service by what it says of itself; `why` it does not answer where `status` is None, and its `cure`."""
    if status is None:
        yield Diagnosis(Level.ACT, why, cure or "start it again; its log says why it ended")
        return
    yield Diagnosis(Level.OK, f"audiobatchd {status.version} answers, process {status.pid}: {status.state}")
    if status.version != __version__:
        yield Diagnosis(
            Level.ACT, f"{__version__} is installed, {status.version} runs", "systemctl restart audiobatchd"
        )
    if status.remark:
        yield Diagnosis(Level.ACT, status.remark, "journalctl -u audiobatchd says more")
    for lost in status.lost:
        what = f"the worker with PID {lost.pid} was killed and does not end: it waits for the disk of {lost.dataset}"
        yield Diagnosis(Level.ACT, what, "mend the mount: it ends when that answers, or is unmounted by force")
    for dataset in status.datasets:
        if dataset.state in (DatasetState.MISSING, DatasetState.PAUSED):
            yield Diagnosis(
                Level.ACT, f"{dataset.path} is {dataset.state.value}: {dataset.remark}", _cure_of_pause(dataset)
            )
        elif dataset.remark and dataset.remark == dataset.watch:
            # Not even the root can be watched; what mends it stands in the remark.
            yield Diagnosis(
                Level.ACT, f"{dataset.path} is degraded: {dataset.remark}", "until then only walks find changes"
            )
        elif dataset.remark:
            yield Diagnosis(
                Level.NOTE, f"{dataset.path} is degraded: {dataset.remark}", "walks find what events do not"
            )
        for lock, holder in dataset.overdue.items():
            what = f"{dataset.path}: {lock} is held for longer than was announced, by {holder}"
            yield Diagnosis(Level.NOTE, what, "see whether that process hangs")
    counts = folder_counts(status.datasets)
    for state in (FolderState.FAILED, FolderState.BLOCKED):
        if counts[state]:
            level = Level.ACT if state is FolderState.BLOCKED else Level.NOTE
            yield Diagnosis(level, f"{counted(counts[state], 'folder')} {state.value}", "audiobatchctl failures")


def inboxes(status: Status | None) -> Iterator[Diagnosis]:
    """Judge what the service says of its inboxes."""
    for each in status.inboxes if status else ():
        if each.state is InboxState.HINDERED:
            todo = f"where rights are missing: audiobatchctl setup --grant {quoted(parsed(each.dataset))}"
            yield Diagnosis(Level.ACT, f"the inbox {each.path}: {each.remark}", todo)
        left = len(each.left) + each.more_left
        if left:
            what = f"what stays in the inbox {each.path}: {each.left[0].path}" + (
                f", {left - 1:,} more" if left > 1 else ""
            )
            yield Diagnosis(Level.NOTE, what, each.left[0].why)


def hooks(status: Status | None) -> Iterator[Diagnosis]:
    """Judge what the service says of its hooks."""
    for each in status.hooks if status else ():
        if each.remark:
            what = f"the hook {each.name} ({each.target}) fails: {each.remark}"
            yield Diagnosis(Level.ACT, what, _cure_of_hook(each))
        elif each.dropped:
            what = f"the hook {each.name} has lost {counted(each.dropped, 'message')} since the service started"
            yield Diagnosis(Level.NOTE, what, "journalctl -u audiobatchd says why (hook-dropped)")
        else:
            yield Diagnosis(Level.OK, f"the hook {each.name} ({each.target}) is told {', '.join(each.on)}")


def _cure_of_hook(hook: HookStatus) -> str:
    unreachable = hook.kind == "url" and hook.remark.startswith(("cannot connect", "no answer"))
    unit = ", and where the unit forbids all network: sudo audiobatchctl setup --hooks" if unreachable else ""
    return f"mend it, and try: audiobatchctl hooks test {hook.name}{unit}"


def silent(path: str, status: Status | None) -> Iterator[Diagnosis]:
    """A dataset whose disk does not answer, unless the service says so already: nothing else is looked at there."""
    if not any(parsed(each.path) == path and NO_ANSWER in each.remark for each in (status.datasets if status else ())):
        yield Diagnosis(Level.ACT, f"{shown(path)}: {NO_ANSWER}", "mend the mount, or unmount it by force")


def _cure_of_pause(dataset: DatasetStatus) -> str:
    if BARRED in dataset.remark:
        return f"where that does not help: sudo audiobatchctl setup {quoted(parsed(dataset.path))}"
    if "it leads to" in dataset.remark:
        return (
            f"point its link back, or, if that is meant: audiobatchctl rescan --accept {quoted(parsed(dataset.path))}"
        )
    return "audiobatchctl resume" if "operator" in dataset.remark else "mount it, or mend what is said there"


def locks(path: str, kind: Kind, filesystem: str, *, alone: bool) -> Diagnosis:
    """Judge what the locks of a dataset's file system are worth."""
    where = f"{shown(path)} is on {filesystem}"
    match kind:
        case Kind.LOCAL:
            return Diagnosis(Level.OK, f"{where}: this machine alone has it, its locks hold")
        case Kind.NETWORK:
            todo = f"try them, on two machines at once: audiobatchctl locks test {quoted(path)}"
            return Diagnosis(Level.NOTE, f"{where}: its locks are shared between machines", todo)
        case Kind.WEAK:
            if alone:
                return Diagnosis(Level.NOTE, f"{where}: its locks are not shared", "let no other machine work on it")
            return Diagnosis(Level.ACT, f"{where}: not worked on", filesystems.refusal(filesystem))


def tracks(path: str, total: int, near_misses: Iterable[NearMiss], most: int | None = None) -> Iterator[Diagnosis]:
    """Judge what a dataset holds; `most`: so many directories were read."""
    where = shown(path) if most is None else f"the first {most:,} directories of {shown(path)}"
    if total:
        yield Diagnosis(Level.OK, f"{counted(total, 'track folder')} in {where}")
    else:
        near_misses = list(near_misses)
        command = import_command(path, has_music=bool(near_misses))
        todo = f"give each track a folder with a full_mix, such as full_mix.flac: {command}"
        yield Diagnosis(Level.ACT, f"no track folder was found in {where}", todo)
    for miss in near_misses:
        yield Diagnosis(Level.NOTE, f"{where}: {miss.what}, such as {miss.example}", miss.todo)


def permissions(path: str, closed: list[str], *, known: bool) -> Diagnosis:
    """Judge whether the service can write in a dataset; `closed` is where it cannot, of what was tried.

    `known`: it was tried for the service's user, not for the user who asks.
    """
    who = "the service" if known else "you"
    if not closed:
        return Diagnosis(Level.OK, f"{who} can write in {shown(path)}")
    more = f" and in {counted(len(closed) - 1, 'other place')}" if len(closed) > 1 else ""
    todo = f"sudo audiobatchctl setup {quoted(path)} gives the service what it lacks there"
    return Diagnosis(Level.ACT, f"{who} cannot write in {shown(closed[0])}{more}", todo)


def inbox(path: str, dataset: str, *, same_disk: bool) -> Diagnosis:
    """Judge how files get from an inbox into its dataset."""
    how = (
        "without a copy, unless the unit has each by a mount of its own" if same_disk else "by a copy that is compared"
    )
    return Diagnosis(Level.OK, f"{shown(path)} is an inbox of {shown(dataset)}: files move {how}")


def unknown_permissions(path: str) -> Diagnosis:
    """Say that this user cannot tell what the service's may do, which ACLs and groups decide."""
    what = f"only root can tell whether the service can write in {shown(path)}"
    return Diagnosis(Level.NOTE, what, "sudo audiobatchctl doctor")


def opens(status: os.stat_result, uid: int, groups: Iterable[int]) -> bool:
    """Tell whether a directory's mode lets this user list and write. It does not show what access control lists do."""
    if uid == 0:
        return True
    shift = 6 if status.st_uid == uid else 3 if status.st_gid in groups else 0
    return status.st_mode >> shift & stat.S_IRWXO == stat.S_IRWXO


def space(what: str, free: int, files: int | None) -> Diagnosis:
    """Judge whether there is room for `free` bytes and for so many files (None: there is no limit to them)."""
    told = f"{what}: {sized(free)} free"
    if files is not None and files < _FEW:
        return Diagnosis(
            Level.ACT, f"{told}, but only for {counted(files, 'file')}", "remove files: no inodes are left"
        )
    if free < _LITTLE:
        level = Level.ACT if free < _NEARLY_NOTHING else Level.NOTE
        return Diagnosis(level, told, "make room: without it nothing is written, and the dataset pauses")
    return Diagnosis(Level.OK, told)


def machine(load: float, room: Capacity, free: int, total: int, status: Status | None) -> Diagnosis:
    """Judge the memory for the workers; `load` is the average of the last minute, `free` and `total` are bytes."""
    workers = room.workers
    told = (
        f"the machine: load {load:.1f} for {counted(workers, 'worker')} ({room.why}), "
        f"{sized(free)} of {sized(total)} memory free"
    )
    taken = sum(worker.resident for worker in status.workers) if status else 0
    if free + taken < workers * _WORKER:
        return Diagnosis(Level.NOTE, told, f"a worker takes {sized(_WORKER)} and more: lower `workers`, or free memory")
    return Diagnosis(Level.OK, told)


def inotify(limit: Mapping[str, int], status: Status | None, datasets: int) -> Iterator[Diagnosis]:
    """Judge whether the kernel lets enough be watched; `datasets` is how many there are."""
    folders = sum(each.total for each in status.datasets) if status else 0
    most = limit["max_user_watches"] // 2
    told = ", ".join(f"{name} {number:,}" for name, number in limit.items())
    good = True
    if folders > most and most < limits.MOST_LEAVES:
        good = False
        what = f"of {counted(folders, 'track folder')} {most:,} can be watched: walks find changes in the others"
        yield Diagnosis(Level.NOTE, what, _sysctl("max_user_watches", 2 * folders))
    if limit["max_user_instances"] < datasets + _OTHERS:
        good = False
        what = f"fs.inotify.max_user_instances is {limit['max_user_instances']}; each dataset takes one"
        yield Diagnosis(Level.ACT, what, _sysctl("max_user_instances", 512))
    if limit["max_queued_events"] < _QUEUE:
        good = False
        what = f"fs.inotify.max_queued_events is {limit['max_queued_events']}: events will be lost, and walks follow"
        yield Diagnosis(Level.NOTE, what, _sysctl("max_queued_events", _QUEUE))
    if good:
        yield Diagnosis(Level.OK, f"inotify: {told}")


def inotify_trial(errors: Mapping[str, int], *, known: bool) -> Iterator[Diagnosis]:
    """Judge what came of trying to watch these directories: the error number of each, 0 where it went well.

    `known`: it was tried for the service's user, not for the one who asks.
    """
    who = "the service" if known else "you"
    for path, number in errors.items():
        if limits.is_shortage(number) or number == errno.EACCES:
            what = f"{who} cannot watch {shown(path)}: {limits.why(number)}"
            yield Diagnosis(Level.ACT, what, "only walks find changes there; the service tries again every 5 s")
    if errors and not any(errors.values()):
        yield Diagnosis(Level.OK, f"{who} can have an inotify instance and a watch")


def _sysctl(name: str, value: int) -> str:
    line = f"fs.inotify.{name}={value}"
    return f"sysctl {line}; for ever: echo {line} >> /etc/sysctl.d/90-audiobatchd.conf"


def analyzers(reasons: Mapping[str, str], wanted: Iterable[str]) -> Iterator[Diagnosis]:
    """Judge which analyzers work, and what keeps the others from it; those that were asked for by name should."""
    working = [name for name, reason in reasons.items() if not reason]
    if working:
        yield Diagnosis(Level.OK, f"{', '.join(working)}: available")
    for name, reason in reasons.items():
        if reason:
            what, cure = _cure_in(reason)
            level = Level.ACT if name in wanted or not working else Level.NOTE
            yield Diagnosis(level, f"{name} is unavailable: {what}", cure or "it works when that is mended")


def _cure_in(reason: str) -> tuple[str, str]:
    """Split a reason for which something is unavailable from the command at its end, if there is one."""
    what, colon, cure = reason.rpartition(": ")
    return (what, cure) if colon and (cure.startswith(_FETCH) or _INSTALL in cure) else (reason, "")
