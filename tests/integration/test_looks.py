"""What the service looks at every few seconds: whether all is watched, where its datasets are, and what is blocked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audiobatchd.control.client import ControlClient
from support.audio_files import tone, write_audio
from support.namespaces import allow_inotify, with_inotify
from support.service import Service, configuration, eventually, record_of, run, service

RATE = 8000


def track(folder: Path, seconds: float = 1.0) -> Path:
    """A track folder with one short file."""
    folder.mkdir(parents=True)
    write_audio(folder / "full_mix.wav", tone(seconds, RATE, 1), RATE)
    return folder


def dataset_of(daemon: Service) -> dict[str, Any]:
    """What the status in JSON says of the first dataset."""
    code, out, _ = run("audiobatchctl", "--socket", daemon.socket, "status", "--json")
    return dict(json.loads(out)["datasets"][0]) if code == 0 else {}


def metric(daemon: Service, name: str) -> str:
    """The first value of a metric, as text."""
    lines = ControlClient(daemon.socket)._ask("GET", "/metrics").decode().splitlines()
    return next((line.rpartition(" ")[2] for line in lines if line.startswith(f"audiobatchd_{name}")), "")


@pytest.mark.parametrize("kind", ["instances", "watches"])
def test_watch_that_cannot_be_had_is_tried_again(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "dataset"
    track(root / "First")
    config = configuration(tmp_path / "c.toml", root)
    with service(tmp_path / "d", config, prefix=with_inotify(**{kind: 0})) as daemon:
        daemon.becomes(complete=1)
        daemon.says("watch-degraded")
        reason = f"cannot watch it (user.max_inotify_{kind} is 0; sysctl user.max_inotify_{kind}="
        eventually(lambda: dataset_of(daemon)["remark"].startswith(reason), what=lambda: dataset_of(daemon))
        assert metric(daemon, "watch_degraded") == "1.0"
        assert f"degraded: {reason[:40]}" in run("audiobatchctl", "--socket", daemon.socket, "status")[1]
        track(root / "Second")
        allow_inotify(daemon.process.pid, **{kind: 100})
        daemon.becomes(complete=2)
        daemon.says("watch-restored")
        assert (dataset_of(daemon)["remark"], metric(daemon, "watch_degraded")) == ("", "0.0")
        third = track(root / "Third")
        eventually(lambda: record_of(third), what=daemon.log)
        assert (daemon.log().count("watch-degraded"), daemon.log().count("watch-restored")) == (1, 1)
