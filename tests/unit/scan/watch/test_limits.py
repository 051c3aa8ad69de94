"""What is watched where not all can be, and what happens when the kernel's queue or its table of watches is full."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import CallbackId, InotifyFD, Mask, WatchCallback, WatchDescriptor

from audiobatchd.core.events import FolderHint, TreeAppeared, TreeVanished
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.scan.watch.limits import MOST_LEAVES, Budget, limit, shortage, why
from audiobatchd.vocabulary.states import WatchMode, WatchReport
from support.service import eventually
from support.watch_rig import Ear, MakeEar, kernel_limit, songs, watches_in_use


class Table:
    """A kernel's table of watches that is full with so many."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._add, self._remove = InotifyFD.add_callback, InotifyFD.remove_callbacks
        monkeypatch.setattr(InotifyFD, "add_callback", _bound(self.add))
        monkeypatch.setattr(InotifyFD, "remove_callbacks", _bound(self.remove))

    def add(
        self, descriptor: InotifyFD, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId
    ) -> WatchDescriptor:
        if path.startswith(b"/proc/self/fd/"):
            return self._add(descriptor, path, mask, callback, id_)
        if not self.room:
            raise OSError(errno.ENOSPC, "inotify watch limit reached")
        wd = self._add(descriptor, path, mask, callback, id_)
        self.room -= 1
        return wd

    def remove(self, descriptor: InotifyFD, callbacks: list[tuple[WatchDescriptor, CallbackId]]) -> None:
        self._remove(descriptor, callbacks)
        self.room += len(callbacks)


def _bound(method: Callable[..., object]) -> Callable[..., object]:
    """A function that a class makes a method of its own of, and hands itself to."""
    return lambda *arguments: method(*arguments)  # noqa: PLW0108  # a bound method would not be handed it


# The budget


def test_leaves_are_watched_as_far_as_the_budget_goes(made: MakeEar) -> None:
    ear = made(9, budget=4)
    report = WatchReport(True, "inotify", parents=1, leaves=4, unwatched=6)
    assert ear.full_walk() == report
    assert ear.full_walk() == report
    assert ear.full_walk(renew=True) == report
    (ear.root / "New").mkdir()
    ear.hears((TreeAppeared, "New"))
    eventually(lambda: ear.report().unwatched == 7, what=ear.report)


def test_leaf_that_goes_makes_room_in_the_budget(made: MakeEar) -> None:
    ear = made(9, budget=4)
    ear.full_walk()
    for path in list(ear.instance.tree.leaves)[:2]:
        (ear.root / path / "full_mix.flac").unlink()
        (ear.root / path).rmdir()
        ear.hears((TreeVanished, path))
    assert (ear.report().leaves, ear.report().unwatched) == (2, 6)
    assert ear.full_walk() == WatchReport(True, "inotify", parents=1, leaves=4, unwatched=4)


def test_leaves_that_go_unwatched_are_not_counted_any_more(made: MakeEar) -> None:
    ear = made(3, budget=0)
    (ear.root / "Genre" / "Song").mkdir(parents=True)
    assert ear.full_walk() == WatchReport(True, "inotify", parents=2, unwatched=5)
    (ear.root / "Song 0000").rename(ear.root.parent / "away")
    (ear.root / "Genre").rename(ear.root.parent / "gone")
    ear.hears((TreeVanished, "Song 0000"), (TreeVanished, "Genre"))
    assert ear.report() == WatchReport(True, "inotify", parents=1, unwatched=3)


def test_the_budget_is_one_for_all_datasets(made: MakeEar, tmp_path: Path) -> None:
    ear = made(4, budget=6)
    songs(tmp_path / "more", "Song 1", "Song 2", "Song 3")
    terms = WatchTerms((), WatchMode.EVENTS)
    ear.watches.replace({str(ear.root): terms, str(tmp_path / "more"): terms})
    assert ear.full_walk().leaves == 5
    ear.root = tmp_path / "more"
    assert ear.full_walk() == WatchReport(True, "inotify", parents=1, leaves=1, unwatched=3)
    ear.watches.replace({str(ear.root): terms})
    eventually(lambda: ear.full_walk() == WatchReport(True, "inotify", parents=1, leaves=4))


