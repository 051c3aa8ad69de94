"""Readings of real folders: where a walk goes, what it finds there, and what cannot stop it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from audiobatchd.core.assessment import Offer, Policy, judges
from audiobatchd.core.events import Walked, WalkRead
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.disk import listing
from audiobatchd.disk.listing import Listing
from audiobatchd.scan import folder_reader
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.walks import walk
from audiobatchd.service.answers.folder import facts_of
from audiobatchd.vocabulary.files import FileStamp, FolderKey
from audiobatchd.vocabulary.states import WalkKind
from support.catalog_rig import statements, verbs
from support.core_rig import offer

ROOT = os.geteuid() == 0
LOUDNESS = offer()
NO_MOOD = offer("mood", bases=("mood",), unavailable="no model")
OURS = '{"lufs": -14.2, "lra": 4.1}'


@dataclass
class Tree:
    """A dataset on disk and what a reader says of it."""

    root: Path
    catalog: Catalog
    ignore: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    offers: tuple[Offer, ...] = (LOUDNESS,)
    spared: int = 0

    @property
    def reader(self) -> FolderReader:
        return FolderReader(
            root=str(self.root),
            offers=self.offers,
            policy=self.policy,
            ignore=self.ignore,
            alone=True,
            catalog=self.catalog,
        )

    def track(self, path: str, *names: str, record: str | None = None) -> Path:
        """A track folder with these files instead of only a mix."""
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or ("full_mix.flac",):
            (folder / name).write_bytes(b"sound")
        if record is not None:
            (folder / f"{folder.name}.INFO").write_text(record)
        return folder

    def read(self, path: str = "Song") -> Reading:
        return self.reader.read(path)

    def walk(
        self, path: str = "", kind: WalkKind | None = None, *, first: bool = True
    ) -> tuple[Walked, dict[str, Reading]]:
        """How a walk ended, and what it told, in its order; of what is as it was: that it is complete."""
        told: list[Reading] = []
        self.spared = 0

        def deliver(read: WalkRead) -> None:
            assert read.dataset == str(self.root)
            told.extend(read.readings)
            self.spared += len(read.unchanged)
            told.extend(
                Reading(FolderKey(read.dataset, each), Finding.COMPLETE, unavailable=n) for each, n in read.unchanged
            )

        kind = kind or (WalkKind.TREES if path else WalkKind.FULL)
        walked = walk(self.reader, (path,), deliver, kind=kind, first=first)
        assert all(reading.key.dataset == str(self.root) for reading in told)
        return walked, {reading.key.path: reading for reading in told}

    def found(self) -> list[str]:
        """The track folders that a walk comes by."""
        walked, readings = self.walk()
        assert walked.tracks == len(readings)
        return list(readings)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    (tmp_path / "music").mkdir()
    catalog = Catalog(None)
    yield Tree(tmp_path / "music", catalog)
    catalog.close()


@contextmanager
def nobody_s_tree() -> Iterator[Tree]:
    """A tree below directories that all may enter, seen by a user who may not do more."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        root = Path(place) / "music"
        root.mkdir()
        catalog = Catalog(None)
        yield Tree(root, catalog)
        catalog.close()


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# Where a walk goes


def test_tracks_are_found_at_any_depth_in_the_order_of_names(tree: Tree) -> None:
    for path in ("B", "A/2", "A/1/Deep/Deeper", "A/1", "C/caf\udce9", "C"):
        tree.track(path)
    (tree.root / "Empty" / "Emptier").mkdir(parents=True)
    (tree.root / "README").touch()
    assert tree.found() == ["A/1", "A/1/Deep/Deeper", "A/2", "B", "C", "C/caf\udce9"]


def test_the_root_itself_may_be_a_track(tree: Tree) -> None:
    tree.track("")
    tree.track("Song")
    assert tree.found() == ["", "Song"]
    (tree.root / "music.INFO").write_text(OURS)
    assert tree.read("").finding is Finding.COMPLETE


