"""The fuzz of damaged audio in its short form, a fixed number of mutants; and its judge, which has to see faults."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fuzz.judge import Judge, Verdict, out_of_bounds
from fuzz.mutations import Mutant, mutant
from fuzz.originals import extension_of, originals
from fuzz.rounds import Fate, Found, range_in, read_log

TESTS = Path(__file__).parents[1]
FIGURES = re.compile(
    r"seed 20: mutants 200, refused (\d+), unmeasurable (\d+), published and equal to its parent (\d+), "
    r"published with damage that no decoder can notice (\d+), faults 0, at most \d+ MiB, seconds [\d.]+\n"
)
MEASURED = {"lufs": -16.0, "sample_peak": -3.0}
BOUNDS = {"lufs": (-70.0, math.inf), "sample_peak": (-math.inf, math.inf)}


@pytest.mark.timeout(600)
def test_damaged_audio_brings_neither_crashes_nor_numbers() -> None:
    done = subprocess.run(
        [sys.executable, TESTS / "fuzz" / "audio_fuzz.py", "--seed", "20", "--mutants", "200"],
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    figures = FIGURES.fullmatch(done.stdout.splitlines(keepends=True)[-1])
    assert figures is not None, done.stdout
    assert all(int(number) > 0 for number in figures.groups()), done.stdout


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    return {kind: content for kind, content in originals().items() if kind in {"wav", "flac", "ogg", "mp3"}}


@pytest.fixture(scope="module")
def judge(files: Mapping[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Judge:
    measured = {kind: Found("folder-done", values=MEASURED) for kind in files}
    return Judge(files, measured, BOUNDS, tmp_path_factory.mktemp("judge"))


def made(kind: str, content: bytes) -> Mutant:
    return Mutant(0, 0, content, extension_of(kind), (kind,))


def test_a_mutant_follows_from_seed_and_number(files: Mapping[str, bytes]) -> None:
    every = originals()
    assert every["wav"] == files["wav"]
    assert [mutant(5, number, every) for number in range(50)] == [mutant(5, number, every) for number in range(50)]
    assert len({mutant(5, number, every).content for number in range(50)}) > 45


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_numbers_of_the_same_sound_are_right_and_no_others(judge: Judge, files: Mapping[str, bytes], kind: str) -> None:
    same = made(kind, files[kind])
    assert judge.judge(same, Found("folder-done", values=MEASURED)).verdict is Verdict.EQUAL
    assert judge.judge(same, Found("folder-done", values=MEASURED)).faults == []
    assert judge.judge(same, Found("folder-done", values={**MEASURED, "lufs": -15.9})).faults
    assert judge.judge(same, Found("folder-done", values={"lufs": -16.0})).faults
    assert judge.judge(same, Found("folder-failed", f"full_mix.{kind}: is odd", values=MEASURED)).faults


def test_damage_that_no_decoder_can_notice_is_told(judge: Judge, files: Mapping[str, bytes]) -> None:
    spoilt = made("wav", files["wav"][:-4000] + bytes(4000))
    judgement = judge.judge(spoilt, Found("folder-done", values=MEASURED))
    assert (judgement.verdict, judgement.faults) == (Verdict.UNNOTICED, [])
    assert judgement.reason == "wav, samples: PCM has no checksum"
    judgement = judge.judge(spoilt, Found("folder-done", values={**MEASURED, "sample_peak": -2.9}))
    assert judgement.faults == ["its peak is -3.001 dB"]


@pytest.mark.parametrize(
    ("kind", "content", "fault"),
    [
        ("flac", lambda files: files["wav"], "published, and samples .* differ from flac"),
        ("wav", lambda files: files["ogg"] * 2, "published, and length .* differ from wav"),
        ("ogg", lambda files: files["ogg"][:50000], "published, although it ends too early: inside a page"),
    ],
    ids=["other samples", "another length", "cut"],
)
def test_numbers_of_damage_that_is_noticed_are_faults(
    judge: Judge, files: Mapping[str, bytes], kind: str, content: Callable[[Mapping[str, bytes]], bytes], fault: str
) -> None:
    judgement = judge.judge(made(kind, content(files)), Found("folder-done", values=MEASURED))
    assert re.match(fault, judgement.faults[0]), judgement


def test_mutant_without_a_number_says_why(judge: Judge, files: Mapping[str, bytes]) -> None:
    spoilt = made("wav", b"")
    found = Found("folder-failed", "full_mix.wav: is empty")
    assert (found.fate, judge.judge(spoilt, found).faults) == (Fate.REFUSED, [])
    assert judge.judge(spoilt, Found("folder-failed", "analyzer loudness failed")).faults
    found = Found("folder-done", unmeasurable=dict.fromkeys(MEASURED, "longer than 2 h"))
    assert (found.fate, judge.judge(spoilt, found).faults) == (Fate.UNMEASURABLE, [])
    assert judge.judge(spoilt, Found("folder-done")).faults


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        ("0 to 5.32", 0.0, 5.32), ("40 to 208, or as folded", 40.0, 208.0), ("-70 and above", -70.0, math.inf),
        ("0 or more", 0.0, math.inf), ("true or false", 0.0, 1.0), ("may be above 0", -math.inf, math.inf),
    ],
)  # fmt: skip
def test_bounds_are_read_as_they_are_told(words: str, low: float, high: float) -> None:
    assert range_in(words) == (low, high)


@pytest.mark.parametrize("value", [math.nan, math.inf, -70.01])
def test_a_number_out_of_its_bounds_is_a_fault(value: float) -> None:
    assert out_of_bounds(Found(values={"lufs": value}), BOUNDS) == [f"lufs is {value}"]
    assert out_of_bounds(Found(values={"lufs": -70.0, "other": 1.0}), BOUNDS) == ["other is 1.0"]


@pytest.mark.parametrize(
    ("line", "troubles"),
    [
        ("08:00:00 folder-done dataset=/d folder=0 lufs=-16.0", []),
        ('08:00:00 folder-failed dataset=/d folder=0 reason="full_mix.wav: is empty"', []),
        ("08:00:00 worker-ready worker=0 pid=9", ["0: nothing was said"]),
        (
            "08:00:00 folder-backoff dataset=/d folder=0 reason=x",
            ["the log says: 08:00:00 folder-backoff", "0: nothing"],
        ),
        ('08:00:00 worker-died worker=0 reason="killed by signal 11"', ["the log says: 08:00:00 worker-died", "0: "]),
        ("Traceback (most recent call last):", ["the log says: Traceback", "0: "]),
    ],
)
def test_forbidden_log_line_is_told(tmp_path: Path, line: str, troubles: list[str]) -> None:
    told = read_log(f"{line}\n", {"0": Found()})
    assert len(told) == len(troubles)
    assert all(said.startswith(wanted) for said, wanted in zip(told, troubles, strict=True)), told
