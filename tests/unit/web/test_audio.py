"""Source files by range requests, from a real server."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from audiobatchd.web import audio
from audiobatchd.web.audio import part_of
from audiobatchd.web.folder import Source
from support.web_rig import Answer, Site, read_all

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "music"
    (root / "Song").mkdir(parents=True)
    (root / "Song" / "full_mix.mp3").write_bytes(CONTENT)
    (root / "Song" / "empty").mkdir()
    (root / "Song" / "empty" / "full_mix.wav").touch()
    (root.parent / "secret").mkdir()
    (root.parent / "secret" / "full_mix.mp3").write_bytes(b"secret")
    (root / "linked").symlink_to(root.parent / "secret")
    return root


def heard(page: Site, folder: str = "Song", role: str = "full_mix", method: str = "GET", **headers: str) -> Answer:
    query = f"dataset={quote(str(page.service.root))}&folder={quote(folder)}&role={quote(role)}"
    return page.ask(f"/api/audio?{query}", method, None, **headers)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", range(10)),
        ("bytes=0-0", range(1)),
        ("bytes=4-7", range(4, 8)),
        ("bytes=4-400", range(4, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-300", range(10)),
        ("bytes=10-", range(10, 10)),
        ("bytes=-0", range(10, 10)),
        ("bytes=99999999999999999-", range(0)),
        ("bytes=7-4", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("bytes=a-b", None),
        ("bytes=99999999999999999999999-", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_ranges(header: str, part: range | None) -> None:
    found = part_of(header, 10)
    assert found == part
    assert (found is None) == (part is None)


def test_the_whole_file_comes(page: Site) -> None:
    answer = heard(page)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "audio/mpeg"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_part_comes(page: Site) -> None:
    answer = heard(page, Range="bytes=300000-700000")
    assert (answer.status, answer.body) == (206, CONTENT[300_000:700_001])
    assert answer.headers["Content-Range"] == f"bytes 300000-700000/{len(CONTENT)}"


def test_a_range_beyond_the_end_is_refused(page: Site) -> None:
    answer = heard(page, Range=f"bytes={len(CONTENT)}-")
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_the_head_alone_comes(page: Site) -> None:
    answer = heard(page, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(CONTENT))


def test_an_empty_file_is_one(page: Site) -> None:
    assert heard(page, "Song/empty").status == 200
    assert heard(page, "Song/empty", Range="bytes=0-").status == 416


def test_a_part_of_a_changed_file_is_the_whole(page: Site, music: Path) -> None:
    tag = heard(page, method="HEAD").headers["ETag"]
    headers = {"Range": "bytes=0-9", "If-Range": tag}
    assert heard(page, **headers).status == 206
    os.utime(music / "Song" / "full_mix.mp3")
    assert heard(page, **headers).status == 200
    assert heard(page, **{"If-None-Match": heard(page, method="HEAD").headers["ETag"]}).status == 304


@pytest.mark.parametrize(
    "folder", ["nowhere", "../secret", "Song/../../secret", "/etc", "linked", "Song\0", "..", "%2e%2e/secret"]
)
def test_nothing_outside_of_a_folder_is_sent(page: Site, folder: str) -> None:
    answer = heard(page, folder)
    assert answer.status == 404
    assert b"secret" not in answer.body.replace(folder.encode(), b"")


@pytest.mark.parametrize("role", ["", "passwd", "../full_mix", "full_mix.mp3", "full_mix\0", "drums"])
def test_only_known_roles_that_are_there_are_sent(page: Site, role: str) -> None:
    assert heard(page, role=role).status in (400, 404)


def test_another_dataset_is_refused(page: Site) -> None:
    assert page.ask("/api/audio?dataset=/etc&folder=ssh&role=full_mix").status == 400


def test_a_file_that_shrinks_ends_the_connection(page: Site, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Source, "read", lambda *_: b"")
    query = f"/api/audio?dataset={quote(str(music))}&folder=Song&role=full_mix"
    name, value = next(iter(page.cookies.items()))
    cookie = f"{name}={value}"
    with page.raw(f"GET {query} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode()) as connection:
        told = read_all(connection)
    assert told.startswith(b"HTTP/1.1 200")
    assert told.endswith(b"\r\n\r\n")


def test_too_many_at_once_are_put_off(page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "_AT_ONCE", 0)
    assert heard(page).status == 503
