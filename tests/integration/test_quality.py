"""What is wrong with a file, by the real program: the cheap measures by default, the detectors by configuration."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from support.audio_files import tone, write_audio
from support.service import configuration, run

LIGHT = {
    "quality_cut_start",
    "quality_cut_end",
    "quality_false_stereo",
    "quality_bandwidth_hz",
    "quality_dc_offset",
    "quality_clipped_share",
}


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clipped tone in both channels that is cut at its start, with a gap and a hum."""
    samples = np.clip(tone(22.0, dbfs=6.0), -1, 1) * np.float32(0.9)
    samples[:200_000] = samples[:200_000] / np.float32(0.9)
    samples[300_000:310_000] = 0.0
    samples[-5000:] = 0.0
    return write_audio(tmp_path_factory.mktemp("music") / "song.flac", samples, 44100)


def test_cheap_measures_are_on_and_detectors_are_off(tmp_path: Path, song: Path) -> None:
    config = configuration(tmp_path / "c.toml", plugins=["quality"])
    code, out, err = run("audiobatchctl", "analyze", song, "--config", config, "--json")
    assert code == 0, err
    values = json.loads(out)["values"]
    assert values.keys() == {*LIGHT, "lufs", "lra"}
    assert (values["quality_cut_start"], values["quality_cut_end"], values["quality_false_stereo"]) == (1, 0, 1)
    assert values["quality_clipped_share"] == pytest.approx(2 / 3 * 200_000 / (22 * 44100), rel=0.02)


@pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")
def test_detectors_are_turned_on_by_name(tmp_path: Path, song: Path) -> None:
    config = configuration(tmp_path / "c.toml", analyzers=["quality"])
    with config.open("a") as file:
        file.write('[analyzer.quality]\ndetectors = ["gaps", "hum"]\n')
    code, out, err = run("audiobatchctl", "analyze", song, "--config", config, "--json")
    assert code == 0, err
    values = json.loads(out)["values"]
    assert values.keys() == {*LIGHT, "quality_gaps", "quality_hum"}
    assert (values["quality_gaps"], values["quality_hum"]) == (1, 0.0)


def test_a_wrong_option_makes_it_unavailable_with_the_reason(tmp_path: Path, song: Path) -> None:
    config = configuration(tmp_path / "c.toml", plugins=["quality"])
    with config.open("a") as file:
        file.write('[analyzer.quality]\ndetectors = ["pops"]\n')
    _, out, err = run("audiobatchctl", "analyze", song, "--config", config, "--json")
    told = json.loads(out)
    assert "option `detectors`: expected a list of" in told["unavailable"]["quality"], err
    assert told["values"].keys() == {"lufs", "lra"}
