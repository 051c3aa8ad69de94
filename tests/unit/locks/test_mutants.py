"""Leave out a step of the protocol, and two work on one folder: each step with the course of events that needs it.

A scenario passes as the protocol is, and fails once the step is left out. What happens when is by hooks, not by luck.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from audiobatchd.disk import filesystems, record
from audiobatchd.disk.filesystems import Kind
from audiobatchd.errors import LockBusyError, LockLostError
from audiobatchd.locks import folder_lock, kernel, reaper
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.locks.reaper import Terms, reap
from support.lock_rig import (
    BUSY,
    GOT,
    Peer,
    StartPeer,
    attempt,
    guides_text,
    held,
    holder,
    lock_of,
    lock_path,
    overwrite,
)


class ViolationError(AssertionError):
    """Raised where what the protocol is there to prevent has happened."""


def must(condition: bool, be: str) -> None:
    """The witness, at the end of a scenario. Anything else that fails is a fault of the scenario."""
    if not condition:
        raise ViolationError(be)


@dataclass
class Stage:
    """A folder, other processes, and what may be changed about the protocol."""

    track: Path
    start: StartPeer
    patch: pytest.MonkeyPatch
    in_peers: list[str] = field(default_factory=list)

    def peer(self) -> Peer:
        """Start another process, which has the same changes."""
        peer = self.start(self.track)
        for code in self.in_peers:
            assert peer.does(code) is None
        return peer

    def move_elsewhere(self) -> None:
        """Let all files lie on a network file system from here on."""
        self.patch.setattr(filesystems, "kind_of", lambda descriptor: Kind.NETWORK)
        self.in_peers.append("filesystems.kind_of = lambda descriptor: Kind.NETWORK; None")

    def lose_leases(self) -> None:
        """Let no file system have leases: so a file is removed also while others have it open."""
        self.patch.setattr(fcntl, "F_SETLEASE", 57005)
        self.in_peers.append("fcntl.F_SETLEASE = 57005; None")


# The courses of events


def another_locks_a_file_that_was_given_back(stage: Stage) -> None:
    """Lock a file that was given back.

    The late process opened what the dead one left; before it locks that, another takes it over and removes it, and a
    third makes a new one.
    """
    stage.lose_leases()
    lock_path(stage.track).write_bytes(holder())
    late, first, second = (lock_of(stage.track) for _ in range(3))
    take = kernel.take

    def taking(descriptor: int, *, local: bool) -> bool:
        stage.patch.setattr(kernel, "take", take)
        first.acquire()
        first.release()
        second.acquire()
        return take(descriptor, local=local)

    stage.patch.setattr(kernel, "take", taking)
    with contextlib.suppress(LockBusyError):
        late.acquire()
    holders = [lock for lock in (late, second) if lock.held]
    late.release()
    second.release()
    must(len(holders) == 1, "one holder")


def the_same_where_names_are_cached(stage: Stage) -> None:
    """Answer the second look, as a network file system may, by what the path named a while ago."""
    stage.move_elsewhere()
    stage.patch.setattr(kernel, "names", lambda path, descriptor: True)
    another_locks_a_file_that_was_given_back(stage)


def a_client_of_this_machine_s_server_has_it_open(stage: Stage) -> None:
    """Answer the second look as above, while who removes the file is on the server, where the disk is local."""
    lock, late = held(stage.track), os.open(lock_path(stage.track), os.O_RDWR)
    lock.release()
    holders = [kernel.take(late, local=False), stage.peer().does("acquire()") == GOT]
    os.close(late)
    must(holders.count(True) == 1, "one holder")


def a_file_that_is_held_is_read(stage: Stage) -> None:
    """Read the file in the holder's own process, as a library, a backup or the second look itself does."""
    stage.move_elsewhere()
    lock = held(stage.track)
    lock_path(stage.track).read_bytes()
    outcome = stage.peer().does("acquire()")
    lock.release()
    must(outcome == BUSY, "still held")


def a_second_thread_comes(stage: Stage) -> None:
    stage.move_elsewhere()
    lock = held(stage.track)
    outcome = attempt(stage.track)
    lock.release()
    must(outcome == BUSY, "held, also for a thread of the same process")


