"""`audiobatchctl config check` and `show`: what is refused, what is remarked, and where each value comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audiobatchd.cli.commands import settings
from audiobatchd.cli.commands.settings import places, tables_of
from audiobatchd.cli.control import main
from audiobatchd.config.file import Config, DatasetConfig, InboxConfig, load_config
from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind

GOOD = """
workers = 2
analyzers = ["loudness"]

[[dataset]]
path = "music"
settle = 9

[[dataset]]
path = "/srv/nowhere"
"""
OF_INBOX = "[[dataset]]\npath = '/a'\n[[inbox]]\npath = '/in'\ndataset = '/a'\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration with one dataset that is there, and one that is not."""
    (tmp_path / "music").mkdir()
    path = tmp_path / "a.toml"
    path.write_text(GOOD)
    return path


def test_a_valid_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == (
        f"{file}: valid\n  ! /srv/nowhere is not there: it is missing until it appears\n"
    )
    assert main(["config", "check", "--config", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["valid"], told["trouble"], len(told["remarks"])) == (str(file), True, "", 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("worker = 2", "unknown key `worker` (line 1): did you mean `workers` or `worker_nice` or `worker_cpus`?"),
        ("[[dataset]]\npath = '/a'\nsetle = 1", "`setle` - at `dataset[0]` (line 3): did you mean `settle`?"),
        ("workers = 'two'", 'expected a whole number, or "auto", got "two" - at `workers` (line 1)'),
        ("[[dataset]]\npath = '/a'\nsettle = -1", "at `dataset[0].settle`"),
        ("[[dataset]]\npath = '/a'\n[[dataset]]\npath = '/a/b'", "two datasets overlap"),
        ("workers = ", "not TOML"),
        ("analyzers = ['loud']", 'a.toml: cannot find the analyzer "loud": did you mean "loudness"? There are: '),
        ("analyzers = ['-loud']", "- at `analyzers`"),
        ("analyzers = ['lowd', '-peak']", '"lowd"'),
        ("analyzers = ['lihgt']", 'did you mean "light"?'),
        ("[analyzer.loud]", "a.toml: cannot find the analyzer"),
        ("[analyzer.loud]", "- at `analyzer.loud`"),
        ("[[inbox]]\npath = '/in'\ndataset = '/a'", "the inbox /in is for /a, which is no dataset"),
        (f"{OF_INBOX}name = '{{nonesuch}}'", "there is no {nonesuch}, but"),
        (f"{OF_INBOX}stems = '('", "cannot understand stems '('"),
        ("operators = ['nobody-at-all']", "no user is called 'nobody-at-all'"),
    ],
)
def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, reason: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    assert main(["config", "check", str(path)]) == 1
    assert reason in capsys.readouterr().out
    assert main(["config", "check", str(path), "--json"]) == 1
    assert reason in json.loads(capsys.readouterr().out)["trouble"]
    assert main(["config", "show", "--config", str(path)]) == 2
    assert reason in capsys.readouterr().err


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(tmp_path / "none.toml")]) == 1
    assert "cannot read" in capsys.readouterr().out


def test_no_file_at_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(settings, "find_config", lambda _: None)
    assert main(["config", "check"]) == 0
    assert "no configuration file" in capsys.readouterr().out
    assert main(["config", "show"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# no configuration file was found\n")
    assert "job_timeout = 600.0" in out
    assert main(["config", "show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] is None
    assert {each["source"] for each in told["tables"][0]["settings"]} == {"default"}


def test_an_option_that_an_analyzer_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text("analyzers = ['peaks']\n[analyzer.peaks]\nstem = true\n")
    assert main(["config", "check", str(path)]) == 1
    assert capsys.readouterr().out == (
        f"{path}: [analyzer.peaks] unknown option `stem` (there are: `stems`) (line 3): did you mean `stems`?\n"
    )


def test_options_of_what_is_not_installed_are_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text("analyzers = ['peaks']\n[analyzer.zzz]\nstem = true\n")
    assert main(["config", "check", str(path)]) == 0
    remark = "[analyzer.zzz] has options of an analyzer that is not installed here: they are not looked at"
    assert f"  ! {remark}\n" in capsys.readouterr().out


def test_a_head_that_there_is_not_is_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[analyzer.classifiers]\nheads = ['dancability']\n")
    assert main(["config", "check", str(path)]) == 0
    assert "! analyzer dancability is unavailable: " in capsys.readouterr().out


def test_an_analyzer_that_lacks_what_another_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text("analyzers = ['onset', 'syncopation']\n")
    assert main(["config", "check", str(path)]) == 0
    assert "! analyzer syncopation is unavailable: needs .BEATS_GRID" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["analyzers = []", "analyzers = ['-all']"])
def test_no_analyzer_at_all_is_remarked(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    assert main(["config", "check", str(path)]) == 0
    assert capsys.readouterr().out.endswith("valid\n  ! `analyzers` leaves nothing to measure with\n")


def test_weak_locks_are_remarked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "of", lambda _: (Kind.WEAK, "9p"))
    dataset = DatasetConfig(str(file.parent))
    assert settings.remarks(Config(dataset=(dataset,)))[0].startswith(f"{file.parent} is not worked on: locks on 9p")
    assert settings.remarks(Config(dataset=(DatasetConfig(str(file.parent), alone=True),))) == []


def test_every_key_has_its_source(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD + "[analyzer.peaks]\nstems = true\n")
    assert main(["config", "show", "--config", str(file)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for wanted in ("workers = 2", 'analyzers = ["loudness"]', "settle = 9.0", "stems = true", 'path = "/srv/nowhere"'):
        assert [*wanted.split(), "#", str(file)] in lines
    for wanted in ("max_deaths = 3", "settle = 5.0", "adopt = true", "model_directory = not set"):
        assert [*wanted.split(), "#", "default"] in lines
    assert ["[analyzer.peaks]"] in lines
    assert lines.count(["[[dataset]]"]) == 2


def test_no_key_is_left_out(file: Path) -> None:
    tables = list(tables_of(load_config(file), {"dataset": [{}, {}]}, "f"))
    assert [each.key for each in tables[0].settings] == [
        key for key in Config.__struct_fields__ if key not in ("dataset", "inbox", "analyzer")
    ]
    assert [each.key for each in tables[-1].settings] == list(DatasetConfig.__struct_fields__)


def test_an_inbox_is_shown_with_all_its_keys(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"{GOOD}[[inbox]]\npath = 'in'\ndataset = 'music'\n")
    assert main(["config", "show", "--config", str(file), "--json"]) == 0
    (table,) = (each for each in json.loads(capsys.readouterr().out)["tables"] if each["heading"] == "[[inbox]]")
    assert [each["key"] for each in table["settings"]] == list(InboxConfig.__struct_fields__)
    assert main(["config", "check", str(file)]) == 0
    assert f"{file.parent}/in is not there: the inbox is empty until it appears" in capsys.readouterr().out


def test_places_say_what_they_come_from() -> None:
    environ = {"STATE_DIRECTORY": "/s", "AUDIOBATCHD_SOCKET": "/e.sock", "HOME": "/h"}
    told = {each.key: (each.value, each.source) for each in places(Config(), Path("/c.sock"), environ, 1000).settings}
    assert told["socket"] == ("/c.sock", "command line")
    assert told["state directory"] == ("/s", "environment, STATE_DIRECTORY")
    assert told["models"][1] == "default"
    told = {each.key: (each.value, each.source) for each in places(Config(), None, environ, 1000).settings}
    assert told["socket"] == ("/e.sock", "environment, AUDIOBATCHD_SOCKET")
