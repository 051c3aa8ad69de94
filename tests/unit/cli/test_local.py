"""The service as it is set up on this machine: what its unit makes of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli import local
from audiobatchd.config.file import Config


@pytest.mark.parametrize(
    ("timeout", "remark"),
    [
        ("45s", "stop_grace is 60 s, and audiobatchd.service is killed after 45 s: raise its TimeoutStopSec above 65"),
        ("1min 2s", "stop_grace is 60 s, and audiobatchd.service is killed after 62 s"),
        ("1min 30s", ""),
        ("infinity", ""),
    ],
)
def test_unit_that_ends_first_is_remarked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: str, remark: str
) -> None:
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\necho LoadState=loaded\necho 'TimeoutStopUSec={timeout}'\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    told = local.ended_first(Config(stop_grace=60.0))
    assert told.startswith(remark)
    assert bool(told) == bool(remark)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert local.ended_first(Config(stop_grace=60.0)) == ""
