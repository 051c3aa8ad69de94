"""Duplicates of real audio, measured by the program and reported by the other: what is found, and what is not."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.audio_files import Samples, write_audio
from support.service import features_of, once, run

pytestmark = pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")

RATE = 48000


def melody(seed: int, seconds: float = 24.0) -> Samples:
    """Three voices that go from note to note, each with overtones: what a fingerprint tells from other music."""
    random = np.random.default_rng(seed)
    samples = np.zeros((round(seconds * RATE), 2))
    for voice in range(3):
        start = 0
        while start < len(samples):
            frames = round(random.choice([0.25, 0.375, 0.5, 0.75]) * RATE)
            time = np.arange(min(frames, len(samples) - start)) / RATE
            pitch = 110.0 * 2 ** (random.integers(0, 24) / 12 + voice)
            note = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2, 3)) * np.exp(-3 * time)
            samples[start : start + len(time)] += 0.1 * note[:, np.newaxis] * random.uniform(0.5, 1, 2)
            start += len(time)
    return (samples + 0.001 * random.standard_normal(samples.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One piece in many forms, and two others; all of them measured."""
    root = tmp_path_factory.mktemp("music") / "dataset"
    piece = melody(1)

    def put(name: str, samples: Samples, extension: str = "flac", **how: Any) -> Path:  # noqa: ANN401  # as PyAV takes it
        (root / name).mkdir(parents=True)
        return write_audio(root / name / f"full_mix.{extension}", samples, RATE, **how)

    original = put("Original", piece)
    (root / "Deep" / "Copy").mkdir(parents=True)
    shutil.copyfile(original, root / "Deep" / "Copy" / "full_mix.flac")
    put("Quieter", piece * np.float32(0.3))
    put("Mp3", piece, "mp3", bit_rate=128_000)
    put("Opus", piece, "opus", bit_rate=64_000)
    put("Later", piece[2 * RATE :])
    put("Later Mp3", piece[round(2.03 * RATE) :], "mp3", bit_rate=128_000)
    put("Other 1", melody(2))
    put("Other 2", melody(3))
    put("Silence", piece * 0)
    code, _, errors = once(root, plugins=["fingerprint"])
    assert code == 0, errors
    return root


def answer(dataset: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code, out, errors = run("audiobatchctl", "duplicates", dataset, "--json", *options)
    assert not errors
    return code, json.loads(out)


def test_a_copied_file_is_an_exact_duplicate(dataset: Path) -> None:
    code, told = answer(dataset)
    assert code == 1
    assert told["exact"] == [["Deep/Copy", "Original"]]
    assert (told["total"], told["without_digest"], told["unread"]) == (10, 0, 0)
    assert "near" not in told


def test_gain_codec_and_start_make_near_duplicates(dataset: Path) -> None:
    code, told = answer(dataset, "--near")
    assert code == 1
    (group,) = told["near"]
    # The copied one stands for both.
    assert [each["folder"] for each in group] == ["Deep/Copy", "Later", "Later Mp3", "Mp3", "Opus", "Quieter"]
    assert all(each["differs"] < 0.1 for each in group)
    assert told["without_fingerprint"] == 1


def test_a_fingerprint_takes_at_most_4_kib(dataset: Path) -> None:
    texts = [path.read_text() for path in dataset.rglob("*.CHROMAPRINT")]
    assert len(texts) == 9
    assert not any("fingerprint" in features_of(path.parent) for path in dataset.rglob("full_mix.*"))
    assert all(len(text) < 4096 * 24 / 120 for text in texts)
    assert len({one for one, other in combinations(texts, 2) if one == other}) <= 2


def test_nothing_is_written(dataset: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in dataset.rglob("*")}
    answer(dataset, "--near")
    assert {path: path.stat().st_mtime_ns for path in dataset.rglob("*")} == before


def test_different_music_is_no_duplicate(dataset: Path, tmp_path: Path) -> None:
    for name in ("Original", "Other 1", "Other 2"):
        shutil.copytree(dataset / name, tmp_path / name, copy_function=shutil.copy2)
    code, told = answer(tmp_path, "--near")
    assert (code, told["exact"], told["near"], told["without_fingerprint"]) == (0, [], [], 0)
