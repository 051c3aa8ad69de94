"""Access to a dataset for the service's user by POSIX ACLs, saved before and put back exactly.

Root does this in directories that belong to others, who could put a link in the place of a name between the look and
the change. So each file is opened without following links, and `getfacl` and `setfacl` are told descriptors, not names.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from audiobatchd.cli.rights.acl import Acl, sections
from audiobatchd.core.discovery import NEVER_ENTERED
from audiobatchd.disk import filesystems
from audiobatchd.errors import AudiobatchError
from audiobatchd.vocabulary.names import shown

_ACCESS = "system.posix_acl_access"
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
# So many are open at once, for one start of the programs.
_BATCH = 128
# What a dead script has left, the service opens for writing.
_WRITTEN = ".lock"
_GONE = (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)


@dataclass(frozen=True)
class Thing:
    """A directory or a regular file of the dataset, open."""

    path: str
    """Its path below the dataset."""
    descriptor: int
    status: os.stat_result

    @property
    def name(self) -> str:
        """A path that leads to just this, wherever its own leads meanwhile."""
        return f"/proc/self/fd/{self.descriptor}"

    @property
    def is_directory(self) -> bool:
        """Tell whether what is made in it inherits."""
        return stat.S_ISDIR(self.status.st_mode)


@dataclass
class Report:
    """The outcome of a grant, or of its end."""

    changed: int = 0
    """Number of ACLs."""
    changed_since: int = 0
    """Number of others that have changed since: of those only the service's entries were taken."""
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Paths that were left alone, with the reason."""


class Grants:
    """The service's rights below one dataset, which is an absolute path without links."""

    def __init__(self, dataset: str, user: int, groups: frozenset[int], saved: Path) -> None:
        self._dataset = dataset
        self._user = user
        """The service's, as are the groups."""
        self._groups = groups
        self.saved = saved
        """The ACLs that were there, in the form of getfacl, so that `setfacl --restore` takes it too."""
        self._part = _part(saved)
        """The same, until the first grant has ended."""

    def trouble(self) -> str:
        """Say why ACLs cannot be had there; empty where they can."""
        try:
            os.getxattr(self._dataset, _ACCESS)
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                return f"its file system ({filesystems.of(self._dataset)[1]}) has no POSIX ACLs"
        return "" if shutil.which("setfacl") else "setfacl is not there: apt install acl"

    def grant(self) -> Report:
        """Let the service read and make files, in what is there and in what comes. May be repeated when it broke off.

        A file that it can read is left alone. Directories pass on the rights of their owner and their group as well,
        since what the service makes is the service's. Raises AudiobatchError.
        """
        report = Report()
        self.saved.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = not self.saved.exists()
        with _held(self._part if first else self.saved) as file:
            saved = self._read(file)
            for things in self._batches(report, lambda thing: not self._suffices(thing)):
                wanted = []
                for thing, old in zip(things, self._acls(things), strict=True):
                    new = self._granted(thing, old)
                    # Later an entry of the service's has been inherited, and is no other hand's.
                    if thing.path not in saved and (new != old or (first and old.names(self._user))):
                        saved[thing.path] = old
                        file.write(old.section(os.path.join(self._dataset, thing.path)))
                    if new != old:
                        wanted.append((thing, new))
                # Before anything changes, so that it can be undone whenever this ends.
                file.flush()
                os.fsync(file.fileno())
                self._set(wanted)
                report.changed += len(wanted)
            if first:
                self._part.rename(self.saved)
        return report

    def undo(self) -> Report:
        """Put back each ACL that was changed; what has come or was changed since loses the service's entries alone.

        May be repeated when it broke off. Raises AudiobatchError.
        """
        report = Report()
        place = self.saved if self.saved.exists() else self._part
        with _held(place) as file:
            saved = self._read(file)
            for things in self._batches(report, lambda thing: thing.path in saved, several_names=True):
                wanted = []
                for thing, now in zip(things, self._acls(things), strict=True):
                    old = saved.get(thing.path)
                    if old is not None and now in (old, self._granted(thing, old)):
                        new = old
                    else:
                        new = now.without(self._user)
                        report.changed_since += old is not None and new != now
                    if new != now:
                        wanted.append((thing, new))
                self._set(wanted)
                report.changed += len(wanted)
            place.unlink()
        return report

    def _granted(self, thing: Thing, old: Acl) -> Acl:
        owner, group = thing.status.st_uid, thing.status.st_gid
        if thing.is_directory:
            heir = owner if owner not in (0, self._user) else None
            return old.with_user(self._user, "rwx").with_heirs(self._user, heir, group)
        if thing.path.endswith(_WRITTEN):
            return old.with_user(self._user, "rw")
        if old.lets_read(self._user, self._groups, owner, group):
            return old
        return old.with_user(self._user, "r")

    def _suffices(self, thing: Thing) -> bool:
        """Tell whether nothing is to be done for a file that has no ACL."""
        status = thing.status
        shift = 6 if status.st_uid == self._user else 3 if status.st_gid in self._groups else 0
        return bool(status.st_mode >> shift & stat.S_IROTH) and not thing.path.endswith(_WRITTEN)

    def _batches(
        self, report: Report, concerns: Callable[[Thing], bool], *, several_names: bool = False
    ) -> Iterator[list[Thing]]:
        """Give all directories, and the files that `concerns` names or that have an ACL, some at a time.

        They are closed when the next ones come. Files with several names are left out, but with `several_names`.
        """
        with ExitStack() as opened:
            batch: list[Thing] = []
            for thing in self._walk(report):
                keep = thing.is_directory or concerns(thing) or _has_acl(thing)
                if keep and not several_names and not thing.is_directory and thing.status.st_nlink > 1:
                    report.skipped.append((thing.path, "it has other names (hard links), which may lie anywhere"))
                    keep = False
                if not keep:
                    os.close(thing.descriptor)
                    continue
                opened.callback(os.close, thing.descriptor)
                batch.append(thing)
                if len(batch) == _BATCH:
                    yield batch
                    batch = []
                    opened.close()
            if batch:
                yield batch

    def _walk(self, report: Report) -> Iterator[Thing]:
        """Open every directory that the service enters, and the regular files in it."""
        mounts = filesystems.mount_points()

        def fails(error: OSError) -> None:
            if error.errno not in _GONE:
                report.skipped.append((os.fsdecode(error.filename), error.strerror or ""))

        with self._root() as root:
            for directory, inside, files, descriptor in os.fwalk(".", onerror=fails, dir_fd=root):
                below = "" if directory == "." else directory.removeprefix("./")
                yield Thing(below, os.dup(descriptor), os.fstat(descriptor))
                inside[:] = [name for name in inside if not name.startswith(".") and name not in NEVER_ENTERED]
                for name in inside[:]:
                    if os.path.join(self._dataset, below, name) in mounts:
                        inside.remove(name)
                        report.skipped.append((os.path.join(below, name), "another file system is mounted there"))
                for name in files:
                    with _errors_told(fails):
                        thing = _opened(os.path.join(below, name), name, descriptor)
                        if thing is not None:
                            yield thing

    @contextmanager
    def _root(self) -> Iterator[int]:
        """The dataset's own directory, open. Its owner could put a link in its place, or above it, meanwhile."""
        root = os.open(self._dataset, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if str(Path(f"/proc/self/fd/{root}").readlink()) != self._dataset:
                message = f"cannot enter {shown(self._dataset)}: a link has come into its path meanwhile"
                raise AudiobatchError(message)
            yield root
        finally:
            os.close(root)

    def _acls(self, things: list[Thing]) -> list[Acl]:
        command = [
            "getfacl",
            "--numeric",
            "--absolute-names",
            "--no-effective",
            "--",
            *(thing.name for thing in things),
        ]
        found = dict(sections(_run(command, things, "read", self._dataset)))
        return [found[thing.name] for thing in things]

    def _set(self, wanted: list[tuple[Thing, Acl]]) -> None:
        if wanted:
            content = b"".join(acl.section(thing.name) for thing, acl in wanted)
            _run(["setfacl", "--restore=-"], [thing for thing, _ in wanted], "change", self._dataset, content)

    def _read(self, file: BinaryIO) -> dict[str, Acl]:
        """Read what is saved, by path below the dataset. A section that broke off is cut away: nothing followed it."""
        content = file.read()
        whole = content.rpartition(b"\n\n")
        file.truncate(len(whole[0] + whole[1]))
        file.seek(0, os.SEEK_END)
        top = self._dataset.rstrip("/") + "/"
        return {path.removeprefix(top): acl for path, acl in sections(content)}


def grants_are_saved(saved: Path) -> bool:
    """Tell whether a grant was begun, with its ACLs in `saved`, that has not been undone."""
    return saved.exists() or _part(saved).exists()


def _part(saved: Path) -> Path:
    return saved.with_name(f"{saved.name}.part")


def _opened(path: str, name: str, directory: int) -> Thing | None:
    """A regular file, open; None where it is none. A FIFO or a device is not even opened."""
    if not stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        return None
    descriptor = os.open(name, _FLAGS, dir_fd=directory)
    thing = Thing(path, descriptor, os.fstat(descriptor))
    if stat.S_ISREG(thing.status.st_mode):
        return thing
    os.close(descriptor)
    return None


def _has_acl(thing: Thing) -> bool:
    try:
        os.getxattr(thing.descriptor, _ACCESS)
    except OSError:
        return False
    return True


@contextmanager
def _errors_told(to: Callable[[OSError], None]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        to(error)


@contextmanager
def _held(place: Path) -> Iterator[BinaryIO]:
    """A file for reading and for adding to it, which one process has at a time."""
    with os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"cannot lock {place}: another `setup` is at work there"
            raise AudiobatchError(message) from error
        yield file
    directory = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _run(command: list[str], things: list[Thing], verb: str, dataset: str, content: bytes = b"") -> bytes:
    descriptors = [thing.descriptor for thing in things]
    done = subprocess.run(command, input=content, capture_output=True, pass_fds=descriptors, check=False)
    if done.returncode:
        why = os.fsdecode(done.stderr).strip()
        for thing in things:
            why = why.replace(thing.name + ":", shown(thing.path) + ":")
        message = f"cannot {verb} ACLs below {shown(dataset)}: {why}"
        raise AudiobatchError(message)
    return done.stdout
