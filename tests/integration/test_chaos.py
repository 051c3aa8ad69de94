"""The chaos in its short form: faults of every kind for 90 seconds; and its witness, which has to see faults."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stress.witness import Witness, identity_of
from support.hanging_mount import why_not
from support.namespaces import may_limit_inotify

TESTS = Path(__file__).parents[1]
KINDS = (
    "all frozen",
    "all signalled",
    "catalog held",
    "daemon killed",
    "descriptors used up",
    "link switched",
    "record bomb",
    "record of a script",
    "record of many keys",
    "socket removed",
)
"""Kinds of faults: each is done at least once, whatever the dice say."""

ONCE_MORE = "Track.INFO: published again what stood there already"
OLD = "Track.INFO: published a second time: loudness of full_mix"
ANEW = "Track.INFO: measured a second time: loudness of full_mix"


@pytest.mark.timeout(900)
def test_chaos_ends_well_with_nothing_done_twice() -> None:
    done = subprocess.run(
        [sys.executable, TESTS / "stress" / "chaos.py", "--seconds", "90", "--seed", "20", "--folders", "300"],
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(re.findall(r"^ *(\S.*?)  +(\d+)", done.stdout, re.MULTILINE))
    assert int(figures["faults"]) > 300
    kinds = [*KINDS, *(["inotify used up"] if may_limit_inotify() else []), *([] if why_not() else ["mount hangs"])]
    assert not [kind for kind in kinds if int(figures.get(kind, 0)) == 0]
    assert int(figures["workers met at work"]) > 0
    assert int(figures["publishes"]) >= 300
    assert figures["wrong"] == "0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty track folder."""
    folder = tmp_path / "Track"
    folder.mkdir()
    return folder


@pytest.fixture
def witness(folder: Path) -> Iterator[Witness]:
    """A witness of what is published there."""
    witness = Witness()
    try:
        witness.watch(folder)
        yield witness
    finally:
        witness.stop()


def publish(witness: Witness, folder: Path, digest: str, when: str = "1", others: tuple[str, ...] = ()) -> None:
    """Have a record put there that says that the full mix with this digest was measured, and each of `others`."""
    entries = {
        role: {"fingerprint": {"file": f"{role}.flac", "size": 1, "mtime_ns": 1, "digest": content}, "measured": when}
        for role, content in (("full_mix", digest), *((role, role) for role in others))
    }
    temporary = folder / "temporary"
    temporary.write_text(json.dumps({"lufs": -14.0, "_audiobatch": {"analyzers": {"loudness": entries}}}))
    temporary.rename(folder / "Track.INFO")
    witness.drain()


def test_new_fingerprint_may_be_published(folder: Path, witness: Witness) -> None:
    publish(witness, folder, "a")
    witness.cause(folder)
    publish(witness, folder, "b")
    witness.cause(folder)
    publish(witness, folder, "b", others=("drums",))
    with witness.spoiling(folder):
        (folder / "Track.INFO").unlink()
    publish(witness, folder, "b", "2")
    assert (witness.faults, list(witness.too_many()), witness.publishes, witness.unread) == ([], [], 4, 0)


@pytest.mark.parametrize("when", ["1", "2"], ids=["written twice", "measured twice"])
def test_second_publish_of_a_fingerprint_is_a_fault(folder: Path, witness: Witness, when: str) -> None:
    publish(witness, folder, "a")
    publish(witness, folder, "a", when)
    assert ("Track", ONCE_MORE) in witness.faults
    assert list(witness.too_many()) == [("Track", "2 publishes of Track.INFO by 1 causes")]


def test_return_of_an_old_fingerprint_is_a_fault(folder: Path, witness: Witness) -> None:
    for digest in ("a", "b", "a"):
        witness.cause(folder)
        publish(witness, folder, digest)
    assert witness.faults == [("Track", OLD)]


def test_second_measurement_of_a_site_is_a_fault(folder: Path, witness: Witness) -> None:
    publish(witness, folder, "a")
    publish(witness, folder, "a", "2", others=("drums",))
    assert witness.faults == [("Track", ANEW)]


def test_keys_of_another_tool_are_no_fault(folder: Path, witness: Witness) -> None:
    publish(witness, folder, "a")
    with witness.rewriting() as own:
        temporary = folder / "other"
        temporary.write_bytes((folder / "Track.INFO").read_bytes())
        own.add(identity_of(temporary.stat()))
        temporary.rename(folder / "Track.INFO")
    witness.drain()
    assert (witness.faults, witness.publishes) == ([], 1)


def test_a_record_that_was_gone_is_counted_alone(folder: Path, witness: Witness) -> None:
    with witness.rewriting():  # until this is over it sees nothing
        publish_unseen(folder)
        (folder / "Track.INFO").unlink()
    witness.drain()
    assert (witness.faults, witness.publishes, witness.unread) == ([], 1, 1)


def publish_unseen(folder: Path) -> None:
    """Have a record put there."""
    (folder / "temporary").write_text("{}")
    (folder / "temporary").rename(folder / "Track.INFO")
