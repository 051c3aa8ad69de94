"""The choice of folders that still need work: by the keys in their records, and by a glance at their locks."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiobatchd import (
    BatchProcessor,
    FileLock,
    filter_folders_to_process,
    get_missing_features,
    has_features,
    save_to_info,
    should_process_folder,
)
from audiobatchd.locks.folder_lock import guides_path_of
from audiobatchd.locks.lock_file import of_this_process
from audiobatchd.scan.survey import Keys, survey_disk
from support.audio_files import path_of
from support.lock_rig import Held


def record_in(folder: Path) -> Path:
    return folder / f"{folder.name}.INFO"


TOO_SHORT = """{"lufs": -14.2, "_audiobatch": {"format": 1, "analyzers": {"loudness": {"full_mix": {
    "fingerprint": {"file": "full_mix.flac", "size": 1, "mtime_ns": 1, "digest": "blake2b:0"},
    "version": 1, "unmeasurable": {"lra": "shorter than 3 s"}}}}}}"""


# By the keys


@pytest.mark.parametrize("record", [None, "{}", '{"lufs": -14.2}'])
@pytest.mark.parametrize("beside", [True, False])
def test_companion_beside_the_record_is_a_feature(song: Path, record: str | None, beside: bool) -> None:
    if record is not None:
        record_in(song).write_text(record)
    if beside:
        (song / "Song.BEATS_GRID").write_text("0.5")
    (song / "Other.DOWNBEATS").write_text("0.5")
    missing = get_missing_features(song, [".BEATS_GRID", ".DOWNBEATS"])
    assert missing == ([".DOWNBEATS"] if beside else [".BEATS_GRID", ".DOWNBEATS"])
    assert has_features(song, [".BEATS_GRID"]) is beside
    told = survey_disk(os.fspath(song.parent), Keys((".BEATS_GRID", ".DOWNBEATS")), names=True)
    assert [folder.missing for folder in told.folders] == [missing]


def test_pass_for_a_companion_is_over_when_it_is_made(song: Path) -> None:
    def work(folder: Path) -> None:
        (folder / f"{folder.name}.BEATS_GRID").write_text("0.5")

    processor = BatchProcessor([".BEATS_GRID"])
    assert processor.process_batch([song], work)["success"] == 1
    assert processor.process_batch([song], work)["skipped_complete"] == 1


@pytest.mark.parametrize(
    ("record", "required", "missing"),
    [
        (None, ["lufs", "lra"], ["lufs", "lra"]),
        (None, [], []),
        ("{}", ["lufs"], ["lufs"]),
        ('{"lufs": -14.2, "lra": 4.0}', ["lufs", "lra"], []),
        ('{"lufs": -14.2}', ["lra", "lufs", "bpm"], ["lra", "bpm"]),
        ('{"lufs": -14.2}', ["bpm", "lra", "bpm"], ["bpm", "lra", "bpm"]),
        # `null` is no value; these are.
        ('{"lufs": null, "lra": 0, "key": "", "tags": [], "b": false}', ["lufs", "lra", "key", "tags", "b"], ["lufs"]),
        # Keys that no analyzer of ours makes.
        ('{"brightness": 51.2}', ["brightness", "roughness"], ["roughness"]),
        ('{"brightness": 51.2, "roughness": 1}', ["brightness", "roughness"], []),
        ('{"LUFS": -14.2}', ["lufs"], ["lufs"]),
        # No more is what is no finite number.
        (
            '{"lufs": 1e400, "lra": -Infinity, "bpm": NaN, "key": "NaN"}',
            ["lufs", "lra", "bpm", "key"],
            ["lufs", "lra", "bpm"],
        ),
        # That it cannot be measured is known, but it is asked for.
        (TOO_SHORT, ["lufs", "lra"], ["lra"]),
    ],
)
def test_presence_of_the_keys_answers(song: Path, record: str | None, required: list[str], missing: list[str]) -> None:
    if record is not None:
        record_in(song).write_text(record)
    assert get_missing_features(song, required) == missing
    assert get_missing_features(str(song), iter(required)) == missing
    assert has_features(song, required) == (not missing)
    assert should_process_folder(song, required) == bool(missing)
    assert should_process_folder(song, required, overwrite=True)
    assert should_process_folder(song)


@pytest.mark.parametrize("spoiled", ["[]", "lufs: -14", '{"lufs"', '{"lufs": -NaN}'])
def test_spoiled_record_lacks_all_with_a_warning(song: Path, caplog: pytest.LogCaptureFixture, spoiled: str) -> None:
    record_in(song).write_text(spoiled)
    assert not has_features(song, ["lufs"])
    ((name, level, message),) = caplog.record_tuples
    assert (name, level) == ("audiobatchd.library.resume", logging.WARNING)
    assert message.startswith("Song: cannot understand the record: ")
    assert get_missing_features(song, ["lufs", "lra"]) == ["lufs", "lra"]
    assert should_process_folder(song, ["lufs"])


def test_a_folder_that_is_not_there_lacks_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert get_missing_features(tmp_path / "nowhere", ["lufs"]) == ["lufs"]
    assert caplog.messages[0].startswith("nowhere: ")


def test_a_warning_can_be_printed_whatever_the_folder_is_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = path_of(tmp_path, b"caf\xe9\n")
    folder.mkdir()
    record_in(folder).mkdir()
    monkeypatch.chdir(folder)
    for spelling in (folder, "."):
        assert not has_features(spelling, ["lufs"])
    assert caplog.messages == ["caf\\xe9\\x0a: cannot read the record: it is a directory"] * 2


def test_a_good_record_warns_of_nothing(song: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_to_info(song, {"lufs": -14.2})
    assert has_features(song, ["lufs"])
    assert not has_features(song, ["lra"])
    assert caplog.messages == []


# By the lock


@pytest.mark.parametrize(
    ("record", "required", "overwrite", "check_lock", "expected"),
    [
        ("{}", ["lufs"], False, True, False),
        ("{}", ["lufs"], False, False, True),
        ("{}", ["lufs"], True, True, False),
        ("{}", ["lufs"], True, False, True),
        ("{}", None, False, True, False),
        ("{}", None, False, False, True),
        ('{"lufs": -1.0}', ["lufs"], False, False, False),
        ('{"lufs": -1.0}', ["lufs"], True, False, True),
        ('{"lufs": -1.0}', None, False, False, True),
    ],
)
def test_lock_counts_only_with_check_lock(
    song: Path, record: str, required: list[str] | None, overwrite: bool, check_lock: bool, expected: bool
) -> None:
    """Ask without the lock under one's own, for it does not matter who holds it."""
    record_in(song).write_text(record)
    with FileLock(song):
        assert should_process_folder(song, required, overwrite, check_lock) == expected


