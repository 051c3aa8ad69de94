"""The intake of models: fetched from a server, or added from the user's files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.errors import ModelError, UsageError
from audiobatchd.models import intake, pins, store
from audiobatchd.models.download import Terms
from audiobatchd.models.intake import Intake, Source, Telling
from audiobatchd.models.manifest import BY_NAME
from audiobatchd.models.store import Files, State
from support.model_files import BODY, HEAD, KNOWN, OTHER, digest, names, put
from support.model_server import METADATA, sending, serving

QUIET = Telling(lambda _: None, lambda *_: None, lambda: None)


def fetch(name: str, base: str, directory: Path, *searched: Path) -> tuple[Intake, Files]:
    source = Source(base, Terms(timeout=5, tries=2))
    return intake.fetch(BY_NAME[name], source, directory, searched or (directory,), QUIET)


def test_a_trusted_model_is_neither_fetched_again_nor_pinned(tmp_path: Path, published: None) -> None:
    files = put(tmp_path, KNOWN, OTHER)
    source = Source("http://127.0.0.1:9/nothing", Terms(timeout=1, tries=1))
    done = intake.fetch(BY_NAME[KNOWN], source, tmp_path, (tmp_path,), QUIET, [digest(OTHER)])
    assert done == (Intake.THERE, files)
    assert not files.pins.exists()


def test_a_trusted_model_may_be_added_under_a_known_name(tmp_path: Path, published: None) -> None:
    theirs = put(tmp_path / "theirs", KNOWN, OTHER)
    with pytest.raises(ModelError, match="instead of the published"):
        intake.add(theirs.graph, theirs.metadata, tmp_path / "models")
    files = intake.add(theirs.graph, theirs.metadata, tmp_path / "models", [digest(OTHER)])
    assert store.examine(files, [digest(OTHER)]).state is State.TRUSTED


# Fetching


def test_a_fetched_model_is_whole_pinned_and_found_again(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "models"
    with serving(sending({f"{HEAD}.pb": BODY, f"{HEAD}.json": METADATA})) as server:
        assert fetch(HEAD, server.base, directory) == (Intake.FETCHED, Files(HEAD, directory))
        # The metadata first: a name that is not there fails before the large file comes.
        assert server.paths == [f"/{BY_NAME[HEAD].path}{ending}" for ending in (".json", ".pb")]
        assert fetch(HEAD, f"{server.base}/", directory)[0] is Intake.THERE
        assert len(server.paths) == 2
    assert names(directory) == [f"{HEAD}.json", f"{HEAD}.pb", f"{HEAD}.sha256"]
    assert store.examine(Files(HEAD, directory)).state is State.PINNED
    assert directory.stat().st_mode & 0o777 == 0o755


def test_only_what_is_missing_or_wrong_is_fetched(tmp_path: Path, published: None) -> None:
    put(tmp_path, KNOWN, OTHER)
    with serving(sending({f"{KNOWN}.pb": BODY, f"{KNOWN}.json": METADATA})) as server:
        assert fetch(KNOWN, server.base, tmp_path)[0] is Intake.FETCHED
        assert server.paths == [f"/{BY_NAME[KNOWN].path}.pb"]
    assert store.examine(Files(KNOWN, tmp_path)).state is State.OK


def test_pinned_model_is_not_replaced(tmp_path: Path) -> None:
    files = put(tmp_path, HEAD)
    pins.write(files.pins, {files.graph.name: digest(BODY)})
    files.graph.unlink()
    with (
        serving(sending({f"{HEAD}.pb": OTHER, f"{HEAD}.json": METADATA})) as server,
        pytest.raises(ModelError, match=f"its SHA-256 is {digest(OTHER)} instead of {digest(BODY)}"),
    ):
        fetch(HEAD, server.base, tmp_path)
    assert names(tmp_path) == [f"{HEAD}.json", f"{HEAD}.sha256"]


def test_right_model_of_an_earlier_directory_is_kept(tmp_path: Path) -> None:
    put(tmp_path / "shared", HEAD)
    with serving(sending({})) as server:
        done, files = fetch(HEAD, server.base, tmp_path / "own", tmp_path / "own", tmp_path / "shared")
        assert server.paths == []
    assert (done, files.directory) == (Intake.THERE, tmp_path / "shared")
    assert not files.pins.exists()
    assert not (tmp_path / "own").exists()


def test_a_wrong_copy_that_would_be_served_instead_is_told(tmp_path: Path) -> None:
    put(tmp_path / "first", HEAD, b"\x00")
    with (
        serving(sending({f"{HEAD}.pb": BODY, f"{HEAD}.json": METADATA})) as server,
        pytest.raises(ModelError, match=rf"{tmp_path}/first/.*it is found before .*: remove it"),
    ):
        fetch(HEAD, server.base, tmp_path / "own", tmp_path / "first", tmp_path / "own")


def test_model_copied_by_hand_is_pinned(tmp_path: Path) -> None:
    files = put(tmp_path, HEAD)
    with serving(sending({})) as server:
        assert fetch(HEAD, server.base, tmp_path)[0] is Intake.THERE
    assert store.examine(files).state is State.PINNED


def test_a_model_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    with (
        serving(sending({f"{HEAD}.pb": BODY})) as server,
        pytest.raises(ModelError, match=rf"{HEAD}\.json: the server answers 404 Not Found"),
    ):
        fetch(HEAD, server.base, tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=rf"^cannot make {tmp_path / where}: (it is no directory|Not a directory)"):
        fetch(HEAD, "http://127.0.0.1:1", tmp_path / where)


# Adding


def fifo(files: Files) -> None:
    files.graph.unlink()
    os.mkfifo(files.graph)


def test_a_model_of_the_user_s_is_copied_and_pinned(tmp_path: Path) -> None:
    mine = put(tmp_path / "mine", "mine-1")
    files = intake.add(mine.graph, mine.metadata, tmp_path / "models")
    assert files == Files("mine-1", tmp_path / "models")
    assert names(files.directory) == ["mine-1.json", "mine-1.pb", "mine-1.sha256"]
    assert store.examine(files).state is State.PINNED
    assert mine.graph.exists()
    mine.graph.write_bytes(OTHER)
    intake.add(mine.graph, mine.metadata, tmp_path / "models")
    assert store.examine(files).digests[files.graph.name] == digest(OTHER)


def test_a_model_is_added_where_it_lies(tmp_path: Path) -> None:
    files = put(tmp_path, "mine-1")
    intake.add(files.graph, files.metadata, tmp_path)
    assert store.examine(files).state is State.PINNED
    assert files.graph.read_bytes() == BODY


def test_the_metadata_may_have_another_name(tmp_path: Path) -> None:
    mine = put(tmp_path / "mine", "mine-1")
    elsewhere = mine.metadata.rename(tmp_path / "told")
    assert intake.add(mine.graph, elsewhere, tmp_path / "models").metadata.read_bytes() == METADATA


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda files: files.graph.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer"),
        (lambda files: files.graph.write_bytes(b"\x00\x01garbage"), "no TensorFlow graph"),
        (lambda files: files.graph.unlink() or files.graph.mkdir(), "it is a directory"),
        (fifo, "no regular file"),
        (lambda files: files.graph.unlink(), "cannot read .*No such file"),
        (lambda files: files.metadata.unlink(), "cannot read .*No such file"),
        (lambda files: files.metadata.write_bytes(b"[]"), "no model's metadata"),
    ],
)
def test_file_that_is_no_model_is_not_added(tmp_path: Path, spoil: Callable[[Files], object], reason: str) -> None:
    mine = put(tmp_path / "mine", "mine-1")
    spoil(mine)
    with pytest.raises(ModelError, match=reason):
        intake.add(mine.graph, mine.metadata, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_known_name_must_be_that_model(tmp_path: Path, published: None) -> None:
    mine = put(tmp_path / "mine", KNOWN, OTHER)
    (tmp_path / "models").mkdir()
    with pytest.raises(ModelError, match=f"its SHA-256 is {digest(OTHER)} instead of the published {digest(BODY)}"):
        intake.add(mine.graph, mine.metadata, tmp_path / "models")
    assert names(tmp_path / "models") == []


@pytest.mark.parametrize("name", ["graph", "my model.pb", ".pb", "-x.pb", "a\nb.pb", "caf\udce9.pb"], ids=ascii)
def test_a_name_that_no_model_can_have_is_wrong_usage(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"expected NAME\.pb"):
        intake.add(tmp_path / name, tmp_path / "x.json", tmp_path / "models")
