"""A model is told from what merely has its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.errors import ModelError
from audiobatchd.models import graph_file
from audiobatchd.models.graph_file import check_graph, check_metadata
from support.model_server import METADATA, graph

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:08e9\nsize 3239548\n"
PAGE = b"\n<!DOCTYPE html><html><body>Please log in</body></html>"


@pytest.mark.parametrize("body", [graph(), graph(10), graph(0), graph() + b"\x2a\x00"], ids=len)
def test_a_graph_is_taken(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "tiny.pb"
    path.write_bytes(body)
    check_graph(path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (POINTER, "Git LFS pointer"),
        (PAGE, "a web page"),
        (b"{}", "it is text"),
        (("ü" * 400).encode()[:511], "it is text"),
        (b"\n\n" * 100, "it is text"),
        (graph()[:1000], "cut or damaged"),
        (graph()[:-1], "cut or damaged"),
        (graph() + b"\x00\x00", "cut or damaged"),
        (graph() + b"\xff" * 12, "cut or damaged"),
        (b"\x1f\x8b\x08\x00" + bytes(100), "no TensorFlow graph"),
        (bytes(1000), "no TensorFlow graph"),
        (b"\x22\x03\x08\x86\x01", "no TensorFlow graph"),
    ],
)
def test_file_that_is_no_graph_is_refused_with_the_reason(tmp_path: Path, body: bytes, reason: str) -> None:
    path = tmp_path / "tiny.pb"
    path.write_bytes(body)
    with pytest.raises(ModelError, match=rf"^cannot use {path}: .*{reason}"):
        check_graph(path)


def test_a_graph_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pb"
    whole = graph(40)
    ends = {0, 2 + 19, len(whole) - 5}  # after whole fields, where nothing tells that there was more
    for end in set(range(1, len(whole))) - ends:
        path.write_bytes(whole[:end])
        with pytest.raises(ModelError):
            check_graph(path)


@pytest.mark.parametrize("key", ["schema", "classes", "inference"])
def test_metadata_is_taken(tmp_path: Path, key: str) -> None:
    path = tmp_path / "tiny.json"
    path.write_text(f'{{"{key}": []}}')
    check_metadata(path)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (POINTER, "Git LFS pointer"),
        (PAGE, "a web page"),
        (METADATA[:-5], "it is not JSON"),
        (b'{"classes": "\xff"}', "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b'["classes"]', "no model's metadata"),
        (b'{"message": "not found"}', "no model's metadata"),
    ],
)
def test_file_that_is_no_metadata_is_refused_with_the_reason(tmp_path: Path, body: bytes, reason: str) -> None:
    path = tmp_path / "tiny.json"
    path.write_bytes(body)
    with pytest.raises(ModelError, match=rf"^cannot use {path}: .*{reason}"):
        check_metadata(path)


def test_path_of_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, reason in (("", "it is a directory"), ("fifo", "no regular file"), ("absent", "No such file")):
        with pytest.raises(ModelError, match=reason):
            check_graph(tmp_path / name)
    (tmp_path / "large.pb").write_bytes(graph())
    monkeypatch.setattr(graph_file, "LARGEST", 1000)
    with pytest.raises(ModelError, match="more than the 1,000 allowed"):
        check_graph(tmp_path / "large.pb")
