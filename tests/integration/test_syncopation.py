"""Onsets and syncopation of whole folders: with stems of other rates and lengths, silent ones, and none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatchd.errors import AnalyzerUnavailableError
from support.audio_files import Samples, write_audio
from support.onset_signals import plucks
from support.plugins import install_killer
from support.service import configuration, features_of, leftovers, record_of, run

OF_MIX = ("syncopation", "on_beat_ratio", "rhythmic_complexity", "rhythmic_evenness", "ioi_mean", "ioi_std")
OF_STEM = (
    "onset_density_average",
    "onset_density_variance",
    "syncopation",
    "rhythmic_complexity",
    "rhythmic_evenness",
)
ANALYZERS = ["onset", "rhythm", "syncopation"]


def music(rate: int = 44100, seconds: float = 7.0) -> tuple[Samples, int]:
    return plucks(rate, seconds)[:, np.newaxis], rate


def silence(seconds: float = 7.0) -> tuple[Samples, int]:
    return np.zeros((round(seconds * 44100), 1), np.float32), 44100


FOLDERS: Mapping[str, Mapping[str, tuple[Samples, int]]] = {
    "Alone": {"full_mix": music()},
    "Stems": {
        "full_mix": music(),
        "bass": music(),
        "drums": music(48000, 4.5),
        "other": music(22050, 8.0),
        "vocals": music(),
    },
    "Silent drums": {"full_mix": music(), "drums": silence(), "vocals": silence()},
    "Silent mix": {"full_mix": silence(), "drums": music()},
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration by which each of the folders has been measured."""
    try:
        essentia.standard()
    except AnalyzerUnavailableError as error:
        pytest.skip(f"beats need Essentia: {error}")
    directory = tmp_path_factory.mktemp("syncopation")
    dataset = directory / "dataset"
    for name, files in FOLDERS.items():
        (dataset / name).mkdir(parents=True)
        for role, (samples, rate) in files.items():
            write_audio(dataset / name / f"{role}.flac", samples, rate)
    config = configuration(directory / "c.toml", dataset, settle=0.0, analyzers=ANALYZERS)
    with config.open("a") as file:
        file.write('[analyzer.rhythm]\nmethod = "multifeature-fast"\n')
    code, _, err = run("audiobatchd", "--config", config, "--once", dataset)
    assert code == 0, err
    return config


@pytest.fixture
def dataset(config: Path) -> Path:
    return config.parent / "dataset"


def times(folder: Path, suffix: str) -> list[float]:
    return [float(line) for line in (folder / f"{folder.name}{suffix}").read_text().splitlines()]


def reasons(folder: Path, analyzer: str, role: str) -> dict[str, Any]:
    found: dict[str, Any] = record_of(folder)["_audiobatch"]["analyzers"][analyzer][role].get("unmeasurable", {})
    return found


@pytest.mark.parametrize("name", ["Alone", "Stems", "Silent drums"])
def test_values_of_a_mix_are_those_of_its_files_of_times(dataset: Path, name: str) -> None:
    folder = dataset / name
    found, onsets, beats = features_of(folder), times(folder, ".ONSETS"), times(folder, ".BEATS_GRID")
    assert found["onset_count"] == len(onsets) > 20
    assert found["beat_count"] == len(beats) > 5
    on_beat = [any(abs(onset - beat) <= 0.07 for beat in beats) for onset in onsets]
    assert found["on_beat_ratio"] == pytest.approx(sum(on_beat) / len(onsets), abs=1e-4)
    assert found["syncopation"] == pytest.approx(1 - sum(on_beat) / len(onsets), abs=1e-4)
    assert found["ioi_mean"] == pytest.approx((onsets[-1] - onsets[0]) / (len(onsets) - 1), rel=5e-4)


def test_a_stem_that_is_the_mix_has_the_rhythm_of_the_mix(dataset: Path) -> None:
    found = features_of(dataset / "Stems")
    assert found["rhythmic_complexity_bass"] == pytest.approx(found["rhythmic_complexity"], abs=1e-3)
    assert found["rhythmic_evenness_bass"] == found["rhythmic_evenness"]


