"""The demo tracks: whole, decodable, in tune with their stems, the same every time; and what is said when they fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiobatch_analyzers.loudness import LoudnessAnalyzer
from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import open_source
from audiobatchd.plugin_api import FULL_MIX, STEMS, Audio, Settings, feature_name
from support.audio_files import ROLES
from support.feeding import measured
from support.service import eventually

SCRIPT = Path(__file__).parents[2] / "demo" / "make_tracks.py"
TRACKS = 3


def make(dataset: Path, *before: str) -> tuple[int, str]:
    """Exit code and standard error of the script, whose command line may begin with another program's."""
    command = [*before, sys.executable, str(SCRIPT), str(dataset)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert not done.stdout
    return done.returncode, done.stderr


def content(dataset: Path) -> dict[str, bytes]:
    return {str(path.relative_to(dataset)): path.read_bytes() for path in dataset.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with the demo tracks, which no test changes."""
    path = tmp_path_factory.mktemp("demo") / "not yet there" / "dataset"
    assert make(path) == (0, "")
    return path


@pytest.fixture(scope="module")
def tracks(dataset: Path) -> dict[str, dict[str, Audio]]:
    """The decoded files of every track, by role."""
    return {folder.name: {role: decoded(folder, role) for role in ROLES} for folder in dataset.iterdir()}


def decoded(folder: Path, role: str) -> Audio:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with open_source(fd, f"{role}.flac".encode()) as source:
            return decode(source, role, 60.0)
    finally:
        os.close(fd)


def test_there_are_three_tracks_with_a_mix_and_all_stems(dataset: Path) -> None:
    folders = list(dataset.iterdir())
    assert len(folders) == TRACKS
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {f"{role}.flac" for role in ROLES}


def test_tracks_are_short_and_stereo(tracks: dict[str, dict[str, Audio]]) -> None:
    for audios in tracks.values():
        for audio in audios.values():
            assert (audio.rate, audio.channels) == (44100, ("FL", "FR"))
            assert 8 <= audio.duration <= 12


def test_the_mix_is_the_sum_of_its_stems(tracks: dict[str, dict[str, Audio]]) -> None:
    for audios in tracks.values():
        # Multiples of 2**-15 below full scale: float32 adds them without rounding.
        total = np.sum([audios[role].view() for role in STEMS], axis=0)
        np.testing.assert_array_equal(audios[FULL_MIX].view(), total)


def test_tracks_are_as_loud_as_music_and_every_stem_is_heard(tracks: dict[str, dict[str, Audio]]) -> None:
    for audios in tracks.values():
        peak = max(float(np.abs(audio.view()).max()) for audio in audios.values())
        assert 20 * np.log10(peak) == pytest.approx(-1.0, abs=0.01)
        for role, audio in audios.items():
            values = measured(LoudnessAnalyzer(Settings()), audio).values
            lufs, lra = values[feature_name("lufs", role)], values[feature_name("lra", role)]
            assert isinstance(lufs, float)
            assert isinstance(lra, float)
            assert (-20 if role == FULL_MIX else -40) < lufs < -9
            assert lra > 0


def test_a_second_run_changes_nothing(dataset: Path) -> None:
    def states() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (dataset, *dataset.rglob("*"))}

    before = states()
    assert make(dataset) == (0, "")
    assert states() == before


@pytest.mark.parametrize(("sent", "code"), [("SIGKILL", -signal.SIGKILL), ("SIGINT", 130)])
def test_stopped_run_leaves_no_half_track_and_the_next_is_whole(
    dataset: Path, tmp_path: Path, sent: str, code: int
) -> None:
    # What is started in a shell's background ignores SIGINT, and so do its children.
    command = ["env", "--default-signal=INT", sys.executable, str(SCRIPT), str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as started:
        eventually(lambda: any(tmp_path.iterdir()))
        started.send_signal(signal.Signals[sent])
        assert started.communicate()[1] == b""
    assert started.returncode == code
    shown = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert len(shown) < TRACKS
    assert all(len(list(folder.iterdir())) == len(ROLES) for folder in shown)
    assert make(tmp_path) == (0, "")
    assert content(tmp_path) == content(dataset)


def test_only_absent_tracks_are_made(dataset: Path, tmp_path: Path) -> None:
    kept = tmp_path / min(path.name for path in dataset.iterdir())
    kept.mkdir()
    assert make(tmp_path) == (0, "")
    assert not list(kept.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in dataset.iterdir()}


# Failures


def a_file(path: Path) -> Path:
    path.write_bytes(b"")
    return path


PLACES: dict[str, Callable[[Path], Path]] = {
    "file exists": lambda path: a_file(path / "file"),
    "not a directory": lambda path: a_file(path / "file") / "dataset",
}


@pytest.mark.parametrize("cause", PLACES)
def test_a_dataset_that_cannot_be_made(tmp_path: Path, cause: str) -> None:
    place = PLACES[cause](tmp_path)
    assert make(place) == (1, f"cannot write {place}: {cause}\n")


def test_a_disk_that_takes_no_more_leaves_nothing_behind(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -f 100; exec "$@"', "sh")
    code, message = make(tmp_path, *limited)
    assert code == 1
    assert message.startswith(f"cannot write {tmp_path}/")
    assert message.endswith(": file too large\n")
    assert message.count("\n") == 1
    assert not list(tmp_path.iterdir())
