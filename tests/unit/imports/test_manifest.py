"""The manifest is read back as it was written, also when a crash cut its last line off."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.errors import AudiobatchError
from audiobatchd.imports import manifest
from audiobatchd.imports.manifest import (
    Begin,
    Build,
    Done,
    Dropped,
    End,
    Line,
    Manifest,
    Mode,
    Origin,
    Placed,
    Publish,
    Remove,
    Step,
    Undoing,
    Undone,
)

BEGIN = Begin("one", ("/music",), Mode.COPY, "{title}", "", 1.0)


@pytest.fixture
def made(tmp_path: Path) -> Manifest:
    (tmp_path / manifest.DIRECTORY).mkdir()
    return manifest.new(str(tmp_path), BEGIN)


def again(made: Manifest) -> Manifest:
    found = manifest.read(made.path)
    assert found is not None
    return found


def build(number: int, folder: str = "Song") -> Build:
    return Build(number, folder, {"full_mix.flac": Origin(r"/music/caf\xe9.flac", 5, -(10**18))})


def test_lines_tell_how_far_each_folder_has_come(made: Manifest) -> None:
    published = {number: Publish(number, 9, {"full_mix.flac": Placed(5, 6, 7, 8)}) for number in (3, 4)}
    lines: dict[int, list[Line]] = {
        1: [],
        2: [Dropped(2)],
        3: [published[3]],
        4: [published[4], Remove(4)],
        5: [Done(5)],
        6: [Done(6), Undoing(6)],
        7: [Undoing(7), Undone(7)],
    }
    for number, told in lines.items():
        for line in (build(number), *told):
            made.write(line)
    made.write(End())
    found = again(made)
    assert found.begin == BEGIN
    assert {number: entry.step for number, entry in found.entries.items()} == {
        1: Step.BUILD,
        2: Step.DROPPED,
        3: Step.PUBLISH,
        4: Step.REMOVE,
        5: Step.DONE,
        6: Step.UNDOING,
        7: Step.UNDONE,
    }
    assert found.entries[1].build == build(1)
    assert found.ended
    assert found.entries == made.entries


def test_a_line_that_was_cut_off_is_written_over(made: Manifest) -> None:
    made.write(build(1))
    made.close()
    with Path(made.path).open("ab") as file:
        file.write(b'{"type":"build","number":2,"folder":"' + b"x" * 500)
    found = again(made)
    assert found.entries[1].step is Step.BUILD
    found.write(Dropped(1))
    found.close()
    assert again(made).entries[1].step is Step.DROPPED
    assert Path(made.path).read_bytes().endswith(b'{"type":"dropped","number":1}\n')


def _full(_: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ctrl_c(_: int) -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("fault", [_full, _ctrl_c])
def test_a_line_that_failed_leaves_nothing_behind_the_next(
    made: Manifest, monkeypatch: pytest.MonkeyPatch, fault: Callable[[int], None]
) -> None:
    made.write(build(1))
    monkeypatch.setattr(os, "fsync", fault)
    with pytest.raises((OSError, KeyboardInterrupt)):
        made.write(Publish(1, 9, {f"{number}.flac": Placed(5, 6, 7, 8) for number in range(20)}))
    monkeypatch.undo()
    made.write(Dropped(1))
    found = again(made)
    assert (found.entries, found.entries[1].step) == (made.entries, Step.DROPPED)


def test_a_manifest_without_its_first_line_is_none(tmp_path: Path, made: Manifest) -> None:
    Path(made.path).write_bytes(b'{"type":"beg')
    assert manifest.all_in(str(tmp_path)) == []


@pytest.mark.parametrize(
    "content",
    [b"rubbish\n", b'{"type":"done","number":1}\n', b'{"type":"begin"}\n', b"x" * (2 << 20), b"\xff\xfe\n"],
)
def test_what_is_no_manifest_is_refused_by_name(made: Manifest, content: bytes) -> None:
    Path(made.path).write_bytes(content)
    with pytest.raises(AudiobatchError, match=r"cannot understand the manifest .*one\.jsonl: line 1"):
        manifest.read(made.path)


def test_an_act_on_a_folder_that_was_not_begun_is_refused(made: Manifest) -> None:
    with Path(made.path).open("ab") as file:
        file.write(b'{"type":"done","number":4}\n')
    with pytest.raises(AudiobatchError, match="line 2"):
        manifest.read(made.path)


def test_imports_are_listed_oldest_first_with_names_of_their_own(tmp_path: Path, made: Manifest) -> None:
    first = manifest.new_id(str(tmp_path), 1e9)
    manifest.new(str(tmp_path), Begin(first, (), Mode.AUTO, "{title}", "", 0.5))
    assert manifest.new_id(str(tmp_path), 1e9) == f"{first}-2"
    assert [each.id for each in manifest.all_in(str(tmp_path))] == [first, "one"]
    assert manifest.all_in(str(tmp_path / "nowhere")) == []


def test_a_second_import_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    code = (
        "import sys; from audiobatchd.imports import manifest\n"
        "with manifest.held(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(AudiobatchError, match="another import is at work"), manifest.held(str(tmp_path)):
            pass
        other.kill()
    with manifest.held(str(tmp_path)):
        pass