def a_holder_is_killed_whose_child_lives(stage: Stage) -> None:
    peer = stage.peer().holds()
    assert isinstance(peer.does("fork()"), int)
    peer.kill()
    must(attempt(stage.track) == GOT, "free at once")


def the_lock_is_removed_by_hand_and_taken_by_another(stage: Stage) -> None:
    """Let both holders have numbers for the record; those of the one that holds the lock are saved, and stay."""
    lock, path = held(stage.track), stage.track / "Track.INFO"
    lock_path(stage.track).unlink()
    stage.peer().holds()
    path.write_bytes(b'{"lufs": -14.2}')
    descriptor = os.open(stage.track, os.O_RDONLY)
    with contextlib.suppress(LockLostError):
        record.publish(path.name, descriptor, {"lufs": -70.0}, {}, gate=lock.gate)
    os.close(descriptor)
    lock.release()
    must(path.read_bytes() == b'{"lufs": -14.2}', "as the holder saved it")


def the_lock_is_removed_by_hand_and_given_back(stage: Stage) -> None:
    lock, other = held(stage.track), stage.peer()
    lock_path(stage.track).unlink()
    other.holds()
    lock.release()
    must(attempt(stage.track) == BUSY, "the other one's")


def another_comes_in_the_middle_of_giving_back(stage: Stage) -> None:
    lock, other, close_lock = held(stage.track), stage.peer(), kernel.close_lock

    def closing(descriptor: int) -> None:
        stage.patch.setattr(kernel, "close_lock", close_lock)
        close_lock(descriptor)
        other.holds()

    stage.patch.setattr(kernel, "close_lock", closing)
    lock.release()
    must(attempt(stage.track) == BUSY, "the other one's")


def another_holder_signs(stage: Stage) -> None:
    """Let two hold the lock, as where locks do not reach other machines: the gate is what is left."""
    lock = held(stage.track)
    path = lock_path(stage.track)
    mine = msgspec.json.decode(path.read_bytes())["token"].encode()
    overwrite(path, path.read_bytes().replace(mine, b"f" * len(mine)))
    refused = False
    try:
        lock.gate()
    except LockLostError:
        refused = True
    lock.release()
    must(refused, "a closed gate")


def a_script_of_the_guide_is_at_work(stage: Stage) -> None:
    stage.peer().is_at_work()
    must(attempt(stage.track) == BUSY, "held by the script")


def a_script_of_the_guide_cleans_up(stage: Stage) -> None:
    """Remove a file that has no `flock`."""
    lock, script = held(stage.track), stage.peer()
    script.does("descriptor = os.open(path, os.O_RDWR)")
    outcome = script.does("flock()")
    lock.release()
    must(outcome == BUSY, "held for scripts too")


def a_script_of_the_guide_has_made_its_file(stage: Stage) -> None:
    """Take a script's file and remove it before it asks for `flock`. It does not look again."""
    stage.lose_leases()
    script = stage.peer()
    script.does("make()")
    attempt(stage.track)
    holders = [script.does("flock()") == GOT, attempt(stage.track) == GOT]
    must(holders.count(True) == 1, "one holder")


def a_script_of_the_guide_has_made_its_file_when_we_clean_up(stage: Stage) -> None:
    stage.lose_leases()
    script = stage.peer()
    script.does("make()")
    list(reap(os.fspath(stage.track.parent), Terms()))
    holders = [script.does("flock()") == GOT, attempt(stage.track) == GOT]
    must(holders.count(True) == 1, "one holder")


def the_name_of_the_lock_is_a_link(stage: Stage) -> None:
    precious = stage.track.with_name("precious")
    precious.write_bytes(guides_text(stage.track))
    lock_path(stage.track).symlink_to(precious.name)
    attempt(stage.track)
    must(precious.read_bytes() == guides_text(stage.track), "as it was")


# What is left out


def no_second_look(stage: Stage) -> None:
    stage.patch.setattr(kernel, "names", lambda path, descriptor: True)


def posix_locks(stage: Stage) -> None:
    stage.patch.setattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK)


