"""Models on disk: which copy serves, what vouches for it, and how one comes there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.errors import ModelError
from audiobatchd.models import pins, store
from audiobatchd.models.store import Files, State
from support.model_files import BODY, HEAD, KNOWN, OTHER, digest, put
from support.model_server import METADATA

# Finding


def test_the_first_directory_with_both_files_serves(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    put(a, HEAD).metadata.unlink()
    files = put(b, HEAD)
    put(c, HEAD)
    assert store.find(HEAD, [tmp_path / "absent", a, b, c]) == files
    assert store.find(HEAD, [a]) is None
    assert store.lone(HEAD, [b, a]) is not None
    assert store.lone(HEAD, [a]) == a / f"{HEAD}.pb"


def test_names_in_lists_only_models(tmp_path: Path) -> None:
    put(tmp_path, "mine-1")
    put(tmp_path, HEAD)
    put(tmp_path, "strange\nname")
    put(tmp_path, "alone").metadata.unlink()
    (tmp_path / "directory.pb").mkdir()
    (tmp_path / "directory.json").write_bytes(METADATA)
    assert store.names_in([tmp_path, tmp_path / "absent"]) == [HEAD, "mine-1"]


def test_why_a_directory_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert store.hindrance(tmp_path) == ""
    assert store.hindrance(tmp_path / "absent") == "not there"
    assert store.hindrance(tmp_path / "file") == "cannot be read: Not a directory"


# What vouches for it


def test_states(tmp_path: Path, published: None) -> None:
    head, known = put(tmp_path, HEAD), put(tmp_path, KNOWN)
    assert store.examine(known).state is State.OK
    assert store.examine(head).state is State.UNPINNED
    pins.write(head.pins, {head.graph.name: digest(BODY), head.metadata.name: digest(METADATA)})
    assert store.examine(head).state is State.PINNED
    known.graph.write_bytes(OTHER)
    verdict = store.examine(known)
    assert verdict.state is State.WRONG
    assert verdict.trouble == (
        f"cannot trust {known.graph}: its SHA-256 is {digest(OTHER)} instead of the published {digest(BODY)}"
    )


@pytest.mark.parametrize(
    ("spoil", "trouble"),
    [
        (lambda files: files.graph.write_bytes(OTHER), "instead of the pinned"),
        (lambda files: files.metadata.write_bytes(METADATA + b" "), "instead of the pinned"),
        (lambda files: files.graph.write_bytes(BODY[:-9]), "cut or damaged"),
        (lambda files: files.metadata.write_bytes(b"{}"), "no model's metadata"),
        (lambda files: files.pins.write_text("no digests\n"), "line 1 is not a SHA-256"),
        (lambda files: files.pins.unlink() or files.pins.mkdir(), "it is a directory"),
    ],
)
def test_wrong_model_is_told(tmp_path: Path, spoil: Callable[[Files], object], trouble: str) -> None:
    files = put(tmp_path, HEAD)
    pins.write(files.pins, {files.graph.name: digest(BODY), files.metadata.name: digest(METADATA)})
    spoil(files)
    verdict = store.examine(files)
    assert verdict.state is State.WRONG
    assert trouble in verdict.trouble


SPOILS: tuple[Callable[[Files], object], ...] = (
    lambda files: None,
    lambda files: files.graph.write_bytes(OTHER),
    lambda files: files.graph.write_bytes(BODY[:-9]),
    lambda files: files.metadata.write_bytes(METADATA + b" "),
    lambda files: files.metadata.write_bytes(b"{}"),
    lambda files: files.pins.write_text("no digests\n"),
    lambda files: files.pins.unlink(),
)


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("name", [HEAD, KNOWN, "mine-1"])
@pytest.mark.parametrize("trusted", [(), (digest(OTHER),)], ids=["", "trusted"])
def test_model_that_verify_refuses_is_not_vouched_for(
    tmp_path: Path, published: None, spoil: Callable[[Files], object], name: str, trusted: tuple[str, ...]
) -> None:
    files = put(tmp_path, name)
    pins.write(files.pins, {files.graph.name: digest(BODY), files.metadata.name: digest(METADATA)})
    spoil(files)

    def is_vouched_for(path: Path) -> bool:
        try:
            store.vouch(path, digest(path.read_bytes()), trusted)
        except ModelError:
            return False
        return True

    vouched = all(map(is_vouched_for, files.both))
    assert vouched == (store.examine(files, trusted).state is not State.WRONG)


def test_a_trusted_digest_need_be_neither_published_nor_pinned(tmp_path: Path, published: None) -> None:
    known, head = put(tmp_path, KNOWN, OTHER), put(tmp_path, HEAD, OTHER)
    pins.write(head.pins, {head.graph.name: digest(BODY)})
    for files in (known, head):
        assert store.examine(files).state is State.WRONG
        assert store.examine(files, [digest(OTHER)]).state is State.TRUSTED
        with pytest.raises(ModelError, match=r"; fetch it again, or name the SHA-256 that it has in trusted_models$"):
            store.vouch(files.graph, digest(OTHER))
    assert pins.read(head.pins) == {head.graph.name: digest(BODY)}
