"""Reading folders while this process is short of descriptors: that says nothing of any folder."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.core.assessment import Policy
from audiobatchd.core.events import WalkRead
from audiobatchd.core.readings import Finding
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.walks import walk
from audiobatchd.vocabulary.states import WalkKind
from support.audio_files import make_track
from support.core_rig import offer
from support.shortage import LEAST, Shortage, descriptors


def scanner(root: Path, short: Callable[[OSError], None]) -> FolderReader:
    return FolderReader(str(root), (offer(),), Policy(), (), True, Catalog(None), short=short)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "music"
    make_track(root / "Song", seconds=0.2, stems=())
    return root


def test_folder_is_read_when_descriptors_are_back(dataset: Path) -> None:
    with descriptors(LEAST) as give_back:
        short = Shortage(give_back)
        reading = scanner(dataset, short).read("Song")
    assert (reading.finding, reading.reasons) == (Finding.DUE, {})
    assert short.met == [errno.EMFILE] * 3


def test_folder_gone_without_descriptors_loses_no_dataset(dataset: Path) -> None:
    with descriptors(LEAST) as give_back:
        short = Shortage(give_back)
        assert scanner(dataset, short).read("Nowhere").finding is Finding.GONE
    assert short.met == [errno.EMFILE] * 3


@pytest.mark.parametrize("kind", [WalkKind.FULL, WalkKind.PASS])
def test_walk_goes_on_when_descriptors_are_back(dataset: Path, kind: WalkKind) -> None:
    read: list[WalkRead] = []
    undisturbed = walk(scanner(dataset, _never), ("",), lambda _: None, kind=kind, first=True)
    with descriptors(LEAST) as give_back:
        short = Shortage(give_back)
        walked = walk(scanner(dataset, short), ("",), read.append, kind=kind, first=True)
    assert (walked.root, walked.empty, walked.remark) == (undisturbed.root, undisturbed.empty, "")
    assert {each.finding for batch in read for each in batch.readings} <= {Finding.DUE}
    assert short.met == [errno.EMFILE] * 3


def _never(error: OSError) -> None:
    raise AssertionError(error)