def no_lock_but_the_file(stage: Stage) -> None:
    stage.patch.setattr(kernel, "take", lambda descriptor, *, local: True)
    stage.patch.setattr(kernel, "is_held", lambda descriptor: False)


def removal_on_network_file_systems(stage: Stage) -> None:
    give_back = folder_lock.give_back

    def removing(path: str, descriptor: int, _kind: Kind) -> None:
        give_back(path, descriptor, Kind.LOCAL)

    stage.patch.setattr(folder_lock, "give_back", removing)


def removal_of_what_others_have_open(stage: Stage) -> None:
    stage.lose_leases()


def forked_children_keep_descriptors(stage: Stage) -> None:
    stage.in_peers.append("kernel._open = type('Blind', (set,), {'__iter__': lambda self: iter(())})(); None")


def no_gate(stage: Stage) -> None:
    stage.patch.setattr(FolderLock, "gate", lambda self: None)


def a_gate_that_writes_before_it_reads(stage: Stage) -> None:
    gate = FolderLock.gate

    def writing(lock: FolderLock) -> None:
        os.pwrite(lock._descriptor, lock._written, 0)
        gate(lock)

    stage.patch.setattr(FolderLock, "gate", writing)


def removal_without_a_look(stage: Stage) -> None:
    stage.patch.setattr(folder_lock, "give_back", lambda path, descriptor, kind: os.unlink(path))


def removal_after_giving_back(stage: Stage) -> None:
    def releasing(lock: FolderLock) -> None:
        for descriptor in (lock._descriptor, lock._directory):
            kernel.close_lock(descriptor)
        lock._descriptor = -1
        os.unlink(lock.path)

    stage.patch.setattr(FolderLock, "release", releasing)


def no_flock(stage: Stage) -> None:
    take = kernel.take
    stage.patch.setattr(kernel, "take", lambda descriptor, *, local: take(descriptor, local=False))


def no_time_for_scripts_to_lock(stage: Stage) -> None:
    for module in (folder_lock, reaper):
        stage.patch.setattr(module, "is_being_made", lambda found, descriptor: False)


def links_are_followed(stage: Stage) -> None:
    stage.patch.setattr(kernel, "OPEN_FLAGS", kernel.OPEN_FLAGS & ~os.O_NOFOLLOW)


Step = Callable[[Stage], None]

MUTANTS: list[tuple[Step, Step]] = [
    (no_second_look, another_locks_a_file_that_was_given_back),
    (posix_locks, a_file_that_is_held_is_read),
    (no_lock_but_the_file, a_second_thread_comes),
    (removal_on_network_file_systems, the_same_where_names_are_cached),
    (removal_of_what_others_have_open, a_client_of_this_machine_s_server_has_it_open),
    (forked_children_keep_descriptors, a_holder_is_killed_whose_child_lives),
    (no_gate, the_lock_is_removed_by_hand_and_taken_by_another),
    (no_gate, another_holder_signs),
    (a_gate_that_writes_before_it_reads, another_holder_signs),
    (removal_without_a_look, the_lock_is_removed_by_hand_and_given_back),
    (removal_after_giving_back, another_comes_in_the_middle_of_giving_back),
    (no_flock, a_script_of_the_guide_is_at_work),
    (no_flock, a_script_of_the_guide_cleans_up),
    (no_time_for_scripts_to_lock, a_script_of_the_guide_has_made_its_file),
    (no_time_for_scripts_to_lock, a_script_of_the_guide_has_made_its_file_when_we_clean_up),
    (links_are_followed, the_name_of_the_lock_is_a_link),
]


@pytest.mark.parametrize(
    ("mutant", "scenario"), MUTANTS, ids=[f"{mutant.__name__}-{scenario.__name__}" for mutant, scenario in MUTANTS]
)
@pytest.mark.parametrize("mutated", [False, True], ids=["as it is", "mutated"])
def test_every_step_is_needed(
    mutated: bool, mutant: Step, scenario: Step, track: Path, start: StartPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(track, start, monkeypatch)
    if not mutated:
        scenario(stage)
        return
    mutant(stage)
    with pytest.raises(ViolationError):
        scenario(stage)
