"""Walks and passes over real trees that are known: what is spared, what is seen, and what is not believed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from audiobatchd.core.assessment import Offer, Policy
from audiobatchd.core.events import Walked, WalkRead
from audiobatchd.core.provenance import Entry
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.disk import record
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.walks import walk
from audiobatchd.vocabulary.files import Fingerprint, FolderKey
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.states import WalkKind
from support.catalog_rig import statements, verbs
from support.core_rig import offer

LOUDNESS = offer()
MOOD = offer("mood", bases=("mood",))
OURS = '{"lufs": -14.2, "lra": 4.1}'
LONG_AGO = time.time_ns() - 3_600_000_000_000


class Tree:
    """A dataset whose catalog outlives its scanners."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.catalog = Catalog(root.parent / "catalog.sqlite")
        self.offers: tuple[Offer, ...] = (LOUDNESS,)
        self.policy = Policy()
        self.marker: str | None = None
        self.ignore: tuple[str, ...] = ()
        self.told: dict[str, Finding] = {}
        self.unchanged: dict[str, int] = {}
        self.reads = 0

    def track(self, path: str, record: str | None = OURS) -> Path:
        """A track folder that has been as it is for long."""
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "full_mix.flac").write_bytes(b"sound")
        if record is not None:
            (folder / f"{folder.name}.INFO").write_text(record)
        self.settle()
        return folder

    def settle(self) -> None:
        """Nothing has changed for an hour."""
        for directory, _, _ in os.walk(self.root):
            os.utime(directory, ns=(LONG_AGO, LONG_AGO))

    def reader(self) -> FolderReader:
        return FolderReader(str(self.root), self.offers, self.policy, self.ignore, True, self.catalog, self.marker)

    def walk(
        self,
        kind: WalkKind = WalkKind.FULL,
        *,
        first: bool = True,
        paths: tuple[str, ...] = ("",),
        shard: Shard | None = None,
        order: int = 0,
    ) -> Walked:
        """Walk, and keep what was told."""
        self.told, self.unchanged = {}, {}
        return walk(self.reader(), paths, self._deliver, kind=kind, first=first, shard=shard, order=order)

    def remember(self) -> None:
        """Look at folder A, and keep what a service would of it."""
        reading = self.reader().read("A")
        if reading.memory:
            self.catalog.folders.note({reading.key: FolderMemory(reading.memory)})

    def _deliver(self, read: WalkRead) -> None:
        self.told |= {reading.key.path: reading.finding for reading in read.readings}
        self.unchanged |= dict(read.unchanged)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    (tmp_path / "music").mkdir()
    made = Tree(tmp_path / "music")
    original = record.read_in

    def counted(folder: str, limit: int) -> record.Record:
        made.reads += 1
        return original(folder)

    monkeypatch.setattr(record, "read_in", counted)
    yield made
    made.catalog.close()


# What is known


def test_record_of_unchanged_folder_is_read_once(tree: Tree) -> None:
    for path in ("A", "B", "C/1"):
        tree.track(path)
    tree.walk()
    assert (set(tree.told), tree.reads) == ({"A", "B", "C/1"}, 3)
    for kind in (WalkKind.FULL, WalkKind.PASS):
        walked = tree.walk(kind)
        assert (tree.told, tree.unchanged, tree.reads) == ({}, {"A": 0, "B": 0, "C/1": 0}, 3)
        assert (walked.tracks, set(walked.parents), walked.empty) == (3, {"", "C"}, False)


def test_later_pass_delivers_changes_alone(tree: Tree) -> None:
    tree.track("A")
    tree.track("B", record=None)
    tree.walk()
    tree.walk(WalkKind.PASS)
    assert (tree.told, tree.unchanged) == ({"B": Finding.DUE}, {"A": 0}), "what is not done is looked at again"
    tree.walk(WalkKind.PASS, first=False)
    assert (tree.told, tree.unchanged) == ({}, {})


def _new_folder(tree: Tree) -> None:
    tree.track("New", record=None)
    os.utime(tree.root)


def _new_tree(tree: Tree) -> None:
    tree.track("Box/1/New", record=None)
    os.utime(tree.root)


def _removed_folder(tree: Tree) -> None:
    shutil.rmtree(tree.root / "A")


