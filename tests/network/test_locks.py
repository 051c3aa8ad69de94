"""Locks between hosts: one holder, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from network import dataset
from network.guest import Guest
from network.kinds import KINDS, SHARED, Kind
from network.peer import Peer
from support.lock_rig import BUSY, GOT

PATIENCE = 300
"""Seconds for what the server does after ten, on a machine that is busy with other things."""
LEASING = tuple(kind for kind in SHARED if kind.leases)

Pair = tuple[Peer, Peer]


def each(*which: Kind) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("kind", which, ids=lambda kind: kind.name)


@pytest.fixture
def pair(guest: Guest, peers: Callable[[], Pair], request: pytest.FixtureRequest, kind: Kind) -> Pair:
    """A process on each host, both at one folder."""
    name = request.node.originalname
    found = peers()
    folder = f"{dataset.make(guest, kind, f'{name} {kind.name}', 'Song')}/Song"
    for peer in found:
        peer.at(folder)
    return found


@each(*SHARED)
def test_held_lock_is_refused_and_seen_elsewhere(pair: Pair, kind: Kind) -> None:
    a, b = pair
    assert a.does("acquire()") == GOT
    assert a.does("lock.kind.value") == "network", kind
    assert b.does("acquire()") == BUSY
    assert b.does("seen()") == ["active", "a"]
    assert b.does("should_process_folder(folder, ['lufs'])") is False
    assert a.does("publish(1.0)") == "published"
    a.does("lock.release()")
    assert b.does("acquire()") == GOT
    assert b.does("read_info(folder)") == {"lufs": 1.0}, "what the other one wrote is seen by whoever has the lock"
    b.does("lock.release()")
    assert a.does("seen()") == ["free", ""]


@each(*SHARED)
def test_lock_of_killed_holder_is_free(pair: Pair, kind: Kind) -> None:
    a, b = pair
    assert a.does("acquire()") == GOT
    a.kill()
    assert b.does("seen()") == ["dead", "a"], kind
    assert b.does("acquire()") == GOT
    assert b.does("lock.predecessor.host") == "a"
    b.does("lock.release()")


@each(*(kind for kind in KINDS if not kind.shared))
def test_weak_mount_is_known_as_such(pair: Pair, kind: Kind) -> None:
    a, b = pair
    assert a.does("acquire()") == GOT
    assert a.does("lock.kind.value") == "weak", kind
    assert b.does("acquire()") == GOT, "that is why no dataset on such a mount is worked on"
    for peer in pair:
        peer.does("lock.release()")


class CutOff:
    """Aftermath of the cable that was pulled while `a` held locks: those that `b` took it has given back, or kept."""

    def __init__(self, guest: Guest, pair: Pair) -> None:
        self.guest = guest
        self.a, self.b = pair
        self.taken: dict[str, object] = {}
        places = [(kind, how) for kind in SHARED for how in ("given back", "kept")]
        for kind, how in places:
            dataset.make(guest, kind, f"cut off {kind.name}", how)
            self.a.at(self.path(kind, how))
            assert self.a.does("acquire()") == GOT
        with guest.cut_off("a"):
            # First those that it gets: then the others have had their time as well.
            for kind, how in sorted(places, key=lambda place: not place[0].leases):
                self.b.at(self.path(kind, how))
                self.taken[self.path(kind, how)] = self.b.does(f"until_acquired({PATIENCE if kind.leases else 0})")
                if how == "given back":
                    self.b.does("publish(2.0)")
                    self.b.does("lock.release()")

    def path(self, kind: Kind, how: str) -> str:
        """The folder of which the lock was given back, or kept."""
        return f"{kind.place()}/cut off {kind.name}/{how}"

    def lufs(self, kind: Kind, how: str) -> object:
        """What is published of it."""
        return dataset.record(self.guest, f"cut off {kind.name}", how).get("lufs")


@pytest.fixture(scope="module")
def cut_off(guest: Guest, peers: Callable[[], Pair]) -> CutOff:
    return CutOff(guest, peers())


@pytest.mark.parametrize("how", ["given back", "kept"])
@each(*LEASING)
def test_holder_that_was_cut_off_publishes_nothing(cut_off: CutOff, kind: Kind, how: str) -> None:
    a, b, path = cut_off.a.at(cut_off.path(kind, how)), cut_off.b.at(cut_off.path(kind, how)), cut_off.path(kind, how)
    assert cut_off.taken[path] == GOT
    told = str(a.does("publish(1.0)"))
    assert told != "published"
    assert a.does("passes_gate()") != "passed"
    assert cut_off.lufs(kind, how) == (2.0 if how == "given back" else None)
    a.does("lock.release()")
    if how == "kept":
        assert b.does("passes_gate()") == "passed", "the late one does not disturb the new one"
        assert b.does("publish(3.0)") == "published"
        assert a.does("acquire()") == BUSY
        b.does("lock.release()")
    assert a.does(f"until_acquired({PATIENCE})") == GOT, "it works again"
    assert a.does("publish(4.0)") == "published"
    a.does("lock.release()")
    assert cut_off.lufs(kind, how) == 4.0


@each(*(kind for kind in SHARED if not kind.leases))
def test_holder_that_was_cut_off_keeps_a_lock_without_lease(cut_off: CutOff, kind: Kind) -> None:
    path = cut_off.path(kind, "kept")
    assert cut_off.taken[path] == BUSY
    assert cut_off.a.at(path).does("publish(1.0)") == "published"
    cut_off.a.does("lock.release()")
    assert cut_off.b.at(path).does("acquire()") == GOT
    cut_off.b.does("lock.release()")


@each(*SHARED)
def test_server_that_restarts_makes_no_second_holder(guest: Guest, pair: Pair, kind: Kind) -> None:
    a, b = pair
    assert a.does("acquire()") == GOT
    guest.server.sh(kind.restart)
    # On SMB the lock is gone with the server, and the first has it; on NFS its holder has it back.
    b_has_it = b.does("acquire()") == GOT
    published = [peer for peer in pair if peer.does(f"publish({pair.index(peer)}.0)") == "published"]
    assert published == [b if b_has_it else a]
    for peer in pair:
        peer.does("lock.release()")
    assert b.does(f"until_acquired({PATIENCE})") == GOT
    assert b.does("read_info(folder)") == {"lufs": 1.0 if b_has_it else 0.0}
    b.does("lock.release()")


@each(*SHARED)
def test_full_export_keeps_the_record_and_says_so(guest: Guest, peers: Callable[[], Pair], kind: Kind) -> None:
    name = f"full {kind.name}"
    one, _ = peers()
    one.at(f"{dataset.make(guest, kind, name, 'Song', share='small')}/Song")
    assert one.does("publish(1.0)") == "published"
    guest.server.sh("cat /dev/zero >/srv/small/rest 2>/dev/null || sync")
    try:
        told = str(one.does("publish(2.0, much='x' * 1_000_000)"))
        assert "No space left" in told
        assert one.does("read_info(folder)") == {"lufs": 1.0}
    finally:
        guest.server.run("rm", "/srv/small/rest")
    assert one.does("publish(3.0)") == "published"
    assert dataset.record(guest, name, "Song", share="small") == {"lufs": 3.0}
    assert dataset.left_in(guest, name, share="small") == []
