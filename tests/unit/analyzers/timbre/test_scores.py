"""The eight scores against the reference implementation, on identical samples.

`golden.json` holds what the unmaintained original gave, with the intermediate metrics that its regressions take.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from audiobatch_analyzers.timbre.programme import programme
from audiobatch_analyzers.timbre.scores import NAMES, metrics_of, scores_of
from support.timbre_signals import SIGNALS, Pcm, plucks

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden.json").read_text())["signals"]
EXACT = 0.001
"""In points, where the samples are the same: a fiftieth of what a change of the last bit of 16 does to warmth."""

AT_OTHER_RATES = dict.fromkeys(NAMES, 0.05) | {"hardness": 0.3, "reverberation": 0.3, "warmth": 3.0}
"""In points, where a resampler is between; warmth hangs on what little is left above its cut-off."""

Metrics = dict[str, tuple[float, ...]]


def samples_of(pcm: Pcm) -> NDArray[np.float32]:
    return (pcm / 32768).astype(np.float32)


@cache
def computed(name: str) -> tuple[Metrics, dict[str, float], dict[str, str]]:
    metrics = metrics_of(programme(samples_of(SIGNALS[name]()), 44100))
    return metrics, *scores_of(metrics)


def scores_at(samples: NDArray[np.float32], rate: int) -> dict[str, float]:
    scores, reasons = scores_of(metrics_of(programme(samples, rate)))
    assert not reasons
    return scores


@pytest.mark.parametrize("name", sorted(set(SIGNALS) - {"pink"}))
def test_signals_are_the_reference_s_to_the_bit(name: str) -> None:
    assert hashlib.sha256(SIGNALS[name]().tobytes()).hexdigest() == GOLDEN[name]["pcm_sha256"]


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("score", NAMES)
def test_score_is_the_reference_s(name: str, score: str) -> None:
    expected = GOLDEN[name]["values"].get(score)
    if expected is not None:
        assert computed(name)[1][score] == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("score", NAMES)
def test_metrics_are_the_reference_s(name: str, score: str) -> None:
    expected = GOLDEN[name]["metrics"].get(score)
    if expected is not None:
        assert computed(name)[0][score] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_warmth_goes_without_sounds_that_have_no_peak() -> None:
    _, scores, reasons = computed("clicks")
    assert "warmth" not in GOLDEN["clicks"]["values"]  # the reference raises
    assert 0.0 < scores["warmth"] < 100.0
    assert not reasons


@pytest.mark.parametrize("channels", [1, 2])
def test_low_rate_is_as_in_the_reference_with_its_resampler(channels: int) -> None:
    expected = GOLDEN["plucks_22050" if channels == 2 else "plucks_mono_22050"]["values"]
    found = scores_at(samples_of(plucks(22050, channels)), 22050)
    for name in set(NAMES) - {"reverberation"}:
        assert found[name] == pytest.approx(expected[name], abs=1.0), name


def test_reverberation_of_stereo_at_a_low_rate_is_mended() -> None:
    found = scores_at(samples_of(plucks(22050)), 22050)["reverberation"]
    assert found == pytest.approx(GOLDEN["plucks"]["values"]["reverberation"], abs=0.5)
    # The reference resamples across the channels instead of over time.
    assert abs(found - GOLDEN["plucks_22050"]["values"]["reverberation"]) > 5.0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [48000, 96000])
def test_higher_rates_agree_with_44_1_khz(rate: int, channels: int) -> None:
    expected = GOLDEN["plucks" if channels == 2 else "plucks_mono"]["values"]
    given = samples_of(plucks(channels=channels))
    resampled = soxr.resample(given, 44100, rate, quality="VHQ").astype(np.float32).reshape(-1, channels)
    for samples in (resampled, samples_of(plucks(rate, channels))):
        found = scores_at(samples, rate)
        for name in NAMES:
            assert found[name] == pytest.approx(expected[name], abs=AT_OTHER_RATES[name]), name


def test_two_equal_channels_sound_as_one() -> None:
    mono = samples_of(plucks(channels=1))
    one, two = scores_at(mono, 44100), scores_at(np.repeat(mono, 2, axis=1), 44100)
    assert one == two


def test_channels_beyond_the_third_are_not_heard() -> None:
    samples = samples_of(SIGNALS["drums_quad"]())
    assert scores_at(samples, 44100) == scores_at(samples[:, :3], 44100)


def test_metrics_of_one_score_may_lack_and_the_others_stay() -> None:
    metrics, scores, _ = computed("drone")
    without, reasons = scores_of({**metrics, "depth": (float("nan"),) * 6, "booming": (float("-inf"), 1.0)})
    assert without == {name: score for name, score in scores.items() if name not in ("depth", "booming")}
    assert set(reasons) == {"depth", "booming"}


def test_roughness_is_0_where_nothing_beats() -> None:
    metrics, scores, _ = computed("sine1k")
    assert metrics["roughness"] == (0.0,)
    assert scores["roughness"] == 0.0