def _record_removed(tree: Tree) -> None:
    (tree.root / "A" / "A.INFO").unlink()


def _record_replaced(tree: Tree) -> None:
    (tree.root / "A" / "new").write_text('{"lufs": -14.2}')
    (tree.root / "A" / "new").rename(tree.root / "A" / "A.INFO")


def _stem_added(tree: Tree) -> None:
    (tree.root / "A" / "drums.flac").write_bytes(b"more sound")


def _mix_removed(tree: Tree) -> None:
    (tree.root / "A" / "full_mix.flac").unlink()


CHANGES = [
    (_new_folder, {"New": Finding.DUE}),
    (_new_tree, {"Box/1/New": Finding.DUE}),
    (_removed_folder, {"A": Finding.GONE}),
    (_record_removed, {"A": Finding.DUE}),
    (_record_replaced, {"A": Finding.DUE}),
    (_stem_added, {"A": Finding.DUE}),
    (_mix_removed, {"A": Finding.GONE}),
]


@pytest.mark.parametrize(("change", "told"), CHANGES)
@pytest.mark.parametrize("first", [True, False])
def test_what_a_pass_sees(tree: Tree, change: object, told: dict[str, Finding], first: bool) -> None:
    for path in ("A", "B", "C/1"):
        tree.track(path)
    tree.walk()
    assert callable(change)
    change(tree)
    tree.walk(WalkKind.PASS, first=first)
    assert tree.told == told
    assert tree.unchanged.keys() == ({"A", "B", "C/1"} - told.keys() if first else set())
    tree.settle()
    tree.walk(WalkKind.PASS, first=False)
    tree.settle()
    tree.walk(WalkKind.PASS, first=False)
    assert tree.told == {}, "it is known now"


def test_full_walk_sees_file_rewritten_in_place(tree: Tree) -> None:
    for name in ("A", "B", "C"):
        tree.track(name)
    tree.walk()
    (tree.root / "A" / "A.INFO").write_text('{"lufs": -14.2, "lra": null}')
    with (tree.root / "B" / "full_mix.flac").open("ab") as file:
        file.write(b"more")
    tree.settle()
    tree.walk(WalkKind.PASS, first=False)
    assert tree.told == {}
    tree.walk()
    assert tree.told["A"] is Finding.DUE
    assert tree.unchanged == {"C": 0}


def test_directory_that_just_changed_is_looked_at_again(tree: Tree) -> None:
    """Within one tick of the file system's clock it may change again, and its time stays."""
    folder = tree.track("A", record=None)
    os.utime(folder)
    tree.walk()
    (folder / "A.INFO").write_text(OURS)
    os.utime(folder, ns=(folder.stat().st_atime_ns, folder.stat().st_mtime_ns))
    tree.walk(WalkKind.PASS, first=False)
    assert tree.told == {"A": Finding.COMPLETE}


@pytest.mark.parametrize("seconds", [-1.9, -30.0, 0.0, 10.0, 86_400.0], ids=lambda each: f"{each:+} s")
def test_server_clock_and_coarse_times_are_not_trusted(tree: Tree, seconds: float) -> None:
    """The record comes right after the walk, and the directory keeps its time: of a server, or in whole ticks."""
    folder = tree.track("A", record=None)
    moment = time.time_ns() + round(seconds * 1e9)
    os.utime(folder, ns=(moment, moment))
    tree.walk()
    (folder / "A.INFO").write_text(OURS)
    os.utime(folder, ns=(moment, moment))
    tree.walk(WalkKind.PASS, first=False)
    assert tree.told == {"A": Finding.COMPLETE}


# Judging by shape


def test_another_analyzer_makes_exactly_the_affected_folders_due(tree: Tree) -> None:
    tree.track("Done")
    tree.track("Done, with a mood", '{"lufs": -14.2, "lra": 4.1, "mood": "calm"}')
    tree.walk()
    tree.offers, reads = (LOUDNESS, MOOD), tree.reads
    tree.walk(WalkKind.PASS)
    assert (tree.told, tree.unchanged) == ({"Done": Finding.DUE}, {"Done, with a mood": 0})
    assert tree.reads == reads + 1


