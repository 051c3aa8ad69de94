"""Graphs by every engine: their numbers, how much audio makes a patch, what is refused, and which engine serves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audiobatch_analyzers.classifiers import model_files
from audiobatch_analyzers.classifiers.model_files import ModelFiles
from audiobatch_analyzers.engines import essentia, graphs, onnx_runtime
from audiobatch_analyzers.engines.contract import Run
from audiobatch_analyzers.engines.graphs import AUTO, EMBEDDINGS, ENGINES, PREDICTIONS
from audiobatchd.plugin_api import AnalyzerUnavailableError
from support.audio_files import Samples
from support.graph_rig import NAME, RATE, embeddings, load, refusal, sound
from support.model_graphs import Kind, altered, embedding_width, metadata, write_model
from support.musicnn_graph import node, write_musicnn

# The numbers


PR_SET_MDWE = 65  # of Linux 6.3: what systemd's MemoryDenyWriteExecute= sets, too
CONFINED = """
import ctypes, pathlib, sys
import numpy as np
if ctypes.CDLL(None, use_errno=True).prctl(int(sys.argv[1]), 1, 0, 0, 0):
    sys.exit(77)
from audiobatch_analyzers.engines import graphs
from audiobatch_analyzers.classifiers import model_files
files = model_files.find(sys.argv[2], (pathlib.Path(sys.argv[3]),))
np.save(sys.argv[4], graphs.load(files, graphs.PREDICTIONS, sys.argv[6])(np.load(sys.argv[5])))
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_are_the_same_where_no_code_may_be_made_at_run_time(tmp_path: Path, engine: str) -> None:
    wanted = load(write_musicnn(tmp_path, NAME, seed=1), engine=engine)(sound(10 * RATE))
    np.save(tmp_path / "sound.npy", sound(10 * RATE))
    out = tmp_path / "rows.npy"
    told = (str(PR_SET_MDWE), NAME, str(tmp_path), str(out), str(tmp_path / "sound.npy"), engine)
    code = subprocess.run([sys.executable, "-c", CONFINED, *told], check=False).returncode
    if code == 77:
        pytest.skip("this kernel is older than 6.3")
    assert code == 0
    assert np.ptp(wanted) > 0.02
    assert np.load(out) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("kind", ["musicnn", "vggish", "effnet"])
def test_same_audio_gives_the_same_bits_again(tmp_path: Path, kind: Kind) -> None:
    graph = load(write_model(tmp_path, NAME, kind))
    first = graph(sound(5 * RATE)).tobytes()
    graph(sound(7 * RATE, seed=1))
    assert graph(sound(5 * RATE)).tobytes() == first


def test_samples_of_any_memory_layout_are_only_read(tmp_path: Path) -> None:
    graph, head = load(write_model(tmp_path, NAME, "musicnn")), load(write_model(tmp_path, "head", "head"))
    samples, given = sound(4 * RATE), embeddings(5)
    expected = graph(samples.copy()).tobytes(), head(given.copy()).tobytes()
    samples.flags.writeable = given.flags.writeable = False
    assert (graph(samples).tobytes(), head(given).tobytes()) == expected
    assert graph(np.repeat(samples, 2)[::2]).tobytes() == expected[0]
    assert head(np.asfortranarray(given)).tobytes() == expected[1]


# How much audio makes a patch

PATCHES = (
    # 187 frames of 512 samples every 256, the first centred on the start; 93 more are the next patch.
    ("musicnn", 47360, 0),
    ("musicnn", 47361, 1),
    ("musicnn", 47361 + 93 * 256 - 1, 1),
    ("musicnn", 47361 + 93 * 256, 2),
    # 96 frames of 400 samples every 160.
    ("vggish", 15040, 0),
    ("vggish", 15041, 1),
    # 128 frames, and 62 more. Essentia counts one frame too few where it fills a batch up; that is its only border.
    ("effnet", 32512, 0),
    ("effnet", 32513, 1),
    ("effnet", 32513 + 62 * 256 - 1, 1),
    ("effnet", 32513 + 62 * 256, 2),
    ("effnet", 32513 + 63 * 62 * 256 - 1, 63),
    ("effnet", 32513 + 63 * 62 * 256, 64),
    ("effnet", 32513 + 64 * 62 * 256 - 1, 64),
    ("effnet", 32513 + 64 * 62 * 256, 65),
)


