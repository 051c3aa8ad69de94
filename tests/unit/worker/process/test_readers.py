"""Analyzers of one file: fed while it is decoded or given views, each fault its own, and none without the memory."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatchd.plugin_api import (
    FULL_MIX,
    NATIVE,
    Audio,
    AudioAnalyzer,
    Cost,
    Feature,
    Feed,
    Measurement,
    Stream,
    View,
)
from audiobatchd.worker.process import readers as readers_module
from audiobatchd.worker.process.readers import Answer, Readers, beyond_memory

RATE = 8000
STEREO = ("FL", "FR")
MIB = 1 << 20
MONO = View(mono=True)
BLOCK = np.full((RATE, 2), 0.5, np.float32)
BLOCK.flags.writeable = False


@dataclass
class Described:
    """What analyzers tell of themselves."""

    name: str
    version: int = 1
    cost: Cost = Cost.LIGHT
    models: Mapping[str, str] = field(default_factory=dict)

    def features(self, role: str) -> tuple[Feature, ...]:  # noqa: ARG002  # the same for all
        return (Feature(self.name, "", ""),)

    def load(self) -> None:
        pass


@dataclass
class Meter(Described):
    """Counts frames that it is fed; raises `error` at one `moment`."""

    moment: str = ""
    error: Exception = field(default_factory=ValueError)
    calls: list[str] = field(default_factory=list)

    def begin(self, stream: Stream) -> Feed:
        self.stream = stream
        self.call("begin")
        return Counted(self)

    def call(self, what: str) -> None:
        self.calls.append(what)
        if what == self.moment:
            raise self.error


@dataclass
class Counted:
    """The feed of a meter."""

    meter: Meter
    frames: int = 0

    def feed(self, block: NDArray[np.float32]) -> None:
        self.meter.call("feed")
        self.frames += len(block)

    def finish(self) -> Measurement:
        self.meter.call("finish")
        return Measurement({self.meter.name: self.frames})


@dataclass
class Viewer(Described):
    """Tells how many samples its views have."""

    wanted: tuple[View, ...] = (NATIVE,)

    def views(self, role: str) -> tuple[View, ...]:  # noqa: ARG002  # the same for all
        return self.wanted

    def analyze(self, audio: Audio) -> Measurement:
        return Measurement({self.name: sum(audio.view(view).size for view in self.wanted)})


@dataclass
class Hungry(Viewer):
    """A viewer that takes `memory` beside its views, or cannot say."""

    memory: int | None = 0

    def working_memory(self, _stream: Stream, _seconds: float) -> int:
        if self.memory is None:
            raise ZeroDivisionError
        return self.memory


def run(
    *analyzers: AudioAnalyzer, limit: int | None = None, promised: float | None = None, seconds: int = 3
) -> dict[str, Answer]:
    """What each makes of a file of so many blocks of a second."""
    readers = Readers(FULL_MIX, "a.flac", analyzers, limit, lambda: None, lambda _doing, _seconds: None)
    readers.on_promise(promised)
    readers.begin(RATE, STEREO, promised)
    for _ in range(seconds):
        readers.feed(BLOCK)
    assert readers.seconds == seconds
    return {answer.analyzer.name: answer for answer in readers.answers()}


def value(answer: Answer) -> object:
    assert isinstance(answer.measurement, Measurement)
    return answer.measurement.values[answer.analyzer.name]


# Both kinds


def test_each_kind_measures_the_whole_file() -> None:
    answers = run(Viewer("viewer"), Meter("meter"), Viewer("mono", wanted=(MONO, View(4000, mono=True))))
    assert {name: value(answer) for name, answer in answers.items()} == {
        "meter": 3 * RATE,
        "viewer": 6 * RATE,
        "mono": 3 * RATE + 3 * 4000,
    }


def test_meter_hears_of_the_stream_before_its_blocks() -> None:
    meter = Meter("meter")
    run(meter, promised=3.0)
    assert meter.stream == Stream(FULL_MIX, RATE, STEREO, 3.0)
    assert meter.calls == ["begin", "feed", "feed", "feed", "finish"]


def test_every_call_is_told_before_it_is_made() -> None:
    told: list[tuple[str, float | None]] = []
    analyzers = (Viewer("viewer"), Meter("one"), Meter("other"))
    readers = Readers(FULL_MIX, "a.flac", analyzers, None, lambda: None, lambda *stage: told.append(stage))
    readers.on_promise(1.0)
    readers.begin(RATE, STEREO, 1.0)
    readers.feed(BLOCK)
    list(readers.answers())
    assert told == [
        ("decoding a.flac", 0.0),
        ("decoding a.flac for one, other", 0.0),
        ("one of a.flac", 1.0),
        ("other of a.flac", None),
        ("viewer of a.flac", None),
    ]


@pytest.mark.parametrize("moment", ["begin", "feed", "finish"])
@pytest.mark.parametrize("error", [ValueError("no\nway"), MemoryError(), OSError(errno.EIO, "no way")], ids=repr)
def test_fault_is_the_analyzer_s_and_stops_no_other(moment: str, error: Exception) -> None:
    broken = Meter("broken", moment=moment, error=error)
    answers = run(broken, Meter("meter"), Viewer("viewer"))
    assert answers["broken"].fault.startswith(f"analyzer broken failed: {type(error).__name__}: ")
    assert "\n" not in answers["broken"].fault
    assert (value(answers["meter"]), value(answers["viewer"])) == (3 * RATE, 6 * RATE)
    assert broken.calls.count(moment) == 1, "it is not called again"
    assert broken.calls[-1] == moment


@pytest.mark.parametrize("moment", ["begin", "feed", "finish"])
def test_shortage_of_the_process_is_no_fault_of_the_analyzer(moment: str) -> None:
    with pytest.raises(OSError, match="descriptors"):
        run(Meter("broken", moment=moment, error=OSError(errno.EMFILE, "no descriptors")))


def test_files_share_nothing_of_a_meter() -> None:
    meter = Meter("meter")
    first, second = run(meter, seconds=3)["meter"], run(meter, seconds=5)["meter"]
    assert (value(first), value(second)) == (3 * RATE, 5 * RATE)


def test_processor_time_is_charged_to_each() -> None:
    meter = Meter("meter")
    readers = Readers(FULL_MIX, "a.flac", (meter, Viewer("viewer")), None, lambda: None, lambda *_: None)
    readers.begin(RATE, STEREO, None)
    readers.feed(BLOCK)
    list(readers.answers())
    assert readers.costs.keys() == {"meter", "viewer"}
    assert all(seconds >= 0 for seconds in readers.costs.values())


# Memory


@pytest.fixture
def resident(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that takes 100 MiB."""
    monkeypatch.setattr(readers_module, "_resident", lambda: 100 * MIB)


