"""Shards: the same folders everywhere, none twice and none in no shard, and what the environment may say."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.shard import SHARDS_VARIABLE, Shard, parse_shard, shard_of

# Computed with sha256sum, so that no change of ours goes unseen: machines of two versions work on one dataset.
KNOWN = {"": 1, "A - One": 0, "Artist/Album/Track": 1, "Beyonc\u00e9 - Halo": 6, "caf\udce9": 4}
"""SHA-256 of the path's bytes modulo 7."""


def array(task: int, first: int, last: int, count: int) -> dict[str, str]:
    """What Slurm 22.05 sets in a task of an array."""
    values = {"ID": task, "MIN": first, "MAX": last, "COUNT": count, "STEP": 1}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()}


@pytest.mark.parametrize(("path", "rest"), KNOWN.items())
def test_shard_of_a_path_never_changes(path: str, rest: int) -> None:
    assert [number for number in range(1, 8) if Shard(number, 7).has(path)] == [rest + 1]


@settings(max_examples=40)
@given(st.text(), st.integers(1, 40))
def test_every_path_is_of_one_shard(path: str, count: int) -> None:
    path = path.encode(errors="ignore").decode()
    [number] = [number for number in range(1, count + 1) if Shard(number, count).has(path)]
    assert int(hashlib.sha256(path.encode()).hexdigest(), 16) % count == number - 1


def test_shards_are_of_about_one_size() -> None:
    sizes = [sum(Shard(number, 8).has(f"Artist/Song {each}") for each in range(8000)) for number in range(1, 9)]
    assert sum(sizes) == 8000
    assert min(sizes) > 900
    assert max(sizes) < 1100


@pytest.mark.parametrize("text", ["1/1", "2/8", "8/8", "1000000/1000000"])
def test_shard_is_parsed_as_it_is_said(text: str) -> None:
    assert str(parse_shard(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "1", "/", "0/4", "5/4", "1/0", "-1/4", "1/4/2", " 1/4", "1/4 ", "1/1000001", "9" * 99 + "/1", "\u0661/\u0664"],
)
def test_no_shard_is_parsed_from_what_names_none(text: str) -> None:
    assert parse_shard(text) is None


@pytest.mark.parametrize(
    ("environ", "shard"),
    [
        (array(3, 1, 8, 8), Shard(3, 8)),
        (array(0, 0, 2, 3), Shard(1, 3)),
        (array(4, 3, 4, 2), Shard(2, 2)),
        (array(5, 5, 5, 1), Shard(1, 1)),
        ({"JOB_COMPLETION_INDEX": "0", SHARDS_VARIABLE: "4"}, Shard(1, 4)),
        ({"JOB_COMPLETION_INDEX": "3", SHARDS_VARIABLE: "4"}, Shard(4, 4)),
    ],
)
def test_shard_is_taken_from_the_environment(environ: dict[str, str], shard: Shard) -> None:
    assert shard_of({"HOME": "/root", **environ}) == shard


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "neither SLURM_ARRAY_TASK_ID"),
        ({SHARDS_VARIABLE: "4"}, "neither SLURM_ARRAY_TASK_ID"),
        (array(3, 3, 7, 2), "the numbers of the first array, here 3/N"),
        (array(3, 1, 7, 4), "the array has 4 tasks from 1 to 7"),
        (array(9, 1, 8, 8), "SLURM_ARRAY_TASK_ID is 9"),
        (array(1, 1, 4000000, 4000000), "SLURM_ARRAY_TASK_COUNT is 4000000"),
        ({"SLURM_ARRAY_TASK_ID": "3"}, "SLURM_ARRAY_TASK_MIN is not set"),
        (array(3, 1, 8, 8) | {"SLURM_ARRAY_TASK_COUNT": ""}, "SLURM_ARRAY_TASK_COUNT is ''"),
        (array(3, 1, 8, 8) | {"SLURM_ARRAY_TASK_MIN": "-1"}, "SLURM_ARRAY_TASK_MIN is '-1'"),
        ({"JOB_COMPLETION_INDEX": "0"}, f"{SHARDS_VARIABLE} is not; set it to the Job's completions"),
        ({"JOB_COMPLETION_INDEX": "4", SHARDS_VARIABLE: "4"}, f"is 4, and {SHARDS_VARIABLE} only 4"),
        ({"JOB_COMPLETION_INDEX": "0", SHARDS_VARIABLE: "0"}, f"is 0, and {SHARDS_VARIABLE} only 0"),
        ({"JOB_COMPLETION_INDEX": "0", SHARDS_VARIABLE: "four"}, "'four', which is no number"),
        (array(3, 1, 8, 8) | {"JOB_COMPLETION_INDEX": "0"}, "both SLURM_ARRAY_TASK_ID and JOB_COMPLETION_INDEX"),
    ],
)
def test_environment_that_would_leave_folders_out_is_refused(environ: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match="cannot take the shard from the environment: ") as raised:
        shard_of(environ)
    assert why in str(raised.value)
