"""`analyze_folder_loudness`: the numbers, where they are kept, and what it says where there are none."""

from __future__ import annotations

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from audiobatchd import BatchProcessor, FileLock, analyze_folder_loudness, read_info, save_to_info
from audiobatchd.disk.listing import Listing, read_folder
from audiobatchd.errors import DamagedFileError, LockBusyError, LockLostError, RecordError, SourceChangedError
from audiobatchd.locks.lock_file import Holder, parse
from support.audio_files import path_of, tone, write_audio
from support.lock_rig import Held
from support.service import features_of, leftovers


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "Track"
    folder.mkdir()
    write_audio(folder / "full_mix.wav", tone(4, 48000, dbfs=-23.0), 48000)
    write_audio(folder / "bass.wav", tone(4, 48000, dbfs=-33.0), 48000)
    return folder


@pytest.fixture
def track(tmp_path: Path, _made: Path) -> Path:
    """A tone of -23 LUFS as the mix, one of -33 LUFS as a stem."""
    return Path(shutil.copytree(_made, tmp_path / "Track"))


def test_loudness_is_measured_saved_and_returned(track: Path) -> None:
    values = analyze_folder_loudness(track)
    assert values.keys() == {"lufs", "lra", "lufs_bass", "lra_bass"}
    assert values == pytest.approx({"lufs": -23.0, "lra": 0.0, "lufs_bass": -33.0, "lra_bass": 0.0}, abs=0.1)
    assert features_of(track) == values
    entries = read_info(track)["_audiobatch"]["analyzers"]["loudness"]
    assert entries.keys() == {"full_mix", "bass"}
    assert leftovers(track.parent) == []


def test_loudness_is_measured_again_and_foreign_keys_stay(track: Path) -> None:
    (track / "Track.INFO").write_text('{"lufs": 0.0, "brightness": 51.20}')
    assert analyze_folder_loudness(str(track))["lufs"] == pytest.approx(-23.0, abs=0.1)
    assert '"brightness": 51.20' in (track / "Track.INFO").read_text()
    assert json.loads((track / "Track.INFO").read_text())["lufs"] == pytest.approx(-23.0, abs=0.1)


def test_unmeasurable_loudness_is_told_in_the_record(track: Path) -> None:
    write_audio(track / "full_mix.wav", tone(1, 48000), 48000)
    save_to_info(track, {"lra": 7.0})
    assert analyze_folder_loudness(track).keys() == {"lufs", "lufs_bass", "lra_bass"}
    record = read_info(track)
    assert "lra" not in record
    entry = record["_audiobatch"]["analyzers"]["loudness"]["full_mix"]
    assert entry["unmeasurable"] == {"lra": "shorter than 3 s"}


def test_a_damaged_file_is_named_and_the_good_one_is_saved(track: Path) -> None:
    (track / "full_mix.wav").write_bytes(b"")
    with pytest.raises(DamagedFileError, match=r"^full_mix\.wav: is empty$"):
        analyze_folder_loudness(track)
    assert features_of(track).keys() == {"lufs_bass", "lra_bass"}
    (track / "bass.wav").write_bytes(b"no music")
    with pytest.raises(DamagedFileError, match=r"^full_mix\.wav: is empty; bass\.wav: "):
        analyze_folder_loudness(track)
    assert leftovers(track.parent) == []


@pytest.mark.parametrize("name", ["Nowhere", "Empty", "Stems"])
def test_folder_without_a_track_has_nothing_to_measure(track: Path, name: str) -> None:
    (track.parent / "Empty").mkdir()
    (track.parent / "Stems").mkdir()
    (track / "bass.wav").rename(track.parent / "Stems" / "bass.wav")
    with pytest.raises(FileNotFoundError, match=name):
        analyze_folder_loudness(track.parent / name)
    assert list(track.parent.rglob("*.INFO")) == []
    assert leftovers(track.parent) == []


def test_a_spoiled_record_is_left_alone(track: Path) -> None:
    (track / "Track.INFO").write_text("no JSON")
    with pytest.raises(RecordError, match=r"^cannot understand the record: "):
        analyze_folder_loudness(track)
    assert (track / "Track.INFO").read_text() == "no JSON"
    assert leftovers(track.parent) == []


def test_names_outside_utf_8(track: Path) -> None:
    folder = path_of(track.parent, b"caf\xe9")
    track.rename(folder)
    assert features_of(folder) == {} != analyze_folder_loudness(folder)
    (record,) = (name for name in os.listdir(os.fsencode(folder)) if name.endswith(b".INFO"))
    assert record == b"caf\xe9.INFO"


# The lock


def test_under_one_s_own_lock_it_takes_none(track: Path) -> None:
    with FileLock(track) as lock:
        assert "lufs" in analyze_folder_loudness(track)
        assert lock.acquired
        assert track.with_name("Track.lock").exists()
    assert leftovers(track.parent) == []


def test_without_a_lock_loudness_takes_one_with_a_budget(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    rename = os.rename

    def look_and_rename(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        told.append(parse(track.with_name("Track.lock").read_bytes()))
        rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", look_and_rename)
    analyze_folder_loudness(track)
    (holder,) = told
    assert isinstance(holder, Holder)
    assert holder.budget_s == 3600.0
    assert leftovers(track.parent) == []


def test_a_folder_that_another_process_has_is_not_measured(track: Path, held_elsewhere: Held) -> None:
    with held_elsewhere(track), pytest.raises(LockBusyError):
        analyze_folder_loudness(track)
    assert features_of(track) == {}


def test_a_lost_lock_is_told_as_such_and_nothing_is_written(track: Path) -> None:
    with FileLock(track):
        track.with_name("Track.lock").unlink()
        with pytest.raises(LockLostError):
            analyze_folder_loudness(track)
    assert features_of(track) == {}


def test_a_file_that_changes_meanwhile_is_told_as_such(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change the file between the first listing of the folder and the one under its lock."""

    def read_and_change(folder: str) -> Listing:
        listing = read_folder(folder)
        with (track / "full_mix.wav").open("ab") as mix:
            mix.write(b"more")
        return listing

    monkeypatch.setattr("audiobatchd.worker.process.job.read_folder", read_and_change)
    with pytest.raises(SourceChangedError, match=r"^its files changed while they were measured$"):
        analyze_folder_loudness(track)
    assert features_of(track) == {}


def test_loudness_is_a_function_for_a_batch(track: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shutil.copytree(track, track.with_name("Damaged"))
    (track.with_name("Damaged") / "full_mix.wav").write_bytes(b"")
    processor = BatchProcessor(["lufs", "lra"])
    stats = processor.process_batch([track.with_name("Damaged"), track], analyze_folder_loudness)
    assert stats["errors"] == ["Damaged: full_mix.wav: is empty"]
    assert (stats["success"], stats["failed"]) == (1, 1)
    assert [each for each in caplog.records if each.exc_info] == [], "a damaged file is no news to a programmer"
