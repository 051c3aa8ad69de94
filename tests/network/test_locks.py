"""Locks between hosts: one holder, whatever becomes of it."""

from __future__ import annotations

import itertools

import pytest

from network import dataset
from network.guest import Guest
from network.kinds import KINDS, SHARED, Kind
from network.peer import Peer
from support.lock_rig import BUSY, GOT

_numbers = itertools.count()


class Pair:
    """A process on each host, both at one folder."""

    def __init__(self, guest: Guest, kind: Kind, folder: str) -> None:
        self.guest, self.kind, self.folder = guest, kind, folder
        self.name = f"locks {next(_numbers)}"
        self.path = f"{dataset.make(guest, kind, self.name, folder)}/{folder}"
        self.a, self.b = _peers(guest)
        self.a.at(self.path)
        self.b.at(self.path)

    def record(self) -> object:
        """What is published."""
        return dataset.record(self.guest, self.name, self.folder).get("lufs")


_alive: list[Peer] = []


def _peers(guest: Guest) -> tuple[Peer, Peer]:
    """The processes that live from test to test, new where one was killed."""
    for place, host in enumerate((guest.a, guest.b)):
        if len(_alive) <= place:
            _alive.append(Peer(host))
        elif not _alive[place].lives:
            _alive[place] = Peer(host)
    return _alive[0], _alive[1]


def kinds(*which: Kind) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", which, ids=lambda kind: kind.name)


@kinds(*SHARED)
def test_held_lock_is_refused_and_seen_elsewhere(guest: Guest, kind: Kind) -> None:
    pair = Pair(guest, kind, "Song")
    assert pair.a.does("acquire()") == GOT
    assert pair.b.does("acquire()") == BUSY
    assert pair.b.does("seen()") == ["active", "a"]
    assert pair.b.does("should_process_folder(folder, ['lufs'])") is False
    assert pair.a.does("publish(1.0)") == "published"
    pair.a.does("lock.release()")
    assert pair.b.does("acquire()") == GOT
    # What the other one wrote is seen by whoever has the lock.
    assert pair.b.does("read_info(folder)") == {"lufs": 1.0}
    assert pair.b.does("should_process_folder(folder, ['lufs'], check_lock=False)") is False
    pair.b.does("lock.release()")
    assert pair.a.does("seen()") == ["free", ""]


@kinds(*SHARED)
def test_lock_of_killed_holder_is_free(guest: Guest, kind: Kind) -> None:
    pair = Pair(guest, kind, "Song")
    assert pair.a.does("acquire()") == GOT
    pair.a.kill()
    assert pair.b.does("seen()") == ["dead", "a"]
    assert pair.b.does("acquire()") == GOT
    assert pair.b.does("lock.predecessor.host") == "a"
    pair.b.does("lock.release()")


@kinds(*(kind for kind in KINDS if not kind.shared))
def test_weak_mount_is_known_as_such(guest: Guest, kind: Kind) -> None:
    pair = Pair(guest, kind, "Song")
    assert pair.a.does("acquire()") == GOT
    assert pair.a.does("lock.kind.value") == "weak"
    # That is why no dataset on such a mount is worked on.
    assert pair.b.does("acquire()") == GOT
    pair.b.does("lock.release()")
    pair.a.does("lock.release()")


@kinds(*SHARED)
def test_holder_cut_off_publishes_nothing(guest: Guest, kind: Kind) -> None:
    pair = Pair(guest, kind, "Song")
    assert pair.a.does("acquire()") == GOT
    with guest.cut_off("a"):
        if kind.leases:
            assert pair.b.does("until_acquired(90)") == GOT
            assert pair.b.does("publish(2.0)") == "published"
            pair.b.does("lock.release()")
        else:
            # NFSv3 knows no leases: who is cut off keeps its locks.
            assert pair.b.does("acquire()") == BUSY
    published = pair.a.does("publish(1.0)")
    if kind.leases:
        assert published != "published"
        assert pair.record() == 2.0
        assert pair.a.does("passes_gate()") != "passed"
        pair.a.does("lock.release()")
        assert pair.a.does("acquire()") == GOT, "it works again"
    else:
        assert published == "published"
        assert pair.b.does("acquire()") == BUSY
    pair.a.does("lock.release()")
    assert dataset.left_in(guest, pair.name) == []


@kinds(*(kind for kind in SHARED if kind.leases))
def test_holder_cut_off_leaves_a_new_holder_alone(guest: Guest, kind: Kind) -> None:
    pair = Pair(guest, kind, "Song")
    assert pair.a.does("acquire()") == GOT
    with guest.cut_off("a"):
        assert pair.b.does("until_acquired(90)") == GOT
    assert pair.a.does("publish(1.0)") != "published"
    pair.a.does("lock.release()")
    assert pair.b.does("passes_gate()") == "passed"
    assert pair.b.does("publish(2.0)") == "published"
    assert pair.a.does("acquire()") == BUSY
    pair.b.does("lock.release()")
    assert pair.record() == 2.0


@kinds(*SHARED)
def test_server_that_restarts_makes_no_second_holder(guest: Guest, kind: Kind) -> None:
    pair = Pair(guest, kind, "Song")
    assert pair.a.does("acquire()") == GOT
    guest.server.sh(kind.restart)
    # On SMB the lock is gone with the server; on NFS its holder has it back, or keeps others waiting until then.
    b_has_it = pair.b.does("acquire()") == GOT
    published = pair.a.does("publish(1.0)") == "published"
    if b_has_it:
        assert not published
        assert pair.b.does("publish(2.0)") == "published"
        assert pair.record() == 2.0
    else:
        assert published
        assert pair.b.does("acquire()") == BUSY
        assert pair.record() == 1.0
    pair.a.does("lock.release()")
    pair.b.does("lock.release()")
    assert pair.b.does("until_acquired(90)") == GOT
    pair.b.does("lock.release()")


@kinds(*SHARED)
def test_full_export_keeps_the_record_and_says_so(guest: Guest, kind: Kind) -> None:
    name = f"full {kind.name}"
    folder = f"{dataset.make(guest, kind, name, 'Song', share='small')}/Song"
    one, _ = _peers(guest)
    one.at(folder)
    assert one.does("publish(1.0)") == "published"
    guest.server.sh("cat /dev/zero >/srv/small/rest 2>/dev/null || true; sync")
    try:
        # More than fits into what a file system has left over.
        told = one.does("publish(2.0, much='x' * 1_000_000)")
        assert isinstance(told, str)
        assert "No space left" in told
        assert one.does("read_info(folder)") == {"lufs": 1.0}
    finally:
        guest.server.run("rm", "/srv/small/rest")
    assert one.does("publish(2.0)") == "published"
    assert dataset.record(guest, name, "Song", share="small") == {"lufs": 2.0}
    assert dataset.left_in(guest, name, share="small") == []
