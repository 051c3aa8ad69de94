"""SIGKILL to everything at random moments, again and again: nothing is lost, nothing torn, nothing left behind."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path

import pytest

from support.audio_files import make_track
from support.service import configuration, eventually, features_of, leftovers, once, record_of, service

FOLDERS = 40
KILLS = 25


@pytest.mark.timeout(300)
def test_25_kills_over_40_folders(tmp_path: Path) -> None:
    dice = random.Random(20)
    undisturbed, root = tmp_path / "undisturbed" / "dataset", tmp_path / "dataset"
    for number in range(FOLDERS):
        for place in (undisturbed, root):
            make_track(place / f"Track {number:02d}", seconds=12, stems=("drums", "bass"), seed=number)
    assert once(undisturbed)[0] == 0
    config = configuration(tmp_path / "c.toml", root, settle=0.0, max_suspect=1000)
    for number in range(KILLS):
        with service(tmp_path / "d", config) as daemon:
            # Most of these fall into the second in which work is done; some into the start.
            threading.Event().wait(dice.uniform(0.2, 1.8))
            os.killpg(daemon.process.pid, signal.SIGKILL)
            daemon.process.wait()
        for path in root.rglob("*.INFO"):
            assert record_of(path.parent), f"torn after kill {number}"
    with service(tmp_path / "d", config) as daemon:
        daemon.becomes(complete=FOLDERS, timeout=120)
        eventually(lambda: leftovers(root) == [], what=lambda: leftovers(root))
        assert daemon.stop() == 0
    for number in range(FOLDERS):
        name = f"Track {number:02d}"
        assert features_of(root / name) == features_of(undisturbed / name) != {}
    assert leftovers(root) == []
