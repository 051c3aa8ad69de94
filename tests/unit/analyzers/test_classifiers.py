"""Which models serve a head, and that its values are what the graphs give: on graphs made for the test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audiobatch_analyzers import essentia_library
from audiobatchd.audio.views import Decoded
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.plugin_api import FULL_MIX, View
from audiobatchd.worker.bench import Bench
from support.audio_files import music
from support.model_graphs import BACKBONE, write_default_models, write_model

RATE = 44100


def bench(directory: Path, **options: list[str]) -> Bench:
    return Bench.load(WorkerSettings(("classifiers",), {"classifiers": options}, (str(directory),)))


def track(seconds: float = 8.0) -> Decoded:
    return Decoded(FULL_MIX, music(seconds, RATE), RATE, ("FL", "FR"))


def reasons(loaded: Bench) -> dict[str, str | None]:
    return {offer.name: offer.unavailable for offer in loaded.offers}


def test_two_heads_share_one_run_of_the_backbone(tmp_path: Path) -> None:
    loaded = bench(write_default_models(tmp_path))
    assert reasons(loaded) == {"danceability": None, "atonality": None}
    for offer in loaded.offers:
        assert set(offer.models) == {
            BACKBONE,
            {"danceability": f"danceability-{BACKBONE}"}.get(offer.name, f"tonal_atonal-{BACKBONE}"),
        }
        assert all(digest.startswith("sha256:") for digest in offer.models.values())
    audio = track()
    values = {name: analyzer.analyze(audio).values for name, analyzer in loaded.analyzers.items()}
    runs: list[str] = []
    audio.shared(("embeddings", BACKBONE), lambda: runs.append("again"))
    assert runs == [], "the embeddings are kept with the file"
    standard = essentia_library.standard()
    embed = standard.TensorflowPredictMusiCNN(
        graphFilename=str(tmp_path / f"{BACKBONE}.pb"), output="model/dense/BiasAdd"
    )
    embeddings = embed(audio.view(View(16000, mono=True)))
    for name, head, place in (("danceability", "danceability", 0), ("atonality", "tonal_atonal", None)):
        predict = standard.TensorflowPredict2D(
            graphFilename=str(tmp_path / f"{head}-{BACKBONE}.pb"), output="model/Softmax", dimensions=200
        )
        means = np.mean(predict(embeddings), axis=0)
        value = values[name][name]
        expected = means[place] if place is not None else min(means, key=lambda each: abs(each - float(value)))
        assert value == pytest.approx(float(expected), abs=1e-4)


def test_the_first_family_of_which_all_is_here_serves(tmp_path: Path) -> None:
    write_model(tmp_path, "danceability-musicnn-msd-2", "musicnn", ["danceable", "not_danceable"], seed=3)
    write_model(tmp_path, f"danceability-{BACKBONE}", "head", ["danceable", "not_danceable"], seed=4)
    loaded = bench(tmp_path, heads=["danceability"])
    assert [set(offer.models) for offer in loaded.offers] == [{"danceability-musicnn-msd-2"}], "no backbone is here"
    write_default_models(tmp_path)
    loaded = bench(tmp_path, heads=["danceability"])
    assert [set(offer.models) for offer in loaded.offers] == [{BACKBONE, f"danceability-{BACKBONE}"}]
    loaded = bench(tmp_path, heads=["danceability"], families=["musicnn-msd-2", BACKBONE])
    assert [set(offer.models) for offer in loaded.offers] == [{"danceability-musicnn-msd-2"}]


def test_the_order_of_classes_is_the_metadata_s(tmp_path: Path) -> None:
    values = []
    for number, classes in enumerate((["danceable", "not_danceable"], ["not_danceable", "danceable"])):
        directory = tmp_path / str(number)
        write_model(directory, "danceability-vggish-audioset-1", "vggish", classes, seed=5)
        (analyzer,) = bench(directory, heads=["danceability"]).analyzers.values()
        write = write_model(directory, "twice-vggish-audioset-1", "vggish", ["danceable", "not_danceable"], seed=5)
        assert write.is_file()
        (both,) = bench(directory, heads=["twice"]).analyzers.values()
        audio = track()
        values.append((analyzer.analyze(audio).values["danceability"], dict(both.analyze(audio).values)))
    (first, graph), (second, _) = values
    assert first == graph["twice_danceable"]
    assert second == graph["twice_not_danceable"]


def test_further_heads_give_every_class(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    write_model(tmp_path, f"mood_happy-{BACKBONE}", "head", ["happy", "non_happy"], seed=7)
    (analyzer,) = bench(tmp_path, heads=["mood_happy"]).analyzers.values()
    values = analyzer.analyze(track()).values
    assert set(values) == {"mood_happy_happy", "mood_happy_non_happy"}
    assert sum(map(float, values.values())) == pytest.approx(1.0, abs=1e-3)
    assert analyzer.features("drums") == ()


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        (["Drum & Bass", "drum-bass"], "'Drum & Bass' and 'drum-bass' would both be genre_drum_bass"),
        (["rock", "???"], "its class '???' has neither a letter nor a digit"),
    ],
)
def test_two_classes_never_give_one_feature(tmp_path: Path, classes: list[str], why: str) -> None:
    write_default_models(tmp_path)
    write_model(tmp_path, f"genre-{BACKBONE}", "head", classes, seed=7)
    (offer,) = bench(tmp_path, heads=["genre"]).offers
    assert str(offer.unavailable).endswith(why)


@pytest.mark.parametrize(("seconds", "level", "reason"), [(8.0, 0.0, "silent"), (1.0, 0.5, "shorter than one patch")])
def test_what_has_no_value_says_why(tmp_path: Path, seconds: float, level: float, reason: str) -> None:
    write_default_models(tmp_path)
    audio = Decoded(FULL_MIX, music(seconds, RATE) * np.float32(level), RATE, ("FL", "FR"))
    for name, analyzer in bench(tmp_path).analyzers.items():
        measurement = analyzer.analyze(audio)
        assert measurement.values == {}
        assert measurement.unmeasurable[name].startswith(reason)


def test_without_models_each_head_says_which_to_fetch(tmp_path: Path) -> None:
    assert reasons(bench(tmp_path)) == {
        "danceability": "no model of danceability is here: audiobatchctl models fetch danceability-msd-musicnn-1",
        "atonality": "no model of tonal_atonal is here: audiobatchctl models fetch tonal_atonal-msd-musicnn-1",
    }


@pytest.mark.parametrize("content", [b"", b"garbage", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"])
def test_a_graph_that_is_none_is_unavailable_with_its_name(tmp_path: Path, content: bytes) -> None:
    write_default_models(tmp_path)
    (tmp_path / f"danceability-{BACKBONE}.pb").write_bytes(content)
    found = reasons(bench(tmp_path))
    assert found["atonality"] is None
    assert f"danceability-{BACKBONE}.pb" in str(found["danceability"])


def test_an_option_that_is_not_known_is_said(tmp_path: Path) -> None:
    (offer,) = bench(tmp_path, head=["danceability"]).offers
    assert str(offer.unavailable).startswith("[analyzer.classifiers] unknown option `head`")
