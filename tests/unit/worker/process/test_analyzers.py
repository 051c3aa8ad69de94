"""What a worker works with: which analyzers it finds, loads and offers."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from audiobatchd.core.messages import Ready, WorkerSettings, decode_from_worker, encode
from audiobatchd.errors import AnalyzerUnavailableError, ConfigError
from audiobatchd.plugin_api import (
    ENTRY_POINT_GROUP,
    FULL_MIX,
    NATIVE,
    STEMS,
    Analyzer,
    Audio,
    Cost,
    Feature,
    Feed,
    File,
    Measurement,
    Settings,
    Stream,
    View,
    feature_name,
)
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.worker.process import analyzers
from audiobatchd.worker.process.analyzers import Bench
from support.plugins import install_analyzer


class Peak:
    """An analyzer of the mix alone, whose model is known once it is loaded."""

    name = "peak"
    version = 3

    cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.loaded = 0

    @property
    def models(self) -> Mapping[str, str]:
        return {"net": "aa"} if self.loaded else {}

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature("peak", "dBFS", "Sample peak"),) if role == FULL_MIX else ()

    def views(self, role: str) -> tuple[View, ...]:
        return (NATIVE,) if self.features(role) else ()

    def load(self) -> None:
        self.loaded += 1

    def analyze(self, audio: Audio) -> Measurement:
        raise NotImplementedError


class Mood(Peak):
    """One that lacks what it needs, as it finds out when it has loaded a part of it."""

    name = "mood"

    def features(self, role: str) -> tuple[Feature, ...]:
        return tuple(Feature(feature_name(base, role), "", "") for base in ("happy", "sad"))

    def load(self) -> None:
        super().load()
        raise AnalyzerUnavailableError("no model at /models/caf\udce9.pb\n")


class Broken(Peak):
    """One that fails to load, for no reason that it knows."""

    name = "broken"
    error: BaseException = ZeroDivisionError("caf\udce9")

    def load(self) -> None:
        raise self.error


class Leaving(Broken):
    """One that ends the process when it loads."""

    error = SystemExit(3)


class Unmade(Broken):
    """One that cannot even be made."""

    def __init__(self, settings: Settings) -> None:
        message = f"no luck with {settings.options is None}"
        raise RuntimeError(message)


class Silent(Peak):
    """One that cannot say what it gives."""

    name = "broken"

    def features(self, role: str) -> tuple[Feature, ...]:
        message = f"no luck with {role}"
        raise RuntimeError(message)


class NoKind:
    """One that can be given no audio in any form."""

    name = "neither"

    def __init__(self, settings: Settings) -> None:
        settings.options.close()


class TwoKinds(Peak):
    """One of which it cannot be told what it wants."""

    name = "both"

    def begin(self, stream: Stream) -> Feed:
        raise NotImplementedError


class FileAndViews(Peak):
    """Another one, of the third kind too."""

    name = "file_and_views"

    def inspect(self, file: File) -> Measurement:
        raise NotImplementedError


def install(monkeypatch: pytest.MonkeyPatch, **classes: type[Any]) -> None:
    """Let these analyzers, and no others, be installed."""

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == ENTRY_POINT_GROUP
        return [EntryPoint(name, f"{__name__}:{made.__name__}", group) for name, made in classes.items()]

    monkeypatch.setattr(analyzers, "entry_points", entry_points)


def test_everything_installed_is_loaded_once_in_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, peak=Peak, mood=Mood)
    loaded = Bench.load(WorkerSettings())
    assert [offer.name for offer in loaded.offers] == ["mood", "peak"]
    assert list(loaded.analyzers) == ["peak"]
    peak = loaded.analyzers["peak"]
    assert isinstance(peak, Peak)
    assert peak.loaded == 1


def test_an_offer_says_version_models_and_features_by_role(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, peak=Peak)
    (offer,) = Bench.load(WorkerSettings()).offers
    assert (offer.name, offer.version, offer.models, offer.unavailable) == ("peak", 3, {"net": "aa"}, None)
    assert offer.features == {FULL_MIX: ("peak",), **dict.fromkeys(STEMS, ())}


@pytest.mark.parametrize(
    ("remark", "told"),
    [
        (None, ""),
        ("run by Engine 9", "run by Engine 9"),
        ("caf\udce9\n", "caf\\xe9\\x0a"),
        (9, "9"),
        ("x" * 10_000, "x" * 200),
    ],
)
def test_a_remark_is_told_short_and_printable(monkeypatch: pytest.MonkeyPatch, remark: object, told: str) -> None:
    if remark is not None:
        monkeypatch.setattr(Peak, "remark", remark, raising=False)
    install(monkeypatch, peak=Peak)
    (offer,) = Bench.load(WorkerSettings()).offers
    assert offer.remark == told


def test_unavailable_analyzer_is_offered_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, mood=Mood)
    (offer,) = Bench.load(WorkerSettings()).offers
    assert offer.unavailable == r"no model at /models/caf\xe9.pb\x0a"
    assert offer.models == {}
    assert offer.features == {role: (feature_name("happy", role), feature_name("sad", role)) for role in ROLES}


def test_the_daemon_can_be_told_whatever_the_reason_is(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, peak=Peak, mood=Mood)
    loaded = Bench.load(WorkerSettings())
    assert decode_from_worker(encode(loaded.ready())) == Ready(loaded.offers)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (("peak", "mood"), ["peak", "mood"]),
        (("peak",), ["peak"]),
        (("peak", "mood", "peak"), ["peak", "mood"]),
        ((), []),
    ],
)
def test_the_configuration_chooses(
    monkeypatch: pytest.MonkeyPatch, wanted: tuple[str, ...], expected: list[str]
) -> None:
    install(monkeypatch, mood=Mood, peak=Peak, broken=Broken)
    assert [offer.name for offer in Bench.load(WorkerSettings(analyzers=wanted)).offers] == expected


@pytest.mark.parametrize(
    ("installed", "told"),
    [({"peak": Peak, "mood": Mood}, "there are: mood, peak, and the sets all, "), ({}, "there are none, and the sets")],
)
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, installed: dict[str, type[Any]], told: str
) -> None:
    install(monkeypatch, **installed)
    with pytest.raises(ConfigError, match=f'cannot find the analyzer "tempo": {told}'):
        Bench.load(WorkerSettings(analyzers=("tempo",)))


class Late(Peak):
    """One that goes against the contract: what it gives is known when it has loaded."""

    name = "late"

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature("late", "", ""),) if self.loaded and role == FULL_MIX else ()


@pytest.mark.parametrize(
    ("features", "asked"),
    [
        (("peak",), ["peak"]),
        (("happy",), ["mood"]),
        (("happy_drums", "peak"), ["mood", "peak"]),
        (("late",), ["late", "mood", "peak"]),
        (("peak", "nonesuch"), ["late", "mood", "peak"]),
        (None, ["late", "mood", "peak"]),
    ],
)
def test_only_what_gives_a_feature_that_is_asked_for_is_loaded(
    monkeypatch: pytest.MonkeyPatch, features: tuple[str, ...] | None, asked: list[str]
) -> None:
    install(monkeypatch, peak=Peak, mood=Mood, late=Late)
    bench = Bench.load(WorkerSettings(features=features))
    assert [offer.name for offer in bench.offers] == ["late", "mood", "peak"]
    assert [offer.name for offer in bench.offers if offer.asked] == asked
    assert list(bench.analyzers) == [name for name in asked if name != "mood"]  # whose model is not here


def test_only_what_was_to_be_loaded_is_found_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, peak=Peak, mood=Mood, broken=Silent, unmade=Unmade)
    reasons = {offer.name: offer.unavailable for offer in Bench.load(WorkerSettings(features=("peak",))).offers}
    assert (reasons["peak"], reasons["mood"]) == (None, None)
    assert str(reasons["broken"]).startswith("it cannot be asked what it gives")
    assert str(reasons["unmade"]).startswith("it cannot be made")
    reasons = {offer.name: offer.unavailable for offer in Bench.load(WorkerSettings(features=("sad",))).offers}
    assert str(reasons["mood"]).startswith("no model at")


def test_without_analyzers_nothing_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    assert Bench.load(WorkerSettings()) == Bench(WorkerSettings(), {}, ())


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Broken, "it cannot be loaded: ZeroDivisionError: caf\\xe9"),
        (Leaving, "it cannot be loaded: SystemExit: 3"),
        (Unmade, "it cannot be made: RuntimeError: no luck with False"),
        (Silent, "it cannot be asked what it gives: RuntimeError: no luck with full_mix"),
    ],
)
def test_analyzer_that_raises_takes_no_other_along(
    monkeypatch: pytest.MonkeyPatch, broken: type[Peak], reason: str
) -> None:
    install(monkeypatch, broken=broken, peak=Peak)
    loaded = Bench.load(WorkerSettings())
    assert {offer.name: offer.unavailable for offer in loaded.offers} == {"broken": reason, "peak": None}
    assert list(loaded.analyzers) == ["peak"]


def test_shortage_while_loading_is_no_lack_of_the_analyzer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broken, "error", OSError(errno.EMFILE, "Too many open files"))
    install(monkeypatch, broken=Broken)
    with pytest.raises(OSError, match="Too many open files"):
        Bench.load(WorkerSettings())


def test_analyzers_of_other_packages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_analyzer(tmp_path / "site", "elsewhere", "return self.answer(audio)")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    loaded = Bench.load(WorkerSettings(analyzers=("elsewhere", "loudness")))
    assert [offer.name for offer in loaded.offers] == ["elsewhere", "loudness"]
    assert isinstance(loaded.analyzers["elsewhere"], Analyzer)
    assert loaded.offers[1].features["drums"] == ("lufs_drums", "lra_drums")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (NoKind, "it cannot be made: TypeError: NoKind has none of `analyze`, `begin` and `inspect`: "),
        (TwoKinds, "it cannot be made: TypeError: TwoKinds has `analyze` and `begin`: "),
        (FileAndViews, "it cannot be made: TypeError: FileAndViews has `analyze` and `inspect`: "),
    ],
)
def test_analyzer_of_no_clear_kind_is_unavailable(monkeypatch: pytest.MonkeyPatch, made: type[Any], why: str) -> None:
    install(monkeypatch, odd=made, peak=Peak)
    loaded = Bench.load(WorkerSettings())
    assert loaded.analyzers.keys() == {"peak"}
    offer = next(offer for offer in loaded.offers if offer.name == "odd")
    assert offer.unavailable is not None
    assert offer.unavailable.startswith(why)
