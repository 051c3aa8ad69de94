"""A whole dataset's locks: the daemon's round of them, and the clean-up that an operator asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.disk.listing import walk
from audiobatchd.locks.folder_lock import GUIDE_TIMEOUT, path_of
from audiobatchd.locks.lock_file import Content, Empty, Holder, is_of_this_place, speaks_against_its_folder
from audiobatchd.locks.observer import LockState, Observation, Patience, holder_in_words, observe
from audiobatchd.locks.reaper import Removal, Terms, Unlocked, folder_of, locks_in, reap_one
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import folder_at, shown


@dataclass
class Seen:
    """Result of a round."""

    overdue: dict[str, str] = field(default_factory=dict)
    """Holders, in words, of the locks that are held for too long, by path."""
    left: frozenset[str] = frozenset()
    """Paths of folders whose holder died at work: a daemon, a machine, a script. The workers of the daemon that asks
    are left out, for it knows how they ended."""
    counted: frozenset[str] = frozenset()
    """Those of `left` that may be what killed their holder."""


def look_after(
    root: str,
    directories: Iterable[str],
    patience: Patience,
    unlocked: Unlocked,
    now: float,
    own: Callable[[int], bool],
    *,
    alone: bool,
    root_too: bool = False,
) -> Seen:
    """Remove the dead locks in these directories. `patience` and `unlocked` remember what the looks before saw.

    `own` tells whether a process of this machine was a worker of the daemon that asks. `alone`: no other machine works
    there. `root_too`: also the lock beside a dataset that is itself a track folder. One that is held for too long is
    never taken away: only its own supervisor may end that worker. A directory that cannot be read is left to the next
    walk to tell of.
    """
    terms = Terms(alone=alone)
    answer = Seen()
    seen: set[str] = set()
    for observation in _in_use(root, directories, unlocked, root_too=root_too):
        removal = reap_one(observation, terms)
        if removal is not None:
            log(removal)
            if not removal.failure and not _is_own(observation.content, own):
                folder = folder_of(observation)
                path = os.path.relpath(folder, root)
                found = {"" if path == "." else path}
                answer.left |= found
                if speaks_against_its_folder(observation.content):
                    answer.counted |= found
            continue
        seen.add(observation.path)
        if patience.judge(observation, now).state is LockState.OVERDUE:
            answer.overdue[os.path.relpath(observation.path, root)] = holder_in_words(observation.content)
    patience.keep(seen)
    return answer


def _is_own(found: Content, own: Callable[[int], bool]) -> bool:
    """Tell whether the holder was one of our workers, or none died at all: an empty file was given back."""
    match found:
        case Empty():
            return True
        case Holder(pid=pid):
            return is_of_this_place(found) and own(pid)
    return False


def _in_use(root: str, directories: Iterable[str], unlocked: Unlocked, *, root_too: bool) -> Iterator[Observation]:
    """Yield every lock but the empty files that stay on a network file system where locks were given back."""
    if root_too:
        with suppress(OSError):
            own = observe(path_of(root))
            if own is not None:
                yield own
    for directory in directories:
        with suppress(OSError):
            local = filesystems.of(directory)[0] is Kind.LOCAL
            yield from unlocked.locks_in(directory) if local else locks_in(directory, given_back=False)


def locks_below(root: str, ignore: tuple[str, ...], guide_timeout: float = GUIDE_TIMEOUT) -> Iterator[Observation]:
    """Yield all lock files of ours in a dataset, and the one beside it where it is a track folder. Raises OSError."""
    for path, names in walk(root, ignore):
        if isinstance(names, OSError):
            continue
        directory = folder_at(root, path)
        if not path and names.is_track and (own := observe(path_of(root), guide_timeout)) is not None:
            yield own
        if names.directories or not names.is_track:  # else no lock lies in it
            yield from locks_in(directory, guide_timeout)


@dataclass(frozen=True)
class CleanUp:
    """Result of a clean-up."""

    found: int
    """Number of lock files, dead or not."""
    removed: list[Removal]
    """The dead ones, also those that could not be removed."""


def clean_up(root: str, ignore: tuple[str, ...], terms: Terms) -> CleanUp:
    """Remove a dataset's dead locks on these terms, with a log line for each. Raises OSError for the dataset.

    Removals name locks by their path below the dataset, as it is shown.
    """
    found, removed = 0, []
    for observation in locks_below(root, ignore, terms.guide_timeout):
        found += 1
        removal = reap_one(observation, terms)
        if removal is not None:
            if not terms.dry_run:
                log(removal)
            removed.append(replace(removal, path=shown(os.path.relpath(removal.path, root))))
    return CleanUp(found, removed)


def log(removal: Removal) -> None:
    """Log a removed lock and the reason. A lock that cannot be removed is passed over: it holds up no work."""
    if not removal.failure:
        write(LogEvent.LOCK_REMOVED, {"lock": removal.path, "reason": removal.reason})
