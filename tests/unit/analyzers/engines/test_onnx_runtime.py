"""The fast engine: what it keeps from doing beside its work, its errors, and its numbers without the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from audiobatch_analyzers.engines.graphs import ENGINES
from support.graph_rig import NAME, RATE, embeddings, load, sound
from support.model_graphs import EFFNET_BACKBONE, Kind, write_model

ONE_THREAD = """
import os, pathlib, sys
import numpy as np
from audiobatch_analyzers.engines import graphs
from audiobatch_analyzers.classifiers import model_files
files = model_files.find("mood", (pathlib.Path(sys.argv[1]),))
assert "onnxruntime" not in sys.modules
before = len(os.listdir("/proc/self/task"))
graphs.load(files, graphs.PREDICTIONS, "onnxruntime")(np.ones(64000, np.float32))
assert len(os.listdir("/proc/self/task")) == before, os.listdir("/proc/self/task")
assert "essentia" not in sys.modules
"""


def test_it_makes_no_thread_and_no_file_and_needs_no_essentia(tmp_path: Path) -> None:
    write_model(tmp_path, NAME, "musicnn")
    home = tmp_path / "home"
    home.mkdir()
    # It would tell its maker by a thread, and write to the cache. The machine of the tests may have forbidden that.
    outside = {key: value for key, value in os.environ.items() if key not in ("CI", "ORT_DISABLE_TELEMETRY")}
    environment = {**outside, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": str(home)}
    environment.pop("XDG_CACHE_HOME", None)
    subprocess.run([sys.executable, "-c", ONE_THREAD, str(tmp_path)], check=True, env=environment)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("batch", "frames"),
    [(batch, frames) for batch in (-1, 1, 2) for frames in (32256, 32257, 32512, 32513, 48384, 48385)],
)
def test_engines_count_the_patches_of_any_batch_alike(tmp_path: Path, batch: int, frames: int) -> None:
    graph = write_model(tmp_path, EFFNET_BACKBONE, "effnet", batch=batch)
    first, second = (load(graph, engine=engine)(sound(frames)) for engine in ENGINES)
    assert len(first) == len(second)
    assert first == pytest.approx(second, abs=5e-5)


def test_an_error_of_onnx_runtime_is_one_that_workers_know(tmp_path: Path) -> None:
    head = load(write_model(tmp_path, NAME, "head"), engine="onnxruntime")
    with pytest.raises(RuntimeError):
        head(embeddings(3, 199))
    # It is none the worse for it.
    assert head(embeddings(3)).shape == (3, 2)


@pytest.mark.parametrize("kind", ["musicnn", "effnet", "head"])
def test_engines_agree_within_half_of_the_last_decimal(tmp_path: Path, kind: Kind) -> None:
    graph = write_model(tmp_path, NAME, kind, seed=4)
    given = embeddings(70) if kind == "head" else sound(70 * RATE)
    first, second = (load(graph, engine=engine)(given) for engine in ENGINES)
    assert first.shape == second.shape
    assert first == pytest.approx(second, abs=5e-5)
