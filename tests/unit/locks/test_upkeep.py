"""The locks of a dataset: the rounds of the service, and the clean-up that is asked for."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from audiobatchd.locks import upkeep
from audiobatchd.locks.observer import Patience
from audiobatchd.locks.reaper import Terms, Unlocked
from support.lock_leftovers import OURS, make_track
from support.lock_rig import (
    StartPeer,
    everything_in,
    lock_path,
)

# The whole dataset


def test_the_caretaker_looks_after_directories(
    tmp_path: Path, start: StartPeer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    late = make_track(tmp_path / "a" / "Late")
    lock_path(make_track(tmp_path / "a" / "Dead")).write_bytes(OURS)
    lock_path(make_track(tmp_path / "b" / "Dead")).write_bytes(OURS)
    peer, patience = start(late).holds(), Patience()
    directories = [os.fspath(tmp_path / name) for name in ("a", "nowhere", "b")]

    own: set[int] = set()
    left: list[frozenset[str]] = []

    def look(now: float) -> dict[str, str]:
        seen = upkeep.look_after(
            os.fspath(tmp_path), directories, patience, Unlocked(), now, own.__contains__, alone=False
        )
        left.append(seen.left)
        return seen.overdue

    assert look(0.0) == {}
    told = [(record.getMessage(), record.__dict__["fields"]["lock"]) for record in caplog.records]
    assert told == [("lock-removed", f"{tmp_path}/{name}/Dead.lock") for name in "ab"]
    assert look(61.0) == {"a/Late.lock": f"process {peer.pid} on {os.uname().nodename}"}
    assert lock_path(late).exists()
    peer.does("lock.release(); lock.acquire()")
    assert look(62.0) == {}
    assert look(123.0) != {}
    assert left[0] == {"a/Dead", "b/Dead"}, "their holders died at work"
    own.add(peer.pid)
    peer.kill()
    assert look(124.0) == {}
    assert left[1:] == [frozenset()] * 4, "how our own worker ended is known already"
    assert list(tmp_path.rglob("*.lock")) == []
    assert len(caplog.records) == 3
    assert patience._since == {}, "nothing is remembered of what is gone"


def test_the_clean_up_of_a_dataset(tmp_path: Path, start: StartPeer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    root = make_track(tmp_path / "dataset")
    tracks = [make_track(root / name) for name in ("Dead", "Held", "deep/er/Dead", "Dead/nested")]
    for folder in (root, tracks[0], tracks[2], tracks[3], root / "Gone"):
        lock_path(folder).write_bytes(OURS)
    start(tracks[1]).holds()
    lock_path(root / "poetry").write_bytes(b"[[package]]\n")
    lock_path(root / ".hidden" / "x").parent.mkdir()
    lock_path(root / ".hidden" / "x").write_bytes(OURS)
    dead = {"../dataset.lock", "Dead.lock", "Dead/nested.lock", "Gone.lock", "deep/er/Dead.lock"}
    before = everything_in(tmp_path)
    cleaned = upkeep.clean_up(os.fspath(root), (), Terms(dry_run=True))
    assert ({each.path for each in cleaned.removed}, cleaned.found) == (dead, 6)
    assert everything_in(tmp_path) == before
    assert caplog.records == [], "nothing was removed"
    cleaned = upkeep.clean_up(os.fspath(root), (), Terms())
    assert {each.path for each in cleaned.removed if not each.failure} == dead
    assert {os.fspath(path.relative_to(root)) for path in root.rglob("*.lock")} == {
        ".hidden/x.lock",
        "Held.lock",
        "poetry.lock",
    }
    assert not lock_path(root).exists()
    assert len(caplog.records) == len(dead)
    with pytest.raises(FileNotFoundError):
        upkeep.clean_up(os.fspath(tmp_path / "nowhere"), (), Terms())
