"""What analyzers may need, and what becomes of those whose needs are not met here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import AnalyzerUnavailableError
from audiobatchd.plugin_api import NATIVE, AnyAnalyzer, Feature, Feed, Measurement, Needs, Stream, View
from audiobatchd.vocabulary.analyzer_sets import chosen
from audiobatchd.worker.process import analyzers
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.needs import check_needs
from support.phase_rig import Chord, Part, Pulse, Swing

Load = Callable[..., Bench]


@dataclass
class Missing(Pulse):
    """A provider that this machine cannot load."""

    def load(self) -> None:
        raise AnalyzerUnavailableError("no model")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    def loaded(
        *parts: Part, analyzers_: tuple[str, ...] | None = None, features: tuple[str, ...] | None = None
    ) -> Bench:
        def made(settings: WorkerSettings) -> Iterator[tuple[str, AnyAnalyzer | Offer]]:
            names = chosen(settings.analyzers, [part.name for part in parts])
            yield from ((part.name, part) for part in parts if part.name in names)

        monkeypatch.setattr(analyzers, "made_by_entry_point", made)
        return Bench.load(WorkerSettings(analyzers=analyzers_, features=features))

    return loaded


def reasons(bench: Bench) -> dict[str, str]:
    return {offer.name: offer.unavailable for offer in bench.offers if offer.unavailable is not None}


def test_offers_tell_needs_and_survive_a_catalog(load: Load) -> None:
    bench = load(Chord(), Pulse(), Swing())
    assert {offer.name: offer.needs for offer in bench.offers} == {
        "chord": {"full_mix": Needs(sum_of=("bass", "other"))},
        "pulse": {},
        "swing": dict.fromkeys(("full_mix", "drums", "bass"), Needs(results=(".PULSES", "pulse"))),
    }
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(bench.offers), type=tuple[Offer, ...]) == bench.offers
    old = {"name": "loudness", "version": 1, "features": {}}
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(old), type=Offer).needs == {}


def test_a_feature_that_is_asked_for_takes_its_providers_along(load: Load) -> None:
    deep = Swing(name="deep", results=("swing_bass",), roles=("full_mix",))
    bench = load(Chord(), Pulse(), Swing(), deep, features=("deep",))
    assert bench.analyzers.keys() == {"pulse", "swing", "deep"}
    assert [offer.name for offer in bench.offers if not offer.asked] == ["chord"]


@pytest.mark.parametrize(
    ("parts", "names", "expected"),
    [
        ((Swing(),), None, {"swing": "needs .PULSES, which no analyzer here gives"}),
        (
            (Pulse(), Swing()),
            ("swing",),
            {"swing": "needs .PULSES, which no analyzer here gives (pulse does, where it is used)"},
        ),
        (
            (Missing(), Swing(), Swing(name="deep", results=("swing",))),
            None,
            {
                "pulse": "no model",
                "swing": "needs .PULSES, which no analyzer here gives (pulse does, where it is used)",
                "deep": "needs swing, which no analyzer here gives (swing does, where it is used)",
            },
        ),
        (
            (Swing(name="a", results=("b",)), Swing(name="b", results=("a_bass",)), Pulse()),
            None,
            {"a": "needs b, which needs what it gives itself", "b": "needs a_bass, which needs what it gives itself"},
        ),
        (
            (Swing(name="a", results=("a",)), Swing(name="b", results=("a",))),
            None,
            {"a": "needs a, which needs what it gives itself", "b": "needs a, which needs what it gives itself"},
        ),
    ],
    ids=["none gives it", "turned off", "unavailable, and at one remove", "circle", "itself"],
)
def test_who_needs_what_is_not_given_is_unavailable(
    load: Load, parts: tuple[Part, ...], names: tuple[str, ...] | None, expected: dict[str, str]
) -> None:
    bench = load(*parts, analyzers_=names)
    assert reasons(bench) == expected
    assert not bench.analyzers.keys() & expected.keys()


@dataclass
class Meter:
    """An analyzer that takes blocks, and has needs."""

    name: str = "meter"

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature(f"meter_{role}", "", ""),)

    def needs(self, _role: str) -> Needs:
        return Needs(results=("pulse",))

    def begin(self, stream: Stream) -> Feed:
        raise NotImplementedError

    def feed(self, block: NDArray[np.float32]) -> None:
        raise NotImplementedError

    def finish(self) -> Measurement:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("analyzer", "said"),
    [
        (Meter(), "has needs and reads no views"),
        (Chord(sum_of=("bass", "piano")), "needs a sum of piano: expected some of drums, bass, other, vocals"),
        (Chord(wanted=(NATIVE,)), "without a rate, or not in mono"),
        (Chord(wanted=(View(mono=True),)), "without a rate, or not in mono"),
        (Chord(wanted=(View(8000),)), "without a rate, or not in mono"),
    ],
)
def test_needs_that_cannot_be_had_are_refused(analyzer: AnyAnalyzer, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        check_needs(analyzer)
