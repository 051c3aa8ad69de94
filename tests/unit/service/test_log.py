"""Log lines: one per event whatever is in it, at the level that the documentation promises."""

from __future__ import annotations

import io
import logging
import os
import re
import threading
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.core.actions import Report
from audiobatchd.service import log as eventlog
from audiobatchd.service.log import LineFormatter
from audiobatchd.vocabulary.log_events import LogEvent, write
from support.core_rig import key
from support.service import eventually


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
        ({"mood": {"film": 0.6123, 'a "b"=\n': 1}}, r'folder-done mood="film 0.6123; a \x22b\x22=\x0a 1"'),
        ({"mood": {"film": 0.00004}}, 'folder-done mood="film 4e-05"'),
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
    ("report", "expected"),
    [
        (Report(LogEvent.WORKER_READY, {"worker": 1, "pid": 7}), "worker-ready worker=1 pid=7"),
        (
            Report(LogEvent.FOLDER_DONE, {"lufs": -14.2}, key("A/Song")),
            "folder-done dataset=/music folder=A/Song lufs=-14.2",
        ),
        (Report(LogEvent.FOLDER_DONE, {}, key("")), "folder-done dataset=/music folder=."),
    ],
)
def test_a_report_names_its_folder(caplog: pytest.LogCaptureFixture, report: Report, expected: str) -> None:
    caplog.set_level(logging.DEBUG)
    eventlog.report(report)
    assert LineFormatter().format(caplog.records[0]).partition(" ")[2] == expected


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


def test_log_goes_to_its_handler_from_info_on(root_logger: logging.Logger) -> None:
    stream, forgotten = io.StringIO(), io.StringIO()
    eventlog.set_up(logging.StreamHandler(forgotten)).close()
    log = eventlog.set_up(logging.StreamHandler(stream))
    write(LogEvent.FOLDER_FAILED, {"folder": "A B"})
    logging.getLogger("audiobatchd.scan.watch").debug("unheard")
    logging.getLogger("some.library").warning("heard as well")
    log.close()
    assert not log.is_stuck
    lines = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert lines == ['folder-failed folder="A B"', "heard as well"]
    assert forgotten.getvalue() == ""


@pytest.mark.parametrize(("journal", "expected"), [(False, " service-started\n"), (True, "<6>service-started\n")])
def test_log_goes_to_standard_error(
    root_logger: logging.Logger, capfd: pytest.CaptureFixture[str], journal: bool, expected: str
) -> None:
    log = eventlog.set_up(eventlog.standard_error(journal=journal))
    write(LogEvent.SERVICE_STARTED, {})
    log.close()
    assert capfd.readouterr().err.endswith(expected)


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
    log = eventlog.set_up(handler)
    write(LogEvent.FOLDER_DONE, {"a": 1})
    log.close()
    assert stream.getvalue().endswith(expected)


# A reader that stands still


class _Stopped(logging.Handler):
    """Takes nothing until `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()
        self.taken: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.goes_on.wait()
        self.taken.append(record)


def test_stopped_reader_costs_events_and_they_are_counted(root_logger: logging.Logger) -> None:
    reader = _Stopped()
    log = eventlog.set_up(reader)
    for number in range(10_000):
        write(LogEvent.FOLDER_DONE, {"number": number})
    log.close()
    assert log.is_stuck
    reader.goes_on.set()
    eventually(lambda: len(reader.taken) > 5000)
    log.close()
    eventually(lambda: not log.is_stuck)

    fields = [vars(record)["fields"] for record in reader.taken]
    numbers = [each["number"] for each in fields if "number" in each]
    assert numbers == list(range(len(numbers))), "the first ones are kept, in order"
    assert {record.getMessage() for record in reader.taken} == {"folder-done", "log-dropped"}
    assert len(numbers) + sum(each.get("events", 0) for each in fields) == 10_000


def test_line_that_raises_ends_no_log(root_logger: logging.Logger) -> None:
    class Angry:
        def __str__(self) -> str:
            raise RuntimeError

    stream = io.StringIO()
    log = eventlog.set_up(logging.StreamHandler(stream))
    write(LogEvent.FOLDER_DONE, {"a": Angry()})
    write(LogEvent.FOLDER_DONE, {"a": 2})
    log.close()
    assert "a=2" in stream.getvalue()


def test_nonblocking_pipe_gets_whole_lines(root_logger: logging.Logger) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    log = eventlog.set_up(eventlog.LineHandler(writing, LineFormatter(journal=True)))
    with open(reading, "rb") as pipe:
        for _ in range(3):
            write(LogEvent.FOLDER_DONE, {"a": "x" * 100_000})
        lines = [pipe.readline() for _ in range(3)]
        log.close()
        os.close(writing)
    assert [len(line) for line in lines] == [len("<6>folder-done a=") + 100_001] * 3


@pytest.mark.parametrize("kind", ["closed", "full", "gone"])
def test_lost_standard_error_ends_nothing(root_logger: logging.Logger, kind: str) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    if kind == "closed":
        os.close(descriptor)
    elif kind == "gone":
        os.close(descriptor)
        reading, descriptor = os.pipe()
        os.close(reading)
    log = eventlog.set_up(eventlog.LineHandler(descriptor, LineFormatter()))
    write(LogEvent.FOLDER_DONE, {})
    log.close()
    assert not log.is_stuck