def test_known_leaf_beyond_budget_is_not_watched(made: MakeEar) -> None:
    ear = made(3, budget=2)
    ear.watches.ensure(str(ear.root), renew=False)
    assert ear.enter("Song 0000", leaf=True)
    assert ear.enter("Song 0001", leaf=True)
    assert not ear.enter("Song 0002", leaf=True)
    assert not ear.enter("Song 0002", leaf=None)
    assert ear.watches.enter(str(ear.root), "Song 0002", leaf=True, hot=True), "something happens in it now"
    assert not ear.enter("Song 0000", leaf=True), "for that the one that was watched for longest gave way"
    assert ear.report() == WatchReport(True, "inotify", parents=1, leaves=2, unwatched=1)


@pytest.mark.parametrize("leaf", [True, None])
def test_leaf_that_becomes_parent_is_watched_and_looked_at(made: MakeEar, leaf: bool | None) -> None:
    ear = made(1, budget=0)
    ear.full_walk()
    (ear.root / "Song 0000" / "Disc 1").mkdir()
    assert not ear.enter("Song 0000", leaf=leaf)
    ear.watches.listed(str(ear.root), "Song 0000", leaf=False)
    assert [type(event) for event in ear.events] == [TreeAppeared]
    assert ear.report() == WatchReport(True, "inotify", parents=2, unwatched=2)
    ear.full_walk()
    assert len(ear.events) == 1


def test_leaf_that_gets_a_directory_gives_its_place_back(made: MakeEar) -> None:
    ear = made(1, budget=2)
    assert ear.full_walk().leaves == 2
    (ear.root / "Song 0000" / "Disc 1").mkdir()
    eventually(lambda: ear.report() == WatchReport(True, "inotify", parents=2, leaves=2), what=ear.report)
    (ear.root / "Song 0000" / "Disc 1").rmdir()
    ear.hears((TreeVanished, "Song 0000/Disc 1"))
    assert ear.full_walk() == WatchReport(True, "inotify", parents=1, leaves=2)


def test_dataset_of_one_track_folder_needs_no_budget(tmp_path: Path) -> None:
    (tmp_path / "Song").mkdir()
    ear = Ear(tmp_path / "Song", budget=0)
    assert ear.full_walk() == WatchReport(True, "inotify", parents=1)
    (tmp_path / "Song" / "full_mix.flac").touch()
    ear.hears((FolderHint, ""))
    ear.watches.stop()


def test_the_budget_is_half_of_what_one_user_may_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    for allowed, most in ((100, 50), (10**7, MOST_LEAVES)):
        monkeypatch.setattr("audiobatchd.scan.watch.limits.limit", lambda name, allowed=allowed: allowed)
        budget = Budget(None)
        assert sum(budget.take() for _ in range(most + 3)) == most
        assert budget.is_used_up()


def test_entering_watched_directory_makes_no_call(made: MakeEar) -> None:
    ear = made(1)
    ear.full_walk()
    calls: list[str] = []
    sys.setprofile(lambda _frame, event, called: calls.append(called.__name__) if event == "c_call" else None)
    try:
        assert ear.enter("Song 0000")
    finally:
        sys.setprofile(None)
    assert set(calls) <= {"get", "setprofile"}


# The kernel's table


