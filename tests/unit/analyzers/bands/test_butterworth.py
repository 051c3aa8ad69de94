"""The band-pass filters are those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sos2zpk, sosfreqz

from audiobatch_analyzers.bands.analyzer import BANDS, edges
from audiobatch_analyzers.bands.butterworth import ORDER, band_pass

RATES = (8000, 11025, 22050, 44100, 48000, 96000, 192_000)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("band", BANDS)
def test_poles_zeros_and_response_are_scipy_s(band: str, rate: int) -> None:
    found = edges(band, rate)
    assert found is not None
    ours, theirs = band_pass(*found, rate), butter(ORDER, found, "band", fs=rate, output="sos")
    assert ours.shape == theirs.shape == (5, 6)
    assert np.sort(sos2zpk(ours)[1]) == pytest.approx(np.sort(sos2zpk(theirs)[1]), abs=1e-9)
    frequencies = np.geomspace(5.0, 0.499 * rate, 500)
    expected, response = (sosfreqz(sections, frequencies, fs=rate)[1] for sections in (theirs, ours))
    assert np.abs(response - expected).max() < 1e-7


def test_both_edges_are_3_db_down_and_the_centre_is_not() -> None:
    response = np.abs(sosfreqz(band_pass(120.0, 600.0, 44100), [120.0, (120.0 * 600.0) ** 0.5, 600.0], fs=44100)[1])
    assert 20 * np.log10(response) == pytest.approx([-3.0103, 0.0, -3.0103], abs=0.001)
