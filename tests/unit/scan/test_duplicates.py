"""Duplicates in a dataset, by its records alone: which count, which are told to be not compared, and faults."""

from __future__ import annotations

import json
import os
import random
import struct
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from audiobatchd.scan import duplicates
from audiobatchd.scan.duplicates import Duplicates, find
from audiobatchd.vocabulary.files import RECORD_LIMIT


def made_up(seed: int, count: int = 100) -> str:
    """A fingerprint in base64, whose sub-fingerprints change by few bits each: all distances but one are small."""
    source = random.Random(seed)
    codes: list[int] = []
    for _ in range(count):
        codes += [*(source.randrange(1, 7) for _ in range(source.randrange(1, 5))), 0]
    packed = sum(code << 3 * place for place, code in enumerate(codes))
    size = -(-3 * len(codes) // 8)
    return urlsafe_b64encode(struct.pack(">I", 1 << 24 | count) + packed.to_bytes(size, "little")).decode().rstrip("=")


def track(
    folder: Path,
    content: str = "music",
    *,
    stamp: Mapping[str, object] | None = None,
    analyzers: Sequence[str] = ("loudness", "fingerprint"),
    fingerprint: str | bytes | None = None,
    padding: str = "",
) -> Path:
    """A folder with a full mix, a record that tells of it (`stamp` alters what it tells), and its fingerprint."""
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").write_text(content)
    status = (folder / "full_mix.flac").stat()
    present = {"file": "full_mix.flac", "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    entry = {"fingerprint": {**present, "digest": f"blake2b:{content}", **(stamp or {})}, "version": 1}
    known = {"format": 1, "analyzers": {name: {"full_mix": entry} for name in analyzers}}
    (folder / f"{folder.name}.INFO").write_text(json.dumps({"lufs": -14.0, "_audiobatch": known, "padding": padding}))
    if fingerprint is not None:
        content_of = fingerprint if isinstance(fingerprint, bytes) else f"{fingerprint}\n".encode()
        (folder / f"{folder.name}.CHROMAPRINT").write_bytes(content_of)
    return folder


def found(root: Path, *, alike: bool = True, limit: int = RECORD_LIMIT) -> Duplicates:
    return find(str(root), (), limit, alike=alike, told=lambda what, count: None)


def test_one_digest_in_several_folders_is_an_exact_duplicate(tmp_path: Path) -> None:
    for name, content in (("A", "one"), ("B", "two"), ("C/D", "one"), ("E", "three"), ("F", "two"), ("G", "one")):
        track(tmp_path / name, content)
    answer = found(tmp_path, alike=False)
    assert answer.exact == [["A", "C/D", "G"], ["B", "F"]]
    assert (answer.total, answer.without_digest, answer.without_fingerprint, answer.near) == (6, 0, 0, [])


def test_like_fingerprints_are_near_duplicates(tmp_path: Path) -> None:
    for number in range(20):
        track(tmp_path / f"{number:02}", str(number), fingerprint=made_up(number % 17))
    answer = found(tmp_path)
    assert [[folder for folder, _ in group] for group in answer.near] == [["00", "17"], ["01", "18"], ["02", "19"]]
    assert {share for group in answer.near for _, share in group} == {0.0}
    assert answer.exact == []


def test_near_duplicates_are_not_looked_for_unasked(tmp_path: Path) -> None:
    for name in "AB":
        track(tmp_path / name, name, fingerprint=made_up(1))
    assert found(tmp_path, alike=False) == Duplicates(total=2)


def test_the_first_of_exact_duplicates_stands_for_all(tmp_path: Path) -> None:
    for name, content in (("A", "one"), ("B", "one"), ("C", "two")):
        track(tmp_path / name, content, fingerprint=made_up(1))
    answer = found(tmp_path)
    assert answer.exact == [["A", "B"]]
    assert answer.near == [[("A", 0.0), ("C", 0.0)]]


def test_a_copy_without_fingerprint_does_not_stand_for_the_others(tmp_path: Path) -> None:
    track(tmp_path / "A", "one")
    for name, content in (("B", "one"), ("C", "one"), ("D", "two")):
        track(tmp_path / name, content, fingerprint=made_up(1))
    answer = found(tmp_path)
    assert answer.exact == [["A", "B", "C"]]
    assert answer.near == [[("B", 0.0), ("D", 0.0)]]


@pytest.mark.parametrize(
    "stamp", [{"size": 4}, {"mtime_ns": 1}, {"file": "full_mix.mp3"}], ids=["size", "time", "name"]
)
def test_a_file_that_was_replaced_since_is_not_compared(tmp_path: Path, stamp: dict[str, object]) -> None:
    track(tmp_path / "A", "music", fingerprint=made_up(1))
    track(tmp_path / "B", "music", fingerprint=made_up(1), stamp=stamp)
    answer = found(tmp_path)
    assert (answer.exact, answer.near) == ([], [])
    assert (answer.total, answer.without_digest, answer.without_fingerprint) == (2, 1, 1)


def test_any_account_of_the_present_file_tells_its_digest(tmp_path: Path) -> None:
    track(tmp_path / "A", "music", analyzers=("peaks",))
    track(tmp_path / "B", "music", analyzers=("of a plugin",))
    assert found(tmp_path).exact == [["A", "B"]]


def test_a_fingerprint_of_another_tool_counts(tmp_path: Path) -> None:
    for name in "AB":
        track(tmp_path / name, name, fingerprint=made_up(1), analyzers=())
    answer = found(tmp_path)
    assert [[folder for folder, _ in group] for group in answer.near] == [["A", "B"]]
    assert (answer.without_digest, answer.without_fingerprint) == (2, 0)


@pytest.mark.parametrize("value", [None, "", "AQAA", "no base64!", b"\xff\0", made_up(1)[:-9], "A" * 60_000], ids=str)
def test_what_is_no_fingerprint_is_not_compared(tmp_path: Path, value: str | bytes | None) -> None:
    for name in "AB":
        track(tmp_path / name, name, fingerprint=value)
    answer = found(tmp_path)
    assert (answer.near, answer.without_digest, answer.without_fingerprint, answer.unread) == ([], 0, 2, 0)


@pytest.mark.parametrize("kind", ["directory", "fifo", "too large"])
def test_an_unfit_fingerprint_is_told_and_the_digest_counts(tmp_path: Path, kind: str) -> None:
    for name in "AB":
        track(tmp_path / name, "music")
    path = tmp_path / "A" / "A.CHROMAPRINT"
    match kind:
        case "directory":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case _:
            path.write_text("A" * 100_000)
    answer = found(tmp_path)
    assert answer.exact == [["A", "B"]]
    assert (answer.without_digest, answer.without_fingerprint, answer.unread) == (0, 2, 1)
    assert answer.troubles["A"].startswith("cannot read it: it")


def test_folders_without_a_record_are_not_compared(tmp_path: Path) -> None:
    for name in "AB":
        track(tmp_path / name)
        (tmp_path / name / f"{name}.INFO").unlink()
    answer = found(tmp_path)
    assert (answer.total, answer.without_digest, answer.without_fingerprint) == (2, 2, 2)


@pytest.mark.parametrize("text", ["{", "[]", '{"_audiobatch": 7}', '{"_audiobatch": {"format": 99}}'])
def test_an_unreadable_record_is_told_and_holds_up_nothing(tmp_path: Path, text: str) -> None:
    for name in "ABC":
        track(tmp_path / name)
    (tmp_path / "B" / "B.INFO").write_text(text)
    answer = found(tmp_path)
    assert answer.exact == [["A", "C"]]
    assert (answer.total, answer.without_digest, answer.unread) == (3, 1, 1)
    assert answer.troubles.keys() == {"B"}


def test_a_record_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    track(tmp_path / "A", padding="x" * 5000)
    assert "B" not in found(tmp_path, limit=1000).troubles
    assert found(tmp_path, limit=1000).troubles.keys() == {"A"}


def test_of_many_troubles_the_first_are_told(tmp_path: Path) -> None:
    for number in range(30):
        track(tmp_path / f"{number:02}")
        (tmp_path / f"{number:02}" / f"{number:02}.INFO").write_text("{")
    answer = found(tmp_path)
    assert answer.unread == 30
    assert list(answer.troubles) == [f"{number:02}" for number in range(20)]


def test_names_outside_utf_8_are_shown_escaped(tmp_path: Path) -> None:
    for name in (b"A\xff", b"B"):
        folder = track(tmp_path / "new")
        (folder / "new.INFO").rename(folder / (os.fsdecode(name) + ".INFO"))
        folder.rename(tmp_path / os.fsdecode(name))
    assert found(tmp_path).exact == [["A\\xff", "B"]]


def test_a_root_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        found(tmp_path / "nonesuch")


def test_progress_is_told_of_reading_and_comparing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_EACH", 2)
    for number in range(5):
        track(tmp_path / str(number), str(number), fingerprint=made_up(1))
    told: list[tuple[str, int]] = []
    find(str(tmp_path), (), RECORD_LIMIT, alike=True, told=lambda what, count: told.append((what, count)))
    assert told[:3] == [("folders read", 2), ("folders read", 4), ("pairs compared", 2)]


def test_a_fingerprint_that_goes_meanwhile_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_EACH", 3)
    for name in "ABC":
        track(tmp_path / name, name, fingerprint=made_up(1))

    def remove(what: str, _count: int) -> None:
        (tmp_path / "B" / "B.CHROMAPRINT").unlink(missing_ok=True)

    answer = find(str(tmp_path), (), RECORD_LIMIT, alike=True, told=remove)
    assert [[folder for folder, _ in group] for group in answer.near] == [["A", "C"]]
