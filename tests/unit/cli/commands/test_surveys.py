"""`audiobatchctl progress`: words that ask for keys, by what the analyzers and the records know of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiobatchd.cli.control import main
from audiobatchd.control.requests import Survey, Surveyed
from audiobatchd.control.status import Status
from audiobatchd.core.assessment import Offer
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.worker import questions
from support.control_rig import Told, serving

OFFERS = (
    Offer("loudness", 1, {FULL_MIX: ("lufs", "lra")}, groups=("loudness",)),
    Offer("mood", 1, {FULL_MIX: ("happy",)}, groups=("heads", "mood")),
)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Spare the process that names what analyzers give; how often it is asked."""
    asked: list[bool] = []

    def names(_settings: object, *, installed: bool = False) -> tuple[Offer, ...]:
        asked.append(installed)
        return OFFERS

    monkeypatch.setattr(questions, "names", names)
    return asked


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A complete folder, and one that has nothing."""
    for name, record in (("Done", '{"lufs": -9.0, "lra": 4.0, "happy": 0.5, "tempo": 99}'), ("New", "{}")):
        folder = tmp_path / "music" / name
        folder.mkdir(parents=True)
        (folder / "full_mix.flac").touch()
        (folder / f"{name}.INFO").write_text(record)
    return tmp_path / "music"


def complete(tmp_path: Path, music: Path, capsys: pytest.CaptureFixture[str], *words: str) -> int | str:
    """The number of complete folders, or why there is none."""
    command = ["progress", str(music), "--json", "--socket", str(tmp_path / "none.sock"), "--features", *words]
    code = main(command)
    told = capsys.readouterr()
    return int(json.loads(told.out)["complete"]) if code == 0 else told.err


@pytest.mark.parametrize(
    ("words", "processes"),
    [(("lufs",), 0), (("tempo",), 0), (("loudness",), 1), (("loudness", "tempo"), 1), (("mood",), 1)],
)
def test_words_are_keys_or_analyzers(
    tmp_path: Path,
    music: Path,
    named: list[bool],
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    processes: int,
) -> None:
    assert complete(tmp_path, music, capsys, *words) == 1
    assert len(named) == processes, "a process is started only where it has to be"


def test_a_known_feature_that_nothing_has_is_no_error(
    tmp_path: Path, music: Path, named: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    (music / "Done" / "Done.INFO").write_text("{}")
    assert complete(tmp_path, music, capsys, "lufs") == 0
    assert named == [True], "also of an analyzer that is off"


@pytest.mark.parametrize("words", [("lufz",), ("lufs", "lufz")])
def test_a_word_that_nothing_knows_is_an_error(
    tmp_path: Path, music: Path, named: list[bool], capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert "called 'lufz': did you mean 'lufs'?" in str(complete(tmp_path, music, capsys, *words))
    assert len(named) == 1


def test_no_word_is_wrong_where_nothing_was_read(
    tmp_path: Path, named: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "music" / "Spoilt"
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").touch()
    (folder / "Spoilt.INFO").write_text("{")
    assert complete(tmp_path, tmp_path / "music", capsys, "lufz") == 0
    assert named == []


class Knowing(Told):
    """A service that says what it does not know."""

    async def survey(self, request: Survey) -> Surveyed:
        await super().survey(request)
        return Surveyed(2, 2, 0, [], unknown=[] if request.features == ["lufs"] else ["it is not known"])


def test_what_a_service_does_not_know_may_be_known_here(
    tmp_path: Path, music: Path, idle: Status, named: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    told = Knowing(lambda: idle)
    with serving(tmp_path / "none.sock", lambda: idle, told):
        assert complete(tmp_path, music, capsys, "lufs") == 2
        assert complete(tmp_path, music, capsys, "mood") == 1
    assert len(told.asked) == 2
    assert named == [True]
