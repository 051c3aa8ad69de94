"""What an operator reads, at every width and with every name."""

from __future__ import annotations

import re
from collections import Counter

import msgspec
import pytest

from audiobatchd.cli.terminal.status import bar_line, status_text, worker_lines
from audiobatchd.cli.terminal.text import cells, line_cells
from audiobatchd.control.status import InboxStatus, LeftFile, Status
from audiobatchd.vocabulary.states import DatasetState, FolderState, InboxState

_SGR = re.compile("\x1b\\[[0-9]*m")
WIDTHS = [32, 40, 80, 120]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_too_wide(busy: Status, width: int) -> None:
    lines = status_text(busy, width, colour=False).split("\n")
    assert max(map(cells, lines)) <= width
    assert all(line.isprintable() or "\u0301" in line for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_colour_adds_nothing_but_colour(busy: Status, width: int) -> None:
    coloured = _SGR.sub("", status_text(busy, width, colour=True))
    assert [line.rstrip() for line in coloured.split("\n")] == status_text(busy, width, colour=False).split("\n")


def test_what_an_operator_looks_for(busy: Status) -> None:
    text = status_text(busy, 80, colour=False)
    for expected in (
        "audiobatchd 0.1.0  running  up 3 h  pid 4711",
        "training set  active",
        "62.5 %",
        "10,000 folders  3,737 queued  8 running  6,240 complete  12 failed  3 blocked",
        "2 values of complete folders unavailable here  last full walk 20 min ago",
        "! and 7 more",
        " 0  [bold]Artist[/bold] - :smile: Track   loudness of full_mix.flac        0 s",
        "10  down",
        "2 h 10 min left  83 x real time  1,240 folders an hour",
        "812 folders completed with 2 d 8 h of audio",
        "Troubles (the latest 8 of 15)",
        "[bold]Artist[/bold] - :smile: Track  failed 1 h ago",
        "! analyzer tempo is unavailable: no library essentia is installed here",
    ):
        assert expected in text, text
    assert "settling" not in text  # states without folders are left out


def test_nothing_to_do(idle: Status) -> None:
    text = status_text(idle, 80, colour=False)
    assert "100 %" in text
    assert "nothing to do" in text
    assert "  2 idle" in text
    assert "Troubles" not in text
    assert "loudness" not in text


def test_unknown_time_left_is_said(busy: Status) -> None:
    text = status_text(msgspec.structs.replace(busy, time_left=None), 80, colour=False)
    assert "time left unknown" in text


@pytest.mark.parametrize(
    ("state", "remark", "expected"),
    [
        (DatasetState.MISSING, "there is no such directory", ["missing", "  there is no such directory"]),
        (DatasetState.ACTIVE, "too few watches", ["active", "  degraded: too few watches"]),
    ],
)
def test_a_dataset_in_trouble_says_why(idle: Status, state: DatasetState, remark: str, expected: list[str]) -> None:
    dataset = msgspec.structs.replace(idle.datasets[0], state=state, remark=remark)
    text = status_text(msgspec.structs.replace(idle, datasets=[dataset]), 80, colour=False)
    assert all(line in text for line in expected), text


def test_no_datasets_and_no_folders(idle: Status) -> None:
    assert "no dataset is configured" in status_text(msgspec.structs.replace(idle, datasets=[]), 80, colour=False)
    empty = msgspec.structs.replace(
        idle.datasets[0], folders=dict.fromkeys(FolderState, 0), total=0, last_walk="", last_pass=""
    )
    text = status_text(msgspec.structs.replace(idle, datasets=[empty]), 80, colour=False)
    assert "no track folder found" in text
    assert "not walked yet" in text
    assert "audiobatchctl import" not in text


def test_a_dataset_without_tracks_names_the_way_in(idle: Status) -> None:
    path = "/srv/a rather long way to music/" + "m" * 60
    walked = msgspec.structs.replace(idle.datasets[0], path=path, folders=dict.fromkeys(FolderState, 0), total=0)
    text = status_text(msgspec.structs.replace(idle, datasets=[walked]), 80, colour=False)
    assert f"audiobatchctl import YOUR_MUSIC '{path}'" in " ".join(text.split())


def test_how_far_a_walk_is(idle: Status) -> None:
    passed = "2026-11-24T12:40:00+00:00"
    walk = "full: 677,760 directories, 67 %"
    walking = msgspec.structs.replace(idle.datasets[0], walk=walk, last_walk="", last_pass=passed)
    text = status_text(msgspec.structs.replace(idle, datasets=[walking]), 80, colour=False)
    assert "walking: full: 677,760 directories, 67 %  last pass 20 min ago" in text


def test_folders_of_several_datasets_are_told_apart(busy: Status) -> None:
    several = msgspec.structs.replace(busy, datasets=[busy.datasets[0], busy.datasets[0]])
    assert "music/[bold]Artist[/bold]" in status_text(several, 120, colour=False)


def test_times_that_are_none_are_left_out(busy: Status) -> None:
    text = status_text(msgspec.structs.replace(busy, started="yesterday"), 80, colour=False)
    assert " ago" not in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    ("complete", "failed", "queued", "percent", "bad"),
    [(999_999, 0, 1, "99.9 %", False), (999_999, 1, 0, "100 %", True), (0, 0, 0, "0.0 %", False)],
)
def test_bar(width: int, complete: int, failed: int, queued: int, percent: str, bad: bool) -> None:
    counts = Counter(
        {FolderState.COMPLETE: complete, FolderState.FAILED: failed, FolderState.QUEUED: queued},
    )
    line = bar_line(counts, width)
    text = "".join(span.text for span in line)
    assert text.endswith(percent)
    assert ("▓" in text) == bad
    assert line_cells(line) <= width


