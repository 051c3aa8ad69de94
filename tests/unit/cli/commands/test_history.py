"""`audiobatchctl history`: what is shown of days, hours and one folder."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.control import main
from audiobatchd.control.history import AskHistory, History, Span
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import FolderReport, Status
from support.control_rig import ToldService, report, serving

HOUR = 3600
HOSTILE = "<b>\x1b[31m"


def spans(hours: int, now: float) -> tuple[Span, ...]:
    """So many hours up to now, in each of which a folder more was done than in the one before."""
    start = int(now) // HOUR * HOUR
    return tuple(
        Span(
            start - back * HOUR,
            HOUR,
            done=hours - back,
            failed=2,
            audio_seconds=240.0 * (hours - back),
            busy_seconds=1800.0,
            costs={"decoding": 5.0, HOSTILE: 90.0} | {f"analyzer {number}": 1.0 for number in range(40)},
            causes={f"{'long ' * 30}{HOSTILE}": 1, "is empty": 1},
        )
        for back in reversed(range(hours))
    )


def ctl(path: Path, *arguments: str) -> int:
    """Run the command."""
    return main(["history", *arguments, "--socket", str(path)])


def told(past: tuple[Span, ...], idle: Status) -> ToldService:
    """Make a service with this history."""
    made = ToldService(lambda: idle)
    made.past = History(past)
    return made


def test_days_fit_the_terminal(
    tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = tmp_path / "c.sock", time.time()
    monkeypatch.setenv("COLUMNS", "80")
    service = told(spans(100, now), idle)
    with serving(path, lambda: idle, service):
        assert ctl(path) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    head, *rows = text.splitlines()
    assert head.split() == ["done", "failed", "music", "per", "hour"]
    days = [row.split() for row in rows[: rows.index("")]]
    assert days[-1][:4] == ["in", "all", "5,050", "200"]
    assert sum(int(day[1].replace(",", "")) for day in days[:-1]) == 5050
    assert any("█" in row for row in rows)
    assert "  <b>\\x1b[31m" in text
    assert "and 17 analyzers more" in text
    (asked,) = service.asked
    assert isinstance(asked, AskHistory)
    assert now - 7 * 86400 <= asked.since <= now - 5 * 86400


def test_two_days_are_told_by_hours(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path, now = tmp_path / "c.sock", time.time()
    service = told(spans(3, now), idle)
    with serving(path, lambda: idle, service):
        assert ctl(path, "--since", "2h", "--dataset", "/srv/music") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1][-3:] for line in lines[1:4]] == [":00"] * 3
    (asked,) = service.asked
    assert isinstance(asked, AskHistory)
    assert (asked.dataset, now - asked.since < 7300) == ("/srv/music", True)


def test_json_has_the_spans(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: idle, told(spans(2, time.time()), idle)):
        assert ctl(path, "--json") == 0
    assert [each["done"] for each in json.loads(capsys.readouterr().out)["spans"]] == [1, 2]


def test_no_history_is_no_success(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: idle, told((), idle)):
        assert ctl(path, "--since", "2026-01-01") == 1
    assert capsys.readouterr().out == "No job has ended since 2026-01-01 00:00.\n"


def test_no_service_is_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ctl(tmp_path / "none.sock") == 3
    assert "no daemon answers" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--since", "7x"], ["--since", "2999-01-01"], ["A - B", "--dataset", "/srv/music"]])
def test_refusals(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        raise SystemExit(ctl(tmp_path / "none.sock", *words))


class Measured(ToldService):
    """A service that knows when a folder was measured."""

    async def explain(self, name: FolderName) -> FolderReport:
        times = {"full_mix": "2026-11-20T09:00:00+00:00", "drums": "2026-11-21T09:00:00+00:00"}
        return msgspec.structs.replace(report(name), measured={"loudness": times, HOSTILE: {"full_mix": "soon"}})


def test_a_folder_tells_measurements_and_failures(
    tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: idle, Measured(lambda: idle)):
        assert ctl(path, "/srv/music/A - B") == 0
        assert capsys.readouterr().out.splitlines() == [
            "/srv/music/A - B: backoff",
            "  Measured, the latest first:",
            "    soon",
            "      <b>\\x1b[31m of full_mix",
            "    2026-11-21T09:00:00+00:00",
            "      loudness of drums",
            "    2026-11-20T09:00:00+00:00",
            "      loudness of full_mix",
            "  Jobs that came to no good end, the latest first:",
            "    2026-11-25T09:00:00+00:00  error after 3 s, charged",
            "      killed by signal 11, Segmentation fault",
            "      while: rhythm of full_mix.mp3",
            "      | last words",
        ]
        assert ctl(path, "/srv/music/A - B", "--since", "2026-11-21", "--json") == 0
        kept = json.loads(capsys.readouterr().out)
    assert kept["measured"]["loudness"] == {"drums": "2026-11-21T09:00:00+00:00"}
    assert len(kept["attempts"]) == 1


def test_a_folder_without_history(tmp_path: Path, idle: Status, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: idle):
        assert ctl(path, "/srv/music/A - B", "--since", "2026-11-26") == 1
    assert "No analyzer has measured it" in capsys.readouterr().out
