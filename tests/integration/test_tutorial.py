"""The tutorial, typed in as it stands: every command succeeds, and says what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "ten-tracks.md"
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTING_UP = "./dev setup\n"


@pytest.mark.timeout(300)
def test_ten_tracks(tmp_path: Path) -> None:
    for name in ("demo",):
        shutil.copytree(ROOT / name, tmp_path / name)
    blocks = [(kind, text) for kind, text in BLOCK.findall(PAGE.read_text())]
    script = [
        "set -eu",
        "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT",
        f"export PATH={Path(sys.executable).parent}:$PATH",
    ]
    promised: list[str] = []
    for kind, text in blocks:
        if kind == "sh":
            script.append(text.replace(SETTING_UP, ""))
        else:
            promised += text.splitlines()
    done = subprocess.run(
        ["bash", "-m", "-c", "\n".join(script)],
        cwd=tmp_path,
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    log = (tmp_path / "tutorial" / "service.log").read_text() if (tmp_path / "tutorial").exists() else ""
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{log}"
    said = done.stdout.splitlines()
    for line in promised:
        assert line in said, f"{line!r} in:\n{done.stdout}\n{log}"
