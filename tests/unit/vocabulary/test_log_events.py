"""The table of log events: levels, and sentences that can be told of any fields."""

from __future__ import annotations

import logging

import pytest

from audiobatchd.vocabulary.log_events import LogEvent, write


@pytest.mark.parametrize(
    ("name", "level"),
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
        ("log-dropped", logging.WARNING),
        ("helper-broke", logging.CRITICAL),
    ],
)
def test_event_is_logged_at_its_level(caplog: pytest.LogCaptureFixture, name: str, level: int) -> None:
    caplog.set_level(logging.DEBUG)
    write(LogEvent(name))
    assert [(record.getMessage(), record.levelno) for record in caplog.records] == [(name, level)]


def test_fields_and_traceback_go_along(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("why")
    write(LogEvent.HELPER_BROKE, {"folder": "100% %d {reason}"}, error=error)
    (record,) = caplog.records
    assert vars(record)["fields"] == {"folder": "100% %d {reason}"}
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_name_is_a_plain_text_in_the_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    write(LogEvent.WORKER_READY)
    assert type(caplog.records[0].msg) is str
