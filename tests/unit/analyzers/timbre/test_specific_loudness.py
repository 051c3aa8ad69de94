"""Specific loudness against what loudness is defined by, and against the standard's walk one window at a time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import butter, lfilter

from audiobatch_analyzers.timbre import specific_loudness
from audiobatch_analyzers.timbre.specific_loudness import band_levels, loudness_pattern, main_loudness, slopes
from support.timbre_signals import noise

Array = NDArray[np.float64]
CENTRES = [1000 * 2 ** (step / 3) for step in range(-16, 12)]


def sones(**levels: float) -> float:
    """The loudness of third-octave bands of these levels, by their centre: `at1000=60`."""
    bands = np.full((1, 28), -np.inf)
    for name, level in levels.items():
        bands[0, int(np.argmin(np.abs(np.array(CENTRES) - float(name[2:]))))] = level
    return float(slopes(main_loudness(bands))[1][0])


def test_1_khz_of_40_db_is_1_sone() -> None:
    assert sones(at1000=40.0) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("level", [50.0, 60.0, 70.0, 80.0])
def test_10_db_more_are_twice_as_loud(level: float) -> None:
    assert sones(at1000=level) / sones(at1000=level - 10.0) == pytest.approx(2.0, abs=0.25)


def test_below_the_threshold_in_quiet_nothing_is_heard() -> None:
    assert sones(at1000=2.0) == 0.0
    assert sones(at50=25.0) == 0.0


def test_loudness_masks_towards_higher_bands() -> None:
    bands = np.full((1, 28), -np.inf)
    bands[0, 16] = 80.0
    density = slopes(main_loudness(bands))[0][0]
    peak = int(density.argmax())
    assert not density[: peak - 12].any()
    falling = density[peak : peak + 60]
    assert np.all(np.diff(falling) <= 0)
    assert falling[20] > 0.0


def test_a_sine_is_at_its_level_in_its_band() -> None:
    sine = np.sin(2 * np.pi * 10079.4 * np.arange(4096) / 44100)[np.newaxis]
    levels = band_levels(sine)[0]
    assert int(levels.argmax()) == 26
    assert levels[26] == pytest.approx(100 - 3.01, abs=0.3)


@pytest.mark.parametrize("band", [24, 25, 26, 27])
def test_high_bands_are_filtered_at_44_1_khz(band: int) -> None:
    window = noise(4096)
    edges = [CENTRES[band] * 2 ** (side / 6) / 22050 for side in (-1, 1)]
    filtered = lfilter(*butter(4, edges, "bandpass"), window)
    assert band_levels(window[np.newaxis])[0, band] == pytest.approx(10 * np.log10(np.mean(filtered**2)) + 100)


def test_a_window_of_zeros_has_no_level() -> None:
    assert np.isneginf(band_levels(np.zeros((1, 4096)))).all()


@pytest.mark.parametrize(("length", "windows"), [(4095, 1), (4096, 2), (4097, 2), (40960, 11), (300000, 74)])
def test_the_last_window_is_filled_up(length: int, windows: int) -> None:
    pattern = loudness_pattern(0.1 * noise(length))
    assert pattern.density.shape == (windows, 240)
    assert bool(pattern.audible[-1]) == (length % 4096 != 0)


def test_windows_do_not_touch_each_other() -> None:
    signal = 0.1 * noise(4096 * 70)
    pattern = loudness_pattern(signal)
    for window in (0, 63, 64, 69):
        alone = loudness_pattern(signal[window * 4096 : window * 4096 + 4096])
        assert np.array_equal(pattern.density[window], alone.density[0])


def test_level_is_weighted_by_a_bell() -> None:
    pattern = loudness_pattern(0.1 * noise(4096))
    bell = np.exp(-((np.arange(70, 140) - 105.0) ** 2) / 20000.0)
    bell = (bell - bell.min()) / (bell.max() - bell.min())
    assert pattern.level(70, 140)[0] == pytest.approx(pattern.density[0, 70:140] @ bell)


# The walk, one window at a time and by lists


def walked(main: list[float]) -> list[float]:
    """The density by the loops of the standard's program, with its floating point."""
    limits = [limit / 10 for limit in specific_loudness._ZUP.tolist()]
    given, table = specific_loudness._RNS.tolist(), specific_loudness._USL.tolist()
    density = [0.0] * 241
    place, height, slope, drawn = 0.0, 0.0, 17, 0.1
    for band, limit in enumerate(limits):
        column, first = min(band - 1, 7), True
        while place < limit or first:
            first = False
            if height < main[band]:
                slope = next(row for row, least in enumerate(given) if least <= main[band])
            if height <= main[band]:
                end, target, steep, top = limit, main[band], 0.0, main[band]
            else:
                steep, top = table[slope][column], height
                target = max(given[slope], main[band])
                step = round((height - target) / steep * 10) * 0.1
                end = place + (step or 0.1)
                if end > limit:
                    end, target = limit, height - (limit - place) * steep
            for tenth in range(round(drawn * 10), round(end * 10) + 1):
                density[tenth] = top - (tenth / 10 - place) * steep
            drawn = max(drawn, end)
            if target == given[slope]:
                slope = min(slope + 1, 17)
            height, place = target, round(end * 10) * 0.1
    return density[1:]


def test_all_windows_at_once_are_as_one_at_a_time() -> None:
    random = np.random.default_rng(5)
    levels = random.uniform(-20, 100, (400, 28)) * random.choice([0.4, 1.0], (400, 28))
    main = main_loudness(levels)
    density, _ = slopes(main)
    for window in range(len(main)):
        assert density[window] == pytest.approx(walked(main[window].tolist()), abs=1e-9), window
