"""The exit codes of both programs."""

from __future__ import annotations

import os

from audiobatchd.vocabulary.exits import ControlExit, DaemonExit


def test_a_code_of_both_programs_means_the_same() -> None:
    both = DaemonExit.__members__.keys() & ControlExit.__members__.keys()
    assert both == {"FINE", "USAGE", "LOST", "INTERRUPTED", "READER_LEFT"}
    assert all(DaemonExit[name].value == ControlExit[name].value for name in both)


def test_broken_lost_and_config_are_those_of_sysexits() -> None:
    known = (os.EX_SOFTWARE, os.EX_IOERR, os.EX_CONFIG)
    assert known == (DaemonExit.BROKEN, DaemonExit.LOST, DaemonExit.CONFIG)
