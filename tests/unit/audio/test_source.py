"""Source files: what is opened and what is not, whether one stayed the same, and what its digest depends on."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from audiobatchd.audio import source as room
from audiobatchd.audio.source import digest, digests, open_source
from audiobatchd.errors import DamagedFileError
from audiobatchd.vocabulary.files import FileStamp
from support.audio_files import path_of, tone, write_audio
from support.audio_rig import Healthy, Opened
from support.lease import lent

ROOT = os.geteuid() == 0
OTHER_USER = 65534


def descriptors() -> int:
    """Count the descriptors that are open."""
    return len([*Path("/proc/self/fd").iterdir()])


# Opening


def bound_socket(path: Path) -> None:
    here = Path.cwd()
    # The name of a socket may have 107 bytes, and a test's folder may have more.
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    finally:
        os.chdir(here)


def two_links_in_a_circle(path: Path) -> None:
    path.symlink_to("other.wav")
    path.with_name("other.wav").symlink_to(path.name)


def link_behind_a_file(path: Path) -> None:
    path.with_name("file").touch()
    path.symlink_to("file/below.wav")


NO_FILES: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "FIFO": (os.mkfifo, "is a FIFO"),
    "directory": (Path.mkdir, "is a directory"),
    "socket": (bound_socket, "is a socket"),
    "character device": (lambda path: path.symlink_to("/dev/null"), "is a character device"),
    "dangling link": (lambda path: path.symlink_to("nowhere.wav"), "is a dangling link"),
    "link to below a file": (link_behind_a_file, "is a dangling link"),
    "link to itself": (lambda path: path.symlink_to(path.name), "is a link loop"),
    "two links": (two_links_in_a_circle, "is a link loop"),
}


@pytest.mark.parametrize("what", NO_FILES)
def test_file_that_is_not_regular_is_told_and_not_opened(tmp_path: Path, opened: Opened, what: str) -> None:
    make, message = NO_FILES[what]
    make(tmp_path / "full_mix.wav")
    before = descriptors()
    with pytest.raises(DamagedFileError, match=rf"^{message}$"):
        opened(tmp_path / "full_mix.wav")
    assert descriptors() == before + 1, "the folder's alone"


def test_a_link_to_a_file_and_a_name_outside_utf_8_are_followed(tmp_path: Path, opened: Opened) -> None:
    target = path_of(tmp_path, b"\xe9\xff.wav")
    target.write_bytes(b"content")
    (tmp_path / "full_mix.wav").symlink_to(target)
    assert opened(target).stamp == FileStamp(b"\xe9\xff.wav", 7, target.stat().st_mtime_ns)
    assert opened(tmp_path / "full_mix.wav").stamp == FileStamp(b"full_mix.wav", 7, target.stat().st_mtime_ns)


def test_file_that_a_client_of_a_file_server_hands_back_is_opened(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "full_mix.wav"
    path.write_bytes(b"content")
    with lent(path, "hands it back"):
        assert opened(path).stamp.size == 7


def test_no_such_name_is_no_damage(tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "full_mix.wav")


@contextmanager
def without_privileges() -> Iterator[None]:
    """Become a user who may not read everything; an ordinary user stays what he is."""
    if ROOT:
        os.seteuid(OTHER_USER)
    try:
        yield
    finally:
        if ROOT:
            os.seteuid(0)


def test_unreadable_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "full_mix.wav"
    path.write_bytes(b"content")
    path.chmod(0)
    tmp_path.chmod(0o755)
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with without_privileges(), pytest.raises(PermissionError):
            open_source(folder, b"full_mix.wav")
    finally:
        os.close(folder)


def test_a_fifo_that_takes_the_file_s_place_is_not_waited_on(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exchange the file between the look at it and its opening."""
    (tmp_path / "file").touch()
    regular = os.stat(tmp_path / "file")
    os.mkfifo(tmp_path / "full_mix.wav")
    monkeypatch.setattr(room, "_followed", lambda *_: regular)
    before = descriptors()
    with pytest.raises(DamagedFileError, match=r"^is a FIFO$"):
        opened(tmp_path / "full_mix.wav")
    assert descriptors() == before + 1, "the folder's alone"


