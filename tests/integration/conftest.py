"""Surroundings of all programs that are started without a configuration of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.service import configuration


@pytest.fixture(autouse=True)
def _users_configuration(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own: the analyzer that loads quickly, and no models but those that a test makes."""
    home = tmp_path_factory.mktemp("home")
    (home / "audiobatchd").mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    return configuration(home / "audiobatchd" / "audiobatchd.toml")
