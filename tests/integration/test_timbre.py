"""The timbral scores in the service: on by default, left out where not asked for, told of before, as in the guide."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support.audio_files import make_track, write_audio
from support.service import configuration, eventually, features_of, leftovers, record_of, run, service
from support.timbre_signals import plucks

SCORES = {"brightness", "roughness", "hardness", "depth", "booming", "reverberation", "sharpness", "warmth"}


def span_of(folder: Path) -> str:
    """The span in a record's provenance."""
    span = record_of(folder)["_audiobatch"]["analyzers"]["timbre"]["full_mix"]["models"]["span"]
    return str(span)


def without_analyzers(directory: Path) -> Path:
    """A configuration that names none, so that all are meant."""
    config = directory / "empty.toml"
    config.write_text(f'model_directory = "{directory}"\n')
    return config


def with_table(config: Path, table: str) -> Path:
    config.write_text(config.read_text().replace("[[dataset]]", f"{table}\n[[dataset]]", 1))
    return config


def test_timbre_is_measured_where_no_analyzers_are_named(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=1.0, stems=("bass",))
    code, _, err = run("audiobatchd", "--config", without_analyzers(tmp_path), "--once", dataset)
    assert code == 0, err
    found = set(features_of(folder))
    assert found >= SCORES | {"lufs", "lufs_bass", "true_peak"}
    assert not found & {f"{name}_bass" for name in SCORES}


def test_scores_in_the_record_are_those_of_the_reference(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = dataset / "Plucks"
    folder.mkdir(parents=True)
    write_audio(folder / "full_mix.flac", (plucks() / 32768).astype("float32"), 44100)
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["timbre"])
    assert run("audiobatchd", "--config", config, "--once", dataset)[0] == 0
    found = features_of(folder)
    assert (found["brightness"], found["depth"], found["warmth"]) == (45.3518, 63.7655, 54.6496)


def test_a_pass_for_loudness_alone_does_not_pay_for_it(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=1.0, stems=())
    command = ("audiobatchd", "--config", without_analyzers(tmp_path), "--once", dataset)
    code, _, err = run(*command, "--features", "lufs", "lra")
    assert code == 0, err
    assert set(features_of(folder)) == {"lufs"}, "a range needs 3 s"
    assert set(record_of(folder)["_audiobatch"]["analyzers"]) == {"loudness"}


def test_another_span_makes_scores_stale(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=4.0, stems=())
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["loudness", "timbre"])
    command = ("audiobatchd", "--config", config, "--once", dataset)
    assert run(*command)[0] == 0
    whole, entry = features_of(folder), record_of(folder)["_audiobatch"]["analyzers"]["loudness"]
    assert span_of(folder) == "middle 300 s"
    with_table(config, "[analyzer.timbre]\nexcerpt = 2")
    code, out, _ = run("audiobatchctl", "missing", dataset, "--config", config)
    assert (code, "Stale: brightness" in out) == (1, True), out
    code, _, err = run(*command)
    assert code == 0
    assert "folders-due-again" in err
    assert " analyzers=timbre folders=1 " in err
    assert span_of(folder) == "middle 2 s"
    assert features_of(folder)["brightness"] != whole["brightness"]
    assert record_of(folder)["_audiobatch"]["analyzers"]["loudness"] == entry, "it was not measured again"
    assert run("audiobatchctl", "missing", dataset, "--config", config)[:2] == (0, "Nothing is missing.\n")


def test_stems_are_measured_where_they_are_named(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=1.0, stems=("bass", "drums"))
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["timbre"])
    with_table(config, '[analyzer.timbre]\nstems = ["bass"]')
    assert run("audiobatchd", "--config", config, "--once", dataset)[0] == 0
    assert set(features_of(folder)) == SCORES | {f"{name}_bass" for name in SCORES}


def test_a_complete_dataset_is_told_of_and_new_folders_go_first(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    for number in range(6):
        make_track(dataset / f"Old {number}", seconds=0.6, stems=(), seed=number)
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, workers=1)
    with service(tmp_path / "d", config) as daemon:
        eventually(lambda: daemon.log().count("folder-done") == 6, what=daemon.log)
        assert daemon.stop() == 0
        before = len(daemon.log())
    for number in range(2):
        make_track(dataset / f"New {number}", seconds=0.6, stems=(), seed=10 + number)
    configuration(config, dataset, settle=0.0, workers=1, analyzers=["loudness", "timbre"])
    with service(tmp_path / "d", config) as daemon:
        eventually(lambda: daemon.log()[before:].count("folder-done") == 8, what=daemon.log)
        lines = daemon.log()[before:].splitlines()
    (told,) = [line for line in lines if " folders-due-again " in line]
    assert f"dataset={dataset} analyzers=timbre folders=6 cpu_hours=0.01 leave_out=" in told
    done = [line for line in lines if " folder-done " in line]
    assert all("folder=New" in line or 'folder="New' in line for line in done[:2]), done
    old = [place for place, line in enumerate(lines) if " folder-done " in line and "Old" in line]
    assert lines.index(told) < min(old)


def test_progress_by_features_as_in_the_guide(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    for number in range(3):
        make_track(dataset / f"Track {number}", seconds=0.6, stems=(), seed=number)
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["loudness", "timbre"])
    with service(tmp_path / "d", config) as daemon:
        eventually(lambda: daemon.log().count("folder-done") == 3, what=daemon.log)
        code, out, err = run(
            "audiobatchctl", "progress", dataset, "--features", "brightness", "roughness",
            "--socket", daemon.socket,
        )  # fmt: skip
    assert code == 0, err
    assert "3" in out
    assert "100" in out


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_worker_that_dies_in_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    dataset = tmp_path / "dataset"
    folder = make_track(dataset / "Track", seconds=30.0, stems=())
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, workers=1, analyzers=["timbre"])
    with service(tmp_path / "d", config) as daemon:

        def at_it() -> int:
            status = daemon.status()
            working = [each for each in status.workers if each.doing.startswith("timbre of")] if status else []
            return working[0].pid if working else 0

        os.kill(eventually(at_it, what=daemon.log), number)
        daemon.becomes(complete=1, timeout=120)
    assert leftovers(dataset) == []
    assert set(features_of(folder)) == SCORES