def test_a_parent_takes_the_place_of_a_leaf(made: MakeEar, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = made(5)
    Table(monkeypatch, 4)
    ear.watches.ensure(str(ear.root), renew=False)
    for number in range(5):
        ear.enter(f"Song {number:04}", leaf=True)
    assert ear.watched() == {"", "Song 0000", "Song 0001", "Song 0002"}
    (ear.root / "Genre" / "Song").mkdir(parents=True)
    ear.hears((TreeAppeared, "Genre"))
    # What lies in it is a parent as well until it has been listed.
    eventually(lambda: (ear.report().parents, ear.report().unwatched) == (2, 0), what=ear.report)
    assert "Genre" in ear.instance.tree.parents
    message = "4 directories are not watched: fs.inotify.max_user_watches is "
    eventually(lambda: ear.report().degraded.startswith(message), what=ear.report)


def test_unwatched_parents_are_reported_until_watched(made: MakeEar, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = made(0)
    for number in range(3):
        (ear.root / f"Genre {number}" / "Song").mkdir(parents=True)
    table = Table(monkeypatch, 2)
    report = ear.full_walk()
    assert (report.parents, report.leaves) == (2, 0)
    assert report.degraded == f"6 directories are not watched: {why(errno.ENOSPC)}"
    table.room = 100
    assert ear.full_walk() == WatchReport(True, "inotify", parents=4, leaves=4)


def test_another_dataset_s_leaf_makes_room_for_a_parent(
    made: MakeEar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear = made(4)
    songs(tmp_path / "more" / "Genre", "Song")
    terms = WatchTerms((), WatchMode.EVENTS)
    ear.watches.replace({str(ear.root): terms, str(tmp_path / "more"): terms})
    Table(monkeypatch, 4)
    first = ear.full_walk()
    assert (first.parents, first.leaves) == (1, 3)
    one, ear.root = ear.root, tmp_path / "more"
    second = ear.full_walk()
    assert (second.parents, second.leaves) == (2, 1)
    assert ear.watches.report(str(one)).leaves == 0


def test_watches_let_go_make_room(made: MakeEar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = made(3)
    Table(monkeypatch, 5)
    assert ear.full_walk().degraded == ""
    (ear.root / "Song 0000").rename(tmp_path / "away")
    (ear.root / "New").mkdir()
    ear.hears((TreeVanished, "Song 0000"), (TreeAppeared, "New"))
    eventually(lambda: "New" in ear.instance.tree.leaves)
    assert ear.report() == WatchReport(True, "inotify", parents=1, leaves=4)


def test_full_table_without_room_for_root_is_reported(made: MakeEar, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = made(3)
    table = Table(monkeypatch, 0)
    threads = threading.active_count()
    reason = f"cannot watch it ({why(errno.ENOSPC)})"
    assert ear.full_walk() == WatchReport(False, reason, reason, lacks=frozenset({errno.ENOSPC}))
    assert not ear.watches.look(str(ear.root))
    assert ear.watches.ensure(str(ear.root), renew=False), "walking again would not help"
    assert threading.active_count() == threads
    table.room = 100
    assert ear.watches.look(str(ear.root)), "from now on it is watched"
    assert not ear.watches.look(str(ear.root))
    assert ear.full_walk() == WatchReport(True, "inotify", parents=1, leaves=4)


def test_look_watches_directories_that_were_lacking(made: MakeEar, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = made(0)
    for number in range(3):
        (ear.root / f"Genre {number}" / "Song").mkdir(parents=True)
    table = Table(monkeypatch, 2)
    assert ear.full_walk().lacks == {errno.ENOSPC}
    ear.watches.look(str(ear.root))
    assert ear.report().degraded == f"6 directories are not watched: {why(errno.ENOSPC)}"
    table.room = 4
    ear.watches.look(str(ear.root))
    assert len(ear.watched()) == 6
    assert ear.report().lacks == {errno.ENOSPC}
    table.room = 100
    ear.watches.look(str(ear.root))
    assert ear.report() == WatchReport(True, "inotify", parents=4, leaves=4)
    assert {path for kind, path in ear.seen() if kind is TreeAppeared} >= {"Genre 1", "Genre 2"}


def test_look_lets_no_two_leaves_change_places(made: MakeEar, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = made(3)
    Table(monkeypatch, 3)
    ear.full_walk()
    watched = ear.watched()
    for _ in range(3):
        ear.watches.look(str(ear.root))
    assert ear.watched() == watched
    assert ear.seen() == set()


def test_new_watch_inherits_lacking_directories(made: MakeEar, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = made(3)
    Table(monkeypatch, 3)
    lacking = ear.full_walk().degraded
    assert lacking
    ear.watches.ensure(str(ear.root), renew=True)
    assert ear.report().lacks == {errno.ENOSPC}


@pytest.mark.alone
def test_full_table_of_the_kernel_is_reported(made: MakeEar) -> None:
    ear = made(400)
    with kernel_limit("max_user_watches", watches_in_use() + 100):
        report = ear.full_walk()
    assert report.events
    assert report.parents == 1
    assert report.leaves < 401
    count = 401 - report.leaves
    assert report.degraded.startswith(f"{count} directories are not watched: fs.inotify.max_user_watches is ")
    assert report.degraded.endswith("; sysctl fs.inotify.max_user_watches=524288")
    assert ear.full_walk() == WatchReport(True, "inotify", parents=1, leaves=401)


def test_shortages_are_told_in_words() -> None:
    assert shortage({errno.EACCES: 1, errno.EIO: 0}) == "1 directory is not watched: Permission denied"
    room, text = why(errno.ENOSPC), shortage({errno.EACCES: 2, errno.ENOSPC: 12})
    assert text == f"2 directories are not watched: Permission denied; 12 directories are not watched: {room}"
    assert why(errno.ENOSPC).startswith(f"fs.inotify.max_user_watches is {limit('max_user_watches')}; sysctl ")
