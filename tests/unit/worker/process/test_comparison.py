"""Files compared with what was read of them before: work that goes by several is left out if all of them are alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.core.assessment import Due
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.disk import record
from audiobatchd.vocabulary.files import FileStamp, Fingerprint
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.comparison import Comparison
from audiobatchd.worker.process.measure import digests_of
from support.phase_rig import Chord, Part, Swing, offer_of

BENCH = Bench(WorkerSettings(), {}, tuple(offer_of(each) for each in (Chord(), Part(), Swing())))


class Compared:
    """A folder with two files, and what is read of it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.stages: list[str] = []
        for role in ("full_mix", "bass"):
            (path / f"{role}.wav").write_bytes(role.encode())
        self.known = {role: self.read(role) for role in ("full_mix", "bass")}

    def stamp(self, role: str) -> FileStamp:
        status = (self.path / f"{role}.wav").stat()
        return FileStamp(f"{role}.wav".encode(), status.st_size, status.st_mtime_ns)

    def read(self, role: str) -> tuple[str, Fingerprint]:
        content, _ = digests_of(self.descriptor, self.stamp(role), lambda: None)
        return role, Fingerprint(f"{role}.wav", 1, 1, content)

    def left(self, **due: tuple[Due, ...]) -> tuple[dict[str, tuple[Due, ...]], set[str]]:
        """What is left of the work, and the files that were found to be alike."""
        stamps = {role: self.stamp(role) for role in ("full_mix", "bass")}
        told = Comparison(self.descriptor, stamps, BENCH, lambda doing, _: self.stages.append(doing), lambda: None)
        return told.left(due), set(told.alike)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Compared]:
    with record.opened(str(tmp_path)) as descriptor:
        yield Compared(tmp_path, descriptor)


def test_work_on_files_that_are_alike_is_left_out(folder: Compared) -> None:
    both = Due("swing", (folder.known["full_mix"], folder.known["bass"]))
    assert folder.left(bass=(both, Due("part"))) == ({"bass": (Due("part"),)}, {"full_mix", "bass"})


def test_work_on_a_file_that_differs_is_left_in_whatever_the_others_are(folder: Compared) -> None:
    (folder.path / "bass.wav").write_bytes(b"ssab")
    both = Due("swing", (folder.known["full_mix"], folder.known["bass"]))
    assert folder.left(bass=(both,)) == ({"bass": (Due("swing"),)}, set())


def test_a_file_by_itself_is_compared_when_it_is_measured(folder: Compared) -> None:
    alone = Due("part", (folder.known["full_mix"],))
    assert folder.left(full_mix=(alone,)) == ({"full_mix": (alone,)}, set())
    assert folder.stages == []


def test_a_mix_that_stands_in_for_a_sum_is_compared(folder: Compared) -> None:
    assert folder.left(full_mix=(Due("chord", (folder.known["full_mix"],)),)) == ({"full_mix": ()}, {"full_mix"})


def test_each_file_is_read_once(folder: Compared) -> None:
    folder.left(bass=(Due("swing", (folder.known["full_mix"],)),), drums=(Due("swing", (folder.known["full_mix"],)),))
    assert folder.stages == ["reading full_mix.wav"]


@pytest.mark.parametrize("kind", ["gone", "a FIFO", "a directory"])
def test_a_file_that_cannot_be_read_is_not_alike(folder: Compared, kind: str) -> None:
    stamps = {role: folder.stamp(role) for role in ("full_mix", "bass")}
    path = folder.path / "full_mix.wav"
    path.unlink()
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    told = Comparison(folder.descriptor, stamps, BENCH, lambda _doing, _seconds: None, lambda: None)
    work = {"bass": (Due("swing", (folder.known["full_mix"],)),)}
    assert told.left(work) == {"bass": (Due("swing"),)}