HOUR = 3600 * RATE * 2 * 4
"""Bytes of an hour of the native view."""


@pytest.mark.usefixtures("resident")
@pytest.mark.parametrize("promised", [3600.0, None], ids=["promised", "found"])
def test_views_that_do_not_fit_leave_out_their_reader_alone(promised: float | None) -> None:
    limit = 100 * MIB + HOUR
    answers = run(Viewer("viewer"), Meter("meter"), limit=limit, promised=promised, seconds=3600)
    assert value(answers["meter"]) == 3600 * RATE
    assert answers["viewer"].measurement is None
    assert answers["viewer"].needs > limit
    if promised:
        # The view, and as much again to work with.
        assert answers["viewer"].needs == pytest.approx((100 * MIB + 2 * HOUR) * 33 / 32, rel=0.01)


@pytest.mark.usefixtures("resident")
def test_views_that_fit_are_read() -> None:
    answers = run(Viewer("viewer"), limit=(100 * MIB + 2 * HOUR) * 17 // 16, promised=3600.0)
    assert value(answers["viewer"]) == 6 * RATE


@pytest.mark.usefixtures("resident")
def test_smaller_view_is_read_where_the_larger_one_does_not_fit() -> None:
    small = Viewer("small", wanted=(View(4000, mono=True),))
    answers = run(Viewer("viewer"), small, limit=100 * MIB + HOUR, promised=3600.0)
    assert answers["viewer"].needs
    assert value(answers["small"]) == 3 * 4000


@pytest.mark.usefixtures("resident")
def test_view_found_too_long_is_freed_and_the_other_kept() -> None:
    small = Viewer("small", wanted=(View(4000, mono=True),))
    answers = run(Viewer("viewer"), small, limit=100 * MIB + HOUR, seconds=3600)
    assert answers["viewer"].needs
    assert value(answers["small"]) == 3600 * 4000


@pytest.mark.usefixtures("resident")
def test_analyzer_may_say_what_it_takes() -> None:
    limit = 300 * MIB
    answers = run(Hungry("modest", memory=100 * MIB), Hungry("hungry", memory=200 * MIB), limit=limit, promised=3.0)
    assert value(answers["modest"]) == 6 * RATE
    assert answers["hungry"].needs == pytest.approx(300 * MIB * 33 / 32, rel=0.01)


def test_analyzer_that_cannot_say_what_it_takes_is_at_fault() -> None:
    answers = run(Hungry("broken", memory=None), Viewer("viewer"), limit=1 << 40)
    assert answers["broken"].fault == "analyzer broken failed: ZeroDivisionError: "
    assert value(answers["viewer"]) == 6 * RATE


def test_reason_names_both_sizes() -> None:
    reason = beyond_memory(7 * MIB << 10, 6 << 30)
    assert reason == "takes 7.0 GiB of memory, more than worker_memory (6 GiB)"
