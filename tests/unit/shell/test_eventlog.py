"""Log lines: one per event whatever is in it, at the level that the documentation promises."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatchd import eventlog
from audiobatchd.core.actions import Report
from audiobatchd.eventlog import LineFormatter
from support.core_rig import key


def line(
    message: str, fields: dict[str, object] | None = None, *, level: int = logging.INFO, journal: bool = False
) -> str:
    """A formatted record, without its time."""
    record = logging.LogRecord("audiobatchd", level, "here.py", 1, message, (), None)
    if fields is not None:
        record.fields = fields
    text = LineFormatter(journal=journal).format(record)
    if journal:
        return text
    time, _, rest = text.partition(" ")
    assert re.fullmatch(r"\d\d:\d\d:\d\d", time)
    return rest


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, "folder-done"),
        ({}, "folder-done"),
        ({"folder": "Song"}, "folder-done folder=Song"),
        ({"folder": "A - B", "lufs": -14.2}, 'folder-done folder="A - B" lufs=-14.2'),
        ({"lufs": -70.0, "lra": 0.0, "worker": 3, "whole": True}, "folder-done lufs=-70 lra=0 worker=3 whole=True"),
        ({"reason": ""}, 'folder-done reason=""'),
        ({"folder": "a=b"}, 'folder-done folder="a=b"'),
        ({"folder": 'say "no"'}, r'folder-done folder="say \x22no\x22"'),
        ({"folder": "caf\udce9"}, r"folder-done folder=caf\xe9"),
        ({"folder": "a\\b\nc\x1b[2J"}, r"folder-done folder=a\x5cb\x0ac\x1b[2J"),
        ({"folder": "日本 e\u0301"}, 'folder-done folder="日本 e\u0301"'),
        ({"folder": "\u202egnirts\u2028"}, r"folder-done folder=\xe2\x80\xaegnirts\xe2\x80\xa8"),
        ({"folders": ["a b"]}, """folder-done folders="['a b']\""""),
        ({"error": OSError("two\nlines")}, r"folder-done error=two\x0alines"),
    ],
    ids=str,
)
def test_a_line_is_the_event_and_its_fields(fields: dict[str, object] | None, expected: str) -> None:
    assert line("folder-done", fields) == expected


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.DEBUG, 7),
        (logging.INFO, 6),
        (logging.WARNING, 4),
        (logging.ERROR, 3),
        (logging.CRITICAL, 2),
        (logging.INFO + 1, 6),
    ],
)
def test_the_journal_gets_a_priority_instead_of_the_time(level: int, priority: int) -> None:
    assert line("x", {"a": 1}, level=level, journal=True) == f"<{priority}>x a=1"


TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.binary(max_size=20).map(os.fsdecode)


@given(message=TEXTS, name=TEXTS, journal=st.booleans())
def test_nothing_ends_a_line_or_steers_a_terminal(message: str, name: str, journal: bool) -> None:
    text = line(message, {"folder": name, "reason": OSError(name)}, journal=journal)
    assert text.encode().decode() == text
    assert len(text.splitlines()) == 1
    assert not {unicodedata.category(char) for char in text if char not in "\u200c\u200d"} & {"Cc", "Cf", "Cs", "Zl"}


def test_a_traceback_is_part_of_the_line(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("audiobatchd").exception("helper-broke")
    text = LineFormatter().format(caplog.records[0])
    assert len(text.splitlines()) == 1
    assert ' helper-broke traceback="Traceback (most recent call last):' in text
    assert text.endswith(r'ValueError: two\x0alines"')


# Events


@pytest.mark.parametrize(
    ("event", "level"),
    [
        ("folder-done", logging.INFO),
        ("folder-failed", logging.ERROR),
        ("folder-blocked", logging.WARNING),
        ("folder-backoff", logging.WARNING),
        ("folder-locked", logging.INFO),
        ("folder-changed", logging.INFO),
        ("dataset-active", logging.INFO),
        ("dataset-missing", logging.WARNING),
        ("dataset-paused", logging.WARNING),
        ("watch-lost", logging.WARNING),
        ("worker-ready", logging.INFO),
        ("worker-died", logging.ERROR),
        ("worker-cannot-start", logging.ERROR),
        ("analyzer-unavailable", logging.WARNING),
        ("service-started", logging.INFO),
    ],
)
def test_levels(caplog: pytest.LogCaptureFixture, event: str, level: int) -> None:
    caplog.set_level(logging.DEBUG)
    eventlog.log(event, {})
    assert [(record.getMessage(), record.levelno) for record in caplog.records] == [(event, level)]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (Report("worker-ready", {"worker": 1, "pid": 7}), "worker-ready worker=1 pid=7"),
        (Report("folder-done", {"lufs": -14.2}, key("A/Song")), "folder-done dataset=/music folder=A/Song lufs=-14.2"),
        (Report("folder-done", {}, key("")), "folder-done dataset=/music folder=."),
    ],
)
def test_a_report_names_its_folder(caplog: pytest.LogCaptureFixture, report: Report, expected: str) -> None:
    caplog.set_level(logging.DEBUG)
    eventlog.report(report)
    assert LineFormatter().format(caplog.records[0]).partition(" ")[2] == expected


def test_an_event_s_name_is_no_format(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    eventlog.log("100% %s", {"folder": "%d"})
    assert line(caplog.records[0].getMessage(), {"folder": "%d"}) == "100% %s folder=%d"


# Where it goes


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back as it was at the end."""
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level
    logger.handlers[:] = []
    yield logger
    logger.handlers[:] = before[0]
    logger.setLevel(before[1])


def test_it_goes_to_the_stream_from_info_on(root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, forgotten = io.StringIO(), io.StringIO()
    eventlog.set_up(forgotten)
    eventlog.set_up(handler=eventlog.plain_handler(stream))
    eventlog.log("folder-failed", {"folder": "A B"})
    logging.getLogger("audiobatchd.watch").debug("unheard")
    logging.getLogger("some.library").warning("heard as well")
    assert stream.getvalue() == '<3>folder-failed folder="A B"\n<4>heard as well\n'
    assert forgotten.getvalue() == ""


def test_it_goes_to_standard_error_by_default(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    eventlog.set_up()
    eventlog.log("service-started", {})
    assert capsys.readouterr().err.endswith(" service-started\n")


@pytest.mark.parametrize(
    ("formatter", "expected"),
    [(None, " folder-done a=1\n"), (logging.Formatter("own: %(message)s"), "own: folder-done\n")],
)
def test_a_handler_keeps_its_own_form(
    root_logger: logging.Logger, formatter: logging.Formatter | None, expected: str
) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    eventlog.set_up(handler=handler)
    eventlog.log("folder-done", {"a": 1})
    assert stream.getvalue().endswith(expected)
