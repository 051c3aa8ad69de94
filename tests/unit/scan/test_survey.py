"""Surveys: the disk and the catalog give one answer to every question, and each counts what is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from audiobatchd.control.requests import Surveyed, SurveyedFolder
from audiobatchd.core.assessment import Policy
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.survey import Asked, Keys, Offered, survey_catalog, survey_disk
from audiobatchd.scan.walks import walk
from audiobatchd.vocabulary.files import RECORD_LIMIT, MissKind
from audiobatchd.vocabulary.states import WalkKind
from support.core_rig import offer

LOUDNESS, MOOD = offer(), offer("mood", bases=("mood",))
OURS = '{"lufs": -14.2, "lra": 4.1}'
WALKED = Offered((LOUDNESS,), Policy())
QUESTIONS: list[Asked] = [
    Keys(("lufs",)),
    Keys(("lufs", "mood")),
    Keys(("nonesuch",)),
    WALKED,
    Offered((LOUDNESS, MOOD), Policy()),
    Offered((LOUDNESS,), Policy(adopt=False)),
]


@dataclass
class Dataset:
    """A dataset on disk, and what a service that walked it knows."""

    root: Path
    catalog: Catalog
    busy: set[str] = field(default_factory=set)

    def track(self, path: str, record: str | None = None) -> Path:
        folder = self.root / path
        folder.mkdir(parents=True)
        (folder / "full_mix.flac").write_bytes(b"sound")
        if record is not None:
            (folder / f"{folder.name}.INFO").write_text(record)
        return folder

    def walk(self, asked: Asked = WALKED) -> None:
        """Read all of it on the terms of the question; a question for keys has none."""
        terms = asked if isinstance(asked, Offered) else WALKED
        reader = FolderReader(str(self.root), terms.offers, terms.policy, (), True, self.catalog)
        walk(reader, ("",), lambda _: None, kind=WalkKind.FULL, first=True)

    def disk(self, asked: Asked, *, names: bool = True, limit: int = RECORD_LIMIT) -> Surveyed:
        return survey_disk(str(self.root), asked, (), limit, names=names)

    def known(self, asked: Asked, *, names: bool = True, limit: int = RECORD_LIMIT) -> Surveyed:
        return survey_catalog(str(self.root), self.catalog.sightings, asked, self.busy, limit, names=names)


@pytest.fixture
def dataset(tmp_path: Path) -> Iterator[Dataset]:
    (tmp_path / "music").mkdir()
    catalog = Catalog(tmp_path / "catalog.sqlite")
    yield Dataset(tmp_path / "music", catalog)
    catalog.close()


@pytest.mark.parametrize("asked", QUESTIONS)
def test_disk_and_catalog_give_one_answer(dataset: Dataset, asked: Asked) -> None:
    dataset.track("Done", OURS)
    dataset.track("Deep/er/caf\udce9", OURS)
    dataset.track("Due")
    dataset.track("Half", '{"lufs": -14.2}')
    dataset.track("Foreign", '{"bpm": 120, "mood": "calm"}')
    dataset.track("Spoilt", "{")
    dataset.track("Directory").joinpath("Directory.INFO").mkdir()
    dataset.track("Many", '{"lufs": -14.2, ' + ", ".join(f'"key {number}": 1' for number in range(1100)) + "}")
    (dataset.root / "Loose").mkdir()
    (dataset.root / "Loose" / "song.flac").touch()
    dataset.walk(asked)
    assert dataset.known(asked) == dataset.disk(asked)


def test_survey_counts_and_names_the_incomplete(dataset: Dataset) -> None:
    dataset.track("Done", OURS)
    dataset.track("Due")
    dataset.track("Spoilt", "{")
    (dataset.root / "song.flac").touch()
    dataset.walk()
    asked = Keys(("lufs", "bpm", "lra"))
    found = dataset.disk(asked)
    assert (found.total, found.complete, found.locked) == (3, 0, 0)
    assert found.folders[:2] == [
        SurveyedFolder("Done", ["bpm"], [], "", locked=False),
        SurveyedFolder("Due", ["lufs", "bpm", "lra"], [], "", locked=False),
    ]
    assert (found.folders[2].folder, found.folders[2].missing) == ("Spoilt", [])
    assert found.folders[2].trouble.startswith("cannot understand the record: ")
    assert [(miss.kind, miss.count) for miss in found.near_misses] == [(MissKind.LOOSE, 1)]
    for counts in (dataset.disk(asked, names=False), dataset.known(asked, names=False)):
        assert counts == Surveyed(3, 0, 0, [], found.near_misses, ["bpm"])


def test_locked_folders_are_counted_whatever_they_have(dataset: Dataset) -> None:
    dataset.track("Done", OURS)
    lock = FolderLock(str(dataset.track("Due")), 60.0)
    dataset.walk()
    dataset.busy = {"Done", "Due"}
    lock.acquire()
    try:
        disk, known = dataset.disk(Keys(("lufs",))), dataset.known(Keys(("lufs",)))
    finally:
        lock.release()
    assert (disk.complete, disk.locked, [each.locked for each in disk.folders]) == (1, 1, [True])
    assert (known.complete, known.locked, [each.locked for each in known.folders]) == (1, 2, [True])


def test_record_over_the_limit_is_trouble(dataset: Dataset) -> None:
    dataset.track("Song", OURS)
    (folder,) = dataset.disk(Keys(("lufs",)), limit=10).folders
    assert folder.trouble.startswith("cannot read the record: ")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_folder_that_cannot_be_read_is_told(dataset: Dataset) -> None:
    for parent in (*dataset.root.parents, dataset.root):
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    dataset.track("Closed").chmod(0)
    os.seteuid(65534)
    try:
        found = dataset.disk(Keys(("lufs",)))
    finally:
        os.seteuid(0)
    assert found.folders == [
        SurveyedFolder("Closed", [], [], "cannot read the folder: Permission denied", locked=False)
    ]