@pytest.mark.parametrize(
    "name", [".hidden", "crops", "@eaDir", "lost+found", ".stfolder", ".Trash-1000", "skipped", "Old takes"]
)
def test_what_is_not_entered(tree: Tree, name: str) -> None:
    tree.ignore = ("skip*", "Old takes")
    tree.track("Song")
    tree.track(name)
    tree.track(f"Song/{name}/Track")
    assert tree.found() == ["Song"]


@pytest.mark.parametrize("name", ["Crops", "eaDir", "old takes", "skip"])
def test_what_is_entered_all_the_same(tree: Tree, name: str) -> None:
    tree.ignore = ("skip?*", "Old takes")
    tree.track(name)
    assert tree.found() == [name]


def test_links_are_followed_to_files_not_to_directories(tree: Tree, tmp_path: Path) -> None:
    tree.track("Song", "full_mix.flac")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "full_mix.flac").write_bytes(b"a longer sound")
    (tree.root / "Link").symlink_to(outside)
    (tree.root / "Loop").symlink_to(".")
    (tree.root / "Linked").mkdir()
    (tree.root / "Linked" / "full_mix.flac").symlink_to(outside / "full_mix.flac")
    assert tree.found() == ["Linked", "Song"]


def test_a_part_of_the_tree_can_be_walked(tree: Tree) -> None:
    for path in ("A", "B/1", "B/2", "C"):
        tree.track(path)
    walked, readings = tree.walk("B")
    assert (list(readings), walked.kind, walked.empty) == (["B/1", "B/2"], WalkKind.TREES, False)
    walked, readings = tree.walk("Never there")
    assert (readings, walked.kind, walked.tracks) == ({}, WalkKind.TREES, 0)


@pytest.mark.parametrize("number", [0, 1, 64, 65, 130])
def test_readings_come_in_batches(tree: Tree, number: int) -> None:
    for place in range(number):
        tree.track(f"{place:03d}")
    batches: list[WalkRead] = []
    walked = walk(tree.reader, ("",), batches.append, kind=WalkKind.FULL, first=True)
    assert all(len(batch.readings) <= 64 for batch in batches)
    paths = [reading.key.path for batch in batches for reading in batch.readings]
    assert paths == [f"{place:03d}" for place in range(number)]
    assert walked.tracks == number


# The root


def _void(root: Path) -> None:
    pass


def _plain_file(root: Path) -> None:
    (root / "README").touch()


def _hidden_directory(root: Path) -> None:
    (root / ".stfolder").mkdir()


def _directory(root: Path) -> None:
    (root / "Album").mkdir()


@pytest.mark.parametrize(
    ("make", "empty"), [(_void, True), (_plain_file, True), (_hidden_directory, True), (_directory, False)]
)
def test_root_without_anything_to_enter_or_measure_is_empty(
    tree: Tree, make: Callable[[Path], None], empty: bool
) -> None:
    make(tree.root)
    status = tree.root.stat()
    walked, readings = tree.walk()
    assert (walked.empty, walked.root) == (empty, (status.st_dev, status.st_ino))
    assert readings == {}


def _root_goes(root: Path) -> None:
    root.rmdir()


def _root_becomes_a_file(root: Path) -> None:
    root.rmdir()
    root.touch()


def _root_dangles(root: Path) -> None:
    root.rmdir()
    root.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("happens", "remark"),
    [
        (_root_goes, ""),
        (_root_dangles, "it leads to {}/nowhere, where there is no directory"),
        (_root_becomes_a_file, "cannot read it: Not a directory"),
    ],
)
def test_a_root_that_is_no_directory_is_missing(tree: Tree, happens: Callable[[Path], None], remark: str) -> None:
    happens(tree.root)
    walked, readings = tree.walk()
    remark = remark.format(tree.root.parent)
    assert (walked.root, walked.remark, walked.tracks, readings) == (None, remark, 0, {})


