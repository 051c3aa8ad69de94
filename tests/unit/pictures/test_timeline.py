"""Pictures over time as SVG: well-formed, within their bounds, and the same as their numbers."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiobatchd.pictures.timeline import loudness, waveform
from audiobatchd.worker.orders import Loudness, Waveform

SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]\d+)?")


def drawn(svg: str) -> ET.Element:
    """Parse a picture."""
    return ET.fromstring(svg)  # noqa: S314  # of our own making


def paths(svg: str, kind: str) -> list[str]:
    """The paths of one kind in a picture."""
    return [each.attrib["d"] for each in drawn(svg).iter(f"{SVG}path") if each.attrib["class"] == kind]


def words(svg: str) -> str:
    """All text in a picture."""
    return " ".join(drawn(svg).itertext())


def test_waveform_goes_from_lowest_to_highest_sample() -> None:
    svg = waveform(Waveform(2.0, (-1.0, 0.0), (1.0, 0.5)))
    assert paths(svg, "wave") == ["M250 100V0L750 50V25"]
    assert drawn(svg).attrib["aria-label"] == "Waveform of 0:02, peak 1"


def test_beats_stand_above_and_onsets_below_with_a_legend() -> None:
    svg = waveform(Waveform(10.0, (-0.5,), (0.5,)), [2.5, 5.0, 99.0, -1.0], [7.5])
    assert paths(svg, "beat") == ["M250 0V100M500 0V100", "M250 0V8M500 0V8"]
    assert paths(svg, "onset") == ["M750 92V100"]
    assert "2 beats" in words(svg)
    assert "1 onset" in drawn(svg).attrib["aria-label"]
    assert "beat" not in waveform(Waveform(10.0, (-0.5,), (0.5,)))


def test_samples_above_full_scale_stay_in_the_picture() -> None:
    svg = waveform(Waveform(1.0, (-2.0,), (4.0,)))
    assert paths(svg, "wave") == ["M500 75V0"]
    assert "peak 4" in words(svg)


def test_many_marks_are_a_bounded_picture() -> None:
    times = [each / 1000 for each in range(100_000)]
    svg = waveform(Waveform(100.0, (0.0,) * 1000, (0.0,) * 1000), times, times)
    assert len(svg) < 150_000
    assert "100,000 beats" in svg


def test_loudness_has_its_curves_where_they_are_measured() -> None:
    found = Loudness(0.4, (None, -30.0, -20.0, -20.0), (None, -20.0, -20.0, -10.0), (None, None, -40.0, -10.0), -14.0)
    svg = loudness(found)
    momentary, short = paths(svg, "momentary")[0], paths(svg, "short-term")[0]
    assert momentary.startswith("M375 ")
    assert momentary.count("V") == 3
    assert short.startswith("M625 ")
    assert "integrated -14 LUFS" in words(svg)
    assert "-20" in words(svg)
    height = {each: float(NUMBER.findall(path)[1]) for each, path in (("s", short), ("m", momentary))}
    assert height["s"] > height["m"]  # louder is higher


def test_silence_and_short_files_have_a_picture() -> None:
    drawn(loudness(Loudness(0.4, (None, -70.0), (None, -70.0), (None, None), None)))
    drawn(loudness(Loudness(0.4, (-70.0,) * 9, (-70.0,) * 9, (-70.0,) * 9, -70.0)))
    drawn(waveform(Waveform(1e-5, (0.0,), (0.0,)), [0.0], [math.inf]))


@pytest.mark.parametrize(
    ("seconds", "expected"), [(200.0, "1:00 2:00"), (0.5, "0.1 s"), (9000.0, "30:00 1:00:00"), (5.0, "0:01 0:02")]
)
def test_times_are_round(seconds: float, expected: str) -> None:
    assert expected in words(waveform(Waveform(seconds, (0.0,), (0.0,))))


LEVEL = st.none() | st.floats(-70, 30)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.1, 1e5), st.lists(st.tuples(LEVEL, LEVEL, LEVEL), min_size=1, max_size=20), LEVEL)
def test_curves_stay_in_the_picture(
    seconds: float, levels: list[tuple[float | None, float | None, float | None]], whole: float | None
) -> None:
    low, high, short = zip(*levels, strict=True)
    svg = loudness(Loudness(seconds, low, high, short, whole))
    for kind in ("momentary", "short-term", "integrated"):
        for path in paths(svg, kind):
            for move in re.findall(r"[MLVH][^MLVH]+", path):
                *_, y = map(float, NUMBER.findall(move)) if move[0] != "H" else (0.0,)
                assert -0.01 <= y <= 100.01


def test_no_picture_has_style_or_script() -> None:
    for svg in (waveform(Waveform(1.0, (0.0,), (0.0,)), [0.5]), loudness(Loudness(1.0, (-9.0,), (-9.0,), (-9.0,), -9))):
        tags = {each.tag.removeprefix(SVG) for each in drawn(svg).iter()}
        assert tags <= {"svg", "path", "line", "text"}
        assert "style=" not in svg
