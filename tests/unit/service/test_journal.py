"""What systemd's journal gets of the log."""

from __future__ import annotations

import io
import logging
import os
import subprocess
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
    monkeypatch.setattr(journal_module, "journal", made)
    handler = journal_module.JournalHandler(fallback)
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
    with (tmp_path / "err").open("w") as file:
        status = os.fstat(file.fileno())
        monkeypatch.setattr(sys, "stderr", file)
        environ = {} if stream is None else {"JOURNAL_STREAM": stream.format(here=f"{status.st_dev}:{status.st_ino}")}
        assert journal_module.is_standard_error(environ) is expected
    assert journal_module.is_standard_error(environ) is False, "it is closed"


@pytest.mark.parametrize(
    ("library", "socket", "expected"),
    [
        (Journal(), "/", journal_module.JournalHandler),
        (None, "/", log.LineHandler),
        (Journal(), "/not/there", log.LineHandler),
    ],
)
def test_fields_take_the_library_and_the_journal_s_socket(
    monkeypatch: pytest.MonkeyPatch, library: Journal | None, socket: str, expected: type[logging.Handler]
) -> None:
    monkeypatch.setattr(journal_module, "journal", library)
    monkeypatch.setattr(journal_module, "_SOCKET", Path(socket))
    assert type(journal_module.handler()) is expected


def test_lines_for_the_journal_without_the_library(tmp_path: Path) -> None:
    """A real program without systemd-python, with standard error as systemd hands it over."""
    program = (
        "import sys; sys.modules['systemd'] = None\n"
        "from audiobatchd.cli.daemon import _set_up_terminal\n"
        "from audiobatchd.vocabulary.log_events import LogEvent, write\n"
        "from contextlib import ExitStack\n"
        "with ExitStack() as stack:\n"
        "    _set_up_terminal(stack)\n"
        "    write(LogEvent.FOLDER_FAILED, {'folder': 'A\\nB'})\n"
    )
    with (tmp_path / "err").open("w") as file:
        status = os.fstat(file.fileno())
        environ = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        subprocess.run([sys.executable, "-c", program], stderr=file, env=environ, check=True)
    assert (tmp_path / "err").read_text() == "<3>folder-failed folder=A\\x0aB\n"