@pytest.mark.skipif(not ROOT, reason="becoming another user takes root")
def test_unreachable_root_is_missing_with_the_reason() -> None:
    with nobody_s_tree() as tree:
        tree.root.parent.chmod(0o700)
        with as_nobody():
            walked, _ = tree.walk()
    assert (walked.root, walked.remark) == (None, "cannot read it: Permission denied")


# What cannot stop it


@pytest.mark.skipif(not ROOT, reason="becoming another user takes root")
@pytest.mark.parametrize("mode", [0o711, 0o744, 0o700])
def test_unreadable_directory_is_blocked_and_walk_goes_on(mode: int) -> None:
    with nobody_s_tree() as tree:
        for path in ("A", "B/Below", "B", "C"):
            tree.track(path)
        (tree.root / "B").chmod(mode)
        with as_nobody():
            walked, readings = tree.walk()
            read = tree.read("B")
    assert list(readings) == ["A", "B", "C"]
    assert walked.tracks == 2
    assert (
        readings["B"]
        == read
        == Reading(
            FolderKey(str(tree.root), "B"), Finding.BLOCKED, reasons={"": "cannot read the folder: Permission denied"}
        )
    )


@pytest.mark.parametrize("goes", ["directory", "track"])
def test_folder_that_goes_during_the_walk_is_gone(tree: Tree, monkeypatch: pytest.MonkeyPatch, goes: str) -> None:
    for path in ("A", "B", "C"):
        tree.track(path)
    original = listing.read_folder

    def read_folder(folder: str, ignore: tuple[str, ...], marker: str | None, *, names_alone: bool) -> Listing:
        # Before it is looked into, or between that and the look at its record.
        before, after = (folder.endswith("B") and goes == when for when in ("directory", "track"))
        if before:
            (tree.root / "B" / "full_mix.flac").unlink()
            (tree.root / "B").rmdir()
        found = original(folder, ignore, marker, names_alone=names_alone)
        if after:
            (tree.root / "B" / "full_mix.flac").unlink()
            (tree.root / "B").rmdir()
        return found

    monkeypatch.setattr(folder_reader, "read_folder", read_folder)
    _, readings = tree.walk()
    findings = {path: reading.finding for path, reading in readings.items() if reading.finding is not Finding.GONE}
    assert findings == {"A": Finding.DUE, "C": Finding.DUE}


@pytest.mark.parametrize("path", ["Song", "Never there", "file", "file/below", "Empty", "Stems"])
def test_one_look_never_raises(tree: Tree, path: str) -> None:
    (tree.root / "file").touch()
    (tree.root / "Empty").mkdir()
    tree.track("Stems", "drums.flac")
    tree.track("Song")
    assert tree.read(path).finding is (Finding.DUE if path == "Song" else Finding.GONE)


def test_a_name_that_is_too_long_is_blocked(tree: Tree) -> None:
    tree.track("x" * 255)
    reading = tree.read("x" * 255)
    assert reading.finding is Finding.BLOCKED
    assert reading.reasons == {
        "": "cannot read the record: the folder's name is longer than its record's name allows (250 bytes)"
    }


# What it finds


