"""An inbox of a real service: what is dropped there is measured in the dataset, once, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import random
import textwrap
import wave
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from audiobatchd.control.status import InboxStatus
from audiobatchd.imports.settling import CLAIM
from support.music_library import folders, tree
from support.service import Service, configuration, eventually, features_of, run, service

pytestmark = pytest.mark.usefixtures("_interruptible")
IMPORTER = "audiobatchd.imports.importer"


STOPPING = """
    import errno, os, signal, sys

    def across_devices(*_, **__):
        raise OSError(errno.EXDEV, "as if the dataset lay on another disk")

    def half(reading, writing, count):
        global copies
        copies += 1
        if copies < 3:
            return copy(reading, writing, count)
        done = copy(reading, writing, count // 2)
        os.kill(os.getpid(), signal.SIGSTOP)
        return done

    if "audiobatchd.imports.importer" in sys.orig_argv:
        copies, copy = 0, os.copy_file_range
        os.link, os.copy_file_range = across_devices, half
"""
"""Has an importer copy, and stop in the middle of its third file."""


class Ground:
    """An inbox, its dataset, and a configuration that has both."""

    def __init__(self, root: Path) -> None:
        self.inbox, self.dataset, self.run = root / "inbox", root / "dataset", root / "run"
        for each in (self.inbox, self.dataset):
            each.mkdir()
        self.config = root / "config.toml"
        self.configured()

    def configured(self, table: str = "[[inbox]]", path: str = "inbox", settle: float = 0.5) -> None:
        configuration(self.config, self.dataset, workers=1, settle=0.1)
        with self.config.open("a") as file:
            file.write(f"{table}\npath = {json.dumps(path)}\ndataset = 'dataset'\nsettle = {settle}\n")

    def drop(self, path: str, seed: int = 0) -> bytes:
        """Write a song of half a second into the inbox; its content."""
        target = self.inbox / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(target), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(random.Random(seed).randbytes(8000))
        return target.read_bytes()

    def contents(self) -> list[bytes]:
        """The contents of all full mixes of the dataset, in order."""
        return sorted(path.read_bytes() for path in self.dataset.glob("*/full_mix.wav"))


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def inbox_of(running: Service) -> InboxStatus | None:
    status = running.status()
    return status.inboxes[0] if status and status.inboxes else None


def becomes(running: Service, condition: Callable[[InboxStatus], bool]) -> InboxStatus:
    """Wait until the inbox stands so; its status."""

    def found() -> InboxStatus | None:
        status = inbox_of(running)
        return status if status is not None and condition(status) else None

    status = eventually(found, what=running.log)
    assert status is not None
    return status


def is_stopped(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_STOPPED


def importers(running: Service) -> list[psutil.Process]:
    found = []
    for each in psutil.Process(running.process.pid).children():
        with suppress(psutil.Error):  # one that has just ended
            found += [each] if IMPORTER in each.cmdline() else []
    return found


def test_an_album_is_moved_when_all_of_it_is_there(ground: Ground) -> None:
    first = ground.drop("Artist/Album/01 One.wav", 1)
    with service(ground.run, ground.config) as running:
        part = ground.inbox / "Artist" / "Album" / "02 Two.wav.part"
        second = ground.drop("Artist/Album/02 Two.wav", 2)
        (ground.inbox / "Artist" / "Album" / "02 Two.wav").rename(part)
        found = becomes(running, lambda it: "02 Two.wav.part" in it.remark)
        assert (found.moved, found.waiting, folders(ground.dataset)) == (0, 1, {})
        part.rename(part.with_suffix(""))
        running.becomes(complete=2)
        assert ground.contents() == sorted([first, second])
        assert os.listdir(ground.inbox) == [CLAIM]
        assert "lufs" in features_of(ground.dataset / "Artist - Album - One")
        code, out, _ = run("audiobatchctl", "--socket", running.socket, "status")
        assert (code, "2 tracks moved  0 files waiting  0 left" in out) == (0, True), out
        assert running.stop() == 0


def test_nothing_is_lost_or_doubled_by_kills(ground: Ground, tmp_path: Path) -> None:
    dropped = sorted(ground.drop(f"Artist/Album/{number:02} Song.wav", number) for number in range(6))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(textwrap.dedent(STOPPING))
    env = {"PYTHONPATH": str(tmp_path / "site")}
    for victim, there in (("importer", 2), ("service", 4)):
        with service(ground.run, ground.config, env=env) as running:
            eventually(lambda: any(map(is_stopped, importers(running))), what=running.log)
            (importer,) = importers(running)
            assert len(folders(ground.dataset)) == there + 1, "the folder that is half built is hidden"
            if victim == "importer":
                importer.kill()
                running.says("its process ended: killed by signal 9")
            running.process.kill()
            running.process.wait()
            assert psutil.wait_procs([importer], 60)[1] == [], "it dies with the service"
        assert len(tree(ground.inbox)) - 1 == 6 - there
    with service(ground.run, ground.config) as running:
        running.becomes(complete=6)
        assert ground.contents() == dropped
        assert os.listdir(ground.inbox) == [CLAIM]
        assert list(ground.dataset.glob(".audiobatch-import-*")) == []
        assert running.stop() == 0


def test_a_stop_takes_back_what_is_half_done(ground: Ground) -> None:
    for number in range(40):
        ground.drop(f"Artist/Album/{number:02} Song.wav", number)
    with service(ground.run, ground.config) as running:
        eventually(lambda: folders(ground.dataset), what=running.log)
        assert running.stop() == 0
        assert running.log().count("helper-broke") == 0
    assert list(ground.dataset.glob(".audiobatch-import-*")) == []
    assert len(tree(ground.inbox)) - 1 + len(folders(ground.dataset)) == 40


def test_an_import_can_be_listed_and_undone(ground: Ground) -> None:
    ground.drop("Artist/Album/01 One.wav")
    before = tree(ground.inbox)
    with service(ground.run, ground.config) as running:
        running.becomes(complete=1)
        code, out, _ = run("audiobatchctl", "import", "--list", ground.dataset)
        assert (code, "inbox" in out) == (0, True)
        code, out, err = run("audiobatchctl", "import", "--undo", out.split()[0], ground.dataset)
        assert (code, out) == (0, "Taken out: 1 track folder\n"), err
        running.says("was undone: touch it")
        assert {path: what for path, what in tree(ground.inbox).items() if path != CLAIM} == before
        (ground.inbox / "Artist/Album/01 One.wav").touch()
        eventually(lambda: len(folders(ground.dataset)) == 1)


def test_a_reload_brings_an_inbox_and_takes_it_away(ground: Ground) -> None:
    configuration(ground.config, ground.dataset, workers=1, settle=0.1)
    without = ground.config.read_text()
    with service(ground.run, ground.config) as running:
        eventually(running.status)
        assert (inbox_of(running), importers(running)) == (None, [])
        ground.configured()
        code, out, _ = run("audiobatchctl", "--socket", running.socket, "reload")
        assert (code, out.splitlines()[1:]) == (0, [f"  inbox {ground.inbox}: new"])
        ground.drop("Artist/Album/01 One.wav")
        running.becomes(complete=1)
        ground.configured(path="dataset/inbox")
        code, _, err = run("audiobatchctl", "--socket", running.socket, "reload")
        assert (code, "overlap" in err) == (1, True)
        ground.config.write_text(without)
        run("audiobatchctl", "--socket", running.socket, "reload")
        eventually(lambda: not importers(running))
        assert inbox_of(running) is None


def test_a_pause_of_the_dataset_holds_its_inbox(ground: Ground) -> None:
    with service(ground.run, ground.config) as running:
        becomes(running, lambda it: it.state == "watching")
        run("audiobatchctl", "--socket", running.socket, "pause")
        becomes(running, lambda it: it.state == "held")
        ground.drop("Artist/Album/01 One.wav")
        becomes(running, lambda it: it.waiting == 1)
        run("audiobatchctl", "--socket", running.socket, "resume")
        running.becomes(complete=1)
