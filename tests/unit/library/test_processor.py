"""`BatchProcessor`: what it says, what it counts, whose lock it holds meanwhile, and how a pass may end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

import pytest

from audiobatchd import BatchProcessor, FileLock, has_features, read_info, save_to_info
from audiobatchd.errors import DamagedFileError
from audiobatchd.locks.lock_file import Holder, parse
from support.audio_files import path_of
from support.lock_rig import Held
from support.service import leftovers


@pytest.fixture
def songs(tmp_path: Path) -> list[Path]:
    """Three folders without records."""
    folders = [tmp_path / name for name in ("One", "Two", "Three")]
    for folder in folders:
        folder.mkdir()
    return folders


@pytest.fixture(autouse=True)
def _told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


class Work:
    """A function for a batch: it remembers its folders, saves `lufs`, and raises what it was told to."""

    def __init__(self, **raises: BaseException) -> None:
        self.done: list[Path] = []
        self._raises = raises

    def __call__(self, folder: Path) -> dict[str, float]:
        self.done.append(folder)
        with FileLock(folder) as other:
            assert not other.acquired, "it runs under the folder's lock"
        if folder.name in self._raises:
            raise self._raises[folder.name]
        save_to_info(folder, {"lufs": -1.0})
        return {"lra": 2.0}


def test_a_pass_says_what_it_does_and_counts_it(
    songs: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, held_elsewhere: Held
) -> None:
    more = [tmp_path / name for name in ("Damaged", "Broken", "Gone")]
    for folder in more[:2]:
        folder.mkdir()
    save_to_info(songs[0], {"lufs": -2.0})
    work = Work(Damaged=DamagedFileError("full_mix.flac: is empty"), Broken=KeyError("window"))
    with held_elsewhere(songs[1]):
        stats = BatchProcessor(["lufs"]).process_batch([*songs, *more], work)
    assert [(each.name, each.levelname, each.getMessage()) for each in caplog.records] == [
        ("audiobatchd.library.processor", "INFO", "Processing 1/6: One"),
        ("audiobatchd.library.processor", "INFO", "  Skipping - features already exist"),
        ("audiobatchd.library.processor", "INFO", "Processing 2/6: Two"),
        ("audiobatchd.library.processor", "INFO", "  Skipping - locked by another process"),
        ("audiobatchd.library.processor", "INFO", "Processing 3/6: Three"),
        ("audiobatchd.library.processor", "INFO", "Processing 4/6: Damaged"),
        ("audiobatchd.library.processor", "ERROR", "  Failed: full_mix.flac: is empty"),
        ("audiobatchd.library.processor", "INFO", "Processing 5/6: Broken"),
        ("audiobatchd.library.processor", "ERROR", "  Failed: 'window'"),
        ("audiobatchd.library.processor", "INFO", "Processing 6/6: Gone"),
        ("audiobatchd.library.resume", "WARNING", caplog.messages[10]),
        ("audiobatchd.library.processor", "ERROR", caplog.messages[11]),
    ]
    assert caplog.messages[10].startswith("Gone: [Errno 2] ")
    assert caplog.messages[11].startswith("  Failed: [Errno 2] ")
    (traced,) = (each for each in caplog.records if each.exc_info)
    assert traced.getMessage() == "  Failed: 'window'", "an unforeseen error has its traceback"
    assert {**stats, "errors": stats["errors"][:2]} == {
        "total": 6, "success": 1, "skipped_complete": 1, "skipped_locked": 1, "failed": 3,
        "errors": ["Damaged: full_mix.flac: is empty", "Broken: 'window'"],
    }  # fmt: skip
    assert stats["errors"][2].startswith("Gone: [Errno 2] ")
    assert work.done == [songs[2], *more[:2]]
    assert leftovers(tmp_path) == ["Two.lock"], "of the one that was killed"


def test_the_function_saves_for_itself(songs: list[Path]) -> None:
    stats = BatchProcessor(["lufs"]).process_batch(songs, Work())
    assert stats["success"] == 3
    assert [read_info(song) for song in songs] == [{"lufs": -1.0}] * 3, "and what it returns is its own affair"


def test_a_second_pass_goes_on_where_the_first_one_stopped(songs: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    processor = BatchProcessor(required_features=["lufs"])
    assert processor.process_batch(songs, Work(Two=ValueError("not today")))["failed"] == 1
    caplog.clear()
    work = Work()
    stats = processor.process_batch(songs, work)
    assert work.done == [songs[1]]
    assert (stats["success"], stats["skipped_complete"], stats["failed"], stats["errors"]) == (1, 2, 0, [])
    assert caplog.messages == [
        "Processing 1/3: One",
        "  Skipping - features already exist",
        "Processing 2/3: Two",
        "Processing 3/3: Three",
        "  Skipping - features already exist",
    ]


@pytest.mark.parametrize(
    ("required", "overwrite", "done"),
    [(["lufs"], False, 2), (["lufs"], True, 3), (None, False, 3), (None, True, 3), ([], False, 0), (["lra"], False, 3)],
)
def test_due_folders_are_processed(songs: list[Path], required: list[str] | None, overwrite: bool, done: int) -> None:
    save_to_info(songs[1], {"lufs": -2.0})
    work = Work()
    stats = BatchProcessor(required).process_batch(songs, work, overwrite=overwrite)
    assert len(work.done) == done
    assert (stats["success"], stats["skipped_complete"], stats["total"]) == (done, 3 - done, 3)


@pytest.mark.parametrize(("given", "budget"), [(7200, 7200.0), (0.5, 0.5), (None, 3600.0)])
def test_the_timeout_is_what_others_are_told_and_nothing_else(
    songs: list[Path], given: float | None, budget: float
) -> None:
    told: list[object] = []

    def read_the_lock(folder: Path) -> None:
        told.append(parse(folder.with_name(f"{folder.name}.lock").read_bytes()))

    processor = BatchProcessor() if given is None else BatchProcessor(lock_timeout=given)
    processor.process_batch(songs[:1], read_the_lock)
    (holder,) = told
    assert isinstance(holder, Holder)
    assert holder.budget_s == budget


class Looks(Sequence[str]):
    """Required features that tell when they are asked for: after a record was read."""

    def __init__(self, *then: Callable[[], None]) -> None:
        self._then = list(then)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return ("lufs",)[index]

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        self._then.pop(0)()
        yield "lufs"


def test_folder_is_looked_at_again_under_the_lock(songs: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    """Complete the folder after the first look, and before the lock is asked for."""
    song = songs[0]
    held: list[bool] = []

    def complete_it() -> None:
        with FileLock(song) as lock:
            assert lock.acquired
            save_to_info(song, {"lufs": -9.0})

    def see_the_lock() -> None:
        with FileLock(song) as other:
            held.append(not other.acquired)

    work = Work()
    stats = BatchProcessor(Looks(complete_it, see_the_lock)).process_batch([song], work)
    assert work.done == []
    assert held == [True], "the second look is under the lock"
    assert read_info(song) == {"lufs": -9.0}
    assert stats == {
        "total": 1, "success": 0, "skipped_complete": 1, "skipped_locked": 0, "failed": 0, "errors": [],
    }  # fmt: skip
    assert caplog.messages == ["Processing 1/1: One", "  Skipping - features already exist"]
    assert leftovers(song.parent) == []


# How a pass may end


def test_first_error_ends_the_pass_without_skip_errors(songs: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    error = DamagedFileError("full_mix.flac: is empty")
    work = Work(Two=error)
    with pytest.raises(DamagedFileError) as caught:
        BatchProcessor(["lufs"]).process_batch(songs, work, skip_errors=False)
    assert caught.value is error
    assert work.done == songs[:2]
    assert caplog.messages == ["Processing 1/3: One", "Processing 2/3: Two"]
    assert leftovers(songs[0].parent) == []
    assert has_features(songs[0], ["lufs"])


@pytest.mark.parametrize("skip_errors", [True, False])
@pytest.mark.parametrize("end", [KeyboardInterrupt(), SystemExit(3)], ids=["Ctrl-C", "exit"])
def test_an_interruption_ends_the_pass_and_leaves_no_lock(
    songs: list[Path], skip_errors: bool, end: BaseException
) -> None:
    work = Work(Two=end)
    with pytest.raises(type(end)):
        BatchProcessor(["lufs"]).process_batch(songs, work, False, skip_errors)
    assert work.done == songs[:2]
    assert leftovers(songs[0].parent) == []
    with FileLock(songs[1]) as lock:
        assert lock.acquired
    stats = BatchProcessor(["lufs"]).process_batch(songs, Work())
    assert (stats["success"], stats["skipped_complete"]) == (2, 1)


def test_a_file_that_is_no_lock_fails_its_folder_and_no_other(songs: list[Path]) -> None:
    foreign = songs[0].with_name("One.lock")
    foreign.write_text("data")
    work = Work()
    stats = BatchProcessor(["lufs"]).process_batch(songs, work)
    assert (stats["failed"], stats["success"]) == (1, 2)
    assert "One.lock is no lock file" in stats["errors"][0]
    assert foreign.read_text() == "data"
    with pytest.raises(PermissionError):
        BatchProcessor(["lufs"]).process_batch(songs, work, skip_errors=False)


def test_a_spoiled_record_is_due_and_only_saving_fails(songs: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    (songs[0] / "One.INFO").write_text("no JSON")
    stats = BatchProcessor(["lufs"]).process_batch(songs, Work())
    assert (stats["failed"], stats["success"]) == (1, 2)
    assert stats["errors"][0].startswith("One: cannot understand the record: ")
    assert (songs[0] / "One.INFO").read_text() == "no JSON"
    assert [each.levelname for each in caplog.records] == ["INFO", "WARNING", "WARNING", "ERROR", "INFO", "INFO"]


# Folders


def test_folders_may_be_any_iterable_of_paths_or_texts(songs: list[Path]) -> None:
    work = Work()
    stats = BatchProcessor().process_batch((str(song) for song in songs), process_func=work)
    assert work.done == songs
    assert stats["total"] == 3
    assert BatchProcessor().process_batch([], work)["total"] == 0


def test_names_are_told_so_that_they_can_be_printed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = path_of(tmp_path, b"caf\xe9\n")
    folder.mkdir()
    monkeypatch.chdir(folder)
    for given in (folder, Path()):
        caplog.clear()
        stats = BatchProcessor().process_batch([given], Work(**{folder.name: ValueError("no"), "": ValueError("no")}))
        assert caplog.messages == ["Processing 1/1: caf\\xe9\\x0a", "  Failed: no"]
        assert stats["errors"] == ["caf\\xe9\\x0a: no"]
