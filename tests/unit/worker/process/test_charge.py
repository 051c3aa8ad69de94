"""What an analyzer's call raises and takes is charged to it; a shortage of the process is not."""

from __future__ import annotations

import errno
import logging
import time
from types import SimpleNamespace
from typing import cast

import pytest

from audiobatchd.plugin_api import AnyAnalyzer
from audiobatchd.worker.process.charge import charged

CREST = cast("AnyAnalyzer", SimpleNamespace(name="crest"))


def test_processor_time_of_all_calls_is_added_up() -> None:
    costs = {"crest": 1.0, "loudness": 2.0}
    with charged(CREST, costs, {}):
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
    assert 1.02 <= costs["crest"] < 1.5
    assert costs["loudness"] == 2.0


def test_what_is_raised_becomes_words_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    costs: dict[str, float] = {}
    faults: dict[str, str] = {}

    def fails() -> None:
        raise ValueError("no\nsuch \x1b[31mvalue")

    with caplog.at_level(logging.ERROR), charged(CREST, costs, faults):
        fails()
    assert faults == {"crest": "analyzer crest failed: ValueError: no\\x0asuch \\x1b[31mvalue"}
    assert "crest" in costs
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM])
def test_shortage_of_the_process_is_raised(number: int) -> None:
    faults: dict[str, str] = {}
    with pytest.raises(OSError, match="too much") as caught, charged(CREST, {}, faults):
        raise OSError(number, "too much")
    assert (caught.value.errno, faults) == (number, {})


def test_interrupt_is_not_held_back() -> None:
    with pytest.raises(KeyboardInterrupt), charged(CREST, {}, {}):
        raise KeyboardInterrupt
