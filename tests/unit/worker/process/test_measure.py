"""One source file measured: read once, decoded once, and every answer of an analyzer looked at before it counts."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audiobatchd.audio.blocks import BLOCK
from audiobatchd.audio.decode import decode_into
from audiobatchd.core.assessment import Due
from audiobatchd.core.messages import Result, WorkerSettings, decode_from_worker, encode
from audiobatchd.errors import AnalyzerFaultError, DamagedFileError, SourceChangedError
from audiobatchd.plugin_api import (
    MOST_LABELS,
    NATIVE,
    Audio,
    Cost,
    Feature,
    Feed,
    Measurement,
    Stream,
    Value,
    View,
    feature_name,
)
from audiobatchd.vocabulary.files import FileStamp, Fingerprint
from audiobatchd.vocabulary.states import Outcome
from audiobatchd.worker.process import measure as measure_module
from audiobatchd.worker.process import validity as validity_module
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.measure import FileResult, measure
from support.audio_files import tone, write_audio

RATE = 8000
SECONDS = 0.25
MIX = "full_mix.wav"
Answer = Callable[[Audio], Measurement]


def length(audio: Audio) -> Measurement:
    """The answer of an analyzer that does as it should."""
    return Measurement({feature_name("length", audio.role): audio.duration})


@dataclass
class Probe:
    """An analyzer that gives `length`, unless it is told to answer otherwise, and keeps what it was asked."""

    answer: Answer = length
    name: str = "probe"
    version: int = 2
    bases: tuple[str, ...] = ("length",)
    models: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = Cost.LIGHT
    asked: list[Audio] = field(default_factory=list)

    def features(self, role: str) -> tuple[Feature, ...]:
        return tuple(Feature(feature_name(base, role), "s", "") for base in self.bases)

    def views(self, role: str) -> tuple[View, ...]:
        return (NATIVE,) if self.features(role) else ()

    def load(self) -> None:
        pass

    def analyze(self, audio: Audio) -> Measurement:
        self.asked.append(audio)
        return self.answer(audio)


@dataclass
class Studio:
    """A folder with sound in it, open, and what was reported while it was measured."""

    path: Path
    descriptor: int
    stages: list[tuple[str, float | None]] = field(default_factory=list)

    def record(self, name: str = MIX, seconds: float = SECONDS) -> Path:
        """Write some sound."""
        return write_audio(self.path / name, tone(seconds, RATE, channels=1), RATE)

    def measure(
        self,
        *probes: Probe | Meter,
        name: str = MIX,
        role: str = "full_mix",
        stamp: FileStamp | None = None,
        digests: Mapping[str, str | None] | None = None,
        max_duration: float = 60.0,
        worker_memory: int | None = None,
        report: Callable[[str], object] = bool,
        on_progress: Callable[[], None] = lambda: None,
    ) -> FileResult:
        """Measure a file by these probes; `report` is told of every stage."""

        def reporting(doing: str, seconds: float | None) -> None:
            self.stages.append((doing, seconds))
            report(doing)

        known = {
            probe.name: Fingerprint("", 0, 0, digest) for probe in probes if (digest := (digests or {}).get(probe.name))
        }
        due = tuple(Due(each.name, ((role, known[each.name]),) if each.name in known else ()) for each in probes)
        settings = WorkerSettings(max_duration=max_duration, worker_memory=worker_memory)
        bench = Bench(settings, {probe.name: probe for probe in probes}, ())
        return measure(self.descriptor, role, stamp or self.stamp(name), due, bench, reporting, on_progress)

    def stamp(self, name: str) -> FileStamp:
        status = (self.path / name).stat()
        return FileStamp(name.encode(), status.st_size, status.st_mtime_ns)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    path = tmp_path / "Song"
    path.mkdir()
    made = Studio(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY))
    made.record()
    yield made
    os.close(made.descriptor)


# Measured


def test_values_come_with_an_account_of_how_they_came_about(studio: Studio) -> None:
    probe = Probe(
        lambda audio: Measurement({"length": audio.duration}, {"pitch": "too short"}),
        bases=("length", "pitch"),
        models={"net": "aa"},
    )
    before = datetime.now(UTC).replace(microsecond=0)
    result = studio.measure(probe)
    stamp = studio.stamp(MIX)
    assert (result.values, result.unmeasurable, result.audio_seconds) == (
        {"length": 0.25},
        {"pitch": "too short"},
        0.25,
    )
    fingerprint = result.fingerprint
    assert (fingerprint.file, fingerprint.size, fingerprint.mtime_ns) == (MIX, stamp.size, stamp.mtime_ns)
    assert fingerprint.digest.startswith("blake2b:")
    entry = result.entries["probe"]
    assert (entry.fingerprint, entry.version, entry.models) == (fingerprint, 2, {"net": "aa"})
    assert entry.unmeasurable == {"pitch": "too short"}
    assert before <= datetime.fromisoformat(entry.measured) <= datetime.now(UTC)
    assert entry.measured.endswith("+00:00")
    assert entry.host


def test_the_file_is_decoded_once_for_all_and_each_stage_is_told(studio: Studio) -> None:
    one, other = Probe(), Probe(lambda audio: Measurement({"n": len(audio.view())}), name="other", bases=("n",))
    result = studio.measure(one, other)
    assert result.values == {"length": 0.25, "n": 2000}
    assert one.asked[0] is other.asked[0]
    assert (one.asked[0].role, one.asked[0].rate, one.asked[0].channels) == ("full_mix", RATE, ("FC",))
    assert studio.stages == [
        (f"reading {MIX}", 0.0),
        (f"decoding {MIX}", 0.0),
        (f"probe of {MIX}", 0.25),
        (f"other of {MIX}", None),
    ]


def test_a_stem_has_keys_of_its_own(studio: Studio) -> None:
    studio.record("drums.wav", 0.5)
    assert studio.measure(Probe(), name="drums.wav", role="drums").values == {"length_drums": 0.5}


@dataclass(frozen=True)
class Digests:
    """Which analyzers measured which content before, and which of them have to measure again."""

    known: Mapping[str, bool]
    asked: tuple[str, ...]


@pytest.mark.parametrize(
    "case",
    [
        Digests({}, ("probe", "other")),
        Digests({"probe": True}, ("other",)),
        Digests({"probe": True, "other": False}, ("other",)),
        Digests({"probe": False, "other": False}, ("probe", "other")),
        Digests({"probe": True, "other": True}, ()),
    ],
)
def test_who_measured_this_content_before_is_left_out(studio: Studio, case: Digests) -> None:
    digest = studio.measure(Probe()).fingerprint.digest
    studio.stages.clear()
    one, other = Probe(), Probe(lambda audio: Measurement({"n": 1}), name="other", bases=("n",))
    digests = {name: digest if same else "blake2b:another" for name, same in case.known.items()}
    result = studio.measure(one, other, digests=digests)
    assert tuple(probe.name for probe in (one, other) if probe.asked) == case.asked
    assert tuple(result.entries) == case.asked
    assert len(result.values) == len(case.asked)
    assert result.fingerprint.digest == digest
    assert (f"decoding {MIX}" in dict(studio.stages)) == bool(case.asked)


def test_what_is_too_long_is_unmeasurable_and_not_decoded(studio: Studio) -> None:
    probe = Probe(bases=("length", "pitch"))
    result = studio.measure(probe, max_duration=0.2)
    assert result.values == {}
    assert result.unmeasurable.keys() == {"length", "pitch"}
    assert all(reason.startswith("longer than ") for reason in result.unmeasurable.values())
    assert result.entries["probe"].unmeasurable == result.unmeasurable
    assert (probe.asked, result.audio_seconds) == ([], 0.0)


def test_what_promises_too_much_is_not_read_to_learn_that(studio: Studio) -> None:
    """A WAV of 3 GB and 5 h, nearly all of it a hole."""
    song = studio.record()
    whole = song.read_bytes()
    size, data = 3_000_000_000, whole.index(b"data") + 4
    song.write_bytes(whole[:data] + (size - data - 4).to_bytes(4, "little"))
    os.truncate(song, size)
    steps: list[None] = []
    result = studio.measure(Probe(), on_progress=lambda: steps.append(None))
    assert result.unmeasurable == {"length": "longer than 1 min"}
    assert result.fingerprint.digest == ""
    assert len(steps) < 100


def test_what_is_known_is_compared_before_its_promise_is_judged(studio: Studio) -> None:
    digest = studio.measure(Probe()).fingerprint.digest
    result = studio.measure(Probe(), digests={"probe": digest}, max_duration=0.1)
    assert (result.unmeasurable, result.entries) == ({}, {})


def test_a_content_that_was_never_read_is_no_known_one(studio: Studio) -> None:
    assert studio.measure(Probe(), digests={"probe": ""}).values == {"length": 0.25}


# What an analyzer may answer


class Note(StrEnum):
    """A text of its own kind."""

    C = "c"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (1.5, 1.5),
        (-0.0, -0.0),
        (3, 3),
        (-(2**63), -(2**63)),
        (2**64 - 1, 2**64 - 1),
        (True, True),
        ("C minor", "C minor"),
        ("", ""),
        (np.float64(-14.23), -14.23),
        (np.str_("C"), "C"),
        (Note.C, "c"),
        ({"b": 0.5, "a": 1}, {"b": 0.5, "a": 1}),
        (MappingProxyType({Note.C: np.float64(0.25), np.str_("é"): -(2**63)}), {"c": 0.25, "é": -(2**63)}),
        ({"x" * 100: 0.0}, {"x" * 100: 0.0}),
        ({"e\u0301": 1.0, "\u00e9": 2.0}, {"e\u0301": 1.0, "\u00e9": 2.0}),
        (dict.fromkeys(map(str, range(100)), 1.0), dict.fromkeys(map(str, range(100)), 1.0)),
    ],
)
def test_values_are_written_as_plain_ones(studio: Studio, given: Value, written: Value) -> None:
    (value,) = studio.measure(Probe(lambda audio: Measurement({"length": given}))).values.values()
    assert (value, type(value)) == (written, type(written))
    if isinstance(value, dict) and isinstance(written, dict):
        assert list(value) == list(written)
        assert [*map(type, value), *map(type, value.values())] == [*map(type, written), *map(type, written.values())]


def _raises(error: BaseException) -> Answer:
    def answer(audio: Audio) -> Measurement:
        raise error

    return answer


def _gives(value: Any) -> Answer:  # noqa: ANN401  # that is what is tried
    return lambda audio: Measurement({"length": value})


def _answers(answer: Any) -> Answer:  # noqa: ANN401  # that is what is tried
    return lambda audio: answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (_raises(ValueError("no\nway")), r"failed: ValueError: no\x0away"),
        (_raises(FileNotFoundError(2, "missing", "/models/caf\udce9")), r"missing: '/models/caf\udce9'"),
        (_raises(OSError("caf\udce9")), r"failed: OSError: caf\xe9"),
        (_raises(ValueError("\ud800")), r"failed: ValueError: \xed\xa0\x80"),
        (_raises(MemoryError()), "failed: MemoryError: "),
        (_raises(AnalyzerFaultError("by itself")), "failed: AnalyzerFaultError: by itself"),
        (_raises(DamagedFileError("not for it to say")), "failed: DamagedFileError: not for it to say"),
        (_raises(SourceChangedError("not for it to say")), "failed: SourceChangedError: not for it to say"),
        (_answers(None), "gave NoneType and no measurement"),
        (_answers({"length": 1.0}), "gave dict and no measurement"),
        (_answers(Measurement({})), "promised ['length'] and gave []"),
        (_answers(Measurement({"length": 1.0, "more": 1.0})), "promised ['length'] and gave ['length', 'more']"),
        (_answers(Measurement({"lenght": 1.0})), "promised ['length'] and gave ['lenght']"),
        (_answers(Measurement({"length": 1.0}, {"length": "silent"})), "gave ['length', 'length']"),
        (_gives(float("nan")), "gave nan for length"),
        (_gives(float("inf")), "gave inf for length"),
        (_gives(float("-inf")), "gave -inf for length"),
        (_gives(np.float64("nan")), "gave np.float64(nan) for length"),
        (_gives(np.float32(1.0)), "gave np.float32(1.0) for length"),
        (_gives(np.int64(1)), "gave np.int64(1) for length"),
        (_gives(np.zeros(5)), "gave array([0., 0., 0., 0., 0.]) for length"),
        (_gives(None), "gave None for length"),
        (_gives([1.0]), "gave [1.0] for length"),
        (_gives({}), "gave {} for length: it has 0 labels, expected 1 to 100"),
        (_gives(dict.fromkeys(map(str, range(101)), 1.0)), "for length: it has 101 labels, expected 1 to 100"),
        (_gives({"a": 1.0, "b": float("nan")}), "for length: label 'b': expected a finite number"),
        (_gives({"a": float("-inf")}), "for length: label 'a': expected a finite number"),
        (_gives({"a": True}), "for length: label 'a': expected a finite number"),
        (_gives({"a": "1.0"}), "for length: label 'a': expected a finite number"),
        (_gives({"a": None}), "for length: label 'a': expected a finite number"),
        (_gives({"a": 2**64}), "for length: label 'a': expected a finite number of at most 64 bits"),
        (_gives({"a": np.float32(1)}), "for length: label 'a': expected a finite number"),
        (_gives({"a": {"b": 1.0}}), "for length: label 'a': expected a finite number"),
        (_gives({"": 1.0}), "for length: a label has 0 characters, expected 1 to 100"),
        (_gives({"x" * 101: 1.0}), "for length: a label has 101 characters, expected 1 to 100"),
        (_gives({1: 1.0}), "for length: label 1: expected a text"),
        (_gives({b"a": 1.0}), "for length: label b'a': expected a text"),
        (_gives({"caf\udce9": 1.0}), r"for length: label 'caf\udce9': expected a text of whole characters"),
        (_gives(b"C"), "gave b'C' for length"),
        (_gives(1j), "gave 1j for length"),
        (_gives(2**64), "gave 18446744073709551616 for length"),
        (_gives("caf\udce9"), r"gave 'caf\udce9' for length"),
    ],
)
def test_a_fault_of_an_analyzer_is_its_own_and_can_be_told(studio: Studio, answer: Answer, why: str) -> None:
    result = studio.measure(Probe(answer))
    assert result.faults["probe"].startswith("analyzer probe ")
    assert why in result.faults["probe"]
    assert result.faults["probe"].encode()
    assert (result.values, result.entries) == ({}, {})


_ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=2)
_LABELS = st.text(max_size=110) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
_MAPPINGS = st.dictionaries(_LABELS | st.integers(), st.floats() | st.integers() | _ANYTHING, max_size=4)


@given(_MAPPINGS | st.dictionaries(_LABELS.filter(str.isprintable), st.floats(-1, 1), min_size=1, max_size=120))
def test_mapping_is_refused_or_comes_through_as_it_was(mapping: dict[Any, Any]) -> None:
    try:
        plain = validity_module._plain(mapping)
    except ValueError:
        return
    assert isinstance(plain, dict)
    assert 0 < len(plain) <= MOST_LABELS
    result = decode_from_worker(encode(Result(1, Outcome.DONE, {"mood": plain})))
    assert isinstance(result, Result)
    read = json.loads(msgspec.json.encode(result.values))["mood"]
    assert list(read.items()) == list(mapping.items())
    assert list(map(type, read.values())) == list(map(type, mapping.values()))


def test_a_reason_that_is_no_text_for_a_record_is_shown(studio: Studio) -> None:
    result = studio.measure(Probe(lambda audio: Measurement({}, {"length": "no net at caf\udce9\n"})))
    assert result.unmeasurable == {"length": r"no net at caf\xe9\x0a"}
    assert result.entries["probe"].unmeasurable == result.unmeasurable


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_what_is_to_end_the_process_does(studio: Studio, error: BaseException) -> None:
    with pytest.raises(type(error)):
        studio.measure(Probe(_raises(error)))


# The file


@pytest.mark.parametrize(
    ("changes", "how"),
    [({"size": 1}, "size"), ({"mtime_ns": 1}, "time")],
    ids=["another size", "another time"],
)
def test_a_file_that_is_not_what_was_listed_is_not_measured(studio: Studio, changes: dict[str, int], how: str) -> None:
    known = studio.stamp(MIX)
    stamp = FileStamp(known.name, changes.get("size", known.size), changes.get("mtime_ns", known.mtime_ns))
    probe = Probe()
    with pytest.raises(SourceChangedError, match=MIX):
        studio.measure(probe, stamp=stamp)
    assert probe.asked == []


def test_a_file_that_is_not_there(studio: Studio) -> None:
    with pytest.raises(FileNotFoundError):
        studio.measure(Probe(), stamp=FileStamp(b"none.wav", 1, 1))


def _replaced(path: Path) -> None:
    shutil.copy2(path, path.with_name("new"))
    path.with_name("new").rename(path)


def _grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _cut(path: Path) -> None:
    os.truncate(path, 100)


def _touched(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _removed(path: Path) -> None:
    path.unlink()


def _renamed(path: Path) -> None:
    path.rename(path.with_name("drums.wav"))


def _a_link_now(path: Path) -> None:
    path.rename(path.with_name("elsewhere.wav"))
    path.symlink_to("nowhere.wav")


@pytest.mark.parametrize("happens", [_replaced, _grown, _cut, _touched, _removed, _renamed, _a_link_now])
@pytest.mark.parametrize("when", ["decoding", "probe"])
def test_what_moves_while_it_is_measured_gives_nothing(
    studio: Studio, happens: Callable[[Path], None], when: str
) -> None:
    def report(doing: str) -> None:
        if doing.startswith(when):
            happens(studio.path / MIX)

    with pytest.raises(SourceChangedError, match=MIX):
        studio.measure(Probe(), report=report)


@pytest.mark.parametrize(
    "happens", [lambda path: path.chmod(0o600), lambda path: path.with_name("drums.wav").touch(), Path.read_bytes]
)
def test_what_is_no_change_of_the_file_hinders_nothing(studio: Studio, happens: Callable[[Path], object]) -> None:
    result = studio.measure(Probe(), report=lambda doing: happens(studio.path / MIX))
    assert result.values == {"length": 0.25}


def _garbage(path: Path) -> None:
    path.write_bytes(b"no sound at all" * 100)


def _half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:2000])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [_garbage, _half, _empty])
def test_a_damaged_file_is_told_and_no_analyzer_sees_it(studio: Studio, spoil: Callable[[Path], None]) -> None:
    spoil(studio.path / MIX)
    probe = Probe()
    with pytest.raises(DamagedFileError):
        studio.measure(probe)
    assert probe.asked == []


@dataclass
class Meter:
    """An analyzer that is fed blocks, and gives the number of frames; raises `error` at one `moment`."""

    name: str = "meter"
    version: int = 1
    models: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = Cost.LIGHT
    moment: str = ""
    error: Exception = field(default_factory=ValueError)
    calls: list[str] = field(default_factory=list)

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature(feature_name("frames", role), "", ""),)

    def load(self) -> None:
        pass

    def begin(self, stream: Stream) -> Feed:
        self.calls.append("begin")
        if self.moment == "begin":
            raise self.error
        return _Counted(self, stream.role)


@dataclass
class _Counted:
    meter: Meter
    role: str
    frames: int = 0

    def feed(self, block: NDArray[np.float32]) -> None:
        assert np.isfinite(block).all()
        self._call("feed")
        self.frames += len(block)

    def finish(self) -> Measurement:
        self._call("finish")
        return Measurement({feature_name("frames", self.role): self.frames})

    def _call(self, what: str) -> None:
        self.meter.calls.append(what)
        if what == self.meter.moment:
            raise self.meter.error


LONG, HIGHER = 2 * BLOCK + 1000, 2 * RATE
"""Frames of a file of three blocks, and their rate in Hz."""


def long_song(studio: Studio, name: str, **options: Any) -> Path:  # noqa: ANN401  # passed on
    return write_audio(studio.path / name, tone(LONG / HIGHER, HIGHER, channels=1), HIGHER, **options)


def test_block_analyzer_is_fed_the_whole_file_while_it_is_decoded(studio: Studio) -> None:
    long_song(studio, "full_mix.flac")
    meter, probe = Meter(), Probe()
    result = studio.measure(meter, probe, name="full_mix.flac")
    assert result.values == {"frames": LONG, "length": LONG / HIGHER}
    assert meter.calls == ["begin", "feed", "feed", "feed", "finish"]
    assert result.entries.keys() == {"meter", "probe"}
    assert result.costs.keys() == {"decoding", "meter", "probe"}
    assert [stage for stage, _ in studio.stages] == [
        "reading full_mix.flac",
        "decoding full_mix.flac",
        "decoding full_mix.flac for meter",
        "meter of full_mix.flac",
        "probe of full_mix.flac",
    ]


@pytest.mark.parametrize("moment", ["begin", "feed", "finish"])
@pytest.mark.parametrize("error", [ValueError(), MemoryError(), DamagedFileError("not for it to say")], ids=repr)
def test_fault_of_a_block_analyzer_is_its_own(studio: Studio, moment: str, error: Exception) -> None:
    result = studio.measure(Meter(moment=moment, error=error), Meter(name="other"), Probe())
    assert result.faults.keys() == {"meter"}
    assert result.faults["meter"].startswith(f"analyzer meter failed: {type(error).__name__}: ")
    assert result.values == {"frames": SECONDS * RATE, "length": SECONDS}
    assert result.entries.keys() == {"other", "probe"}


def _flipped(path: Path) -> None:
    """Alter a bit near the end."""
    content = bytearray(path.read_bytes())
    content[-500] ^= 1
    path.write_bytes(content)


def _another_md5(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8 + 18] ^= 1
    path.write_bytes(content)


def _not_finite(path: Path) -> None:
    samples = np.zeros((LONG, 1), np.float32)
    samples[-1] = np.nan
    write_audio(path, samples, HIGHER, muxer="wav", codec="pcm_f32le")


@pytest.mark.parametrize("moment", ["", "feed"], ids=["sound", "faulty analyzer"])
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_flipped, "cannot be decoded"),
        (_another_md5, "holds samples whose MD5"),
        (lambda path: os.truncate(path, path.stat().st_size - 100), "."),
        (_not_finite, "holds 1 sample that is not finite"),
    ],
    ids=["a bit", "another MD5", "cut", "NaN"],
)
def test_damage_at_the_end_leaves_nothing_of_what_was_fed(
    studio: Studio, spoil: Callable[[Path], None], why: str, moment: str
) -> None:
    spoil(long_song(studio, "full_mix.flac"))
    meter = Meter(moment=moment)
    with pytest.raises(DamagedFileError, match=why):
        studio.measure(meter, Probe(), name="full_mix.flac")
    assert "feed" in meter.calls, "the case is about what was fed before"
    assert "finish" not in meter.calls


def test_length_found_beyond_the_limit_leaves_nothing_of_what_was_fed(studio: Studio) -> None:
    # FLAC without a count promises no length.
    path = long_song(studio, "full_mix.flac")
    content = bytearray(path.read_bytes())
    content[8 + 13] &= 0xF0
    content[8 + 14 : 8 + 34] = bytes(20)
    path.write_bytes(content)
    meter = Meter()
    result = studio.measure(meter, Probe(), name="full_mix.flac", max_duration=LONG / HIGHER - 0.1)
    assert (result.values, result.faults) == ({}, {})
    assert result.unmeasurable.keys() == {"frames", "length"}
    assert result.entries["probe"].beyond_limit == pytest.approx(LONG / HIGHER, abs=1)
    assert "feed" in meter.calls
    assert "finish" not in meter.calls


def test_too_large_views_are_unmeasurable_and_blocks_measured(studio: Studio) -> None:
    result = studio.measure(Meter(), Probe(bases=("length", "pitch")), worker_memory=1 << 20)
    assert result.values == {"frames": SECONDS * RATE}
    assert result.faults == {}
    why = result.unmeasurable["length"]
    assert result.unmeasurable == {"length": why, "pitch": why}
    # What the process holds already counts, and this one may hold more than a GiB.
    assert re.fullmatch(r"takes [\d.]+ [MG]iB of memory, more than worker_memory \(1 MiB\)", why)
    assert result.entries["probe"].beyond_memory == result.beyond_memory["probe"] > 1 << 20
    assert result.entries["meter"].beyond_memory is None


def test_damage_is_told_where_views_are_too_large(studio: Studio) -> None:
    _half(studio.path / MIX)
    with pytest.raises(DamagedFileError):
        studio.measure(Probe(), worker_memory=1)


@pytest.mark.parametrize("spoil", [_garbage, _half])
@pytest.mark.parametrize("happens", [_grown, _removed, _replaced])
def test_file_still_being_written_is_not_damaged(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], happens: Callable[[Path], None]
) -> None:
    spoil(studio.path / MIX)

    def decoding(*arguments: Any) -> None:  # noqa: ANN401  # passed on
        happens(studio.path / MIX)
        decode_into(*arguments)

    monkeypatch.setattr(measure_module, "decode_into", decoding)
    with pytest.raises(SourceChangedError):
        studio.measure(Probe())


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "why"),
    [(Path.mkdir, "is a directory"), (os.mkfifo, "is a FIFO"), (_dangling, "is a dangling link")],
)
def test_what_is_no_file_is_damaged(studio: Studio, make: Callable[[Path], None], why: str) -> None:
    (studio.path / MIX).unlink()
    make(studio.path / MIX)
    with pytest.raises(DamagedFileError, match=why):
        studio.measure(Probe(), stamp=FileStamp(MIX.encode(), -1, 1))


def test_no_file_stays_open(studio: Studio) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    studio.measure(Probe())
    for answer in (_raises(ValueError()), _gives(None)):
        assert studio.measure(Probe(answer)).faults
    _garbage(studio.path / MIX)
    with pytest.raises(DamagedFileError):
        studio.measure(Probe())
    with pytest.raises(SourceChangedError):
        studio.measure(Probe(), stamp=FileStamp(MIX.encode(), 1, 1))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
