"""An import, and its undoing, ended by a signal before each of their system calls in turn.

Whatever was done by then: every folder that can be seen is whole, no music is lost, and the same command goes on to
what an undisturbed one leaves; then everything is taken out again, and the library is as it was.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from audiobatchd.imports import settling
from audiobatchd.imports.manifest import Mode
from audiobatchd.vocabulary.states import InboxState
from support import import_once
from support.music_library import Tree, import_all, tree, write

_LOG = logging.getLogger(__name__)

LIBRARY = ("Artist/Album/01 One.flac", "Artist/Album/02 Two.wav", "Artist/Album/02 Two (drums).wav")


class Place:
    """A library and a dataset, in a directory of their own."""

    def __init__(self, root: Path, mode: Mode, *, across: bool) -> None:
        self.mode, self.across = mode, across
        self.music = write(root / "music", *LIBRARY)
        self.dataset = root / "dataset"
        self.dataset.mkdir()
        self.before = tree(self.music)

    def order(self, act: str, number: int, by: int) -> str:
        """Word an order for the program."""
        places = {"source": str(self.music), "dataset": str(self.dataset), "mode": self.mode}
        return json.dumps({"act": act, "number": number, "signal": by, "across": self.across, **places})

    def seen(self) -> Tree:
        """What can be seen in the dataset: the same as walks and watches see."""
        found = tree(self.dataset).items()
        return {path: what for path, what in found if not (path.startswith(".") or path.endswith(".lock"))}

    def contents(self) -> set[bytes]:
        """Every content that is anywhere."""
        return {content for root in (self.music, self.dataset) for content, _ in tree(root).values()}

    def bring_in(self) -> None:
        """Import without being disturbed."""
        result = import_all(self.music, self.dataset, self.mode)
        assert (result.failed, result.stopped, result.plan.troubles) == ([], "", [])

    def empty(self) -> None:
        """Have the library, as an inbox, emptied without being disturbed."""
        with import_once.working(self.music, self.dataset) as inbox:
            *_, last = inbox.look()
        assert (last.state, last.left) == (InboxState.WATCHING, ()), last


@contextmanager
def program() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, import_once.__file__]
    env = os.environ | {"PYTHONPATH": str(Path(import_once.__file__).parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], order: str) -> bool:
    """Have an order obeyed; whether the child was ended over it, or came to its end."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(order + "\n")
    process.stdin.flush()
    code = int(process.stdout.readline())
    assert code in (0, -signal.SIGKILL, import_once.INTERRUPTED)
    return code != 0


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """Make a place, in memory where that can be: the syncs of all cells take minutes on a disk."""
    memory = "/dev/shm"  # noqa: S108  # the directory in it has a name of its own
    if not os.access(memory, os.W_OK | os.X_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as made_there:
        yield Path(made_there)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize(
    ("mode", "across", "by"),
    [
        (Mode.COPY, False, signal.SIGKILL),
        (Mode.MOVE, False, signal.SIGKILL),
        (Mode.MOVE, True, signal.SIGKILL),
        (Mode.MOVE, False, signal.SIGINT),
    ],
    ids=["copy", "move", "move across", "move, Ctrl-C"],
)
def test_ended_at_any_step_it_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, across: bool, by: int
) -> None:
    if across:
        monkeypatch.setattr(os, "link", import_once.across_devices)
    undisturbed = Place(root / "undisturbed", mode, across=across)
    undisturbed.bring_in()
    whole, music = undisturbed.seen(), tree(undisturbed.music)
    assert len(whole) == 3
    with program() as process:
        for act, least in (("import", 25), ("undo", 20)):
            for number in count(1):
                place = Place(root / "place", mode, across=across)
                if act == "undo":
                    place.bring_in()
                going_on = ended(process, place.order(act, number, by))
                where = f"{act} ended before call {number}"
                assert halves(place.seen(), whole) == [], where
                assert place.contents() >= {content for content, _ in place.before.values()}, where
                if act == "import":
                    place.bring_in()
                    assert (place.seen(), tree(place.music)) == (whole, music), where
                assert import_once.undo_all(str(place.dataset)) == [], where
                assert (tree(place.dataset), tree(place.music)) == ({}, place.before), where
                assert [path.name for path in place.dataset.iterdir()] in ([".audiobatch-imports"], []), where
                shutil.rmtree(root / "place")
                if not going_on:
                    break
            _LOG.info("%s by %s: %d steps", act, mode, number - 1)
            assert number > least, "its calls were not counted"


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("across", [False, True], ids=["one disk", "two disks"])
def test_an_inbox_ended_at_any_step_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch, across: bool) -> None:
    if across:
        monkeypatch.setattr(os, "link", import_once.across_devices)
    undisturbed = Place(root / "undisturbed", Mode.MOVE, across=across)
    undisturbed.empty()
    whole = undisturbed.seen()
    assert len(whole) == 3
    with program() as process:
        for number in count(1):
            place = Place(root / "place", Mode.MOVE, across=across)
            going_on = ended(process, place.order("inbox", number, signal.SIGKILL))
            where = f"ended before call {number}"
            assert halves(place.seen(), whole) == [], where
            assert place.contents() >= {content for content, _ in place.before.values()}, where
            place.empty()
            assert place.seen() == whole, where
            assert os.listdir(place.music) == [settling.CLAIM], where
            assert import_once.undo_all(str(place.dataset)) == [], where
            assert {path: what for path, what in tree(place.music).items() if path != settling.CLAIM} == place.before
            shutil.rmtree(root / "place")
            if not going_on:
                break
        _LOG.info("inbox: %d steps", number - 1)
        assert number > 25, "its calls were not counted"


def halves(seen: Tree, whole: Tree) -> list[str]:
    """Name the folders that are seen and are not as they are when they are whole."""
    names = {path.split("/")[0] for path in seen}
    return [
        name
        for name in names
        if {path: what for path, what in seen.items() if path.split("/")[0] == name}
        != {path: what for path, what in whole.items() if path.split("/")[0] == name}
    ]
