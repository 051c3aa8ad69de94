"""The heavy detectors, held against defects that were put in at known places, and against Essentia called directly.

One noise of 24 s is the music: steady, so that nothing in it is a defect.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.quality.detectors import DETECTORS, RATE, DetectorAnalyzer, distinct, is_mains
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, STEMS, Analyzer, Measurement
from support.audio_files import PLACES, Samples
from support.measurements import number

pytestmark = pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")

SECONDS = 24.0
FRAMES = round(SECONDS * RATE)
TIME = np.arange(FRAMES) / RATE


def brown(seed: int = 1) -> Samples:
    """Noise that is 6 dB an octave down from 40 Hz on, at -20 dBFS: it has no tone, and clicks stand out of it."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(FRAMES))
    frequencies = np.fft.rfftfreq(FRAMES, 1 / RATE)
    wave = np.fft.irfft(spectrum / np.maximum(frequencies, 40.0), FRAMES)
    samples: Samples = (wave / wave.std() * 0.1).astype(np.float32)
    return samples


MUSIC = brown()


def analyzer(name: str) -> DetectorAnalyzer:
    made = DetectorAnalyzer(DETECTORS[name])
    made.load()
    return made


def measured(name: str, wave: Samples, channels: int = 1) -> Measurement:
    samples = np.repeat(wave[:, np.newaxis], channels, axis=1)
    made, audio = analyzer(name), Decoded(FULL_MIX, samples, RATE, PLACES[channels])
    audio.turn(made.views(FULL_MIX), ())
    return made.analyze(audio)


def value(name: str, wave: Samples) -> float:
    found = measured(name, wave)
    assert not found.unmeasurable
    return number(found.values[f"quality_{name}"])


@pytest.mark.parametrize("name", ["clicks", "gaps", "hum"])
def test_music_without_defect_has_none(name: str) -> None:
    assert value(name, MUSIC) == 0


@pytest.mark.parametrize("places", [(3.0,), (1.0, 4.5, 4.6, 9.0, 13.0)])
def test_clicks_are_counted_where_they_were_put(places: tuple[float, ...]) -> None:
    wave = MUSIC.copy()
    for place in places:
        wave[round(place * RATE)] += np.float32(0.8)
    assert value("clicks", wave) == len(places)


@pytest.mark.parametrize(
    ("places", "counted"),
    [([], 0), ([0.0], 1), ([5.0, 5.00002], 1), ([5.011, 5.0], 2), ([5.0, 5.009, 5.018], 1), ([0.1, 0.2, 0.1], 2)],
    ids=str,
)
def test_clicks_within_10_ms_are_one(places: list[float], counted: int) -> None:
    assert distinct(places) == counted


@pytest.mark.parametrize(
    ("seconds", "counted"),
    [(0.005, 0), (0.05, 1), (0.5, 1), (3.0, 1), (4.0, 0)],
    ids=["too short", "50 ms", "half a second", "3 s", "a pause"],
)
def test_gaps_of_zeros_count_by_their_length(seconds: float, counted: int) -> None:
    wave = MUSIC.copy()
    wave[5 * RATE : round((5 + seconds) * RATE)] = 0.0
    assert value("gaps", wave) == counted


def test_each_gap_counts_once() -> None:
    wave = MUSIC.copy()
    for start in (2, 5, 11):
        wave[start * RATE : start * RATE + RATE // 10] = 0.0
    assert value("gaps", wave) == 3


@pytest.mark.parametrize("frequency", [50.0, 60.0, 100.0])
def test_hum_of_mains_lasts_mostly(frequency: float) -> None:
    hum = (0.05 * np.sin(2 * np.pi * frequency * TIME)).astype(np.float32)
    assert 0.6 < value("hum", MUSIC * np.float32(0.3) + hum) <= 1.0


def test_steady_tone_beside_the_mains_is_no_hum() -> None:
    tone = (0.05 * np.sin(2 * np.pi * 87.3 * TIME)).astype(np.float32)
    wave = MUSIC * np.float32(0.3) + tone
    # The detector itself does find it: what sorts it out is its frequency.
    _, frequencies, _, _, _ = essentia.standard().HumDetector(sampleRate=RATE)(wave)
    assert any(abs(frequency - 87.3) < 1 for frequency in frequencies)
    assert value("hum", wave) == 0.0


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        (50.0, True),
        (60.4, True),
        (99.96, True),
        (121.0, True),
        (51.0, False),
        (87.3, False),
        (150.0, False),
        (0.0, False),
    ],
)
def test_mains_and_their_octaves(frequency: float, expected: bool) -> None:
    assert is_mains(frequency) is expected


