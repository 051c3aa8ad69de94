"""Answers about features: of all that is installed, what is on and what is off, which is not loaded."""

from __future__ import annotations

import io
import json

import msgspec
import pytest

from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import AnalyzerUnavailableError
from audiobatchd.plugin_api import FULL_MIX, Cost, Feature, Needs, Settings
from audiobatchd.worker.process import analyzers
from audiobatchd.worker.process.answers import answer


class Peak:
    """One that counts how often it was loaded."""

    name = "peak"
    version = 1
    models: dict[str, str] = {}  # noqa: RUF012  # as analyzers have it
    cost = Cost.LIGHT
    given = ("peak", "crest")
    loaded: list[str] = []  # noqa: RUF012  # of all of them together

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    def features(self, role: str) -> tuple[Feature, ...]:
        return tuple(Feature(name, "dB", "how high") for name in self.given) if role == FULL_MIX else ()

    def views(self, _role: str) -> tuple[()]:
        return ()

    def load(self) -> None:
        self.loaded.append(self.name)

    def analyze(self, _audio: object) -> None:
        raise NotImplementedError


class Mood(Peak):
    """One whose entry point has another name."""

    name = "mood"
    given = ("happy", "sad")

    def __init__(self, settings: Settings) -> None:
        settings.options.flag("deep", default=False)
        settings.options.close()


class Swing(Peak):
    """One that needs what `peak` gives."""

    name = "swing"
    given = ("groove", "lilt")

    def needs(self, role: str) -> Needs:
        return Needs(results=("peak",)) if role == FULL_MIX else Needs()


class Unmade(Peak):
    """One that cannot be made."""

    def __init__(self, settings: Settings) -> None:  # noqa: ARG002  # as all have it
        raise RuntimeError("no luck")


class Point:
    """An entry point."""

    def __init__(self, name: str, made: type) -> None:
        self.name = name
        self.load = lambda: made


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = (Point("moods", Mood), Point("peak", Peak), Point("unmade", Unmade))
    monkeypatch.setattr(analyzers, "entry_points", lambda **_: points)
    Peak.loaded.clear()


def asked(verb: str, settings: WorkerSettings) -> None:
    """Ask as another process does, by a line."""
    answer(verb, io.BytesIO(msgspec.json.encode(settings)))


def told(capsys: pytest.CaptureFixture[str], *words: str, on: tuple[str, ...] | None = None) -> list[dict[str, object]]:
    asked("features", WorkerSettings(analyzers=on, features=words or None))
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out.rpartition("\n")[2])
    return found


def test_what_is_off_is_told_and_not_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, on=("peak",))
    assert [(each["name"], each["entry"], each["on"]) for each in found] == [
        ("mood", "moods", False),
        ("peak", "peak", True),
        ("unmade", "unmade", False),
    ]
    assert Peak.loaded == ["peak"]
    assert found[2]["unavailable"] == "it cannot be made: RuntimeError: no luck"


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"peak": {}}, []),
        ({"none": {"x": 1}}, []),
        ({"unmade": {"x": 1}}, []),
        (
            {"peak": {"x\n": 1}, "moods": {"deep": "yes"}},
            [
                ("moods", 'option `deep`: expected true or false, got "yes"', "", []),
                ("peak", "unknown option `x\\x0a` (there are: none)", "x\n", []),
            ],
        ),
        ({"moods": {"deap": True}}, [("moods", "unknown option `deap` (there are: `deep`)", "deap", ["deep"])]),
    ],
)
def test_wrong_options_are_told_and_nothing_is_loaded(
    capsys: pytest.CaptureFixture[str], options: dict[str, dict[str, object]], wrong: list[tuple[object, ...]]
) -> None:
    asked("options", WorkerSettings(analyzers=("peak",), options=options))
    found = json.loads(capsys.readouterr().out.rpartition("\n")[2])
    assert [(each["entry"], each["reason"], each["key"], each["known"]) for each in found] == wrong
    assert Peak.loaded == []


LACKING = "needs peak, which no analyzer here gives"


@pytest.mark.parametrize(
    ("on", "hindrance", "reason", "loaded"),
    [
        (("peak", "swing"), None, None, ["swing", "peak"]),
        (("peak", "swing"), "no luck", f"{LACKING} (peak does, where it is used)", ["swing"]),
        (("swing",), None, f"{LACKING} (peak does, where it is used)", ["swing"]),
    ],
    ids=["given", "unavailable", "off"],
)
def test_analyzer_that_lacks_results_it_needs_is_unavailable(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    on: tuple[str, ...],
    hindrance: str | None,
    reason: str | None,
    loaded: list[str],
) -> None:
    points = (Point("peak", Peak), Point("swing", Swing))
    monkeypatch.setattr(analyzers, "entry_points", lambda **_: points)

    def refuse(_self: Peak) -> None:
        raise AnalyzerUnavailableError(str(hindrance))

    if hindrance:
        monkeypatch.setattr(Peak, "load", refuse)
        monkeypatch.setattr(Swing, "load", lambda self: self.loaded.append(self.name), raising=False)
    found = told(capsys, "groove", on=on)
    assert [(each["name"], each["unavailable"]) for each in found] == [("swing", reason)]
    assert Peak.loaded == loaded


@pytest.mark.parametrize(
    ("word", "features", "loaded"),
    [
        ("happy", [("mood", ["happy"])], ["mood"]),
        ("mood", [("mood", ["happy", "sad"])], ["mood"]),
        ("moods", [("mood", ["happy", "sad"])], ["mood"]),
        ("peak", [("peak", ["peak"])], ["peak"]),  # the feature, which has the analyzer's name
        ("unmade", [("unmade", [])], []),
        ("nothing", [], []),
    ],
)
def test_only_what_gives_a_word_is_told_and_loaded(
    capsys: pytest.CaptureFixture[str], word: str, features: list[tuple[str, list[str]]], loaded: list[str]
) -> None:
    found = told(capsys, word)
    assert [(each["name"], [one["name"] for one in each["features"]]) for each in found] == features  # type: ignore[attr-defined]  # JSON
    assert Peak.loaded == loaded
