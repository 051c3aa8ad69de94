"""What is made of a file's encoding: names, roundings, and reasons for what a codec does not have."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import pytest

from audiobatch_analyzers.file.analyzer import FormAnalyzer
from audiobatchd.plugin_api import (
    FULL_MIX,
    STEMS,
    Encoding,
    FileAnalyzer,
    OptionError,
    Options,
    Settings,
    UnmeasurableError,
)

NAMES = ["duration", "sample_rate", "channels", "codec", "bit_depth", "bit_rate"]
FLAC = Encoding("flac", 44100, 2, 24, 441_001 / 44100)


@dataclass
class Described:
    """A file of which only the encoding is known."""

    form: Encoding | None = FLAC
    role: str = FULL_MIX
    name: str = "full_mix.flac"
    size: int = 1_234_567

    def open(self) -> BinaryIO:
        return io.BytesIO()

    def encoding(self) -> Encoding:
        if self.form is None:
            raise UnmeasurableError("holds audio of several kinds")
        return self.form


def analyzer(**options: object) -> FormAnalyzer:
    return FormAnalyzer(Settings(Options(options)))


def test_six_features_of_the_mix_and_of_stems_if_wanted() -> None:
    assert isinstance(analyzer(), FileAnalyzer)
    assert [each.name for each in analyzer().features(FULL_MIX)] == NAMES
    assert [analyzer().features(stem) for stem in STEMS] == [()] * 4
    assert [each.name for each in analyzer(stems=True).features("bass")] == [f"{name}_bass" for name in NAMES]
    with pytest.raises(OptionError, match="unknown option"):
        analyzer(stem=True)


def test_lossless_file_has_all_of_them() -> None:
    given = analyzer().inspect(Described())
    assert given.unmeasurable == {}
    assert given.values == {
        "duration": 10.000023,
        "sample_rate": 44100,
        "channels": 2,
        "codec": "flac",
        "bit_depth": 24,
        "bit_rate": round(1_234_567 * 8 / (441_001 / 44100)),
    }
    assert isinstance(given.values["bit_rate"], int)


def test_lossy_file_has_no_bit_depth() -> None:
    given = analyzer(stems=True).inspect(Described(Encoding("mp3", 48000, 1, None, 2.0), "drums"))
    assert given.unmeasurable == {"bit_depth_drums": "mp3 is lossy"}
    assert given.values["duration_drums"] == 2.0
    assert given.values["codec_drums"] == "mp3"


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_untold_length_leaves_no_bit_rate_either(seconds: float | None) -> None:
    given = analyzer().inspect(Described(Encoding("adpcm_ms", 8000, 1, None, seconds)))
    assert given.unmeasurable.keys() == {"duration", "bit_rate", "bit_depth"}
    assert given.unmeasurable["duration"] == "its container does not tell its length"


def test_encoding_that_cannot_be_said_is_passed_on() -> None:
    with pytest.raises(UnmeasurableError, match="several kinds"):
        analyzer().inspect(Described(None))