def test_the_descriptor_is_closed_and_not_inherited(tmp_path: Path) -> None:
    (tmp_path / "full_mix.wav").write_bytes(b"content")
    folder = os.open(tmp_path, os.O_RDONLY)
    with open_source(folder, b"full_mix.wav") as source:
        assert stat.S_ISREG(os.fstat(source.fd).st_mode)
        assert not os.get_inheritable(source.fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(source.fd)
    os.close(folder)


# Changing while it is read


def touched(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def cut_in_secret(path: Path) -> None:
    time = path.stat().st_mtime_ns
    os.truncate(path, 3)
    os.utime(path, ns=(0, time))


def exchanged(path: Path) -> None:
    """Give its name to another file of the same size and time."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.rename(path)


def instead(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


CHANGES: Mapping[str, tuple[Callable[[Path], object], bool]] = {
    "nothing": (lambda _: None, True),
    "read": (Path.read_bytes, True),
    "read-only": (lambda path: path.chmod(0o444), True),
    "another name beside": (lambda path: path.with_name("link").hardlink_to(path), True),
    "moved, and a link to it in its place": (lambda path: path.symlink_to(path.rename(path.with_name("a"))), True),
    "longer": (lambda path: os.truncate(path, 8), False),
    "cut": (lambda path: os.truncate(path, 3), False),
    "cut, and its time put back": (cut_in_secret, False),
    "touched": (touched, False),
    "exchanged": (exchanged, False),
    "deleted": (Path.unlink, False),
    "a directory": (instead(Path.mkdir), False),
    "a FIFO": (instead(os.mkfifo), False),
    "a dangling link": (instead(lambda path: path.symlink_to("nowhere")), False),
    "a link loop": (instead(lambda path: path.symlink_to(path.name)), False),
    "a link to below a file": (instead(link_behind_a_file), False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_unchanged(tmp_path: Path, opened: Opened, change: str) -> None:
    path = tmp_path / "full_mix.wav"
    path.write_bytes(b"content")
    source = opened(path)
    change_it, same = CHANGES[change]
    change_it(path)
    assert source.unchanged() is same


def test_both_the_open_file_and_its_name_are_looked_at(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network's attribute cache may still say of the name what the descriptor knows better."""
    path = tmp_path / "full_mix.wav"
    path.write_bytes(b"content")
    source = opened(path)
    (tmp_path / "longer").write_bytes(b"content and more")
    longer = os.stat(tmp_path / "longer")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", lambda _: longer)
        assert not source.unchanged()
    assert source.unchanged()


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES])
def test_unchanged_raises_where_it_cannot_tell(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "full_mix.wav"
    path.write_bytes(b"content")
    source = opened(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", failing_stat(code))
        with pytest.raises(OSError, match="no status"):
            source.unchanged()


def test_a_stale_handle_is_a_change(tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise what a network's file system says where another machine exchanged the file."""
    path = tmp_path / "full_mix.wav"
    path.write_bytes(b"content")
    source = opened(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", failing_stat(errno.ESTALE))
        unchanged = source.unchanged()
    assert not unchanged


def failing_stat(code: int) -> Callable[..., os.stat_result]:
    def stat_of(name: bytes, *, dir_fd: int) -> os.stat_result:
        raise OSError(code, "no status")

    return stat_of


# The digest


def plain(content: bytes) -> str:
    return f"blake2b:{hashlib.blake2b(content, digest_size=16).hexdigest()}"


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, (5 << 19) + 3])
def test_the_digest_is_that_of_all_bytes(tmp_path: Path, opened: Opened, size: int) -> None:
    path, content = tmp_path / "full_mix.wav", bytes(range(251)) * (size // 251 + 1)
    path.write_bytes(content[:size])
    assert digest(opened(path)) == plain(content[:size])


def test_reading_in_pieces_is_put_together(tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system may give less than it was asked for."""
    path, content = tmp_path / "full_mix.wav", bytes(range(251)) * 100
    path.write_bytes(content)
    source, preadv = opened(path), os.preadv
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, offset: preadv(fd, [memoryview(buffers[0])[:1000]], offset))
    assert digest(source) == plain(content)


@pytest.mark.parametrize("kind", ["wav", "mp3", "ogg", "opus", "ogg flac", "m4a", "aac", "aiff"])
def test_every_byte_but_those_of_flac_s_tags_counts(
    tmp_path: Path, opened: Opened, healthy: Healthy, kind: str
) -> None:
    whole, path = healthy(kind), tmp_path / "full_mix"
    path.write_bytes(whole)
    digests = {digest(opened(path))}
    assert digests == {plain(whole)}
    for place in (0, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        digests.add(digest(opened(path)))
    path.write_bytes(whole[:-1])
    digests.add(digest(opened(path)))
    assert len(digests) == 6


def block(kind: int, content: bytes, *, last: bool = False) -> bytes:
    """A metadata block of FLAC (RFC 9639, 8.1)."""
    return bytes([kind | last << 7]) + len(content).to_bytes(3, "big") + content


def comments(*texts: bytes) -> bytes:
    """A VORBIS_COMMENT block's content."""
    return struct.pack("<I", 0) + struct.pack("<I", len(texts)) + b"".join(struct.pack("<I", len(t)) + t for t in texts)


@pytest.fixture
def flac(healthy: Healthy) -> tuple[bytes, bytes]:
    """STREAMINFO's content, and the audio frames."""
    whole = healthy("flac")
    return whole[8:42], whole[8288:]


ID3 = b"ID3\x03\0\0\0\0\0\x05title"
PICTURE = struct.pack(">II9sIIIIII", 3, 9, b"image/png", 0, 1, 1, 24, 0, 100) + bytes(100)
EDITS: Mapping[str, Callable[[bytes, bytes], bytes]] = {
    "no tags": lambda info, audio: b"fLaC" + block(0, info, last=True) + audio,
    "a title": lambda info, audio: b"fLaC" + block(0, info) + block(4, comments(b"TITLE=x"), last=True) + audio,
    "a longer title": lambda info, audio: (
        b"fLaC" + block(0, info) + block(4, comments(b"TITLE=xyz"), last=True) + audio
    ),
    "padding": lambda info, audio: b"fLaC" + block(0, info) + block(1, bytes(4096), last=True) + audio,
    "a picture": lambda info, audio: b"fLaC" + block(0, info) + block(6, PICTURE) + block(1, b"", last=True) + audio,
    "ID3 before it": lambda info, audio: ID3 + b"fLaC" + block(0, info) + block(1, b"", last=True) + audio,
}


@pytest.mark.parametrize("edit", EDITS)
def test_editing_the_tags_of_a_flac_leaves_its_digest(
    tmp_path: Path, opened: Opened, healthy: Healthy, flac: tuple[bytes, bytes], edit: str
) -> None:
    original, edited = tmp_path / "full_mix.flac", tmp_path / "edited.flac"
    original.write_bytes(healthy("flac"))
    edited.write_bytes(EDITS[edit](*flac))
    assert edited.read_bytes() != original.read_bytes()
    expected = f"flac:{hashlib.blake2b(b''.join(flac), digest_size=16).hexdigest()}"
    assert digest(opened(original)) == digest(opened(edited)) == expected


def test_another_master_of_a_flac_has_another_digest(tmp_path: Path, opened: Opened, flac: tuple[bytes, bytes]) -> None:
    info, audio = flac
    path, plain_edit, digests = tmp_path / "full_mix.flac", EDITS["no tags"], set()
    variants = [
        plain_edit(info, audio),
        plain_edit(info, audio[:-1]),
        plain_edit(info, audio[: len(audio) // 2]),
        plain_edit(info, audio[:1000] + bytes([audio[1000] ^ 1]) + audio[1001:]),
        plain_edit(info[:-1] + bytes([info[-1] ^ 1]), audio),
        plain_edit(info, audio + b"TAG".ljust(128, b"x")),
    ]
    for variant in variants:
        path.write_bytes(variant)
        digests.add(digest(opened(path)))
    assert len(digests) == len(variants)
    assert all(each.startswith("flac:") for each in digests)


@pytest.mark.parametrize(
    "start",
    [
        b"fLaC",
        b"fLaC" + block(4, b"x" * 34) + block(1, b"", last=True),
        b"fLaC" + block(0, b"x" * 33, last=True),
        b"fLaC" + block(0, b"x" * 34) + block(0, b"x" * 34, last=True),
        b"fLaC" + block(0, b"x" * 34) + block(127, b"", last=True),
        b"fLaC" + block(0, b"x" * 34) + b"\x81\xff\xff\xff",
        b"flac" + block(0, b"x" * 34, last=True),
    ],
    ids=["no blocks", "no STREAMINFO", "short STREAMINFO", "two STREAMINFO", "invalid", "beyond the end", "no marker"],
)
def test_flac_of_broken_metadata_is_digested_whole(tmp_path: Path, opened: Opened, start: bytes) -> None:
    path = tmp_path / "full_mix.flac"
    path.write_bytes(start + b"audio")
    assert digest(opened(path)) == plain(start + b"audio")


def test_the_digest_of_a_written_flac_goes_by_its_samples(tmp_path: Path, opened: Opened) -> None:
    """Encoded twice with other tags it is the same; with another level it is not."""
    paths = [
        write_audio(tmp_path / "a.flac", tone(1), 44100, metadata={"title": "one"}),
        write_audio(tmp_path / "b.flac", tone(1), 44100, metadata={"title": "another", "artist": "another"}),
        write_audio(tmp_path / "c.flac", tone(1, dbfs=-21.0), 44100, metadata={"title": "one"}),
    ]
    first, second, third = (digest(opened(path)) for path in paths)
    assert first == second != third


def test_reading_the_same_for_ever_is_no_progress(tmp_path: Path, opened: Opened) -> None:
    path = tmp_path / "full_mix.wav"
    path.write_bytes(bytes(1 << 20))
    source, told = opened(path), list[None]()
    source.on_progress = lambda: told.append(None)
    window = source.window()
    for _ in range(1000):
        window.at(0, 1 << 20)
        window.at(1 << 20, 1)
    assert 10 < len(told) < 20


@pytest.mark.parametrize("lead", [b"", ID3])
def test_both_digests_come_of_one_reading(
    tmp_path: Path, opened: Opened, flac: tuple[bytes, bytes], lead: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, frames = flac
    content = lead + b"fLaC" + block(0, info) + block(4, comments(b"TITLE=x"), last=True) + frames
    (tmp_path / "tagged.flac").write_bytes(content)
    (tmp_path / "other.mp3").write_bytes(b"no flac" * 1000)
    counts, preadv = list[int](), os.preadv

    def counted(*arguments: Any) -> int:  # noqa: ANN401  # as `os.preadv` takes them
        counts.append(preadv(*arguments))
        return counts[-1]

    source, other = opened(tmp_path / "tagged.flac"), opened(tmp_path / "other.mp3")
    content_alone = digest(source)
    monkeypatch.setattr(os, "preadv", counted)
    assert digests(source) == (content_alone, plain(content))
    assert sum(counts) == len(content)
    assert content_alone.startswith("flac:")
    assert digests(other) == (plain(b"no flac" * 1000),) * 2
