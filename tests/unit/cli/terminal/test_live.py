"""The live view and the events above it, on a terminal that is a text buffer."""

from __future__ import annotations

import errno
import io
import logging
import re
import sys

import msgspec
import pytest
import rich.console

from audiobatchd.cli.terminal.events import event_lines
from audiobatchd.cli.terminal.live import Console, view_lines
from audiobatchd.cli.terminal.text import as_ansi, line_cells
from audiobatchd.control.status import AnalyzerStatus, Status
from audiobatchd.vocabulary.states import DatasetState

# Colours, cursor movements, erasing, and hiding the cursor: what Rich may send.
_RICH_SENDS = re.compile("\x1b\\[[0-9;?]*[mAKhl]|\r")


class Terminal(io.StringIO):
    """Looks like a terminal to those who ask."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 by 24 that knows colours."""
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def event(name: str, **fields: object) -> logging.LogRecord:
    """A log record as `log_events.write` makes it."""
    record = logging.LogRecord("audiobatchd", logging.INFO, "", 0, name, (), None)
    record.fields = fields
    record.stems = {name: name.rpartition("_")[2] for name in fields if name.startswith(("lufs_", "lra_"))}
    return record


def lines_of(record: logging.LogRecord, width: int = 80, *, several: bool = False) -> list[str]:
    """The lines printed for an event."""
    return [as_ansi(line, colour=False) for line in event_lines(record, width, several=several, plain="plain")]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (event("folder-done", folder="A - B", lufs=-14.21, lra=6.3), "✓ A - B  -14.2 LUFS  LRA  6.3"),
        (event("folder-done", folder="A - B", lufs_drums=-14.21, lra_bass=6.3), "✓ A - B  drums bass"),
        (event("folder-done", folder="A", lufs=-9, lufs_drums=-14.0), "✓ A   -9.0 LUFS  + 1 stem"),
        (event("folder-done", folder="A", lufs=-9, rms_energy_bass=-20.0), "✓ A   -9.0 LUFS  rms_energy_bass -20"),
        (event("folder-done", folder="A", lra="unmeasurable (shorter than 3 s)"), "✓ A  LRA (shorter than 3 s)"),
        (event("folder-done", folder="A", key="C", dance=0.60594, bpm=128.0), "✓ A  128.0 BPM  key C  dance 0.6059"),
        (
            event("folder-done", folder="A", mood={"film\n": 0.61234, "epic": 0.2}, lufs=-9.0),
            r"✓ A   -9.0 LUFS  mood film\x0a 0.6123",
        ),
        (event("folder-done", folder="A", bpm=120.0, bpm_is_defined=0), "✓ A  bpm_is_defined 0"),
        (event("folder-done", folder="A", true_peak=-2.65, lufs=-9), "✓ A   -9.0 LUFS   -2.6 dBTP"),
        (
            event(
                "folder-done", folder="A", **dict.fromkeys(map(str, range(100, 120)), 1.5), lufs=-9.0, lufs_bass=-9.0
            ),
            "✓ A   -9.0 LUFS  + 1 stem  100 1.5 …",
        ),
        (event("folder-done", folder="A"), "✓ A  nothing new to measure"),
        (event("folder-failed", folder="A - B", reason="full_mix.mp3: cut"), "✗ A - B  full_mix.mp3: cut"),
        (event("folder-blocked", folder="A", reason="read-only"), "⊘ A  blocked: read-only"),
        (event("folder-backoff", folder="A", reason="I/O error"), "↻ A  will be tried again: I/O error"),
        (event("folder-locked", folder="A", reason="locked by another process"), "» A  locked by another process"),
        (event("folder-changed", folder="A"), "~ A  changed meanwhile, will be looked at again"),
        (event("worker-ready", worker=0, pid=1), "· worker 0 is ready"),
        (event("worker-died", worker=0, reason="signal 11"), "✗ worker 0 died: signal 11"),
        (event("dataset-missing", dataset="/m", folders=0, remark="gone"), "! /m is missing: gone"),
        (event("dataset-active", dataset="/m", folders=7), "· /m: 7 track folders"),
        (event("dataset-active", dataset="/m", folders=7, remark="few watches"), "! /m: 7 track folders; few watches"),
        (
            event("worker-lost", worker=0, pid=7, reason="no answer"),
            "✗ worker 0 was killed and does not end: no answer",
        ),
        (event("service-short"), "! the service is short of resources: ?"),
        (event("stood-still", seconds=2.5), "! the service stood still for 2.5 s; deadlines have moved"),
        (event("feature-unknown", unknown="a", reason="cannot find a"), "✗ cannot find a"),
        (event("helper-broke"), "plain"),
        (event("something-new", folder="A"), "plain"),
        (event("folder-done"), "plain"),
    ],
)
def test_events_as_friendly_lines(record: logging.LogRecord, expected: str) -> None:
    assert [re.sub(" {3,}", "  ", line) for line in lines_of(record)] == [expected.replace("   ", "  ")]


def test_a_folder_is_named_with_its_dataset_among_several() -> None:
    record = event("folder-changed", dataset="/srv/music", folder="A")
    assert lines_of(record, several=True) == ["~ music/A  changed meanwhile, will be looked at again"]


@pytest.mark.parametrize("width", [32, 40, 80, 120])
@pytest.mark.parametrize("name", ["folder-done", "folder-failed", "folder-blocked", "folder-locked", "folder-changed"])
def test_event_lines_fit(width: int, name: str, hostile: tuple[str, ...]) -> None:
    for folder in hostile:
        record = event(name, folder=folder, reason=f"cannot read {folder}: no " * 5)
        if name == "folder-done":
            record = event(name, folder=folder, lufs=-14.2, lra=6.3, lufs_drums=-20.0)
        for line in event_lines(record, width, several=False, plain=""):
            assert line_cells(line) <= width
            assert "\x1b" not in as_ansi(line, colour=False)