def test_many_workers_are_counted(busy: Status) -> None:
    lines = ["".join(span.text for span in line) for line in worker_lines(busy, 80, most=4)]
    assert len(lines) == 4
    assert lines[-1] == "7 more at work  1 idle"


@pytest.mark.parametrize("width", [80, 60])
def test_analyzers_that_lack_models_have_one_line(busy: Status, width: int) -> None:
    reason = "no model of it is here: audiobatchctl models fetch danceability-msd-musicnn-1"
    lacking = msgspec.structs.replace(busy.analyzers["tempo"], reason=reason)
    named = {"danceability": lacking, "tempo": busy.analyzers["tempo"], "atonality": lacking}
    lines = status_text(msgspec.structs.replace(busy, analyzers=named), width, colour=False).splitlines()
    names = "danceability, atonality" if width == 80 else "2 analyzers"
    assert [line for line in lines if "models" in line] == [f"! {names} need models: audiobatchctl models fetch"]
    assert any(line.startswith("! analyzer tempo is unavailable") for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_an_inbox_tells_what_waits_and_what_stays(idle: Status, width: int) -> None:
    left = [LeftFile(f"Album/{number}.flac", "an album in one file: split it first") for number in range(7)]
    inbox = InboxStatus("/srv/inbox", "/srv/music", InboxState.HINDERED, "no room " * 9, 12, 3456, left, 2)
    text = status_text(msgspec.structs.replace(idle, inboxes=[inbox]), width, colour=False)
    assert max(map(cells, text.split("\n"))) <= width
    for expected in ("inbox /srv/inbox  hindered", "3,456 tracks moved", "12 files waiting", "9 left", "! and 4 more"):
        assert expected in text, text
    assert text.count("Album/") == 5


@pytest.mark.parametrize("width", WIDTHS)
def test_worker_on_another_machine_has_its_name(busy: Status, width: int) -> None:
    workers = [msgspec.structs.replace(each, host="node-17.cluster\x1b.example.org") for each in busy.workers]
    lines = status_text(msgspec.structs.replace(busy, workers=workers), width, colour=False).split("\n")
    assert max(map(cells, lines)) <= width
    assert any(" node-" in line for line in lines) == (width >= 40)
