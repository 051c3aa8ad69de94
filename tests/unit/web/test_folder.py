"""Files of a track folder, opened beneath its dataset and nowhere else: by both ways that there are."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

import pytest

from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.web import folder
from audiobatchd.web.folder import beneath, opened_folder, opened_source, source_names
from support.lease import lent

REFUSED = (FileNotFoundError, NotADirectoryError, OSError)
"""Which of them the kernel says is its own to choose."""


@pytest.fixture(params=["openat2", "step by step"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "step by step":
        monkeypatch.setattr(folder, "_by_kernel", lambda *_: None)
    made = tmp_path / "music"
    (made / "Artist" / "Song").mkdir(parents=True)
    (made / "Artist" / "Song" / "full_mix.flac").write_bytes(b"flac")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "full_mix.flac").write_bytes(b"secret")
    return made


def read(root: Path, path: str, role: str = "full_mix") -> bytes:
    return opened_source(FolderKey(str(root), path), role).read(100, 0)


def test_a_source_file_is_opened(root: Path) -> None:
    assert read(root, "Artist/Song") == b"flac"


def test_a_file_that_a_client_of_a_file_server_hands_back_is_opened(root: Path) -> None:
    with lent(root / "Artist" / "Song" / "full_mix.flac", "hands it back"):
        assert read(root, "Artist/Song") == b"flac"


def test_the_dataset_itself_may_be_the_folder(root: Path) -> None:
    (root / "full_mix.mp3").write_bytes(b"mp3")
    assert read(root, "") == b"mp3"


def test_the_datasets_own_path_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert read(tmp_path / "link", "Artist/Song") == b"flac"


@pytest.mark.parametrize(
    "path", ["../secret", "Artist/../../secret", "/etc", "Artist//Song", "Artist/Song/.", "..", "Artist\0/Song", "no"]
)
def test_no_path_leads_out(root: Path, path: str) -> None:
    with pytest.raises(REFUSED):
        read(root, path)


def test_a_linked_folder_is_not_entered(root: Path, tmp_path: Path) -> None:
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "in").symlink_to(root / "Artist")
    for path in ("out", "in/Song"):
        with pytest.raises(REFUSED):
            read(root, path)


def test_a_linked_file_is_not_opened(root: Path, tmp_path: Path) -> None:
    (root / "Artist" / "Song" / "bass.flac").symlink_to(tmp_path / "secret" / "full_mix.flac")
    with pytest.raises(REFUSED):
        read(root, "Artist/Song", "bass")


def test_a_pipe_is_no_source_and_keeps_no_thread(root: Path) -> None:
    os.mkfifo(root / "Artist" / "Song" / "drums.wav")
    with pytest.raises(FileNotFoundError):
        read(root, "Artist/Song", "drums")


def test_a_directory_is_no_source(root: Path) -> None:
    (root / "Artist" / "Song" / "vocals.wav").mkdir()
    with pytest.raises(REFUSED):
        read(root, "Artist/Song", "vocals")


def test_of_two_the_service_s_choice_is_taken(root: Path) -> None:
    (root / "Artist" / "Song" / "full_mix.mp3").write_bytes(b"mp3")
    with opened_folder(FolderKey(str(root), "Artist/Song")) as opened:
        assert source_names(opened) == {"full_mix": "full_mix.flac"}


def test_descriptors_are_closed(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in ("Artist/Song", "nowhere", "Artist"):
        for _ in range(5):
            with suppress(OSError):
                read(root, path)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_kernel_without_the_call_is_done_without(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(folder, "_OPENAT2", 100_000)
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        os.close(beneath(descriptor, "Artist/Song/full_mix.flac", os.O_RDONLY))
    finally:
        os.close(descriptor)
    assert ctypes.sizeof(folder._How) == 24
