"""`audiobatchctl audit`: what it tells, its exit codes, and what it asks of the service."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.commands.audit import Total
from audiobatchd.cli.control import main
from audiobatchd.cli.retriers import _BATCH
from audiobatchd.control.requests import FolderName, Retried, RetryFolders
from audiobatchd.control.status import Status
from audiobatchd.core.assessment import Offer
from audiobatchd.core.audit import Auditor
from audiobatchd.errors import UnknownFolderError, UsageError
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.scan.audit import Audited
from support.control_rig import ToldService, serving

LOUDNESS = Offer("loudness", 1, {FULL_MIX: ("lufs", "lra"), "drums": ("lufs_drums",)}, groups=("loudness",))
PEAKS = Offer("peaks", 1, {FULL_MIX: ("true_peak",)}, groups=("peaks",))


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the process that names the analyzers."""
    monkeypatch.setattr("audiobatchd.worker.questions.names", lambda _settings, **_: (LOUDNESS, PEAKS))


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Two folders with values of other tools, of which four are wrong, and one without a record."""
    for name, record in (
        ("Bad", '{"lufs": 3.0, "lra": 25.0, "lufs_drums": 0.0, "mine": [1]}'),
        ("None", ""),
        ("Odd", '{"lufs": -9.0, "true_peak": "loud"}'),
    ):
        folder = tmp_path / "music" / name
        folder.mkdir(parents=True)
        (folder / "full_mix.flac").touch()
        if record:
            (folder / f"{name}.INFO").write_text(record)
    return tmp_path / "music"


def ctl(path: Path, *arguments: object) -> int:
    return main([str(each) for each in ("audit", *arguments, "--socket", path)])


def test_what_is_wrong_is_told_by_kind(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = [path.read_bytes() for path in sorted(music.rglob("*.INFO"))]
    assert ctl(music / "none.sock", music) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3 track folders, 5 values of other tools."
    assert [line for line in lines if line and not line.startswith(" ")][1:] == [
        "Of the wrong type:",
        "Out of range:",
        "Placeholders: they stand where nothing was measured:",
    ]
    assert "    3.0  Bad" in lines
    assert '    "loud"  Odd' in lines
    assert all(len(line) <= 80 for line in lines)
    assert [path.read_bytes() for path in sorted(music.rglob("*.INFO"))] == before


def test_json_has_counts_reasons_and_examples(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(music / "none.sock", music, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["folders"], told["adopted"], told["unreadable"], told["retried"]) == (3, 5, 0, None)
    assert {(each["kind"], each["feature"], each["count"]) for each in told["findings"]} == {
        ("out-of-range", "lufs", 1),
        ("placeholder", "lra", 1),
        ("placeholder", "lufs_drums", 1),
        ("wrong-type", "true_peak", 1),
    }
    assert all(each["reason"] and each["examples"] for each in told["findings"])


@pytest.mark.parametrize(
    ("words", "features"),
    [(("lufs",), {"lufs"}), (("loudness",), {"lufs", "lra", "lufs_drums"}), (("peaks",), {"true_peak"})],
)
def test_only_what_is_asked_for_is_audited(
    music: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], features: set[str]
) -> None:
    assert ctl(music / "none.sock", music, "--json", "--features", *words) == 1
    assert {each["feature"] for each in json.loads(capsys.readouterr().out)["findings"]} == features


def test_an_unknown_word_is_refused(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(music / "none.sock", music, "--features", "lufz") == 2
    assert "did you mean 'lufs'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("record", "code", "told"),
    [
        ('{"lufs": -9.0}', 0, "Nothing is wrong with them."),
        ('{"mine": 1}', 0, "All that is there was measured by audiobatchd."),
        ("{", 1, "Cannot be read: 1 folder"),
        (None, 1, "No track folder was found: there is nothing to audit."),
    ],
)
def test_nothing_found_is_clean_only_where_all_was_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], record: str | None, code: int, told: str
) -> None:
    folder = tmp_path / "music" / "A"
    folder.mkdir(parents=True)
    if record is not None:
        (folder / "full_mix.flac").touch()
        (folder / "A.INFO").write_text(record)
    assert ctl(tmp_path / "none.sock", tmp_path / "music") == code
    assert told in capsys.readouterr().out.splitlines()


def test_examples_are_three_whatever_the_number() -> None:
    total = Total()
    (finding,) = Auditor((LOUDNESS,)).findings({"lufs": 3.0}, (FULL_MIX,))
    for number in range(1000):
        total.add(Audited(f"Song {number}", 1, (finding,)))
    (group,) = total.groups.values()
    assert (group.count, [folder for folder, _ in group.examples]) == (1000, ["Song 0", "Song 1", "Song 2"])
    assert any("lufs, 1,000 folders: " in line for line in total.told())


# With a service


class Asked(ToldService):
    """A service that knows these folders, and takes no request of more than it may be."""

    def __init__(self, status: Status, *missing: str, refuses: bool = False) -> None:
        super().__init__(lambda: status)
        self._missing = missing
        self._refuses = refuses

    async def retry(self, request: RetryFolders) -> Retried:
        assert len(msgspec.json.encode(request)) < 65_536
        if self._refuses:
            raise UsageError("no")
        for name in request.folders:
            if name.folder in self._missing:
                message = f"there is no track folder {name.folder}"
                raise UnknownFolderError(message)
        return await super().retry(request)

    def folders(self) -> list[tuple[str, tuple[str, ...]]]:
        requests = [each for each in self.asked if isinstance(each, RetryFolders)]
        return [(name.folder, tuple(request.features)) for request in requests for name in request.folders]


def status_of(idle: Status, music: Path) -> Status:
    (dataset,) = idle.datasets
    return msgspec.structs.replace(idle, datasets=[msgspec.structs.replace(dataset, path=str(music))])


def test_retry_asks_the_service_of_the_dataset(
    music: Path, idle: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Asked(status_of(idle, music))
    with serving(tmp_path / "a.sock", told.status, told):
        assert ctl(tmp_path / "a.sock", music, "--retry") == 1
    assert sorted(told.folders()) == [("Bad", ("lufs", "lra", "lufs_drums")), ("Odd", ("true_peak",))]
    first = next(each for each in told.asked if isinstance(each, RetryFolders))
    assert first.folders == [FolderName(str(music), "Bad")]
    assert "2 folders will be measured again by the service." in capsys.readouterr().out


def test_a_part_of_a_dataset_is_the_service_s_too(
    music: Path, idle: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Asked(status_of(idle, tmp_path))
    with serving(tmp_path / "a.sock", told.status, told):
        assert ctl(tmp_path / "a.sock", music, "--retry") == 1
        assert ctl(tmp_path / "a.sock", music / "Bad", "--retry") == 1
    assert [folder for folder, _ in told.folders()] == ["music/Bad", "music/Odd", "music/Bad"]
    assert "1 folder will be measured again by the service." in capsys.readouterr().out


def test_a_folder_that_has_gone_holds_up_no_other(
    music: Path, idle: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (music / "Bad").rename(music / "Bad 1")
    (music / "Bad 1" / "Bad.INFO").rename(music / "Bad 1" / "Bad 1.INFO")
    for number in (2, 3):
        folder = music / f"Bad {number}"
        folder.mkdir()
        (folder / "full_mix.flac").touch()
        (folder / f"Bad {number}.INFO").write_bytes((music / "Bad 1" / "Bad 1.INFO").read_bytes())
    told = Asked(status_of(idle, music), "Bad 2")
    with serving(tmp_path / "a.sock", told.status, told):
        assert ctl(tmp_path / "a.sock", music, "--retry") == 1
    assert sorted(folder for folder, _ in told.folders()) == ["Bad 1", "Bad 3", "Odd"]
    assert "there is no track folder Bad 2" in capsys.readouterr().out


def test_many_folders_take_many_requests(music: Path, idle: Status, tmp_path: Path) -> None:
    names = [f"{number:03} {'x' * 200}" for number in range(_BATCH // 200 * 2)]
    for name in names:
        (music / name).mkdir()
        (music / name / "full_mix.flac").touch()
        (music / name / f"{name}.INFO").write_text('{"lufs": 3.0}')
    told = Asked(status_of(idle, music))
    with serving(tmp_path / "a.sock", told.status, told):
        assert ctl(tmp_path / "a.sock", music, "--retry", "--json", "--features", "lufs") == 1
    assert sorted(folder for folder, _ in told.folders()) == sorted([*names, "Bad"])
    assert sum(isinstance(each, RetryFolders) for each in told.asked) > 2


def test_a_service_that_refuses_all_is_told(
    music: Path, idle: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Asked(status_of(idle, music), refuses=True)
    with serving(tmp_path / "a.sock", told.status, told):
        assert ctl(tmp_path / "a.sock", music, "--retry") == 1
    assert "0 folders will be measured again by the service." in capsys.readouterr().out


def test_progress_is_shown_on_a_terminal_and_wiped_out(
    music: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("audiobatchd.cli.terminal.progress._INTERVAL", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    assert ctl(music / "none.sock", music) == 1
    assert capsys.readouterr().err == "", "no terminal"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert ctl(music / "none.sock", music) == 1
    shown = capsys.readouterr().err
    wiped = "\r\x1b[K"
    assert shown.startswith(f"{wiped}1 track folders")
    assert shown.endswith(f"{wiped}3 track folders{wiped}")
