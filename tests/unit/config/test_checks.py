"""The configuration held against this machine."""

from __future__ import annotations

import os

import pytest

from audiobatchd.config.checks import operators
from audiobatchd.errors import ConfigError


def test_operators_are_users() -> None:
    assert operators(("root",)) == {0, os.geteuid()}
    with pytest.raises(ConfigError, match="no user is called 'nobody-at-all'"):
        operators(("nobody-at-all",))
