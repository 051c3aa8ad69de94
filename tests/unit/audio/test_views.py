"""Views of a decoded file: their shapes, their resampling against soxr on the whole, and how long each lives."""

from __future__ import annotations

import math
import weakref

import hypothesis.strategies as st
import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from numpy.typing import NDArray

from audiobatchd.audio import gather, views
from audiobatchd.audio.gather import Gatherer
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, NATIVE, Audio, View
from support.audio_files import Samples, music, tone

PLACES = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "LFE"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
MONO = View(mono=True)
MONO_44 = View(44100, mono=True)
MONO_16 = View(16000, mono=True)


def audio(samples: Samples, rate: int = 44100, channels: tuple[str, ...] | None = None) -> Decoded:
    return Decoded(FULL_MIX, samples.copy(order="K"), rate, channels or PLACES[samples.shape[1]])


def on_the_whole(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """`samples`, resampled in one piece."""
    resampled: NDArray[np.float32] = soxr.resample(samples, rate, wanted, quality="HQ")
    return resampled


def residual(samples: NDArray[np.float32], expected: NDArray[np.floating]) -> float:
    """The largest difference, in dB of full scale."""
    assert samples.shape == expected.shape
    return 20 * math.log10(float(np.abs(samples - expected).max(initial=0.0)) + 1e-30)


def is_made_for_reading(samples: NDArray[np.float32]) -> bool:
    return samples.dtype == np.float32 and not samples.flags.writeable


# The native view


@pytest.mark.parametrize("channels", PLACES)
def test_the_native_view_is_the_file_as_it_is(channels: int) -> None:
    samples = music(0.5, seed=1, channels=channels)
    track = audio(samples)
    assert track.view() is track.view(NATIVE) is track.view(View(44100))
    np.testing.assert_array_equal(track.view(), samples)
    assert track.view().shape == (22050, channels)


@pytest.mark.parametrize("view", [NATIVE, MONO, View(16000), MONO_16], ids=str)
@pytest.mark.parametrize("channels", PLACES)
def test_no_view_can_be_written_to(channels: int, view: View) -> None:
    samples = audio(music(0.5, seed=1, channels=channels)).view(view)
    assert is_made_for_reading(samples)
    with pytest.raises(ValueError, match=r"."):  # in numpy's words
        samples[:] = 0


def test_decoded_fulfils_the_audio_protocol() -> None:
    track: Audio = audio(music(0.5, 48000, seed=1, channels=6), 48000)
    assert (track.role, track.rate, track.channels, track.duration) == (FULL_MIX, 48000, PLACES[6], 0.5)


# Mono


@pytest.mark.parametrize(
    ("channels", "heard"),
    [
        pytest.param(("FL", "FR"), [0, 1], id="stereo"),
        pytest.param(("FL", "FR", "LFE"), [0, 1], id="2.1"),
        pytest.param(PLACES[6], [0, 1, 2, 4, 5], id="5.1"),
        pytest.param(("LFE", "FC", "LFE2", "FL"), [1, 3], id="two low-frequency channels, in any order"),
        pytest.param(("FC", "LFE"), [0], id="1.1"),
        pytest.param(("LFE",), [0], id="a low-frequency channel alone"),
        pytest.param(("LFE", "LFE2"), [0, 1], id="two low-frequency channels alone"),
    ],
)
def test_mono_is_the_mean_of_all_but_the_low_frequency_channels(channels: tuple[str, ...], heard: list[int]) -> None:
    samples = music(0.5, seed=2, channels=len(channels))
    mono = audio(samples, channels=channels).view(MONO)
    assert mono.shape == (22050,)
    np.testing.assert_allclose(mono, samples[:, heard].astype(np.float64).mean(axis=1), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["FC", "LFE"])
def test_mono_of_a_file_with_one_channel_is_the_same_memory(name: str) -> None:
    track = audio(music(0.5, seed=3, channels=1), channels=(name,))
    assert np.shares_memory(track.view(MONO), track.view())
    np.testing.assert_array_equal(track.view(MONO), track.view()[:, 0])


@pytest.mark.parametrize("channels", [2, 6])
def test_mono_is_memory_of_its_own_otherwise(channels: int) -> None:
    track = audio(music(0.5, seed=3, channels=channels))
    assert not np.shares_memory(track.view(MONO), track.view())
    assert track.view(MONO).flags.c_contiguous


def test_powers_tell_of_each_channel_what_mono_lacks() -> None:
    # A sine's mean square is half its amplitude's; an offset counts nothing.
    sine = tone(2.0, channels=1, dbfs=-6.0206)
    track = audio(np.concatenate([sine + np.float32(0.3), -sine, sine * 0], axis=1), channels=("FL", "FR", "FC"))
    track.turn([MONO_16], [])
    assert track.powers == pytest.approx((0.125, 0.125, 0.0), rel=1e-3)


def test_powers_not_taken_are_gone_with_the_samples() -> None:
    track = audio(tone(1.0, channels=1))
    track.turn([MONO_16], [])
    with pytest.raises(LookupError):
        _ = track.powers


def test_channels_that_are_far_above_full_scale_are_not_cut_off() -> None:
    samples = np.full((1000, 2), 1e12, np.float32)
    np.testing.assert_array_equal(audio(samples).view(MONO), samples[:, 0])


# The file's own rate


@pytest.mark.parametrize("channels", PLACES)
@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_at_the_file_s_own_rate_nothing_is_resampled(rate: int, channels: int) -> None:
    track = audio(music(0.5, rate, seed=4, channels=channels), rate)
    assert track.view(View(rate, mono=True)) is track.view(MONO)
    assert track.view(View(rate)) is track.view()


# Resampling


def test_resampling_in_blocks_equals_soxr_on_the_whole() -> None:
    # As long as 2.5 blocks: this is what the blocks are like in service.
    samples = np.random.default_rng(5).uniform(-1, 1, (views._BLOCK * 5 // 2, 1)).astype(np.float32)
    resampled = audio(samples, 48000).view(MONO_44)
    assert residual(resampled, on_the_whole(samples[:, 0], 48000, 44100)) < -120


@pytest.mark.parametrize("block", [1, 100, 1000, 4096])
@pytest.mark.parametrize(
    ("rate", "wanted"),
    [(44100, 16000), (48000, 44100), (8000, 44100), (44101, 16000), (192_000, 16000), (8000, 192_000)],
)
def test_blocks_leave_no_seam_whatever_their_size(
    rate: int, wanted: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_BLOCK", block)
    samples = music(0.1, rate, seed=6)
    resampled = audio(samples, rate).view(View(wanted))
    assert residual(resampled, on_the_whole(samples, rate, wanted)) < -120


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (48000, 44100), (96000, 44100), (22050, 44100)])
def test_a_sine_goes_through_as_it_is(rate: int, wanted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "_BLOCK", 10000)
    resampled = audio(tone(2.0, rate, channels=1, frequency=997.0, dbfs=-1.0), rate).view(View(wanted, mono=True))
    ideal = tone(2.0, wanted, channels=1, frequency=997.0, dbfs=-1.0)[:, 0]
    inner = slice(wanted // 10, -wanted // 10)
    assert residual(resampled[inner], ideal[inner]) < -110


@pytest.mark.parametrize(
    ("rate", "wanted", "frequency"),
    [
        pytest.param(44100, 16000, 9000.0, id="9 kHz at 16 kHz"),
        pytest.param(44100, 16000, 8200.0, id="just above 8 kHz at 16 kHz"),
        pytest.param(48000, 44100, 23000.0, id="23 kHz at 44.1 kHz"),
        pytest.param(192_000, 44100, 50000.0, id="50 kHz at 44.1 kHz"),
    ],
)
def test_a_tone_above_the_new_nyquist_frequency_vanishes(rate: int, wanted: int, frequency: float) -> None:
    samples = tone(1.0, rate, channels=1, frequency=frequency, dbfs=0.0)
    resampled = audio(samples, rate).view(View(wanted, mono=True))
    # At both ends the tone begins and ends at once, and that is heard.
    inner = resampled[wanted // 10 : -wanted // 10]
    assert residual(inner, np.zeros_like(inner)) < -100


@pytest.mark.parametrize("channels", PLACES)
def test_channels_are_resampled_each_for_itself(channels: int) -> None:
    samples = music(0.5, 48000, seed=7, channels=channels)
    resampled = audio(samples, 48000).view(View(44100))
    assert resampled.shape == (22050, channels)
    for place in range(channels):
        alone = on_the_whole(np.ascontiguousarray(samples[:, place]), 48000, 44100)
        assert residual(resampled[:, place], alone) < -120


@pytest.mark.parametrize("channels", PLACES)
def test_mono_is_mixed_before_it_is_resampled(channels: int) -> None:
    track = audio(music(0.5, 48000, seed=8, channels=channels), 48000)
    assert residual(track.view(MONO_16), on_the_whole(track.view(MONO), 48000, 16000)) < -120


def test_samples_may_lie_in_memory_as_they_like() -> None:
    samples = music(0.5, 48000, seed=9)
    by_channel, by_frame = audio(np.asfortranarray(samples), 48000), audio(np.ascontiguousarray(samples), 48000)
    for view in (NATIVE, MONO, View(16000), MONO_16):
        np.testing.assert_array_equal(by_channel.view(view), by_frame.view(view))


@pytest.mark.parametrize("channels", PLACES)
@pytest.mark.parametrize("frames", [0, 1, 2])
@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (8000, 44100), (44100, 44100)])
def test_files_with_next_to_nothing_in_them(rate: int, wanted: int, frames: int, channels: int) -> None:
    track = audio(np.full((frames, channels), 0.5, np.float32), rate)
    assert track.view().shape == (frames, channels)
    assert track.view(MONO).shape == (frames,)
    for view in (View(wanted), View(wanted, mono=True)):
        made = track.view(view)
        assert abs(len(made) - frames * wanted / rate) <= 1
        assert np.isfinite(made).all()


RATES = st.integers(8000, 192_000) | st.sampled_from((8000, 16000, 44100, 48000, 96000, 192_000))


@given(RATES, RATES, st.integers(0, 5000), st.sampled_from(list(PLACES)), st.booleans())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_every_rate_gives_as_many_samples_as_its_ratio(
    rate: int, wanted: int, frames: int, channels: int, mono: bool
) -> None:
    samples = np.random.default_rng(frames).uniform(-1, 1, (frames, channels)).astype(np.float32)
    made = audio(samples, rate).view(View(wanted, mono))
    assert made.shape[1:] == (() if mono else (channels,))
    assert abs(len(made) - frames * wanted / rate) <= 2
    assert np.isfinite(made).all()
    assert is_made_for_reading(made)


# Gathered while the file is decoded


@pytest.mark.parametrize("block", [1000, 70_000, 1 << 18])
@pytest.mark.parametrize("promised", [None, 0.1, 2.0, 100.0], ids=str)
@pytest.mark.parametrize("channels", PLACES)
def test_gathered_views_are_those_of_the_whole_bit_by_bit(channels: int, promised: float | None, block: int) -> None:
    samples = music(2.0, 48000, seed=17, channels=channels)
    whole = audio(samples, 48000)
    for wanted in ([NATIVE], [MONO], [MONO_16, View(16000)], [MONO_16, MONO_44], [MONO, MONO_16], [NATIVE, MONO_44]):
        gatherer = Gatherer(FULL_MIX, 48000, PLACES[channels], wanted, promised)
        for start in range(0, len(samples), block):
            gatherer.feed(samples[start : start + block])
        track = gatherer.decoded()
        assert track.duration == 2.0
        for view in wanted:
            assert is_made_for_reading(track.view(view))
            np.testing.assert_array_equal(track.view(view), whole.view(view))
        if channels > 1:
            assert track.powers == whole.powers


@pytest.mark.parametrize("piece", [1 << 14, 1 << 22])
def test_gathered_file_may_be_longer_than_its_room(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "_PIECE", piece)
    monkeypatch.setattr(gather, "_SPARE", 10)
    samples = music(3.0, seed=18)
    gatherer = Gatherer(FULL_MIX, 44100, PLACES[2], [NATIVE], 0.5)
    for start in range(0, len(samples), 10_000):
        gatherer.feed(samples[start : start + 10_000])
    np.testing.assert_array_equal(gatherer.decoded().view(), samples)


def test_header_that_lies_takes_no_memory() -> None:
    gatherer = Gatherer(FULL_MIX, 44100, PLACES[2], [NATIVE], 1e12)
    gatherer.feed(music(0.5, seed=19))
    assert gatherer.decoded().view().shape == (22050, 2)


@pytest.mark.parametrize("wanted", [[NATIVE, MONO_16], [MONO, MONO_16], [NATIVE, MONO, MONO_16]], ids=str)
@pytest.mark.parametrize("channels", PLACES)
def test_view_goes_on_without_the_one_it_was_to_be_made_of(channels: int, wanted: list[View]) -> None:
    samples = music(2.0, seed=20, channels=channels)
    gatherer = Gatherer(FULL_MIX, 44100, PLACES[channels], wanted, None)
    for start in range(0, len(samples), 10_000):
        gatherer.feed(samples[start : start + 10_000])
        if start == 30_000:
            gatherer.keep([MONO_16])
            assert set(gatherer._gathered) == {MONO_16}
    track, whole = gatherer.decoded(), audio(samples)
    np.testing.assert_array_equal(track.view(MONO_16), whole.view(MONO_16))
    if channels > 1:
        assert track.powers == whole.powers


# Made once


@pytest.mark.parametrize("view", [NATIVE, MONO, View(16000), MONO_16], ids=str)
def test_a_view_is_made_once(view: View) -> None:
    track = audio(music(0.5, seed=10))
    assert track.view(view) is track.view(View(view.rate, view.mono))


@pytest.mark.parametrize("channels", PLACES)
@pytest.mark.parametrize("before", [View(16000), MONO], ids=str)
def test_same_file_gives_same_bits_whatever_came_before(
    before: View, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_BLOCK", 5000)
    samples = music(0.5, seed=11, channels=channels)
    first, second = audio(samples), audio(samples)
    first.view(before)
    assert first.view(MONO_16).tobytes() == second.view(MONO_16).tobytes()


# Turns


def test_before_any_turn_every_view_may_be_read() -> None:
    assert audio(music(0.5, seed=12)).view(View(22050)).shape == (11025, 2)


@pytest.mark.parametrize("view", [NATIVE, View(16000), View(22050, mono=True)], ids=str)
def test_a_view_that_is_not_declared_is_refused(view: View) -> None:
    track = audio(music(0.5, seed=12))
    # What those behind it read is not declared by this one, although it is there.
    track.turn([MONO], [View(16000), NATIVE])
    assert track.view(MONO).shape == (22050,)
    with pytest.raises(LookupError) as caught:
        track.view(view)
    assert str(caught.value) == f"the analyzer has not declared that it reads {view}"


def test_own_rate_may_be_declared_by_number_or_none() -> None:
    track = audio(music(0.5, seed=12))
    track.turn([View(44100), MONO], [])
    assert track.view() is track.view(View(44100))
    assert track.view(MONO) is track.view(MONO_44)


def test_analyzer_without_views_reads_nothing() -> None:
    track = audio(music(0.5, seed=12))
    track.turn([], [NATIVE])
    with pytest.raises(LookupError):
        track.view()
    track.turn([NATIVE], [])
    assert track.view().shape == (22050, 2)


def native_of(track: Decoded) -> weakref.ref[Samples]:
    """A reference that does not keep the native samples alive."""
    return weakref.ref(track.view())


@pytest.mark.parametrize("declared", [[MONO], [MONO_16], [View(16000)], []], ids=str)
def test_native_samples_are_freed_after_their_last_reader(declared: list[View]) -> None:
    track = audio(music(0.5, seed=13))
    native = native_of(track)
    track.turn(declared, [])
    assert native() is None


@pytest.mark.parametrize(
    ("declared", "later"),
    [([NATIVE], []), ([MONO], [NATIVE]), ([MONO], [View(44100)]), ([], [MONO_16, NATIVE])],
    ids=str,
)
def test_native_samples_are_kept_for_later_readers(declared: list[View], later: list[View]) -> None:
    track = audio(music(0.5, seed=13))
    native = native_of(track)
    track.turn(declared, later)
    assert native() is not None


def test_mono_view_of_one_channel_keeps_native_samples() -> None:
    samples = music(0.5, seed=13, channels=1)
    track = audio(samples)
    track.turn([MONO], [])
    np.testing.assert_array_equal(track.view(MONO), samples[:, 0])
    native = weakref.ref(track.view(MONO).base)
    assert native() is not None
    track.turn([], [])
    assert native() is None


def test_derived_views_are_made_before_native_samples_go() -> None:
    samples = music(0.5, 48000, seed=14)
    track, untouched = audio(samples, 48000), audio(samples, 48000)
    native = native_of(track)
    track.turn([MONO], [MONO_16, View(44100)])
    assert native() is None
    track.turn([MONO_16], [View(44100)])
    np.testing.assert_array_equal(track.view(MONO_16), untouched.view(MONO_16))
    track.turn([View(44100)], [])
    np.testing.assert_array_equal(track.view(View(44100)), untouched.view(View(44100)))


@pytest.mark.parametrize("channels", PLACES)
def test_view_made_of_mono_is_made_at_its_turn(channels: int) -> None:
    samples = music(0.5, 48000, seed=14, channels=channels)
    track, untouched = audio(samples, 48000), audio(samples, 48000)
    track.turn([MONO], [MONO_16])
    assert list(track._views) == [MONO]
    track.turn([MONO_16], [])
    assert list(track._views) == [MONO_16]
    np.testing.assert_array_equal(track.view(MONO_16), untouched.view(MONO_16))


SCHEDULES = st.lists(
    st.lists(st.sampled_from((NATIVE, View(48000), MONO, View(48000, mono=True), View(16000), MONO_16, MONO_44))),
    max_size=5,
)


@given(SCHEDULES, st.sampled_from((1, 2, 6)))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_declared_views_are_read_in_any_order(schedule: list[list[View]], channels: int) -> None:
    samples = np.random.default_rng(channels).uniform(-1, 1, (3000, channels)).astype(np.float32)
    track, untouched = audio(samples, 48000), audio(samples, 48000)
    native = native_of(track)
    for place, declared in enumerate(schedule):
        later = [view for each in schedule[place + 1 :] for view in each]
        track.turn(declared, later)
        for view in declared:
            np.testing.assert_array_equal(track.view(view), untouched.view(view))
        if channels > 1:
            needed = {NATIVE, View(48000)} & {*declared, *later}
            assert (native() is not None) is bool(needed)
        assert set(track._views) <= {track._plain(view) for view in (*declared, *later)}


def test_view_is_made_on_demand_while_native_samples_stay() -> None:
    track = audio(music(0.5, seed=14))
    track.turn([NATIVE, MONO], [MONO_16])
    assert list(track._views) == [NATIVE]


def test_derived_view_is_freed_after_its_last_reader() -> None:
    track = audio(music(0.5, seed=15))
    track.turn([MONO_16, MONO], [MONO])
    mono, resampled = weakref.ref(track.view(MONO)), weakref.ref(track.view(MONO_16))
    track.turn([MONO], [])
    assert resampled() is None
    assert mono() is track.view(MONO)


def test_a_view_is_the_same_for_all_who_declare_it() -> None:
    track = audio(music(0.5, seed=15))
    track.turn([MONO_16], [MONO_16])
    first = track.view(MONO_16)
    track.turn([MONO_16], [])
    assert track.view(MONO_16) is first


# What is shared


def test_shared_value_is_made_once_per_key_and_outlives_turns() -> None:
    track = audio(music(0.5, seed=16))
    made: list[str] = []

    def make(name: str) -> list[str]:
        made.append(name)
        return [name]

    first = track.shared("key", lambda: make("first"))
    track.turn([MONO], [])
    assert track.shared("key", lambda: make("again")) is first
    assert track.shared(("key", 1), lambda: make("other")) == ["other"]
    assert made == ["first", "other"]


def test_none_can_be_shared() -> None:
    track = audio(music(0.5, seed=16))
    made: list[None] = []
    for _ in range(3):
        track.shared("key", lambda: made.append(None))
    assert made == [None]


def test_shared_value_that_failed_is_tried_again() -> None:
    track = audio(music(0.5, seed=16))

    def fail() -> str:
        message = "no model"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="no model"):
        track.shared("key", fail)
    assert track.shared("key", lambda: "made") == "made"


def test_files_share_nothing() -> None:
    one, other = audio(music(0.5, seed=16)), audio(music(0.5, seed=16))
    assert one.shared("key", lambda: 1) == 1
    assert other.shared("key", lambda: 2) == 2
