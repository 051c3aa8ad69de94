"""`audiobatchctl features`: which are on, what they cost, and how what is off is turned on."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.control import main
from audiobatchd.control.status import Status
from audiobatchd.core.assessment import Offer
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.worker import questions
from audiobatchd.worker.questions import KnownAnalyzer, KnownFeature
from support.control_rig import serving

LUFS = KnownFeature("lufs", "LUFS", "Integrated loudness", "-70 and above", "ITU-R BS.1770-4, EBU R 128")
LONG = KnownFeature("brightness_of_it", "", "How much of its energy lies high, " * 6, "usually 0 to 100", "")
ON = KnownAnalyzer("loudness", "loudness", 1, True, (LUFS,))  # as it stands in the struct
OFF = KnownAnalyzer("brightness", "timbre", 2, False, (LONG,))
PLAIN = KnownAnalyzer("plain", "plain", 1, True, (KnownFeature("plain", "", "", "", ""),))
BROKEN = KnownAnalyzer("mood", "mood", 3, True, (), "no model is here: audiobatchctl models fetch mood")


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Spare the process that knows; the words that it is asked for."""
    words: list[tuple[str, ...]] = []

    def features(_settings: object, names: tuple[str, ...]) -> tuple[KnownAnalyzer, ...]:
        words.append(names)
        known = (ON, OFF, PLAIN, BROKEN)
        return tuple(each for each in known if not names or {each.name, each.entry, *_given(each)}.intersection(names))

    offers = (Offer("loudness", 1, {FULL_MIX: ("lufs",)}, groups=("loudness",)),)
    monkeypatch.setattr(questions, "features", features)
    monkeypatch.setattr(questions, "names", lambda _settings, **_: offers)
    return words


def _given(analyzer: KnownAnalyzer) -> list[str]:
    return [each.name for each in analyzer.features]


def ctl(tmp_path: Path, *arguments: str) -> int:
    return main(["features", *arguments, "--socket", str(tmp_path / "control.sock")])


def test_all_are_told_in_80_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(tmp_path) == 0
    text = capsys.readouterr().out
    assert all(len(line) <= 80 for line in text.splitlines() if "unavailable" not in line)
    assert text.startswith(
        "loudness, version 1, on\n"
        "  cost not measured yet\n"
        "  lufs  Integrated loudness; LUFS; -70 and above; ITU-R BS.1770-4, EBU R 128\n"
        "\n"
        "brightness, version 2, off\n"
        "  cost not measured yet\n"
        "  `analyzers` in the configuration leaves it out: add 'timbre' to turn it on,\n"
        "  beside 'default' where there is no such list yet\n"
    )
    assert "mood, version 3, on\n  cost not measured yet\n  ! unavailable here: no model is here: aud" in text
    assert "essentia_genre, off; what turns it on in the configuration:\n  [analyzer.classifiers]\n  heads = " in text


def test_costs_are_what_the_service_measured(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    status = msgspec.structs.replace(idle, costs={"decoding": 0.07, "loudness": 0.02118})
    with serving(tmp_path / "control.sock", lambda: status):
        assert ctl(tmp_path, "lufs") == 0
        assert "  costs 0.0212 s of processor time a minute of audio\n" in capsys.readouterr().out
        assert ctl(tmp_path) == 0
        assert capsys.readouterr().out.startswith(
            "Decoding costs 0.07 s of processor time a minute of audio.\n\nloudness"
        )
        assert ctl(tmp_path, "--json") == 0
    told = json.loads(capsys.readouterr().out)["features"]
    assert [(each["name"], each["on"], each["seconds_per_minute"]) for each in told] == [
        ("lufs", True, 0.02118),
        ("brightness_of_it", False, None),
        ("plain", True, None),
    ]


def test_named_ones_alone_are_asked_for(
    tmp_path: Path, asked: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ctl(tmp_path, "lufs", "lufs") == 0
    assert asked == [("lufs",)]
    assert "essentia" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("loudnes", "did you mean 'loudness'?"),
        ("essentia_mood", "is off; what turns it on in the configuration: [analyzer.classifiers] heads"),
    ],
)
def test_what_is_not_known_is_refused_with_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, told: str
) -> None:
    assert ctl(tmp_path, "lufs", word) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("command", ["features", "analyze ."])
def test_configuration_with_an_unknown_analyzer_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    config = tmp_path / "c.toml"
    config.write_text("analyzers = ['loudnes']\n")
    assert main([*command.split(), "--config", str(config)]) == 2
    said = f'audiobatchctl: {config}: cannot find the analyzer "loudnes": did you mean "loudness"? There are: '
    assert capsys.readouterr().err.startswith(said)


def test_missing_path_is_refused_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(questions, "Measuring", lambda *_: pytest.fail("it was started"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.flac").touch()
    assert main(["analyze", "song.flac", "sogn.flac"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "",
        "audiobatchctl: no such file or folder: sogn.flac: did you mean song.flac?\n",
    )
