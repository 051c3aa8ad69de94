"""What an ended process left is brought to its end: each folder is there, or nothing of it is."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from audiobatchd.imports import build, manifest
from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.manifest import Begin, Manifest, Mode, Step
from audiobatchd.imports.plan import Track
from audiobatchd.vocabulary.files import FileId
from support.music_library import folders, tree, write

SONG = "Song"


class Stopped(BaseException):
    """The end of the process, at a place where nothing is tidied up."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "music", "song.flac") / "song.flac"


@pytest.fixture
def site(tmp_path: Path) -> build.Site:
    (tmp_path / "dataset" / manifest.DIRECTORY).mkdir(parents=True)
    return build.Site(str(tmp_path / "dataset"), manifest.new(str(tmp_path / "dataset"), Begin("x", (), Mode.COPY, "")))


def track(source: Path) -> Track:
    status = source.stat()
    found = SourceFile(
        str(source), (), source.name, status.st_size, status.st_mtime_ns, FileId.of(status), is_link=False
    )
    return Track(SONG, {"full_mix.flac": found})


def again(site: build.Site) -> build.Site:
    read = manifest.read(site.manifest.path)
    assert read is not None
    return build.Site(site.dataset, read)


def stop_at(line: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process end where this line would be written, and write nothing more."""
    write_line = Manifest.write

    def writing(self: Manifest, told: manifest.Line, *, sync: bool = True) -> None:
        if isinstance(told, line | manifest.Dropped):
            raise Stopped
        write_line(self, told, sync=sync)

    monkeypatch.setattr(Manifest, "write", writing)


@pytest.mark.parametrize(
    ("line", "mode", "step"),
    [
        (manifest.Publish, Mode.COPY, Step.DROPPED),
        (manifest.Done, Mode.COPY, Step.DONE),
        (manifest.Remove, Mode.MOVE, Step.DONE),
        (manifest.Done, Mode.MOVE, Step.DONE),
    ],
)
def test_a_step_that_was_not_told_is_settled(
    site: build.Site, source: Path, monkeypatch: pytest.MonkeyPatch, line: type, mode: Mode, step: Step
) -> None:
    stop_at(line, monkeypatch)
    with pytest.raises(Stopped):
        build.build(site, track(source), mode)
    monkeypatch.undo()
    later = again(site)
    build.settle(later, mode)
    assert [entry.step for entry in again(later).manifest.entries.values()] == [step]
    assert folders(Path(site.dataset)) == ({SONG: ["full_mix.flac"]} if step is Step.DONE else {})
    assert source.exists() == (mode is Mode.COPY)


def test_a_folder_that_was_removed_before_it_was_told_is_dropped(
    site: build.Site, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(manifest.Done, monkeypatch)
    with pytest.raises(Stopped):
        build.build(site, track(source), Mode.COPY)
    monkeypatch.undo()
    Path(site.dataset, SONG).rename(Path(site.dataset, "Mine"))
    later = again(site)
    build.settle(later, Mode.COPY)
    assert later.manifest.count(Step.DROPPED) == 1
    assert folders(Path(site.dataset)) == {"Mine": ["full_mix.flac"]}


def test_a_source_that_changed_after_a_move_stays(
    site: build.Site, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(manifest.Done, monkeypatch)
    unlink = os.unlink
    monkeypatch.setattr(os, "unlink", lambda path: (_ for _ in ()).throw(Stopped))
    with pytest.raises(Stopped):
        build.build(site, track(source), Mode.MOVE)
    monkeypatch.undo()
    assert os.unlink is unlink
    source.unlink()
    source.write_bytes(b"another song")
    build.settle(again(site), Mode.MOVE)
    assert source.read_bytes() == b"another song"
    assert folders(Path(site.dataset)) == {SONG: ["full_mix.flac"]}


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_right_after_the_rename_loses_no_folder(
    site: build.Site, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def interrupted(path: Path, target: str) -> Path:
        made = rename(path, target)
        signal.raise_signal(signal.SIGINT)
        return made

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build.build(site, track(source), Mode.COPY)
    assert again(site).manifest.count(Step.DONE) == 1
    assert list(tree(Path(site.dataset))) == [f"{SONG}/full_mix.flac"]


def test_what_another_program_put_into_a_hidden_folder_stays(tmp_path: Path) -> None:
    write(tmp_path / "hidden", "ours.flac", "theirs.txt")
    with pytest.raises(OSError, match="not empty"):
        build.clear(str(tmp_path / "hidden"), ["ours.flac", "gone.flac"])
    assert [path.name for path in (tmp_path / "hidden").iterdir()] == ["theirs.txt"]
