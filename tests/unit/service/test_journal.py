"""What systemd's journal gets of the log."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.core.actions import Report
from audiobatchd.plugin_api import Value
from audiobatchd.service import journal as journal_module
from audiobatchd.service import log
from audiobatchd.vocabulary.log_events import LogEvent, write
from support.core_rig import key


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, put back as it was at the end."""
    logger = logging.getLogger()
    before = logger.handlers[:], logger.level
    logger.handlers[:] = []
    yield logger
    logger.handlers[:] = before[0]
    logger.setLevel(before[1])


class Journal(list[dict[str, str]]):
    """What was sent to it; `broken`: it takes nothing."""

    broken = False

    def send(self, message: str, **fields: str) -> None:
        if self.broken:
            raise OSError
        self.append({"MESSAGE": message, **fields})


@pytest.fixture
def journal(root_logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """The journal, as the log is set up for it."""
    made, stream = Journal(), io.StringIO()
    fallback = logging.StreamHandler(stream)
    fallback.setFormatter(log.LineFormatter(journal=True))
    handler = journal_module.JournalHandler(fallback)
    monkeypatch.setattr(handler, "send", made.send)
    monkeypatch.setattr(made, "stream", stream, raising=False)
    root_logger.addHandler(handler)
    root_logger.setLevel(logging.INFO)
    return made


def test_the_journal_gets_the_fields_as_its_own(journal: Journal) -> None:
    fields: dict[str, Value] = {
        "reason": "no\nluck",
        "lufs": -14.25,
        "worker": 3,
        "no!": 1,
        "mood": {"film": 0.61, "epic": 0.2},
    }
    log.report(Report(LogEvent.FOLDER_FAILED, fields, key("caf\udce9")))
    assert journal == [
        {
            "MESSAGE": r"folder-failed dataset=/music folder=caf\xe9 reason=no\x0aluck lufs=-14.25 worker=3 no!=1"
            ' mood="film 0.61; epic 0.2"',
            "MESSAGE_ID": journal_module.message_id("folder-failed"),
            "PRIORITY": "3",
            "SYSLOG_IDENTIFIER": "audiobatchd",
            "AUDIOBATCH_EVENT": "folder-failed",
            "AUDIOBATCH_DATASET": "/music",
            "AUDIOBATCH_FOLDER": r"caf\xe9",
            "AUDIOBATCH_REASON": r"no\x0aluck",
            "AUDIOBATCH_LUFS": "-14.25",
            "AUDIOBATCH_WORKER": "3",
            "AUDIOBATCH_MOOD": "film 0.61; epic 0.2",
        }
    ]


def test_what_the_journal_does_not_take_goes_to_standard_error(journal: Journal) -> None:
    journal.broken = True
    write(LogEvent.FOLDER_FAILED, {"folder": "A"})
    stream: io.StringIO = vars(journal)["stream"]
    assert stream.getvalue() == "<3>folder-failed folder=A\n"


def test_an_event_has_one_id_for_ever() -> None:
    assert journal_module.message_id("folder-failed") == "9afe584842205b5a9efdd0549c8bd64e"
    assert len({journal_module.message_id(event) for event in ("folder-failed", "folder-done", "worker-died")}) == 3


@pytest.mark.parametrize(("stream", "expected"), [("{here}", True), ("1:1", False), ("", False), (None, False)])
def test_standard_error_may_have_been_sent_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stream: str | None, expected: bool
) -> None:
    monkeypatch.setattr(journal_module, "_SOCKET", Path("/"))
    with (tmp_path / "err").open("w") as file:
        status = os.fstat(file.fileno())
        monkeypatch.setattr(sys, "stderr", file)
        environ = {} if stream is None else {"JOURNAL_STREAM": stream.format(here=f"{status.st_dev}:{status.st_ino}")}
        assert journal_module.is_standard_error(environ) is expected
    assert journal_module.is_standard_error(environ) is False, "it is closed"