def test_a_lock_of_another_process_counts_and_ends_with_it(
    song: Path, held_elsewhere: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(song)
    with held_elsewhere(song):
        for spelling in (song, str(song), ".", "../Song/"):
            assert not should_process_folder(spelling, ["lufs"])
    assert song.with_name("Song.lock").exists(), "it was killed"
    assert should_process_folder(song, ["lufs"])


def _nothing(lock: Path) -> None:
    pass


def _ours_of_the_dead(lock: Path) -> None:
    lock.write_bytes(of_this_process(0.0, 1.0, "token"))


def _guide_s_of_the_dead(lock: Path) -> None:
    lock.write_text("Processing started: 2026-01-01 00:00:00\nPID: 1\nFile: Song\n")


def _foreign_data(lock: Path) -> None:
    lock.write_text("[[package]]\n")


@pytest.mark.parametrize(
    "leave", [_nothing, Path.touch, _ours_of_the_dead, _guide_s_of_the_dead, _foreign_data, Path.mkdir, os.mkfifo]
)
def test_lock_file_that_is_not_held_is_no_lock(song: Path, leave: Callable[[Path], object]) -> None:
    leave(song.with_name("Song.lock"))
    assert should_process_folder(song, ["lufs"])
    assert filter_folders_to_process([song], ["lufs"])[1]["skipped_locked"] == 0


def test_a_lock_of_the_guide_s_own_scripts_counts(song: Path) -> None:
    with song.with_name("Song.lock").open("w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        theirs.write(f"Processing started: 2026-01-01 00:00:00\nPID: {os.getpid()}\nFile: {socket.gethostname()}\n")
        theirs.flush()
        assert not should_process_folder(song, ["lufs"])
    assert should_process_folder(song, ["lufs"])


@contextmanager
def guides_script_at(folder: Path, name: str) -> Iterator[None]:
    """A script of the guide works on the folder `name`, by the lock file that it takes for `folder`."""
    with open(guides_path_of(os.fspath(folder)), "w") as theirs:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        theirs.write(f"Processing started: 2026-01-01 00:00:00\nPID: {os.getpid()}\nFile: {name}\n")
        theirs.flush()
        yield


@pytest.mark.parametrize("name", ["Dr. X", "A.B.C - Song", "no dot"])
def test_every_glance_agrees_with_the_lock_of_a_guides_script(song: Path, name: str) -> None:
    folder = song.rename(song.with_name(name))
    ask = Keys(("lufs",))
    with guides_script_at(folder, name):
        assert not FileLock(folder).acquire()
        assert not should_process_folder(folder, ["lufs"])
        assert filter_folders_to_process([folder], ["lufs"])[1]["skipped_locked"] == 1
        assert survey_disk(os.fspath(folder.parent), ask, names=False).locked == 1
    assert should_process_folder(folder, ["lufs"])
    assert survey_disk(os.fspath(folder.parent), ask, names=False).locked == 0


def test_guides_lock_of_a_neighbour_is_passed_over(song: Path) -> None:
    folder = song.rename(song.with_name("Dr. X"))
    with guides_script_at(folder, "Dr. Y"):
        assert should_process_folder(folder, ["lufs"])
        with FileLock(folder) as lock:
            assert lock.acquired


# Many folders


@pytest.fixture
def songs(tmp_path: Path) -> list[Path]:
    """Complete and free, complete and locked later, lacking, lacking and locked later, spoiled."""
    folders = [tmp_path / name for name in ("Done", "Done and held", "Lacking", "Lacking and held", "Spoiled")]
    for folder in folders:
        folder.mkdir()
    save_to_info(folders[0], {"lufs": -1.0})
    save_to_info(folders[1], {"lufs": -1.0})
    record_in(folders[4]).write_text("no JSON")
    return folders


@pytest.mark.parametrize(
    ("required", "overwrite", "check_lock", "chosen", "complete", "locked"),
    [
        (["lufs"], False, True, [2, 4], 2, 1),
        (["lufs"], False, False, [2, 3, 4], 2, 0),
        (["lufs"], True, True, [0, 2, 4], 0, 2),
        (["lufs"], True, False, [0, 1, 2, 3, 4], 0, 0),
        (None, False, True, [0, 2, 4], 0, 2),
        (None, False, False, [0, 1, 2, 3, 4], 0, 0),
        ([], False, True, [], 5, 0),
    ],
)
def test_filtering_sorts_the_folders_out_and_counts_them(
    songs: list[Path],
    required: Sequence[str] | None,
    overwrite: bool,
    check_lock: bool,
    chosen: list[int],
    complete: int,
    locked: int,
) -> None:
    with FileLock(songs[1]), FileLock(songs[3]):
        found, stats = filter_folders_to_process(
            songs, required_features=required, overwrite=overwrite, check_lock=check_lock
        )
    assert found == [songs[number] for number in chosen]
    assert stats == {
        "total": 5, "success": 0, "skipped_complete": complete, "skipped_locked": locked, "failed": 0, "errors": [],
    }  # fmt: skip


def test_filtering_takes_any_folders_and_gives_paths(songs: list[Path]) -> None:
    found, stats = filter_folders_to_process((str(folder) for folder in reversed(songs)), ["lufs"])
    assert found == [songs[4], songs[3], songs[2]]
    assert all(isinstance(folder, Path) for folder in found)
    assert stats["total"] == 5
    assert filter_folders_to_process([], ["lufs"])[1] == {
        "total": 0, "success": 0, "skipped_complete": 0, "skipped_locked": 0, "failed": 0, "errors": [],
    }  # fmt: skip


def test_every_pass_begins_with_its_own_list_of_errors(songs: list[Path]) -> None:
    _, first = filter_folders_to_process(songs)
    first["errors"].append("Song: broken")
    assert filter_folders_to_process(songs)[1]["errors"] == []