def test_unavailable_feature_is_counted_without_a_look(tree: Tree) -> None:
    tree.track("A")
    tree.walk()
    reads = tree.reads
    tree.offers = (LOUDNESS, offer("mood", bases=("mood", "energy"), unavailable="no model"))
    tree.walk(WalkKind.PASS)
    assert (tree.unchanged, tree.reads) == ({"A": 2}, reads)


def test_overwriting_spares_nothing(tree: Tree) -> None:
    tree.track("A")
    tree.walk()
    tree.policy = Policy(overwrite=True)
    tree.walk()
    assert tree.told == {"A": Finding.DUE}


# What is not believed


def test_an_empty_mount_point_makes_nothing_gone(tree: Tree) -> None:
    tree.track("A")
    tree.walk()
    (tree.root / "A").rename(tree.root.parent / "elsewhere")
    walked = tree.walk(WalkKind.PASS)
    assert (walked.empty, tree.told, tree.unchanged) == (True, {}, {})
    (tree.root.parent / "elsewhere").rename(tree.root / "A")
    tree.walk(WalkKind.PASS)
    assert tree.told.get("A", Finding.COMPLETE) is Finding.COMPLETE


def test_a_mount_that_goes_during_a_pass_makes_nothing_gone(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("A", "B"):
        tree.track(path)
    tree.walk()
    original = os.stat

    def going(path: object, *arguments: object, **options: object) -> os.stat_result:
        if isinstance(path, str) and path.endswith("/A"):
            for name in ("A", "B"):
                Path(f"{tree.root}/{name}").rename(f"{tree.root}.{name}")
        return original(path, *arguments, **options)  # type: ignore[arg-type]  # passed on

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", going)
        walked = tree.walk(WalkKind.PASS, first=False)
    assert (walked.empty, tree.told) == (True, {})
    assert set(tree.catalog.sightings.recall(str(tree.root), ["A", "B"])) == {"A", "B"}


@pytest.mark.parametrize("kind", list(WalkKind))
def test_no_root(tree: Tree, kind: WalkKind) -> None:
    tree.root.rmdir()
    assert tree.walk(kind).root is None
    tree.root.touch()
    walked = tree.walk(kind)
    assert (walked.root, walked.remark) == (None, "cannot read it: Not a directory")


def test_mount_point_with_other_content_makes_nothing_gone(tree: Tree) -> None:
    for path in ("A", "B"):
        tree.track(path)
    tree.walk()
    for path in ("A", "B"):
        (tree.root / path).rename(tree.root.parent / path)
    (tree.root / ".keep").touch()
    walked = tree.walk(WalkKind.PASS, first=False)
    assert (walked.empty, walked.tracks, tree.told) == (True, 0, {})


def test_a_root_that_goes_during_a_pass_is_no_crash(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.track("A")
    tree.walk()
    original = os.stat

    def going(path: object, *arguments: object, **options: object) -> os.stat_result:
        if isinstance(path, str) and path.endswith("/A"):
            tree.root.rename(tree.root.parent / "elsewhere")
        return original(path, *arguments, **options)  # type: ignore[arg-type]  # passed on

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", going)
        walked = tree.walk(WalkKind.PASS, first=False)
    assert (walked.empty, tree.told) == (True, {})


def test_a_folder_of_a_lost_dataset_is_lost_and_not_gone(tree: Tree) -> None:
    tree.track("A")
    tree.walk()
    (tree.root / "A").rename(tree.root.parent / "A")
    assert tree.reader().read("A").finding is Finding.LOST
    assert set(tree.catalog.sightings.recall(str(tree.root), ["A"])) == {"A"}


def test_a_directory_of_the_year_2600_is_no_crash(tree: Tree) -> None:
    folder = tree.track("A", record=None)
    os.utime(folder, ns=(0, 20_000_000_000_000_000_000))
    assert tree.reader().read("A").finding is Finding.DUE
    tree.walk(WalkKind.PASS)


def test_a_companion_that_is_removed_is_missed(tree: Tree) -> None:
    tree.offers = (offer(bases=("lufs", "lra", ".BEATS_GRID")),)
    folder = tree.track("A")
    (folder / "A.BEATS_GRID").write_text("0.5\n")
    tree.settle()
    tree.walk()
    (folder / "A.BEATS_GRID").unlink()
    tree.settle()
    tree.walk()
    assert "A" in tree.told


def test_folder_ignored_from_now_on_is_gone(tree: Tree) -> None:
    tree.track("Archive/A", record=None)
    tree.walk()
    tree.ignore = ("Archive",)
    tree.walk(WalkKind.PASS)
    assert tree.told.get("Archive/A") is Finding.GONE
    assert tree.reader().read("Archive/A").finding is Finding.GONE
    assert tree.reader().read(".hidden/A").finding is Finding.GONE


def test_a_sighting_whose_shape_is_lost_is_looked_at_again(tree: Tree) -> None:
    tree.track("A")
    tree.walk()
    tree.catalog.write(("DELETE FROM shape", [()]))
    tree.walk()
    assert (tree.told, tree.unchanged) == ({"A": Finding.COMPLETE}, {})


@pytest.mark.parametrize("kind", [WalkKind.FULL, WalkKind.PASS, WalkKind.TREES])
def test_walk_writes_only_what_has_changed(tree: Tree, kind: WalkKind) -> None:
    for name in ("A", "B", "B/C"):
        tree.track(name)
    tree.track("loose", record=None)
    (tree.root / "loose" / "full_mix.flac").rename(tree.root / "loose" / "song.flac")
    tree.walk()
    tree.settle()
    tree.walk()
    with statements(tree.catalog) as executed:
        tree.walk(kind)
    assert set(verbs(executed)) == {"SELECT"}, executed
    (tree.root / "B" / "cover.jpg").touch()
    with statements(tree.catalog) as executed:
        tree.walk(kind)
    assert [each for each in verbs(executed) if each != "SELECT"] == ["BEGIN", "INSERT", "INSERT", "COMMIT"]


# The marker


def test_a_folder_without_its_marker_is_on_its_way(tree: Tree) -> None:
    tree.marker = ".ready"
    folder = tree.track("A", record=None)
    reading = tree.reader().read("A")
    assert (reading.on_their_way, reading.waits_for) == (True, ".ready")
    (folder / ".ready").touch()
    reading = tree.reader().read("A")
    assert (reading.on_their_way, reading.finding) == (False, Finding.DUE)


# Settling


def test_folder_due_for_another_analyzer_is_at_rest(tree: Tree) -> None:
    folder = tree.track("A")
    assert tree.reader().read("A").at_rest is False, "it was never seen before"
    tree.offers = (LOUDNESS, MOOD)
    reading = tree.reader().read("A")
    assert (reading.finding, reading.at_rest) == (Finding.DUE, True)
    tree.offers = (LOUDNESS,)
    tree.reader().read("A")
    (folder / "full_mix.flac").write_bytes(b"another sound")
    tree.offers = (LOUDNESS, MOOD)
    assert tree.reader().read("A").at_rest is False


def test_a_reading_says_where_it_is(tree: Tree) -> None:
    (tree.root / "Somewhere").mkdir()
    assert tree.reader().read("nowhere") == Reading(FolderKey(str(tree.root), "nowhere"), Finding.GONE)


def measured(folder: Path, offer: Offer) -> None:
    """Let an analyzer have measured the full mix of a folder, as it is."""
    status = (folder / "full_mix.flac").stat()
    fingerprint = Fingerprint("full_mix.flac", status.st_size, status.st_mtime_ns, f"blake2b:{status.st_size}")
    entry = Entry(fingerprint=fingerprint, version=offer.version)
    with record.opened(str(folder)) as descriptor:
        values = dict.fromkeys(offer.features["full_mix"], 1.5)
        record.publish(record.name_in(str(folder)), descriptor, values, {offer.name: {"full_mix": entry}})


def test_what_went_stale_while_its_analyzer_was_off_is_due(tree: Tree) -> None:
    folder = tree.track("A", record=None)
    measured(folder, LOUDNESS)
    measured(folder, MOOD)
    tree.offers = (LOUDNESS, MOOD)
    tree.walk()
    assert tree.told == {"A": Finding.COMPLETE}
    tree.offers = (LOUDNESS,)
    (folder / "full_mix.flac").write_bytes(b"another sound")
    measured(folder, LOUDNESS)
    tree.settle()
    tree.walk()
    assert tree.told == {"A": Finding.COMPLETE}
    tree.offers = (LOUDNESS, MOOD)
    tree.walk()
    assert tree.told == {"A": Finding.DUE}


@pytest.mark.parametrize("change", ["file", "version"])
def test_what_went_stale_while_its_analyzer_was_unavailable_is_due(tree: Tree, change: str) -> None:
    folder = tree.track("A", record=None)
    measured(folder, LOUDNESS)
    measured(folder, MOOD)
    tree.offers = (LOUDNESS, msgspec.structs.replace(MOOD, unavailable="no model"))
    if change == "file":
        (folder / "full_mix.flac").write_bytes(b"another sound")
        measured(folder, LOUDNESS)
    tree.settle()
    tree.walk()
    assert tree.told == {"A": Finding.COMPLETE}
    tree.offers = (LOUDNESS, MOOD)
    tree.walk()
    assert tree.unchanged == ({} if change == "file" else {"A": 0}), "what is as it was needs no look"
    tree.offers = (LOUDNESS, msgspec.structs.replace(MOOD, version=2))
    tree.walk()
    assert tree.told == {"A": Finding.DUE}


def test_adopted_value_of_a_replaced_file_is_due_when_its_analyzer_is_on(tree: Tree) -> None:
    folder = tree.track("A", '{"lufs": -14.2, "lra": 4.1, "mood": 1}')
    tree.offers = (LOUDNESS, MOOD)
    tree.remember()
    tree.offers = (LOUDNESS,)
    (folder / "full_mix.flac").write_bytes(b"another sound")
    measured(folder, LOUDNESS)
    tree.remember()
    tree.settle()
    tree.walk()
    assert tree.reader().read("A").finding is Finding.COMPLETE
    tree.offers = (LOUDNESS, MOOD)
    tree.walk()
    assert tree.told == {"A": Finding.DUE}


def test_value_that_is_disowned_is_due_when_its_analyzer_is_on(tree: Tree) -> None:
    tree.track("A", '{"lufs": -14.2, "lra": 4.1, "mood": 1}')
    tree.catalog.folders.disown(FolderKey(str(tree.root), "A"), {"full_mix": ("mood",)})
    tree.walk()
    assert tree.told == {"A": Finding.COMPLETE}
    tree.offers = (LOUDNESS, MOOD)
    tree.walk()
    assert tree.told == {"A": Finding.DUE}


def test_broken_account_of_an_analyzer_that_is_off_blocks_when_it_is_on(tree: Tree) -> None:
    tree.track(
        "A", OURS.replace("}", ', "mood": 1, "_audiobatch": {"format": 1, "analyzers": {"mood": {"full_mix": 7}}}}')
    )
    tree.walk()
    assert tree.told == {"A": Finding.COMPLETE}
    tree.offers = (LOUDNESS, MOOD)
    tree.walk()
    assert tree.told == {"A": Finding.BLOCKED}


# Shards


def test_folder_of_another_shard_is_listed_and_not_read(tree: Tree) -> None:
    paths = ["A", "B", "C", "D", "D/Live", "E/F"]
    for path in paths:
        tree.track(path, None)
    seen: list[str] = []
    for number in (1, 2, 3):
        tree.catalog.sightings.forget(str(tree.root), paths)
        shard, tree.reads = Shard(number, 3), 0
        walked = tree.walk(shard=shard)
        assert list(tree.told) == [path for path in paths if shard.has(path)]
        assert (walked.tracks, walked.of_others) == (len(tree.told), len(paths) - len(tree.told))
        assert tree.reads == len(tree.told)
        assert {each.path for each in tree.catalog.sightings.all(str(tree.root)) if shard.has(each.path)} >= set(
            tree.told
        )
        assert not walked.empty
        seen += tree.told
    assert sorted(seen) == sorted(paths)


def test_each_order_begins_elsewhere_and_sees_all(tree: Tree) -> None:
    paths = [f"{letter}/Song" for letter in "ABCDEFGH"]
    for path in paths:
        tree.track(path, None)
    orders = []
    for order in range(9):
        tree.catalog.sightings.forget(str(tree.root), paths)
        tree.walk(order=order)
        orders.append(list(tree.told))
    assert orders[0] == paths
    assert all(sorted(each) == paths for each in orders)
    assert len({each[0] for each in orders[1:]}) > 4, orders
