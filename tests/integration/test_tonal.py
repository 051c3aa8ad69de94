"""Tonality in the service: measured on the sum of bass and other, and on the mix where there is neither."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from audiobatch_analyzers.tonal import TonalAnalyzer
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, Settings
from support.audio_files import Samples, tone, write_audio
from support.cadences import cadence
from support.plugins import install_killer
from support.service import configuration, features_of, leftovers, record_of, run

SILENCE = np.zeros((44100, 1), np.float32)

# By folder: its files as (samples, rate), and the key of what is read of them.
FOLDERS: Mapping[str, tuple[Mapping[str, tuple[Samples, int]], str | None]] = {
    "Mix alone": ({"full_mix": (cadence(6, "minor"), 44100)}, "F# minor"),
    "Other stems alone": (
        {
            "full_mix": (cadence(6, "minor"), 44100),
            "drums": (tone(1.0, channels=1), 44100),
            "vocals": (cadence(0, "major"), 44100),
        },
        "F# minor",
    ),
    "One stem": ({"full_mix": (cadence(6, "minor"), 44100), "other": (cadence(0, "major"), 44100)}, "C major"),
    "Silent bass": (
        {"full_mix": (cadence(6, "minor"), 44100), "bass": (SILENCE, 44100), "other": (cadence(2, "major"), 44100)},
        "D major",
    ),
    "Silent stems": (
        {"full_mix": (cadence(6, "minor"), 44100), "bass": (SILENCE, 44100), "other": (SILENCE, 44100)},
        None,
    ),
    "Other rates and lengths": (
        {
            "full_mix": (cadence(6, "minor"), 44100),
            "bass": (cadence(9, "minor", 48000, 2.0), 48000),
            "other": (cadence(9, "minor", 22050, 1.0), 22050),
        },
        "A minor",
    ),
}


def fill(dataset: Path) -> None:
    """Make all folders."""
    for name, (files, _) in FOLDERS.items():
        (dataset / name).mkdir(parents=True)
        for role, (samples, rate) in files.items():
            write_audio(dataset / name / f"{role}.flac", samples, rate)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All folders, measured by one pass."""
    directory = tmp_path_factory.mktemp("tonal")
    dataset = directory / "dataset"
    fill(dataset)
    config = configuration(directory / "c.toml", dataset, settle=0.0, analyzers=["tonal"], workers=1)
    code, _, err = run("audiobatchd", "--config", config, "--once", dataset)
    assert code == 0, err
    return dataset


@pytest.mark.parametrize("name", FOLDERS)
def test_key_is_that_of_what_is_read(dataset: Path, name: str) -> None:
    expected = FOLDERS[name][1]
    assert features_of(dataset / name).get("key") == expected
    entry = record_of(dataset / name)["_audiobatch"]["analyzers"]["tonal"]["full_mix"]
    reasons = set(entry.get("unmeasurable", {}).values())
    assert reasons == ({"silent"} if expected is None else set())


@pytest.mark.parametrize("name", ["Mix alone", "One stem", "Silent bass", "Other rates and lengths"])
def test_values_are_those_of_a_sum_made_apart(dataset: Path, name: str) -> None:
    stems = [role for role in ("bass", "other") if (dataset / name / f"{role}.flac").exists()] or ["full_mix"]
    parts = []
    for role in stems:
        samples, rate = soundfile.read(dataset / name / f"{role}.flac", dtype="float32")
        parts.append(soxr.resample(samples, rate, 44100, quality="HQ"))
    total = np.zeros(max(map(len, parts)), np.float32)
    for part in parts:
        total[: len(part)] += part
    analyzer = TonalAnalyzer(Settings())
    analyzer.load()
    expected = analyzer.analyze(Decoded(FULL_MIX, total[:, np.newaxis], 44100, ("FC",))).values
    found = features_of(dataset / name)
    assert {key: value for key, value in found.items() if isinstance(value, str)} == {
        key: value for key, value in expected.items() if isinstance(value, str)
    }
    numbers = {key: value for key, value in expected.items() if not isinstance(value, str)}
    assert {key: found[key] for key in numbers} == pytest.approx(numbers, abs=0.0002)


def test_another_stem_gives_another_key(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    folder = dataset / "Track"
    folder.mkdir(parents=True)
    write_audio(folder / "full_mix.flac", cadence(6, "minor"), 44100)
    config = configuration(tmp_path / "c.toml", dataset, settle=0.0, analyzers=["tonal"], workers=1)
    keys = []
    for tonic in (None, 4, 7):
        if tonic is not None:
            write_audio(folder / "bass.flac", cadence(tonic, "major"), 44100)
        code, _, err = run("audiobatchd", "--config", config, "--once", dataset)
        assert code == 0, err
        keys.append(features_of(folder)["key"])
    assert keys == ["F# minor", "E major", "G major"]


def test_damaged_stem_leaves_the_key_out_until_it_is_mended(tmp_path: Path, dataset: Path) -> None:
    folder = tmp_path / "dataset" / "Other rates and lengths"
    shutil.copytree(dataset / folder.name, folder)
    (folder / f"{folder.name}.INFO").unlink()
    whole = (folder / "bass.flac").read_bytes()
    (folder / "bass.flac").write_bytes(whole[: len(whole) // 2])
    config = configuration(
        tmp_path / "c.toml", folder.parent, settle=0.0, analyzers=["tonal", "loudness", "tags"], workers=1
    )
    for _ in range(2):  # the second pass has nothing new to go by
        code, _, err = run("audiobatchd", "--config", config, "--once", folder.parent)
        assert (code, "bass.flac" in err) == (1, True), err
        assert {"lufs", "lufs_other"} <= features_of(folder).keys()
        assert not {"key", "tonic", "lufs_bass"} & features_of(folder).keys()
        entries = record_of(folder)["_audiobatch"]["analyzers"]
        assert {name: set(by_role) for name, by_role in entries.items()} == {
            "loudness": {"full_mix", "other"},
            "tags": {"full_mix"},
        }
    (folder / "bass.flac").write_bytes(whole)
    code, _, err = run("audiobatchd", "--config", config, "--once", folder.parent)
    assert code == 0, err
    found, expected = features_of(folder), features_of(dataset / folder.name)
    assert {key: found[key] for key in expected} == expected
    assert "lufs_bass" in found


def test_killed_before_its_record_a_sum_is_measured_again(tmp_path: Path, dataset: Path) -> None:
    folder = tmp_path / "dataset" / "Silent bass"
    shutil.copytree(dataset / folder.name, folder)
    (folder / f"{folder.name}.INFO").unlink()
    env = install_killer(tmp_path / "killer", ".INFO")
    config = configuration(tmp_path / "c.toml", folder.parent, settle=0.0, analyzers=["tonal", "killer"], workers=1)
    code, _, err = run("audiobatchd", "--config", config, "--once", folder.parent, env=env)
    assert (code, (tmp_path / "killer" / "killed at .INFO").exists()) == (0, True), err
    assert features_of(folder) == features_of(dataset / folder.name)
    assert leftovers(folder.parent) == []
