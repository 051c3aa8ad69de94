"""The guide's analyzer of models, for people's own scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd import EssentiaAnalyzer
from audiobatchd.errors import AnalyzerUnavailableError, UnmeasurableError
from support.audio_files import make_track, tone, write_audio
from support.model_graphs import digests_in, write_default_models


def test_the_guide_s_analyzer_measures_a_file(tmp_path: Path) -> None:
    models = write_default_models(tmp_path / "models")
    folder = make_track(tmp_path / "Track", seconds=6, stems=())
    analyzer = EssentiaAnalyzer(models, trusted_models=digests_in(models))
    results = analyzer.analyze_file(folder / "full_mix.flac")
    assert set(results) == {"danceability", "atonality"}
    write_audio(tmp_path / "short.wav", tone(1), 44100)
    with pytest.raises(UnmeasurableError, match=r"short\.wav: shorter than one patch"):
        analyzer.analyze_file(tmp_path / "short.wav")
    with pytest.raises(FileNotFoundError):
        analyzer.analyze_file(None)


def test_the_guide_s_analyzer_without_models_says_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(AnalyzerUnavailableError, match="models fetch danceability-msd-musicnn-1"):
        EssentiaAnalyzer(tmp_path)