@pytest.mark.parametrize(
    ("record", "policy", "finding", "due"),
    [
        (None, Policy(), Finding.DUE, ("full_mix: loudness", "drums: loudness")),
        ("{}", Policy(), Finding.DUE, ("full_mix: loudness", "drums: loudness")),
        (OURS, Policy(), Finding.DUE, ("drums: loudness",)),
        ('{"lufs": null, "lra": 1, "lufs_drums": 1, "lra_drums": 1}', Policy(), Finding.DUE, ("full_mix: loudness",)),
        ('{"lufs": 1, "lra": 1, "lufs_drums": 1, "lra_drums": 1}', Policy(), Finding.COMPLETE, ()),
        (
            '{"lufs": 1, "lra": 1, "lufs_drums": 1, "lra_drums": 1}',
            Policy(overwrite=True),
            Finding.DUE,
            ("full_mix: loudness", "drums: loudness"),
        ),
        (OURS, Policy(only=("lufs",)), Finding.COMPLETE, ()),
    ],
)
def test_what_is_due(tree: Tree, record: str | None, policy: Policy, finding: Finding, due: tuple[str, ...]) -> None:
    tree.track("Song", "full_mix.flac", "drums.flac", record=record)
    tree.policy = policy
    reading = tree.read()
    assert (reading.finding, reading.due, reading.reasons) == (finding, due, {})
    assert reading.signature
    assert reading.access


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("{'lufs': 1}", "cannot understand the record: line 1: expected a key in double quotes"),
        ("[]", "cannot understand the record: line 1: expected an object in braces"),
        ('{"lufs": 1', "cannot understand the record: line 1, key 'lufs': it ends in the middle"),
        ('{"_audiobatch": {"format": 2}}', "cannot understand _audiobatch: format 2 was written by a later"),
        ('{"_audiobatch": {"analyzers": {"loudness": {"full_mix": 5}}}}', "cannot understand _audiobatch of loudness"),
    ],
)
def test_a_record_that_is_not_understood_blocks(tree: Tree, record: str, why: str) -> None:
    tree.track("Song", "full_mix.flac", "full_mix.mp3", record=record)
    reading = tree.read()
    assert reading.finding is Finding.BLOCKED
    assert reading.reasons[""].startswith(why)
    assert reading.warnings == ("full_mix.mp3 is not measured: another file has its role",)
    assert reading.signature
    assert reading.access


def _record_directory(path: Path) -> None:
    path.mkdir()


def _record_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 50_000_000_000)


def _record_loop(path: Path) -> None:
    path.symlink_to(path.name)


def _record_dangles(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_record_directory, "cannot read the record: it is a directory"),
        (os.mkfifo, "cannot read the record: it is not a regular file"),
        (_record_dangles, "cannot read the record: it is a dangling link"),
        (
            _record_sparse,
            (
                "cannot read the record: its 50,000,000,000 bytes are more than the 16 MiB allowed; "
                "move the file away, or raise record_limit"
            ),
        ),
        (_record_loop, "cannot read the record: Too many levels of symbolic links"),
    ],
)
def test_unclear_record_blocks(tree: Tree, make: Callable[[Path], None], why: str) -> None:
    make(tree.track("Song") / "Song.INFO")
    reading = tree.read()
    assert (reading.finding, reading.reasons) == (Finding.BLOCKED, {"": why})


@pytest.mark.parametrize(
    ("names", "finding", "warnings"),
    [
        (("full_mix.flac", "drums.wav"), Finding.DUE, ()),
        (
            ("full_mix.mp3", "full_mix.flac", "full_mix.wav"),
            Finding.DUE,
            tuple(f"full_mix.{name} is not measured: another file has its role" for name in ("wav", "mp3")),
        ),
        (
            ("full_mix.flac", "drums.wav", "drums.mp3"),
            Finding.DUE,
            ("drums.mp3 is not measured: another file has its role",),
        ),
        (("drums.flac", "vocals.flac"), Finding.GONE, ("it has stems but no full mix",)),
        (("full_mix.wv", "drums.flac"), Finding.GONE, ("it has stems but no full mix",)),
        (
            ("FULL_MIX.flac", "full_mix.oga"),
            Finding.DUE,
            ("FULL_MIX.flac is not measured: another file has its role",),
        ),
    ],
)
def test_warnings(tree: Tree, names: tuple[str, ...], finding: Finding, warnings: tuple[str, ...]) -> None:
    tree.track("Song", *names)
    walked, readings = tree.walk()
    assert readings["Song"] == tree.read()
    assert (readings["Song"].finding, readings["Song"].warnings) == (finding, warnings)
    assert walked.tracks == (1 if finding is Finding.DUE else 0)


def test_unrelated_stems_and_mixes_give_no_warning(tree: Tree) -> None:
    (tree.root / "Album").mkdir()
    (tree.root / "Album" / "full_mix.pdf").touch()
    _, readings = tree.walk()
    assert readings == {}