@pytest.mark.parametrize("ratio", [10.0, 20.0, 30.0])
def test_noise_is_the_ratio_that_was_mixed(ratio: float) -> None:
    noise = 10 ** (-45 / 20) * np.random.default_rng(3).standard_normal(FRAMES)
    tone = 10 ** ((-45 + ratio) / 20) * np.sqrt(2) * np.sin(2 * np.pi * 997 * TIME)
    tone[: 2 * RATE] = 0.0
    assert value("noise", (noise + tone).astype(np.float32)) == pytest.approx(ratio, abs=1.5)


def test_digital_silence_is_not_taken_for_the_noise() -> None:
    noise = 10 ** (-45 / 20) * np.random.default_rng(3).standard_normal(FRAMES)
    tone = 10 ** (-25 / 20) * np.sqrt(2) * np.sin(2 * np.pi * 997 * TIME)
    wave = (noise + tone).astype(np.float32)
    wave[:RATE] = noise[:RATE]
    wave[RATE : 3 * RATE] = 0.0
    assert value("noise", wave) == pytest.approx(20.0, abs=1.5)


@pytest.mark.parametrize("start", ["music", "silence"])
def test_without_noise_alone_there_is_no_ratio(start: str) -> None:
    wave = MUSIC.copy()
    if start == "silence":
        wave[: 3 * RATE] = 0.0
    expected = "no music after 0.2 s of noise alone, by which the noise is known"
    assert measured("noise", wave) == Measurement({}, {"quality_noise": expected})


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("wave", [MUSIC * 0, MUSIC * 0 + np.float32(0.5)], ids=["zeros", "an offset"])
def test_silent_files_have_no_value(wave: Samples, name: str) -> None:
    assert measured(name, wave) == Measurement({}, {f"quality_{name}": "silent"})


@pytest.mark.parametrize("name", DETECTORS)
def test_short_files_have_no_value(name: str) -> None:
    least = 20 if name == "hum" else 1
    for wave in (MUSIC[: least * RATE - 1], MUSIC[:0]):
        assert measured(name, wave) == Measurement({}, {f"quality_{name}": f"shorter than {least} s"})


@pytest.mark.parametrize("name", ["clicks", "gaps", "noise"])
def test_samples_as_loud_as_floats_can_be_are_taken(name: str) -> None:
    found = measured(name, MUSIC[: 3 * RATE] * np.float32(3e38))
    assert {*found.values, *found.unmeasurable} == {f"quality_{name}"}


def test_nothing_is_kept_from_the_file_before() -> None:
    # Essentia's detectors keep the place and the level of what came before.
    wave = MUSIC.copy()
    wave[5 * RATE : 6 * RATE] = 0.0
    for name in ("clicks", "gaps"):
        made = analyzer(name)
        audios = [Decoded(FULL_MIX, each[:, np.newaxis], RATE, PLACES[1]) for each in (MUSIC, wave, MUSIC)]
        for audio in audios:
            audio.turn(made.views(FULL_MIX), ())
        first, _, last = (made.analyze(audio) for audio in audios)
        assert first == last


@pytest.mark.parametrize("name", DETECTORS)
def test_detector_is_an_analyzer_called_like_its_feature(name: str) -> None:
    made = DetectorAnalyzer(DETECTORS[name])
    assert isinstance(made, Analyzer)
    (feature,) = made.features(FULL_MIX)
    assert made.name == feature.name == f"quality_{name}"
    assert all((feature.description, feature.bounds, feature.source))
    assert not any(made.features(stem) or made.views(stem) for stem in STEMS)
    assert made.models == {}
