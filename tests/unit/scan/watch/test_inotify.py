"""Inotify under a storm: directories come, go and change names while walks register them, and each ends up watched."""

from __future__ import annotations

import os
import queue
import random
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from audiobatchd.core.events import Event, FolderHint, TreeAppeared
from audiobatchd.scan.watch.limits import Budget
from support.service import eventually
from support.watch_rig import LAST, Ear, songs


class Walker(Ear):
    """Walks in a thread of its own, as the daemon does: some time after it was told."""

    def __init__(self, root: Path) -> None:
        self.appeared: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._work, daemon=True)
        super().__init__(root)
        self.thread.start()

    def post(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, TreeAppeared):
            self.appeared.put(event.key.path)

    def _work(self) -> None:
        while (path := self.appeared.get()) is not None:
            self.walk(path)


def deed(root: Path, dice: random.Random) -> None:
    """One change of a tree."""
    there = [each for each in root.rglob("*") if each.is_dir() and each.name != LAST]
    new = dice.choice([root, *there]) / f"{dice.randrange(6)}"
    with suppress(OSError):
        match dice.randrange(5):
            case 0 | 1:
                (new / "a" / "b").mkdir(parents=True)
            case 2 if there:
                shutil.rmtree(dice.choice(there))
            case 3 if there:
                dice.choice(there).rename(new)
            case 4 if there:
                outside = root.parent / "outside"
                dice.choice(there).rename(outside)
                outside.rename(new)
    shutil.rmtree(root.parent / "outside", ignore_errors=True)


@pytest.mark.parametrize("seed", range(6))
def test_storm_of_moves_leaves_watches_under_right_names(tmp_path: Path, seed: int) -> None:
    songs(tmp_path / "music", "Song")
    ear = Walker(tmp_path / "music")
    ear.full_walk()
    dice = random.Random(seed)
    for _ in range(150):
        deed(ear.root, dice)
        if dice.random() < 0.05:
            ear.instance.sweep()
    there = {""} | {str(each.relative_to(ear.root)) for each in ear.root.rglob("*") if each.is_dir()}
    eventually(lambda: ear.watched() == there, what=lambda: (ear.watched() ^ there, ear.appeared.qsize()))
    eventually(ear.appeared.empty)
    ear.instance.sweep()
    ear.events.clear()
    for path in there - {LAST}:
        (ear.root / path / "full_mix.flac").touch()
    assert ear.hints() == {(FolderHint, path) for path in there - {LAST}}
    assert ear.lost() == []
    assert ear.report().leaves == len(ear.instance.tree.leaves)
    assert ear.watches._budget._left + ear.report().leaves == Budget(None)._left
    in_kernel = Path(f"/proc/self/fdinfo/{ear.instance._descriptor._fd._inotify_fd}").read_text().count("inotify wd:")
    assert in_kernel == len(there) + 1  # and the guard's cookie
    ear.appeared.put(None)
    ear.watches.stop()
    assert os.listdir(tmp_path) == ["music"]