def test_a_file_on_its_way_is_told(tree: Tree) -> None:
    song = tree.track("Song")
    assert not tree.read().on_their_way
    (song / ".full_mix.flac.x8Yz2a").touch()
    assert tree.read().on_their_way


def test_unavailable_features_are_counted_and_not_due(tree: Tree) -> None:
    tree.track("Song", "full_mix.flac", "drums.flac", record='{"lufs": 1, "lra": 1, "lufs_drums": 1, "lra_drums": 1}')
    tree.offers = (LOUDNESS, NO_MOOD)
    reading = tree.read()
    assert (reading.finding, reading.unavailable) == (Finding.COMPLETE, 2)


# What is remembered


def stamp_of(path: Path) -> FileStamp:
    status = path.stat()
    return FileStamp(os.fsencode(path.name), status.st_size, status.st_mtime_ns)


def test_foreign_record_is_remembered_at_first_sight(tree: Tree) -> None:
    song = tree.track("Song", record=OURS)
    first = tree.read()
    assert first.finding is Finding.COMPLETE
    assert first.memory == {"full_mix": FileMemory(stamp_of(song / "full_mix.flac"), adopted=("loudness",))}
    tree.catalog.folders.note({first.key: FolderMemory(first.memory)})
    assert tree.read().memory == {}
    (song / "full_mix.flac").write_bytes(b"another sound")
    assert tree.read().due == ("full_mix: loudness",)


def test_adoption_outlasts_the_absence_of_its_analyzer(tree: Tree) -> None:
    song = tree.track("Song", record='{"lufs": -9, "lra": 3, "mood": 1, "tune": 2}')
    mood, tune = (Offer(name, 1, {"full_mix": (name,)}) for name in ("mood", "tune"))
    every = tree.offers

    def read(*offers: Offer) -> Reading:
        tree.offers = offers
        found = tree.read()
        if found.memory:
            tree.catalog.folders.note({found.key: FolderMemory(found.memory)})
        return found

    read(*every)
    assert read(mood).memory["full_mix"].adopted == ("loudness", "mood")
    assert read(mood).memory == {}
    (song / "full_mix.flac").write_bytes(b"another sound")
    found = read(mood, tune)
    assert (found.due, found.memory["full_mix"].outdated) == (("full_mix: mood",), ("loudness", "mood"))
    assert found.memory["full_mix"].adopted == ("tune",)
    assert read(*every, tune).due == ("full_mix: loudness",)


def test_a_file_known_to_be_damaged_is_failed_with_its_name(tree: Tree) -> None:
    song = tree.track("Song", "full_mix.flac", "drums.flac")
    stamp = stamp_of(song / "drums.flac")
    damage = FileMemory(stamp, failure="its end is missing", judges=judges((LOUDNESS,)))
    key = FolderKey(str(tree.root), "Song")
    tree.catalog.folders.note({key: FolderMemory({"drums": damage})})
    reading = tree.read()
    assert (reading.finding, reading.due) == (Finding.DUE, ("full_mix: loudness",))
    assert reading.memory == {"drums": damage}
    (song / "Song.INFO").write_text(OURS)
    reading = tree.read()
    assert (reading.finding, reading.reasons) == (Finding.FAILED, {"drums.flac": "its end is missing"})
    (song / "drums.flac").write_bytes(b"another sound")
    assert tree.read().due == ("drums: loudness",)


@pytest.mark.parametrize(
    ("signature", "judged_by", "policy", "finding"),
    [
        (None, judges((LOUDNESS,)), Policy(), Finding.FAILED),
        ("another", judges((LOUDNESS,)), Policy(), Finding.DUE),
        (None, judges((offer(version=2),)), Policy(), Finding.DUE),
        (None, judges((LOUDNESS,)), Policy(overwrite=True), Finding.DUE),
    ],
    ids=["as it was", "its files changed", "the analyzer changed", "overwrite"],
)
def test_verdict_stays_until_something_changes(
    tree: Tree, signature: str | None, judged_by: str, policy: Policy, finding: Finding
) -> None:
    tree.track("Song")
    first = tree.read()
    verdict = FolderMemory(verdict="it died 3 times", signature=first.signature, judges=judged_by)
    if signature is not None:
        verdict = msgspec.structs.replace(verdict, signature=signature)
    tree.catalog.folders.note({first.key: verdict})
    tree.policy = policy
    reading = tree.read()
    assert reading.finding is finding
    assert reading.reasons == ({"": "it died 3 times"} if finding is Finding.FAILED else {})