@pytest.mark.parametrize("engine", ["tensorflow", AUTO])
@pytest.mark.parametrize(("kind", "frames", "patches"), PATCHES)
def test_rows_by_length(tmp_path: Path, kind: Kind, frames: int, patches: int, engine: str) -> None:
    assert load(write_model(tmp_path, NAME, kind), engine=engine)(sound(frames)).shape == (patches, 2)


@pytest.mark.parametrize("frames", [0, 1, 255, 512, 3000])
@pytest.mark.parametrize("kind", ["musicnn", "vggish", "effnet"])
def test_audio_shorter_than_a_patch_gives_no_rows(tmp_path: Path, kind: Kind, frames: int) -> None:
    assert load(write_model(tmp_path, NAME, kind), EMBEDDINGS)(sound(frames)).shape == (0, embedding_width(kind))


def test_no_embeddings_give_no_rows(tmp_path: Path) -> None:
    assert load(write_model(tmp_path, NAME, "head"))(embeddings(0)).shape == (0, 2)


# What is refused


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\nsize 80243\n"

DAMAGE: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "garbage": lambda content: bytes(np.random.default_rng(0).integers(0, 256, 5000, np.uint8)),
    "text": lambda content: b"<html>404 Not Found</html>",
    "a git-lfs pointer": lambda content: LFS_POINTER,
    "its first byte": lambda content: content[:1],
    "its first kilobyte": lambda content: content[:1024],
    "its first half": lambda content: content[: len(content) // 2],
    "all but its last 300 bytes": lambda content: content[:-300],
}


