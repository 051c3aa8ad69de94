"""Models on disk: which files are found, and what their metadata says, sound or not."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatch_analyzers.classifiers import model_files
from audiobatch_analyzers.classifiers.model_files import ModelFiles
from audiobatchd.plugin_api import AnalyzerUnavailableError
from support.model_graphs import BACKBONE, EFFNET_BACKBONE, PLACES, Place, metadata, write_model

ROOT = os.geteuid() == 0
NAME = "mood-musicnn-msd-2"


def told(content: dict[str, Any]) -> ModelFiles:
    return ModelFiles(NAME, Path("/models/mood-musicnn-msd-2.pb"), content)


def musicnn() -> dict[str, Any]:
    return metadata(NAME, "musicnn", ["happy", "sad"])


# What is found


def test_a_model_is_a_graph_and_the_metadata_beside_it(tmp_path: Path) -> None:
    graph = write_model(tmp_path, NAME, "musicnn", ["happy", "sad"])
    assert model_files.find(NAME, (tmp_path,)) == ModelFiles(NAME, graph, musicnn())


@pytest.mark.parametrize("lacking", [".pb", ".json"])
def test_half_a_model_is_none(tmp_path: Path, lacking: str) -> None:
    write_model(tmp_path, NAME, "musicnn").with_suffix(lacking).unlink()
    assert model_files.find(NAME, (tmp_path,)) is None


@pytest.mark.parametrize(
    "name", ["no-such", "x" * 300, "nul\0nul", "lone\ud800surrogate", "", "../.."], ids=lambda name: ascii(name[:12])
)
def test_missing_model_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    assert model_files.find(name, (tmp_path / "no-directory", tmp_path / "file", tmp_path / "loop", tmp_path)) is None


def test_the_first_directory_with_both_files_serves(tmp_path: Path) -> None:
    half, first, second = (tmp_path / name for name in ("half", "first", "second"))
    write_model(half, NAME, "musicnn").with_suffix(".json").unlink()
    for directory in (first, second):
        write_model(directory, NAME, "musicnn")
    found = model_files.find(NAME, (half, first, second))
    assert found is not None
    assert found.graph == first / f"{NAME}.pb"


def test_links_are_followed(tmp_path: Path) -> None:
    graph = write_model(tmp_path / "store", NAME, "musicnn")
    linked = tmp_path / "linked"
    linked.mkdir()
    for suffix in (".pb", ".json"):
        (linked / f"{NAME}{suffix}").symlink_to(graph.with_suffix(suffix))
    assert model_files.find(NAME, (linked,)) is not None


@pytest.mark.parametrize("suffix", [".pb", ".json"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["directory", "FIFO"])
def test_model_that_is_no_regular_file_is_refused_by_name(
    tmp_path: Path, suffix: str, make: Callable[[Path], None]
) -> None:
    path = write_model(tmp_path, NAME, "musicnn").with_suffix(suffix)
    path.unlink()
    make(path)
    with pytest.raises(AnalyzerUnavailableError) as caught:
        model_files.find(NAME, (tmp_path,))
    assert str(caught.value) == f"cannot use the model {path}: it is no regular file"


@pytest.mark.skipif(not ROOT, reason="becoming another user takes root")
def test_a_closed_directory_has_no_models_and_is_told_of() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        shut, below, empty = Path(place) / "shut", Path(place) / "shut" / "models", Path(place) / "empty"
        write_model(below, NAME, "musicnn")
        empty.mkdir()
        shut.chmod(0o700)
        directories = (shut, below, empty, Path(place) / "no-directory")
        os.seteuid(65534)
        try:
            assert model_files.find(NAME, directories) is None
            assert model_files.closed(directories) == (shut, below)
        finally:
            os.seteuid(0)


# The graph's digest


def test_digest_is_of_the_opened_file_when_it_is_replaced(tmp_path: Path) -> None:
    graph = write_model(tmp_path, NAME, "musicnn")
    before = graph.read_bytes()
    found = model_files.find(NAME, (tmp_path,))
    assert found is not None
    with found.opened() as (path, digest):
        write_model(tmp_path / "new", NAME, "musicnn", seed=1).replace(graph)
        assert Path(path).read_bytes() == before != graph.read_bytes()
    assert digest == f"sha256:{hashlib.sha256(before).hexdigest()}"


def test_a_graph_that_is_gone_is_told_of_by_name(tmp_path: Path) -> None:
    graph = write_model(tmp_path, NAME, "musicnn")
    found = model_files.find(NAME, (tmp_path,))
    assert found is not None
    graph.unlink()
    with pytest.raises(AnalyzerUnavailableError, match=f"{graph}: No such file"), found.opened():
        pass


# What metadata says


def test_a_whole_classifier() -> None:
    files = told(musicnn())
    assert (files.algorithm, files.rate, files.backbone) == ("TensorflowPredictMusiCNN", 16000, "")
    assert files.input == ("model/Placeholder", 96)
    assert files.output("predictions") == "model/Sigmoid"
    assert files.output("embeddings") == "model/dense/BiasAdd"
    assert files.classes == ("happy", "sad")
    assert files.batch is None


@pytest.mark.parametrize("backbone", [BACKBONE, None])
def test_a_head(backbone: str | None) -> None:
    files = told(metadata("head", "head", ["happy", "sad"], backbone=backbone))
    assert (files.algorithm, files.input) == ("TensorflowPredict2D", ("model/Placeholder", 200))
    assert files.output("predictions") == "model/Softmax"
    assert files.backbone == (backbone or "")


@pytest.mark.parametrize("batch", [64, 1])
def test_a_backbone_that_takes_so_many_patches_at_a_time(batch: int) -> None:
    files = told(metadata(EFFNET_BACKBONE, "effnet", ["happy", "sad"], batch=batch))
    assert files.input == ("serving_default_melspectrogram", 96)
    assert files.output("embeddings") == "PartitionedCall:1"
    assert files.batch == batch


@pytest.mark.parametrize("size", ["batch_size", -1, 0, None, True, 1 << 40])
def test_a_dimension_that_is_open_is_no_batch(size: object) -> None:
    content = musicnn()
    content["schema"]["inputs"][0]["shape"] = [size, 128, 96]
    assert told(content).batch is None
    content["schema"]["inputs"][0]["shape"] = [size, 1280]
    assert told(content).input == ("model/Placeholder", 1280)


def test_a_rate_that_is_not_told_is_16_khz() -> None:
    content = musicnn()
    del content["inference"]["sample_rate"]
    assert told(content).rate == 16000
    content["inference"]["sample_rate"] = 16000.0
    assert type(told(content).rate) is int


@pytest.mark.parametrize("rate", [0, -1, 1, 1e-300, 16000.5, 10**30, float("nan"), float("inf"), True, "16000", None])
def test_a_rate_that_cannot_be_is_refused(rate: object) -> None:
    content = musicnn()
    content["inference"]["sample_rate"] = rate
    with pytest.raises(AnalyzerUnavailableError, match=r"mood-musicnn-msd-2\.pb: its metadata names no sample rate"):
        assert told(content).rate


@pytest.mark.parametrize("width", [0, -1, 10**9, 10**30, 96.0, True, "96", None, [96]])
def test_a_width_that_cannot_be_is_refused(width: object) -> None:
    content = musicnn()
    content["schema"]["inputs"][0]["shape"] = [187, width]
    with pytest.raises(AnalyzerUnavailableError, match=r"its metadata names no shape of its input that can be"):
        assert told(content).input


BAD_TEXTS = (
    b"",
    b"happy, sad",
    b'{"classes": ',
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1200\n",
    b"\x80\x81\xff",
    b"[" * 100_000,
    b'{"classes":' * 100_000,
    b'{"classes": ' + b"1" * 5000 + b"}",
    b"[]",
    b'"text"',
    b"null",
    b"1e999",
)


@pytest.mark.parametrize("content", BAD_TEXTS, ids=lambda content: ascii(content[:16].decode("latin-1")))
def test_metadata_that_is_no_json_object_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = write_model(tmp_path, NAME, "musicnn").with_suffix(".json")
    path.write_bytes(content)
    with pytest.raises(AnalyzerUnavailableError, match=f"cannot understand {path}: "):
        model_files.find(NAME, (tmp_path,))


# Whatever metadata says

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KNOWN: tuple[Place, ...] = (*PLACES, ("classes", 0), ("inference", "embedding_model", "model_name"))


def assert_understood_or_refused(files: ModelFiles, ask: Callable[[], object]) -> None:
    refusal = ""
    try:
        ask()
    except AnalyzerUnavailableError as error:
        refusal = str(error)
    assert not refusal or refusal.startswith(f"cannot use the model {files.graph}: ")


@given(place=st.sampled_from(KNOWN), value=VALUES)
def test_any_value_is_understood_or_refused(place: tuple[str | int, ...], value: object) -> None:
    content = metadata("head", "head", ["happy", "sad"])
    inner: Any = content
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    assert refusals(content) <= {True}


@given(content=VALUES)
def test_any_object_at_all_is_understood_or_refused(content: object) -> None:
    assert refusals({"schema": content, "inference": content, "classes": content}) <= {True}


def refusals(content: dict[str, Any]) -> set[bool]:
    """Ask all that can be asked of this metadata; gives whether what is refused is refused by the graph's name."""
    files = told(content)
    asked: tuple[Callable[[], object], ...] = (
        lambda: files.rate,
        lambda: files.classes,
        lambda: files.input,
        lambda: files.batch,
        lambda: files.output("predictions"),
        lambda: len(files.algorithm + files.backbone),
    )
    named = set()
    for ask in asked:
        try:
            ask()
        except AnalyzerUnavailableError as error:
            named.add(str(error).startswith(f"cannot use the model {files.graph}: "))
    return named