def test_stems_of_other_rates_and_lengths_are_measured(dataset: Path) -> None:
    found = features_of(dataset / "Stems")
    for role in ("drums", "other"):
        # Five plucks a second, whatever the length.
        assert found[f"onset_density_average_{role}"] == pytest.approx(5.0, abs=0.5)
        assert 0.0 < found[f"syncopation_{role}"] < 1.0
        assert found[f"rhythmic_evenness_{role}"] > 0.5
    assert not any("vocals" in name for name in found)


def test_a_silent_stem_has_reasons_and_an_absent_one_nothing(dataset: Path) -> None:
    folder = dataset / "Silent drums"
    assert reasons(folder, "syncopation", "drums") == {f"{name}_drums": "silent" for name in OF_STEM}
    assert record_of(folder)["_audiobatch"]["analyzers"]["syncopation"].keys() == {"full_mix", "drums"}
    assert set(OF_MIX) < features_of(folder).keys()


def test_a_silent_mix_leaves_its_stems_without_syncopation(dataset: Path) -> None:
    folder = dataset / "Silent mix"
    assert reasons(folder, "syncopation", "full_mix") == dict.fromkeys(OF_MIX, "no onsets")
    assert reasons(folder, "syncopation", "drums") == {"syncopation_drums": "no beats"}
    assert features_of(folder).keys() == {f"{name}_drums" for name in OF_STEM if name != "syncopation"}
    assert sorted(path.name for path in folder.iterdir()) == ["Silent mix.INFO", "drums.flac", "full_mix.flac"]


def test_nothing_is_left_to_do(config: Path, dataset: Path) -> None:
    code, out, _ = run("audiobatchctl", "missing", dataset, "--config", config)
    assert (code, out) == (0, "Nothing is missing.\n")


def test_without_the_beats_file_the_rest_is_measured(tmp_path: Path, config: Path, dataset: Path) -> None:
    folder = tmp_path / "dataset" / "Alone"
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").write_bytes((dataset / "Alone" / "full_mix.flac").read_bytes())
    without = configuration(tmp_path / "c.toml", folder.parent, settle=0.0, analyzers=ANALYZERS)
    with without.open("a") as file:
        file.write('[analyzer.rhythm]\nmethod = "multifeature-fast"\nbeats_grid = false\n')
    code, _, err = run("audiobatchd", "--config", without, "--once", folder.parent)
    assert (code, "needs .BEATS_GRID" in err) == (0, True), err
    assert "bpm" in features_of(folder)
    assert "syncopation" not in features_of(folder)
    assert (
        json.loads((folder / "Alone.INFO").read_text())["onset_count"] == features_of(dataset / "Alone")["onset_count"]
    )


def test_killed_between_its_files_a_folder_is_measured_again(tmp_path: Path, dataset: Path) -> None:
    folder = tmp_path / "dataset" / "Silent drums"
    folder.mkdir(parents=True)
    for role in FOLDERS[folder.name]:
        (folder / f"{role}.flac").write_bytes((dataset / folder.name / f"{role}.flac").read_bytes())
    env = install_killer(tmp_path / "killer", ".BEATS_GRID", ".INFO")
    config = configuration(tmp_path / "c.toml", folder.parent, settle=0.0, analyzers=[*ANALYZERS, "killer"], workers=1)
    with config.open("a") as file:
        file.write('[analyzer.rhythm]\nmethod = "multifeature-fast"\n')
    code, _, err = run("audiobatchd", "--config", config, "--once", folder.parent, env=env)
    assert code == 0, err
    assert len(list((tmp_path / "killer").glob("killed at *"))) == 2
    assert features_of(folder) == features_of(dataset / folder.name)
    for suffix in (".ONSETS", ".BEATS_GRID"):
        assert times(folder, suffix) == times(dataset / folder.name, suffix)
    assert leftovers(folder.parent) == []