@pytest.mark.parametrize("kind", ["musicnn", "head"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_graph_is_refused_by_name(tmp_path: Path, kind: Kind, damage: str) -> None:
    graph = write_model(tmp_path, NAME, kind)
    graph.write_bytes(DAMAGE[damage](graph.read_bytes()))
    assert refusal(graph)
    assert refusal(graph, engine="onnxruntime")


def test_a_graph_that_became_a_directory_is_refused_by_name(tmp_path: Path) -> None:
    graph = write_model(tmp_path, NAME, "musicnn")
    files = model_files.find(NAME, (tmp_path,))
    assert files is not None
    graph.unlink()
    graph.mkdir()
    with pytest.raises(AnalyzerUnavailableError, match=f"cannot use the model {graph}: Is a directory"):
        graphs.load(files, PREDICTIONS)


NODES_WRONG: Mapping[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no such output": (lambda told: told["schema"]["outputs"][0].update(name="model/Softmax"), "not a valid node name"),
    # Essentia takes an empty name for the wish to see all names, and then a null pointer for a node.
    "a nameless output": (lambda told: told["schema"]["outputs"][0].update(name=""), "does not name its output"),
    "a nameless input": (lambda told: told["schema"]["inputs"][0].pop("name"), "does not name its input"),
    "no such input": (lambda told: told["schema"]["inputs"][0].update(name="Placeholder"), "not a valid node name"),
    "an input that is none": (lambda told: told["schema"]["inputs"][0].update(name="model/axis"), "Error running"),
    "the output of another layer": (
        lambda told: told["schema"]["outputs"][0].update(name="model/dense/BiasAdd"),
        "it gives 200 numbers for 2 classes",
    ),
    "a third class": (lambda told: told["classes"].append("third"), "it gives 2 numbers for 3 classes"),
    "a class too few": (lambda told: told["classes"].pop(), "it gives 2 numbers for 1 classes"),
    "no classes": (lambda told: told.pop("classes"), "names no classes"),
    "an empty list of classes": (lambda told: told.update(classes=[]), "names no classes"),
    "classes that are no texts": (lambda told: told.update(classes=["a", 2]), "names no classes"),
    "no outputs": (lambda told: told["schema"].pop("outputs"), "has no outputs"),
    "no output for predictions": (lambda told: told["schema"]["outputs"].pop(0), "names no output for predictions"),
    "no schema": (lambda told: told.pop("schema"), "has no inputs"),
    "no shape": (lambda told: told["schema"]["inputs"][0].pop("shape"), "names no shape"),
    "no algorithm": (lambda told: told["inference"].pop("algorithm"), "no algorithm for nothing"),
    "an algorithm that we do not know": (
        lambda told: told["inference"].update(algorithm="TensorflowPredictCREPE"),
        "no algorithm for TensorflowPredictCREPE",
    ),
    "another algorithm's patches": (
        lambda told: told["inference"].update(algorithm="TensorflowPredictVGGish"),
        "Error running the Tensorflow session",
    ),
    "an unencodable name": (lambda told: told["schema"]["outputs"][0].update(name="\ud800"), "Error"),
}


@pytest.mark.parametrize("wrong", NODES_WRONG)
def test_a_graph_that_is_not_what_its_metadata_says_is_refused(tmp_path: Path, wrong: str) -> None:
    alter, reason = NODES_WRONG[wrong]
    graph = altered(write_model(tmp_path, NAME, "musicnn"), alter)
    assert reason in refusal(graph)
    # Not that it serves no VGGish: that is no word about the graph.
    if wrong != "another algorithm's patches":
        assert refusal(graph, engine="onnxruntime")


@pytest.mark.parametrize("width", [1, 199, 201, 1280])
def test_head_of_another_width_than_its_metadata_is_refused(tmp_path: Path, width: int) -> None:
    graph = write_model(tmp_path, NAME, "head")
    graph.with_suffix(".json").write_text(json.dumps(metadata(NAME, "head", ["a", "b"], width=width)))
    assert "Error running the Tensorflow session" in refusal(graph)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_graph_whose_numbers_are_not_finite_is_refused(tmp_path: Path, number: float) -> None:
    graph = write_model(tmp_path, NAME, "head", broken=number)
    assert refusal(graph) == f"the model {NAME} gives numbers that are not finite"


@pytest.mark.parametrize("kind", ["musicnn", "vggish", "effnet"])
def test_output_that_is_not_finite_is_always_an_error(tmp_path: Path, kind: Kind) -> None:
    graph = load(write_model(tmp_path, NAME, kind))
    with pytest.raises(ValueError, match=f"the model {NAME} gives numbers that are not finite"):
        graph(sound(4 * RATE) * np.float32(1e30))
    # It is none the worse for it.
    assert np.isfinite(graph(sound(4 * RATE))).all()


@pytest.mark.parametrize("purpose", [PREDICTIONS, EMBEDDINGS])
def test_a_graph_that_gives_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, purpose: str) -> None:
    mute = SimpleNamespace(TensorflowPredictMusiCNN=lambda **options: lambda given: [])
    monkeypatch.setattr(essentia, "standard", lambda: mute)
    assert refusal(write_model(tmp_path, NAME, "musicnn"), purpose, "tensorflow") == "it gives nothing"


# Which engine serves


def serving(graph: Path, purpose: str = PREDICTIONS) -> str:
    return load(graph, purpose).engine.title


@pytest.mark.parametrize(
    ("kind", "title"),
    [("musicnn", "ONNX Runtime"), ("effnet", "ONNX Runtime"), ("head", "ONNX Runtime"), ("vggish", "TensorFlow")],
)
def test_the_fastest_engine_that_can_serves(tmp_path: Path, kind: Kind, title: str) -> None:
    assert serving(write_model(tmp_path, NAME, kind)) == title


def test_a_graph_that_onnx_runtime_does_not_know_is_tensorflow_s(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    graph = write_musicnn(
        tmp_path, NAME, replaced={"model/Sigmoid": node("model/Sigmoid", "Elu", ["model/dense_1/BiasAdd"])}
    )
    assert serving(graph) == "TensorFlow"
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{graph} is run by TensorFlow: cannot use the model {graph}: its node ")
    assert "is of the kind Elu" in refusal(graph, engine="onnxruntime")


@pytest.mark.parametrize("purpose", [PREDICTIONS, EMBEDDINGS])
@pytest.mark.parametrize("fault", [2e-4, -2e-4])
def test_an_engine_of_other_numbers_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: float, purpose: str
) -> None:
    real = onnx_runtime.ENGINE

    def open_wrongly(files: ModelFiles, purpose: str, path: str) -> Run:
        run = real.open(files, purpose, path)
        return lambda given: np.asarray(run(given)) * (1 + fault)

    graph = write_model(tmp_path, NAME, "musicnn")
    monkeypatch.setattr(graphs, "_FAST", replace(real, open=open_wrongly))
    assert serving(graph, purpose) == "TensorFlow"
    assert [each.getMessage() for each in caplog.records] == [
        f"{graph} is run by TensorFlow: ONNX Runtime gives other numbers"
    ]


def test_without_onnx_runtime_tensorflow_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    graph = write_model(tmp_path, NAME, "musicnn")
    assert serving(graph) == "TensorFlow"
    assert not caplog.records
    assert "cannot import onnxruntime" in unavailable(graph, "onnxruntime")


def test_without_essentia_onnx_runtime_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    essentia.standard.cache_clear()
    monkeypatch.setitem(sys.modules, "essentia", None)
    graph = write_model(tmp_path, NAME, "musicnn", seed=1)
    rows = load(graph)(sound(20 * RATE))
    assert "cannot import essentia" in unavailable(graph, "tensorflow")
    told = unavailable(write_model(tmp_path, "other", "vggish"))
    assert told.startswith("ONNX Runtime does not serve TensorflowPredictVGGish; cannot import essentia")
    monkeypatch.undo()
    essentia.standard.cache_clear()
    assert rows == pytest.approx(load(graph, engine="tensorflow")(sound(20 * RATE)), abs=5e-5)


def unavailable(graph: Path, engine: str = AUTO) -> str:
    with pytest.raises(AnalyzerUnavailableError) as caught:
        load(graph, engine=engine)
    return str(caught.value)


# What is known of a loaded graph


@pytest.mark.parametrize(
    ("kind", "width"), [("musicnn", 200), ("vggish", embedding_width("vggish")), ("effnet", embedding_width("effnet"))]
)
def test_a_graph_knows_its_digest_and_how_many_numbers_it_gives(tmp_path: Path, kind: Kind, width: int) -> None:
    graph = write_model(tmp_path, NAME, kind)
    loaded = load(graph, EMBEDDINGS)
    assert loaded.digest == f"sha256:{hashlib.sha256(graph.read_bytes()).hexdigest()}"
    assert (loaded.width, load(graph).width) == (width, 2)


def test_a_graph_goes_on_when_its_file_is_replaced_or_gone(tmp_path: Path) -> None:
    graph, head = write_model(tmp_path, NAME, "musicnn"), write_model(tmp_path, "head", "head", width=24)
    loaded, loaded_head = load(graph), load(head)
    before = loaded(sound(4 * RATE)).tobytes(), loaded_head(embeddings(3, 24)).tobytes()
    write_model(tmp_path, NAME, "musicnn", seed=9)
    head.unlink()
    assert (loaded(sound(4 * RATE)).tobytes(), loaded_head(embeddings(3, 24)).tobytes()) == before


def test_names_of_files_may_hold_anything(tmp_path: Path) -> None:
    directory = tmp_path / "modèles \udcff"
    assert load(write_model(directory, "größe-mood", "musicnn"))(sound(4 * RATE)).shape == (1, 2)


# The published graphs

# Means over patches, with Essentia's loader at quality 4, as its published examples have it.
PUBLISHED = {
    "Vibe_Ace": (0.6059, 0.6640, 0.2320),
    "Lets_Go_Fishin": (0.3321, 0.6337, 0.1768),
    "Hungarian_Dance": (0.1249, 0.1582, 0.7868),
}


published = pytest.mark.skipif(
    not {"AUDIOBATCH_TEST_MODELS", "AUDIOBATCH_TEST_MUSIC"} <= os.environ.keys(),
    reason="AUDIOBATCH_TEST_MODELS and AUDIOBATCH_TEST_MUSIC name no directories of published models and recordings",
)


@published
@pytest.mark.parametrize("recording", PUBLISHED)
def test_published_graphs_give_the_published_values(recording: str) -> None:
    models, samples = given_to_tests(recording)
    danceable, _ = load(models / "danceability-musicnn-msd-2.pb")(samples).mean(axis=0)
    atonal, tonal = load(models / "tonal_atonal-musicnn-mtt-2.pb")(samples).mean(axis=0)
    assert (danceable, atonal, tonal) == pytest.approx(PUBLISHED[recording], abs=0.002)


@published
@pytest.mark.parametrize("recording", PUBLISHED)
def test_engines_agree_on_published_graphs(recording: str) -> None:
    models, samples = given_to_tests(recording)
    for name in ("danceability-musicnn-msd-2", "tonal_atonal-musicnn-mtt-2"):
        first, second = (load(models / f"{name}.pb", engine=engine)(samples[: 12 * RATE]) for engine in ENGINES)
        assert first == pytest.approx(second, abs=5e-5)


def given_to_tests(recording: str) -> tuple[Path, Samples]:
    """The directory of published models, and a recording at 16 kHz."""
    models, music_directory = (Path(os.environ[f"AUDIOBATCH_TEST_{each}"]) for each in ("MODELS", "MUSIC"))
    (path,) = music_directory.glob(f"*{recording}*.ogg")
    loader = essentia.standard().MonoLoader(filename=str(path), sampleRate=RATE, resampleQuality=4)
    samples: Samples = loader()
    return models, samples
