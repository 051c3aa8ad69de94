"""What a Dask worker is looked at for: the same dataset, locks that hold, and versions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiobatchd.cluster import preflight
from audiobatchd.cluster.wire import Sign
from audiobatchd.errors import AudiobatchError

_LOOK = """
import os, sys
from audiobatchd.cluster import preflight
from audiobatchd.cluster.wire import Sign
preflight.look(Sign(*map(bytes.fromhex, sys.argv[1:])))
"""


def look_elsewhere(sign: Sign) -> str:
    """What another process says."""
    words = [each.hex() for each in (sign.dataset, sign.name, sign.content)]
    done = subprocess.run([sys.executable, "-c", _LOOK, *words], capture_output=True, text=True, check=False)
    return done.stderr


def test_same_dataset_with_a_held_lock_is_seen(tmp_path: Path) -> None:
    with preflight.signs([str(tmp_path)]) as (sign,):
        preflight.look(sign)
        assert look_elsewhere(sign) == ""
    assert list(tmp_path.iterdir()) == []


def test_another_dataset_is_seen_as_such(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with preflight.signs([str(here)]) as (sign,):
        other = Sign(os.fsencode(there), sign.name, sign.content)
        with pytest.raises(AudiobatchError, match="does not see the dataset"):
            preflight.look(other)
        (there / os.fsdecode(sign.name)).write_bytes(b"else")
        with pytest.raises(AudiobatchError, match="sees another dataset"):
            preflight.look(other)


def test_lock_that_does_not_hold_is_noticed(tmp_path: Path) -> None:
    name, content = b"sign", b"x" * 32
    (tmp_path / "sign").write_bytes(content)  # the pass has no lock on it
    with pytest.raises(AudiobatchError, match="do not hold"):
        preflight.look(Sign(os.fsencode(tmp_path), name, content))


def test_dataset_that_takes_no_file_is_named(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    with pytest.raises(AudiobatchError, match=f"cannot make a file in a dataset.*{absent}"), preflight.signs([absent]):
        pass


def test_differences_name_each_version() -> None:
    here = {"python": "3.11.2", "numpy": "2.1", "av": "18.1"}
    assert preflight.differences(here, here) == ""
    there = {"python": "3.12.0", "numpy": "2.1", "soxr": "1.1"}
    assert preflight.differences(here, there) == (
        "av is not there (18.1 here), python 3.12.0 (3.11.2 here), soxr 1.1 (not here)"
    )
