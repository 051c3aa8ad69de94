"""`audiobatchctl status`."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.cli.control import main
from audiobatchd.control.status import Status
from support.control_rig import serving


@pytest.mark.parametrize("before", [True, False])
def test_status_as_text(tmp_path: Path, busy: Status, capsys: pytest.CaptureFixture[str], before: bool) -> None:
    path = str(tmp_path / "control.sock")
    with serving(Path(path), lambda: busy):
        assert main(["--socket", path, "status"] if before else ["status", "--socket", path]) == 0
    out = capsys.readouterr().out
    assert "6,240 complete" in out
    assert "\x1b" not in out
