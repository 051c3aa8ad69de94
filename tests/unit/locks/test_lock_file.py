"""The content of a lock that was left: whether its folder may be what killed the holder."""

from __future__ import annotations

import uuid
from pathlib import Path

import msgspec
import pytest

from audiobatchd.locks import oom
from audiobatchd.locks.folder_lock import FolderLock, path_of
from audiobatchd.locks.lock_file import (
    Content,
    Empty,
    GuideText,
    Holder,
    is_of_this_place,
    of_this_process,
    parse,
    speaks_against_its_folder,
)
from audiobatchd.locks.observer import observe

HERE = parse(of_this_process(0.0, 1.0, "token", alone=True))
assert isinstance(HERE, Holder)
KILLS = HERE.oom_kills
OTHER_BOOT = str(uuid.UUID(int=0))


@pytest.mark.parametrize(
    ("left", "speaks"),
    [
        pytest.param(HERE, False, id="killed on a machine that is up"),
        pytest.param(msgspec.structs.replace(HERE, host="another name"), False, id="in a container of this machine"),
        pytest.param(msgspec.structs.replace(HERE, boot_id=OTHER_BOOT), True, id="its machine went down"),
        pytest.param(msgspec.structs.replace(HERE, oom_kills=HERE.oom_kills + 1), True, id="memory was short"),
        pytest.param(msgspec.structs.replace(HERE, oom_kills=-1), True, id="whether memory was short is unknown"),
        pytest.param(msgspec.structs.replace(HERE, boot_id=OTHER_BOOT, alone=False), False, id="beside others"),
        pytest.param(GuideText("today", 1, b"Song"), False, id="a script of the guide"),
        pytest.param(Empty(), False, id="nothing"),
    ],
)
def test_death_speaks_against_folder(left: Content, speaks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.locks.oom.on_this_machine", lambda: KILLS)  # other tests run beside
    assert speaks_against_its_folder(left) is speaks


@pytest.mark.parametrize("alone", [False, True])
def test_lock_says_whether_its_job_is_alone(tmp_path: Path, alone: bool) -> None:
    (tmp_path / "Song").mkdir()
    folder = str(tmp_path / "Song")
    lock = FolderLock(folder, 60.0, alone=alone)
    lock.acquire()
    try:
        lock.announce(120.0)
        seen = observe(path_of(folder))
        assert seen is not None
        assert isinstance(seen.content, Holder)
        assert (seen.content.alone, seen.content.oom_kills) == (alone, oom.on_this_machine())
    finally:
        lock.release()


def test_lock_of_an_older_version_is_ours() -> None:
    text = msgspec.to_builtins(HERE)
    old = {name: value for name, value in text.items() if name not in ("alone", "oom_kills", "pid_namespace")}
    found = parse(msgspec.json.encode(old) + b"\n")
    assert isinstance(found, Holder)
    assert not speaks_against_its_folder(found)
    assert is_of_this_place(found)


@pytest.mark.parametrize(
    ("left", "here"),
    [
        pytest.param(HERE, True, id="this process"),
        pytest.param(msgspec.structs.replace(HERE, host="another name"), False, id="another host of this boot"),
        pytest.param(msgspec.structs.replace(HERE, boot_id=OTHER_BOOT), False, id="another boot"),
        pytest.param(msgspec.structs.replace(HERE, pid_namespace=1), False, id="a container that shares both"),
    ],
)
def test_a_pid_counts_in_its_own_place(left: Holder, here: bool) -> None:
    assert is_of_this_place(left) is here