def test_verdict_leaves_complete_folder_complete(tree: Tree) -> None:
    song = tree.track("Song")
    first = tree.read()
    tree.catalog.folders.note({first.key: FolderMemory({}, "it died", first.signature, judges((LOUDNESS,)))})
    (song / "Song.INFO").write_text(OURS)
    assert tree.read().finding is Finding.COMPLETE


def test_walking_writes_nothing(tree: Tree) -> None:
    song = tree.track("Song", record=OURS)
    (song / ".audiobatch-0123456789ab.tmp").touch()
    before = {path: path.stat().st_mtime_ns for path in tree.root.rglob("*")}
    tree.walk()
    assert {path: path.stat().st_mtime_ns for path in tree.root.rglob("*")} == before


def test_question_leaves_no_sighting(tmp_path: Path) -> None:
    with closing(Catalog(tmp_path / "catalog.sqlite")) as catalog:
        tree = Tree(tmp_path / "music", catalog)
        tree.track("Song", record=OURS)
        tree.walk()
        tree.track("New")
        assert facts_of(FolderKey(str(tree.root), "New"), tree.reader, catalog).reading.finding is Finding.DUE
        (tree.root / "Song" / "full_mix.flac").unlink()
        assert facts_of(FolderKey(str(tree.root), "Song"), tree.reader, catalog).reading.finding is Finding.GONE
        sightings = {each.path: each.finding for each in catalog.sightings.all(str(tree.root))}
        assert "New" not in sightings
        assert sightings["Song"] is Finding.COMPLETE


# Asking the catalog


def a_complete_folder(tree: Tree) -> None:
    tree.track("Song", record=OURS)


def a_folder_that_is_due(tree: Tree) -> None:
    tree.track("Song")


def a_folder_with_a_near_miss(tree: Tree) -> None:
    tree.track("Song", "full_mix.flac", "drums.wma", record=OURS)


def a_record_that_is_unclear(tree: Tree) -> None:
    tree.track("Song", record="no JSON")


def no_track_folder(tree: Tree) -> None:
    tree.track("Song", "cover.jpg")


def nothing(tree: Tree) -> None:
    """Have no folder of that name."""


@pytest.mark.parametrize(
    ("make", "questions"),
    [
        (a_complete_folder, 2),
        (a_folder_that_is_due, 2),
        (a_folder_with_a_near_miss, 2),
        (a_record_that_is_unclear, 2),
        (no_track_folder, 1),
        (nothing, 1),
    ],
)
def test_identical_reading_writes_nothing(tmp_path: Path, make: Callable[[Tree], None], questions: int) -> None:
    (tmp_path / "music").mkdir()
    with closing(Catalog(tmp_path / "catalog.sqlite")) as catalog:
        tree = Tree(tmp_path / "music", catalog)
        make(tree)
        tree.read()
        second = tree.read()
        with statements(catalog) as executed:
            third = tree.read()
        assert verbs(executed) == ["SELECT"] * questions, executed
        assert third == second


def test_changed_reading_is_written_in_one_transaction(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    with closing(Catalog(tmp_path / "catalog.sqlite")) as catalog:
        tree = Tree(tmp_path / "music", catalog)
        tree.track("Song", record=OURS)
        assert tree.read().passed_over is False
        tree.track("Song", "drums.wma")
        with statements(catalog) as executed:
            assert tree.read().passed_over is True
        writes = [each for each in verbs(executed) if each != "SELECT"]
        assert writes == ["BEGIN", "INSERT", "INSERT", "DELETE", "INSERT", "COMMIT"], "shape, sighting, miss; no value"