@pytest.mark.parametrize(("width", "height"), [(10, 3), (32, 6), (40, 12), (80, 24), (120, 40)])
def test_view_fits_its_screen(busy: Status, width: int, height: int) -> None:
    lines = view_lines(busy, width, height)
    assert len(lines) < height
    assert max(map(line_cells, lines)) <= max(32, width)


def test_view_says_what_is_wrong_and_that_it_ends(busy: Status) -> None:
    lost = msgspec.structs.replace(busy.datasets[0], path="/m", state=DatasetState.MISSING, remark="gone")
    view = "\n".join(
        as_ansi(line, colour=False)
        for line in view_lines(msgspec.structs.replace(busy, state="draining", datasets=[lost]), 80, 24)
    )
    assert "! /m is missing: gone" in view
    assert "Ctrl-C again" in view.splitlines()[-1]


def test_names_are_shown_as_they_are_and_steer_nothing(
    terminal: Terminal, busy: Status, hostile: tuple[str, ...]
) -> None:
    console = Console(terminal)
    handler = console.handler()
    console.start()
    for folder in hostile:
        handler.handle(event("folder-failed", folder=folder, reason="no"))
        handler.handle(event("unheard-of", folder=folder))
    console.update(busy)
    console.stop()
    text = terminal.getvalue()
    assert "\x1b[31m✗" in text
    rest = _RICH_SENDS.sub("", text)
    assert "✗ [bold]Artist[/bold] - :smile: Track" in rest
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or char == "\u202e" for char in rest.replace("\n", ""))


def test_no_color_is_obeyed(terminal: Terminal, busy: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(terminal)
    console.start()
    console.update(busy)
    console.stop()
    assert "62.5 %" in terminal.getvalue()
    assert not re.search("\x1b\\[[0-9;]*3[0-9][0-9;]*m", terminal.getvalue())


def test_lacking_models_have_one_line_for_all(terminal: Terminal, idle: Status) -> None:
    reason = "no model of it is here: audiobatchctl models fetch danceability-msd-musicnn-1"
    lacking = AnalyzerStatus(available=False, reason=reason, version=1, models={})
    status = msgspec.structs.replace(idle, analyzers={"danceability": lacking, "atonality": lacking})
    now = [0.0]
    console = Console(terminal, lambda: now[0])
    console.start()
    for name in ("danceability", "atonality"):
        console.handler().handle(event("analyzer-unavailable", analyzer=name, reason=reason))
    console.handler().handle(event("analyzer-unavailable", analyzer="rhythm", reason="no essentia is here"))
    for moment in (1.0, 2.0):
        now[0] = moment
        console.update(status)
    console.stop()
    text = _RICH_SENDS.sub("", terminal.getvalue())
    assert text.count("! danceability, atonality need models: audiobatchctl models fetch\n") == 1
    assert "no model of it" not in text
    assert "analyzer rhythm is unavailable here: no essentia is here" in text


def test_drawing_is_rare(terminal: Terminal, busy: Status) -> None:
    now = [0.0]
    console = Console(terminal, lambda: now[0])
    console.start()
    console.update(busy)
    drawn = len(terminal.getvalue())
    now[0] = 0.1
    console.update(busy)
    assert len(terminal.getvalue()) == drawn
    now[0] = 0.25
    console.update(busy)
    assert len(terminal.getvalue()) > drawn
    console.stop()


def test_narrowed_terminal_is_cleaned_up(terminal: Terminal, busy: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    console = Console(terminal, lambda: now[0])
    console.start()
    console.update(busy)
    height = len(view_lines(busy, 80, 24))
    before = len(terminal.getvalue())
    now[0] = 1.0
    # COLUMNS would hold for the whole run, as it should; the window itself is what changes.
    monkeypatch.setattr(rich.console.Console, "size", rich.console.ConsoleDimensions(41, 24))
    console.update(busy)
    # Every line of more than 41 cells has become two.
    wide = sum(line_cells(line) > 41 for line in view_lines(busy, 80, 24))
    assert terminal.getvalue()[before:].count("\x1b[1A") == wide + height - 1
    console.stop()


def test_standard_error_is_given_back(terminal: Terminal) -> None:
    before = sys.stderr
    console = Console(terminal)
    console.start()
    console.stop()
    assert sys.stderr is before
    assert terminal.getvalue().rstrip("\r").count("\x1b[?25h") == 1  # the cursor is back


def test_closed_terminal_ends_nothing(busy: Status, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(terminal)
    console.start()

    def fail(_text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(terminal, "write", fail)
    console.update(busy)
    console.update(busy)
    console.stop()


@pytest.mark.parametrize(
    ("term", "encoding", "tty", "usable"),
    [
        ("xterm", "utf-8", True, True),
        ("dumb", "utf-8", True, False),
        ("", "utf-8", True, False),
        ("xterm", "latin-1", True, False),
        ("xterm", "utf-8", False, False),
    ],
)
def test_usable(monkeypatch: pytest.MonkeyPatch, term: str, encoding: str, tty: bool, usable: bool) -> None:
    terminal = Terminal()
    monkeypatch.setattr(Terminal, "encoding", encoding)
    monkeypatch.setattr(Terminal, "isatty", lambda _self: tty)
    assert Console.usable(terminal, {"TERM": term}) is usable
