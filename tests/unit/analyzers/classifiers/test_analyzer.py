"""Classifiers: which models serve, what they are asked and how often, what is unavailable and why."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiobatch_analyzers.classifiers.analyzer import Classifier, classifiers
from audiobatch_analyzers.classifiers.model_files import ModelFiles
from audiobatch_analyzers.engines import essentia as library
from audiobatch_analyzers.engines import graphs, onnx_runtime
from audiobatch_analyzers.engines.contract import Run
from audiobatchd.audio.views import Decoded
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.models import intake
from audiobatchd.plugin_api import (
    FULL_MIX,
    STEMS,
    Analyzer,
    AnalyzerUnavailableError,
    Cost,
    Measurement,
    OptionError,
    Options,
    Settings,
    View,
)
from audiobatchd.worker.process.analyzers import Bench
from support.audio_files import Samples, music, tone
from support.measurements import number
from support.model_graphs import (
    BACKBONE,
    DANCEABILITY,
    EFFNET_BACKBONE,
    PLACES,
    STYLES,
    TONALITY,
    Kind,
    Place,
    altered,
    digests_in,
    embedding_width,
    write_default_models,
    write_effnet_head,
    write_model,
)
from support.musicnn_graph import node, write_musicnn

ROOT = os.geteuid() == 0
RATE = 16000
MOOD = ("happy", "non_happy")
HEAD, WHOLE, LAST = "danceability-msd-musicnn-1", "danceability-musicnn-msd-2", "danceability-vggish-audioset-1"


def made(*directories: Path, **options: object) -> dict[str, Classifier]:
    return {each.name: each for each in classifiers(Settings(Options(options), directories))}


def loaded(*directories: Path, **options: object) -> dict[str, Classifier]:
    analyzers = made(*directories, **options)
    for each in analyzers.values():
        each.load()
    return analyzers


def file_of(samples: Samples, rate: int = 44100) -> Decoded:
    return Decoded(FULL_MIX, samples.copy(), rate, {1: ("FC",), 2: ("FL", "FR")}[samples.shape[1]])


def song(seed: int = 0, seconds: float = 8.0) -> Decoded:
    return file_of(music(seconds, seed=seed))


def refusal(analyzer: Classifier) -> str:
    with pytest.raises(AnalyzerUnavailableError) as caught:
        analyzer.load()
    return str(caught.value)


def value(found: Measurement, name: str) -> float:
    assert not found.unmeasurable
    number = found.values[name]
    assert isinstance(number, float)
    return number


class Counting:
    """Essentia, with a count of the graphs that it loads and of the times that each runs, by the output's width."""

    def __init__(self) -> None:
        self.loads: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()
        self._real = library.standard()

    def __getattr__(self, algorithm: str) -> Callable[..., Callable[[Samples], object]]:
        def make(**options: object) -> Callable[[Samples], object]:
            self.loads[algorithm] += 1
            run = getattr(self._real, algorithm)(**options)

            def count_and_run(given: Samples) -> object:
                self.runs[algorithm] += 1
                return run(given)

            return count_and_run

        return make


@pytest.fixture
def essentia(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting()
    monkeypatch.setattr(library, "standard", lambda: counting)
    return counting


# The contract


def test_two_heads_are_two_analyzers(tmp_path: Path) -> None:
    analyzers = loaded(write_default_models(tmp_path))
    assert list(analyzers) == ["danceability", "atonality"]
    for name, each in analyzers.items():
        assert isinstance(each, Analyzer)
        assert (each.version, each.cost) == (1, Cost.HEAVY)
        (feature,) = each.features(FULL_MIX)
        assert (feature.name, feature.unit, feature.bounds) == (name, "", "0 to 1")
        assert feature.description
        assert feature.source


def test_only_the_mix_is_read_in_mono_at_the_models_rate(tmp_path: Path) -> None:
    for each in loaded(write_default_models(tmp_path)).values():
        assert each.views(FULL_MIX) == (View(RATE, mono=True),)
        for role in STEMS:
            assert each.views(role) == ()
            assert each.features(role) == ()


def test_a_head_s_rate_is_its_backbone_s(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    # What a head's own metadata says of a rate is of the audio that it never gets.
    altered(tmp_path / f"{HEAD}.pb", lambda told: told["inference"].update(sample_rate=44100))
    altered(tmp_path / f"{BACKBONE}.pb", lambda told: told["inference"].update(sample_rate=22050))
    assert made(tmp_path)["danceability"].views(FULL_MIX) == (View(22050, mono=True),)


# The values


def direct(graph: Path, samples: Samples, algorithm: str, output: str) -> Samples:
    run = getattr(library.standard(), algorithm)(graphFilename=str(graph), output=output)
    return np.asarray(run(samples), dtype=np.float32)


def test_values_are_the_means_of_essentias_own(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    audio = song(seed=3, seconds=20.0)
    samples = audio.view(View(RATE, mono=True))
    patches = direct(tmp_path / f"{BACKBONE}.pb", samples, "TensorflowPredictMusiCNN", "model/dense/BiasAdd")
    for name, head, classes in (
        ("danceability", HEAD, DANCEABILITY),
        ("atonality", "tonal_atonal-" + BACKBONE, TONALITY),
    ):
        wanted = direct(tmp_path / f"{head}.pb", patches, "TensorflowPredict2D", "model/Softmax")
        assert wanted.shape == (12, len(classes))
        found = value(loaded(tmp_path)[name].analyze(audio), name)
        assert found == pytest.approx(wanted.mean(axis=0)[0], abs=1e-4)
        assert found == round(found, 4)
        assert 0.02 < found < 0.98


@pytest.mark.parametrize(
    ("model", "kind", "algorithm"),
    [(WHOLE, "musicnn", "TensorflowPredictMusiCNN"), (LAST, "vggish", "TensorflowPredictVGGish")],
)
def test_a_whole_classifier_s_values(tmp_path: Path, model: str, kind: Kind, algorithm: str) -> None:
    graph = write_model(tmp_path, model, kind, DANCEABILITY, seed=5)
    audio = song(seed=4, seconds=20.0)
    wanted = direct(graph, audio.view(View(RATE, mono=True)), algorithm, "model/Sigmoid").mean(axis=0)[0]
    assert value(made_danceability(tmp_path).analyze(audio), "danceability") == pytest.approx(wanted, abs=1e-4)


def made_danceability(*directories: Path, **options: object) -> Classifier:
    return loaded(*directories, heads=["danceability"], **options)["danceability"]


def test_the_order_of_the_classes_is_the_metadata_s(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    before = value(made_danceability(tmp_path).analyze(song()), "danceability")
    altered(tmp_path / f"{HEAD}.pb", lambda told: told["classes"].reverse())
    assert value(made_danceability(tmp_path).analyze(song()), "danceability") == pytest.approx(1 - before, abs=2e-4)
    assert abs(before - 0.5) > 0.01


PROGRAM = """
import sys
from pathlib import Path
from audiobatch_analyzers.classifiers import classifiers
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import Settings, View
from support.audio_files import music

for each in classifiers(Settings(model_directories=(Path(sys.argv[1]),))):
    each.load()
    audio = Decoded("full_mix", music(20.0, seed=6), 44100, ("FL", "FR"))
    rows = each._rows(audio, audio.view(View(16000, mono=True)))
    print(each.name, rows.tobytes().hex(), each.analyze(audio).values)
"""


def test_two_processes_give_the_same_bits(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    first, second = (subprocess.run(command, env=env, check=True, capture_output=True).stdout for _ in range(2))
    assert first == second
    assert first.count(b"\n") == 2


# Which models serve


def test_the_families_serve_in_their_order(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    write_model(tmp_path, WHOLE, "musicnn", DANCEABILITY)
    write_model(tmp_path, "danceability-musicnn-mtt-2", "musicnn", DANCEABILITY)
    write_model(tmp_path, LAST, "vggish", DANCEABILITY)
    for wanted in ({BACKBONE, HEAD}, {WHOLE}, {"danceability-musicnn-mtt-2"}, {LAST}):
        assert made_danceability(tmp_path).models.keys() == wanted
        for name in wanted:
            (tmp_path / f"{name}.pb").unlink()
    assert "no model of danceability is here" in refusal(made(tmp_path)["danceability"])


@pytest.mark.parametrize("lacking", [f"{HEAD}.pb", f"{HEAD}.json", f"{BACKBONE}.pb", f"{BACKBONE}.json"])
def test_a_family_of_which_a_file_is_lacking_is_passed_over(tmp_path: Path, lacking: str) -> None:
    write_default_models(tmp_path)
    write_model(tmp_path, WHOLE, "musicnn", DANCEABILITY)
    (tmp_path / lacking).unlink()
    assert made_danceability(tmp_path).models.keys() == {WHOLE}


def test_family_with_wrong_files_is_not_passed_over(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    write_model(tmp_path, WHOLE, "musicnn", DANCEABILITY)
    (tmp_path / f"{HEAD}.pb").write_bytes(b"")
    # Else the same dataset would have other values here than on another machine, without a word.
    assert f"cannot use the model {tmp_path / HEAD}.pb" in refusal(made(tmp_path)["danceability"])


def test_the_order_of_the_families_is_an_option(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    write_model(tmp_path, WHOLE, "musicnn", DANCEABILITY)
    write_model(tmp_path, LAST, "vggish", DANCEABILITY)
    families = ["no-such-1", "vggish-audioset-1", "msd-musicnn-1"]
    assert made_danceability(tmp_path, families=families).models.keys() == {LAST}
    atonality = loaded(tmp_path, families=families, heads=["tonal_atonal"])["atonality"]
    assert atonality.models.keys() == {BACKBONE, "tonal_atonal-msd-musicnn-1"}


def test_files_of_one_model_may_lie_apart_from_its_backbone_s(tmp_path: Path) -> None:
    write_default_models(tmp_path / "second")
    first = tmp_path / "first"
    write_model(first, HEAD, "head", DANCEABILITY, seed=9)
    analyzer = made_danceability(first, tmp_path / "second")
    assert analyzer.models[HEAD] == digest(first / f"{HEAD}.pb")
    assert analyzer.models[BACKBONE] == digest(tmp_path / "second" / f"{BACKBONE}.pb")


def test_a_head_that_names_no_backbone_takes_its_family_s(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    before = made_danceability(tmp_path).analyze(song())
    write_model(tmp_path, HEAD, "head", DANCEABILITY, seed=1, backbone=None)
    assert made_danceability(tmp_path).analyze(song()) == before


def test_a_head_takes_the_backbone_that_its_metadata_names(tmp_path: Path) -> None:
    name = "mood_happy-discogs-effnet-1"
    width = embedding_width("effnet")
    write_model(tmp_path, EFFNET_BACKBONE, "effnet", [f"style {each}" for each in range(5)])
    write_model(tmp_path, name, "head", MOOD, width=width, backbone=EFFNET_BACKBONE)
    analyzer = loaded(tmp_path, heads=["mood_happy"], families=["discogs-effnet-1"])["mood_happy"]
    assert analyzer.models.keys() == {EFFNET_BACKBONE, name}
    # Shorter than one batch of 64 patches, which is 64 s.
    found = analyzer.analyze(song()).values
    assert found.keys() == {"mood_happy_happy", "mood_happy_non_happy"}
    assert sum(map(number, found.values())) == pytest.approx(1.0, abs=2e-4)
    assert analyzer.analyze(song(seconds=2.0)).unmeasurable == dict.fromkeys(
        found, f"shorter than one patch of {EFFNET_BACKBONE}"
    )


def test_backbone_of_another_width_than_its_head_is_refused(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    graph = write_model(tmp_path, HEAD, "head", DANCEABILITY, width=128)
    said = refusal(made(tmp_path)["danceability"])
    assert said == f"cannot use the model {graph}: it takes 128 numbers, {tmp_path / BACKBONE}.pb gives 200"


# Further heads


def test_further_heads_give_every_class(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    for head, classes in (("mood_happy", MOOD), ("voice_instrumental", ("instrumental", "voice"))):
        write_model(tmp_path, f"{head}-{BACKBONE}", "head", classes, seed=len(head))
    analyzers = loaded(tmp_path, heads=["mood_happy", "voice_instrumental", "danceability"])
    assert list(analyzers) == ["mood_happy", "voice_instrumental", "danceability"]
    audio = song()
    names = {name: list(each.analyze(audio).values) for name, each in analyzers.items()}
    assert names == {
        "mood_happy": ["mood_happy_happy", "mood_happy_non_happy"],
        "voice_instrumental": ["voice_instrumental_instrumental", "voice_instrumental_voice"],
        "danceability": ["danceability"],
    }
    for name, each in analyzers.items():
        assert [feature.name for feature in each.features(FULL_MIX)] == names[name]


def test_names_of_classes_become_names_of_features(tmp_path: Path) -> None:
    classes = ("Blues---Boogie Woogie", "Hip Hop---G-Funk", "rock'n'roll", "80s", " Pop ", "Música", "Ünïté")
    write_default_models(tmp_path)
    write_model(tmp_path, f"genre-{BACKBONE}", "head", classes)
    features = loaded(tmp_path, heads=["genre"])["genre"].features(FULL_MIX)
    assert [feature.name for feature in features] == [
        "genre_blues_boogie_woogie",
        "genre_hip_hop_g_funk",
        "genre_rock_n_roll",
        "genre_80s",
        "genre_pop",
        "genre_m_sica",
        "genre_n_t",
    ]
    assert "'Blues---Boogie Woogie'" in features[0].description


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (("R&B", "Pop", "R/B"), "its classes 'R&B' and 'R/B' would both be genre_r_b"),
        (("Pop", "Pop"), "its classes 'Pop' and 'Pop' would both be genre_pop"),
        (("Pop", "邦楽"), "its class '邦楽' has neither a letter nor a digit"),
    ],
)
def test_no_two_classes_are_one_feature(tmp_path: Path, classes: tuple[str, ...], reason: str) -> None:
    write_default_models(tmp_path)
    graph = write_model(tmp_path, f"genre-{BACKBONE}", "head", classes)
    genre = made(tmp_path, heads=["genre"])["genre"]
    assert genre.features(FULL_MIX) == ()
    assert refusal(genre).startswith(f"cannot use the model {graph}: {reason}")


@pytest.mark.parametrize("head", ["../danceability", "mood happy", "mood-happy", ".mood", "mood/happy", "humör", "a\n"])
def test_a_head_s_name_is_one_that_features_may_have(tmp_path: Path, head: str) -> None:
    with pytest.raises(OptionError, match="option `heads`: expected names of letters, digits and underscores, got "):
        made(tmp_path, heads=["danceability", head])


def test_no_heads_are_no_analyzers(tmp_path: Path) -> None:
    assert made(tmp_path, heads=[]) == {}


# Heads of many labels

GENRE, MOODS, INSTRUMENT = "genre_discogs400", "mtg_jamendo_moodtheme", "mtg_jamendo_instrument"
LABEL_HEADS = {GENRE: "essentia_genre", MOODS: "essentia_mood", INSTRUMENT: "essentia_instrument"}
GENRE_MODEL = f"{GENRE}-discogs-effnet-1"


def labels(found: Measurement, name: str = "essentia_genre") -> dict[str, float | int]:
    assert not found.unmeasurable
    mapping = found.values[name]
    assert isinstance(mapping, dict)
    return mapping


@pytest.mark.parametrize(("batch", "seconds"), [(64, 8.0), (64, 70.0), (1, 8.0), (0, 8.0)])
def test_labels_are_the_ten_that_essentia_finds_most_probable(tmp_path: Path, batch: int, seconds: float) -> None:
    graph = write_effnet_head(tmp_path, GENRE)
    backbone = write_model(tmp_path, EFFNET_BACKBONE, "effnet", STYLES[:5], batch=batch)
    audio = song(seed=3, seconds=seconds)
    standard = library.standard()
    embed = standard.TensorflowPredictEffnetDiscogs(
        graphFilename=str(backbone), output="PartitionedCall:1", batchSize=batch or 64
    )
    predict = standard.TensorflowPredict2D(
        graphFilename=str(graph), input="serving_default_model_Placeholder", output="PartitionedCall:0"
    )
    wanted = np.asarray(predict(embed(audio.view(View(RATE, mono=True))))).mean(axis=0)
    found = labels(loaded(tmp_path, heads=[GENRE])["essentia_genre"].analyze(audio))
    assert list(found) == [STYLES[place] for place in np.argsort(-wanted)[:10]]
    assert list(found.values()) == pytest.approx(np.sort(wanted)[:-11:-1], abs=6e-5)
    assert list(found.values()) == [round(each, 4) for each in found.values()]
    # One after the other by the guide's own words, and none at the border of the scale.
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert 0.5 < found[next(iter(found))] < 0.99


@pytest.mark.parametrize("head", LABEL_HEADS)
def test_label_head_has_the_guides_name_and_one_feature(tmp_path: Path, head: str) -> None:
    name = LABEL_HEADS[head]
    (absent,) = made(tmp_path, heads=[head]).values()
    write_effnet_head(tmp_path, head)
    (analyzer,) = loaded(tmp_path, heads=[head]).values()
    for each in (absent, analyzer):
        assert each.name == name
        (feature,) = each.features(FULL_MIX)
        assert (feature.name, feature.unit, feature.bounds) == (name, "", "0 to 1 each")
    assert refusal(absent) == f"no model of {head} is here: audiobatchctl models fetch {head}-discogs-effnet-1"
    assert analyzer.models.keys() == {EFFNET_BACKBONE, f"{head}-discogs-effnet-1"}
    assert len(labels(analyzer.analyze(song()), name)) == 10


@pytest.mark.parametrize(("head", "name"), [*LABEL_HEADS.items(), ("tonal_atonal", "atonality")])
def test_feature_named_as_a_head_is_answered_with_the_head(tmp_path: Path, head: str, name: str) -> None:
    with pytest.raises(OptionError, match=f"option `heads`: {name} is what the head {head} gives: name that"):
        made(tmp_path, heads=["danceability", name])


def test_label_heads_are_off_unless_they_are_configured(tmp_path: Path) -> None:
    for head in LABEL_HEADS:
        write_effnet_head(tmp_path, head)
    assert list(made(tmp_path)) == ["danceability", "atonality"]


def test_missing_family_is_named_as_left_out(tmp_path: Path) -> None:
    write_effnet_head(tmp_path, GENRE)
    genre = made(tmp_path, heads=[GENRE], families=[BACKBONE])["essentia_genre"]
    assert refusal(genre) == (
        f"no model of {GENRE} is here: it is published in the family discogs-effnet-1, "
        "which the option `families` leaves out"
    )


def test_equally_probable_labels_are_in_the_models_order(tmp_path: Path) -> None:
    graph = write_effnet_head(tmp_path, GENRE, broken=1e4)
    assert labels(made_genre(tmp_path).analyze(song())) == dict.fromkeys(STYLES[:10], 1.0)
    assert list(labels(made_genre(tmp_path).analyze(song()))) == list(STYLES[:10])
    altered(graph, lambda told: told["classes"].reverse())
    assert list(labels(made_genre(tmp_path).analyze(song()))) == list(STYLES[:-11:-1])


def made_genre(*directories: Path) -> Classifier:
    return loaded(*directories, heads=[GENRE])["essentia_genre"]


@pytest.mark.parametrize("count", [1, 2, 10, 11, 3000])
def test_a_model_of_few_or_thousands_of_labels(tmp_path: Path, count: int) -> None:
    write_effnet_head(tmp_path, GENRE, classes=[f"label {each}" for each in range(count)])
    assert len(labels(made_genre(tmp_path).analyze(song()))) == min(count, 10)


def test_label_head_without_a_value_says_why(tmp_path: Path) -> None:
    write_effnet_head(tmp_path, GENRE)
    genre = made_genre(tmp_path)
    assert genre.analyze(song(seconds=2.0)).unmeasurable == {
        "essentia_genre": f"shorter than one patch of {EFFNET_BACKBONE}"
    }
    assert genre.analyze(file_of(QUIET["digital silence"], RATE)).unmeasurable == {"essentia_genre": "silent"}


LABELS_WRONG: Mapping[str, tuple[Callable[[list[Any]], object], str]] = {
    "twice the same": (lambda told: told.__setitem__(3, told[1]), f"its classes {STYLES[1]!r} and {STYLES[1]!r} would"),
    "no text": (lambda told: told.__setitem__(3, 7), "its metadata names no classes"),
    "a list": (lambda told: told.__setitem__(3, ["Rock"]), "its metadata names no classes"),
    "empty": (lambda told: told.__setitem__(3, ""), "its metadata names no classes"),
    "too long": (lambda told: told.__setitem__(3, "x" * 101), "is no label: expected at most 100 printable characters"),
    "a line's end": (lambda told: told.__setitem__(3, "Rock\nPop"), r"its class 'Rock\nPop' is no label"),
    "half a character": (lambda told: told.__setitem__(3, "\ud800"), r"its class '\ud800' is no label"),
    "one too many": (lambda told: told.append("More"), "it gives 30 numbers for 31 classes"),
    "thousands": (lambda told: told.extend(map(str, range(5000))), "it gives 30 numbers for 5030 classes"),
    "one too few": (lambda told: told.pop(), "it gives 30 numbers for 29 classes"),
}


@pytest.mark.parametrize("wrong", LABELS_WRONG)
def test_labels_that_no_record_can_hold_are_refused(tmp_path: Path, wrong: str) -> None:
    alter, reason = LABELS_WRONG[wrong]
    graph = altered(write_effnet_head(tmp_path, GENRE), lambda told: alter(told["classes"]))
    said = refusal(made(tmp_path, heads=[GENRE])["essentia_genre"])
    assert said.startswith(f"cannot use the model {graph}: ")
    assert reason in said


def test_no_head_has_thousands_of_features(tmp_path: Path) -> None:
    graph = write_effnet_head(tmp_path, "my_labels", classes=list(map(str, range(601))))
    analyzer = made(tmp_path, heads=["my_labels"])["my_labels"]
    assert refusal(analyzer) == f"cannot use the model {graph}: it has 601 classes, expected at most 600"
    assert analyzer.features(FULL_MIX) == ()


def test_width_that_is_wrong_in_the_metadata_alone_is_mended(tmp_path: Path) -> None:
    graph = write_effnet_head(tmp_path, GENRE)
    before = labels(made_genre(tmp_path).analyze(song()))
    altered(graph, lambda told: told["schema"]["inputs"][0]["shape"].__setitem__(-1, 1200))
    assert labels(made_genre(tmp_path).analyze(song())) == before


def test_width_of_another_backbone_is_refused(tmp_path: Path) -> None:
    graph = write_effnet_head(tmp_path, GENRE, width=1200)
    said = refusal(made(tmp_path, heads=[GENRE])["essentia_genre"])
    assert said == f"cannot use the model {graph}: it takes 1200 numbers, {tmp_path / EFFNET_BACKBONE}.pb gives 24"
    graph.write_bytes(b"garbage")
    assert refusal(made(tmp_path, heads=[GENRE])["essentia_genre"]).startswith(f"cannot use the model {graph}: ")
    assert "it takes 1200" not in refusal(made(tmp_path, heads=[GENRE])["essentia_genre"])


def test_effnet_of_any_batch_serves_where_the_named_is_absent(tmp_path: Path) -> None:
    write_effnet_head(tmp_path, GENRE)
    before = labels(made_genre(tmp_path).analyze(song()))
    for suffix in (".pb", ".json"):
        (tmp_path / f"{EFFNET_BACKBONE}{suffix}").unlink()
    write_model(tmp_path, "discogs-effnet-bsdynamic-1", "effnet", STYLES[:5], batch=0)
    genre = made_genre(tmp_path)
    assert genre.models.keys() == {"discogs-effnet-bsdynamic-1", GENRE_MODEL}
    assert labels(genre.analyze(song())) == before


# What is run


def test_a_backbone_is_loaded_once_and_runs_once_for_all_heads(tmp_path: Path, essentia: Counting) -> None:
    write_default_models(tmp_path)
    write_model(tmp_path, f"mood_happy-{BACKBONE}", "head", MOOD)
    analyzers = loaded(tmp_path, heads=["danceability", "tonal_atonal", "mood_happy"], engine="tensorflow")
    assert essentia.loads == {"TensorflowPredictMusiCNN": 1, "TensorflowPredict2D": 3}
    essentia.runs.clear()
    audio = song()
    for each in analyzers.values():
        each.analyze(audio)
    assert essentia.runs == {"TensorflowPredictMusiCNN": 1, "TensorflowPredict2D": 3}
    other = song(seed=1)
    for each in analyzers.values():
        each.analyze(other)
    assert essentia.runs == {"TensorflowPredictMusiCNN": 2, "TensorflowPredict2D": 6}
    assert essentia.loads == {"TensorflowPredictMusiCNN": 1, "TensorflowPredict2D": 3}


def test_effnet_runs_once_for_all_heads_on_it(tmp_path: Path, essentia: Counting) -> None:
    for head in LABEL_HEADS:
        write_effnet_head(tmp_path, head)
    write_effnet_head(tmp_path, "danceability", classes=DANCEABILITY)
    analyzers = loaded(tmp_path, heads=[*LABEL_HEADS, "danceability"], engine="tensorflow")
    assert essentia.loads == {"TensorflowPredictEffnetDiscogs": 1, "TensorflowPredict2D": 4}
    essentia.runs.clear()
    audio = song()
    for each in analyzers.values():
        each.analyze(audio)
    assert essentia.runs == {"TensorflowPredictEffnetDiscogs": 1, "TensorflowPredict2D": 4}


def test_onnx_runtime_runs_a_backbone_once_for_all_heads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: Counter[str] = Counter()
    real = onnx_runtime.ENGINE

    def open_counted(files: ModelFiles, purpose: str, path: str) -> Run:
        run = real.open(files, purpose, path)

        def counted(given: Samples) -> object:
            runs[files.name] += 1
            return run(given)

        return counted

    monkeypatch.setattr(graphs, "_FAST", replace(real, open=open_counted))
    analyzers = loaded(write_default_models(tmp_path))
    runs.clear()
    audio = song()
    for each in analyzers.values():
        each.analyze(audio)
    assert runs == {BACKBONE: 1, HEAD: 1, f"tonal_atonal-{BACKBONE}": 1}


def test_a_result_is_the_same_by_each_engine_and_names_none(tmp_path: Path) -> None:
    write_musicnn(write_default_models(tmp_path), BACKBONE)
    audio = song(seconds=30.0)
    by_engine = [loaded(tmp_path, engine=engine) for engine in ("tensorflow", "onnxruntime", "auto")]
    for name in ("danceability", "atonality"):
        first, *others = (analyzers[name] for analyzers in by_engine)
        wanted = value(first.analyze(audio), name)
        for other in others:
            assert value(other.analyze(audio), name) == pytest.approx(wanted, abs=1.01e-4)
            assert other.models == first.models
        assert [analyzers[name].remark for analyzers in by_engine] == [
            "run by TensorFlow",
            "run by ONNX Runtime",
            "run by ONNX Runtime",
        ]


def test_two_engines_that_serve_one_head_are_both_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_musicnn(
        write_default_models(tmp_path),
        BACKBONE,
        replaced={"model/dense/BiasAdd": node("model/dense/BiasAdd", "Elu", ["model/dense/MatMul"])},
    )
    assert {each.remark for each in loaded(tmp_path).values()} == {"run by TensorFlow and ONNX Runtime"}


def test_sharing_changes_no_value(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    audio = song()
    together = [each.analyze(audio) for each in loaded(tmp_path).values()]
    assert together == [each.analyze(song()) for each in loaded(tmp_path).values()]
    assert together[::-1] == [each.analyze(audio) for each in reversed(loaded(tmp_path).values())]


def test_making_and_asking_loads_nothing(tmp_path: Path, essentia: Counting) -> None:
    for each in made(write_default_models(tmp_path)).values():
        each.features(FULL_MIX)
        each.views(FULL_MIX)
        assert each.models == {}
    assert essentia.loads == {}


def test_silence_runs_nothing(tmp_path: Path, essentia: Counting) -> None:
    analyzers = loaded(write_default_models(tmp_path))
    essentia.runs.clear()
    for name, each in analyzers.items():
        assert each.analyze(file_of(np.zeros((44100 * 5, 2), np.float32))) == Measurement({}, {name: "silent"})
    assert essentia.runs == {}


# What cannot be measured

QUIET: Mapping[str, Samples] = {
    "nothing": np.zeros((0, 1), np.float32),
    "digital silence": np.zeros((RATE * 5, 1), np.float32),
    "less than a patch of silence": np.zeros((100, 1), np.float32),
    "subnormal numbers": tone(5.0, RATE, 1) * np.float32(1e-40),
    "a tone of -71 dBFS": tone(5.0, RATE, 1, dbfs=-71.0 + 3.01),
}


@pytest.mark.parametrize("quiet", QUIET)
def test_silence(tmp_path: Path, quiet: str) -> None:
    for name, each in loaded(write_default_models(tmp_path)).items():
        assert each.analyze(file_of(QUIET[quiet], RATE)) == Measurement({}, {name: "silent"})


def test_channels_that_cancel_each_other_are_said_to(tmp_path: Path) -> None:
    opposite = tone(5.0) * np.array([1, -1], np.float32)
    for name, each in loaded(write_default_models(tmp_path)).items():
        assert each.analyze(file_of(opposite)).unmeasurable == {name: "its channels cancel each other"}


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(tone(5.0, RATE, 1, dbfs=-69.0 + 3.01), id="a tone of -69 dBFS"),
        pytest.param(
            np.concatenate([QUIET["digital silence"], tone(1.0, RATE, 1)]), id="a second of sound after silence"
        ),
    ],
)
def test_near_silence_is_measured(tmp_path: Path, samples: Samples) -> None:
    for name, each in loaded(write_default_models(tmp_path)).items():
        assert 0.0 <= value(each.analyze(file_of(samples, RATE)), name) <= 1.0


@pytest.mark.parametrize(
    ("frames", "rate", "enough"),
    [(47360, RATE, False), (47361, RATE, True), (round(2.95 * 44100), 44100, False), (3 * 44100, 44100, True)],
)
def test_audio_shorter_than_one_patch(tmp_path: Path, frames: int, rate: int, enough: bool) -> None:
    for name, each in loaded(write_default_models(tmp_path)).items():
        found = each.analyze(file_of(music(4.0, rate)[:frames], rate))
        if enough:
            value(found, name)
        else:
            assert found == Measurement({}, {name: f"shorter than one patch of {BACKBONE}"})


def test_every_class_is_unmeasurable_with_the_reason(tmp_path: Path) -> None:
    write_model(tmp_path, "mood_happy-musicnn-msd-2", "musicnn", MOOD)
    mood = loaded(tmp_path, heads=["mood_happy"])["mood_happy"]
    names = ("mood_happy_happy", "mood_happy_non_happy")
    assert mood.analyze(file_of(music(1.0))).unmeasurable == dict.fromkeys(
        names, "shorter than one patch of mood_happy-musicnn-msd-2"
    )
    assert mood.analyze(file_of(QUIET["nothing"])).unmeasurable == dict.fromkeys(names, "silent")


def test_numbers_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    for each in loaded(write_default_models(tmp_path)).values():
        with pytest.raises(ValueError, match=f"the model {BACKBONE} gives numbers that are not finite"):
            each.analyze(file_of(music(4.0) * np.float32(1e30)))


# What is unavailable


def test_missing_model_is_named_as_to_be_fetched(tmp_path: Path) -> None:
    analyzers = made(tmp_path, tmp_path / "no-directory")
    reasons = {name: refusal(each) for name, each in analyzers.items()}
    assert reasons == {
        "danceability": "no model of danceability is here: audiobatchctl models fetch danceability-msd-musicnn-1",
        "atonality": "no model of tonal_atonal is here: audiobatchctl models fetch tonal_atonal-msd-musicnn-1",
    }
    # What they would give is known all the same.
    for name, each in analyzers.items():
        assert [feature.name for feature in each.features(FULL_MIX)] == [name]
        assert each.views(FULL_MIX) == ()
        assert each.models == {}


def test_missing_backbone_is_named_as_to_be_fetched(tmp_path: Path) -> None:
    graph = write_model(tmp_path, HEAD, "head", DANCEABILITY)
    said = refusal(made(tmp_path)["danceability"])
    assert said == f"the model {graph} takes what {BACKBONE} gives: audiobatchctl models fetch {BACKBONE}"


def test_no_family_serves_no_head(tmp_path: Path) -> None:
    analyzer = made(write_default_models(tmp_path), families=[])["danceability"]
    assert refusal(analyzer) == "no model of danceability is here: audiobatchctl models fetch danceability"


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE: Mapping[str, Callable[[Path], object]] = {
    "empty": nothing,
    "garbage": lambda path: path.write_bytes(b"\xff\x00garbage" * 99),
    "cut": half,
    "a git-lfs pointer": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
    "a directory": directory,
}
"""Damage to a graph or to metadata."""


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [f"{HEAD}.pb", f"{HEAD}.json", f"{BACKBONE}.pb", f"{BACKBONE}.json"])
def test_damaged_file_is_named_and_the_other_head_serves(tmp_path: Path, name: str, damage: str) -> None:
    write_default_models(tmp_path)
    DAMAGE[damage](tmp_path / name)
    analyzers = made(tmp_path)
    assert str(tmp_path / name) in refusal(analyzers["danceability"])
    if name.startswith(BACKBONE):
        assert str(tmp_path / name) in refusal(analyzers["atonality"])
    else:
        analyzers["atonality"].load()


@pytest.mark.skipif(not ROOT, reason="becoming another user takes root")
@pytest.mark.parametrize("name", [f"{HEAD}.pb", f"{HEAD}.json", f"{BACKBONE}.pb", f"{BACKBONE}.json", ""])
def test_unreadable_model_file_is_named(name: str) -> None:
    library.standard()
    with tempfile.TemporaryDirectory() as place:
        models = write_default_models(Path(place) / "models")
        Path(place).chmod(0o755)
        (models / name).chmod(0)
        os.seteuid(65534)
        try:
            said = refusal(made(models)["danceability"])
        finally:
            os.seteuid(0)
    assert str(models / name) in said
    assert "permission" in said.lower()


WRONG: Mapping[str, Callable[[dict[str, Any]], object]] = {
    "no classes": lambda told: told.pop("classes"),
    "classes that are none": lambda told: told.update(classes={"danceable": 0}),
    "other classes": lambda told: told.update(classes=["yes", "no"]),
    "a class too many": lambda told: told["classes"].append("maybe"),
    "no outputs": lambda told: told["schema"].update(outputs=[]),
    "a wrong output": lambda told: told["schema"]["outputs"][0].update(name="model/Sigmoid"),
    "a nameless output": lambda told: told["schema"]["outputs"][0].update(name=""),
    "no shape": lambda told: told["schema"]["inputs"][0].pop("shape"),
    "no schema": lambda told: told.pop("schema"),
    "an unknown algorithm": lambda told: told["inference"].update(algorithm="TensorflowPredictMAEST"),
    "no algorithm": lambda told: told.pop("inference"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_metadata_that_is_wrong_makes_its_head_unavailable(tmp_path: Path, wrong: str) -> None:
    write_default_models(tmp_path)
    graph = altered(tmp_path / f"{HEAD}.pb", WRONG[wrong])
    said = refusal(made(tmp_path)["danceability"])
    assert said.startswith(f"cannot use the model {graph}: ")


@pytest.mark.parametrize("rate", [0, -16000, 1, 10**12, float("nan"), float("inf"), "fast", None, True])
def test_a_rate_that_cannot_be_makes_all_its_heads_unavailable(tmp_path: Path, rate: object) -> None:
    write_default_models(tmp_path)
    graph = altered(tmp_path / f"{BACKBONE}.pb", lambda told: told["inference"].update(sample_rate=rate))
    for each in made(tmp_path).values():
        assert refusal(each) == f"cannot use the model {graph}: its metadata names no sample rate that can be"
        assert each.views(FULL_MIX) == ()


# Whatever metadata says

KNOWN: tuple[Place, ...] = (*PLACES, ("classes", 1), ("schema", "outputs", 1, "name"))
TEMPTING = (
    *("model/Sigmoid", "model/Softmax", "model/dense/BiasAdd", "model/Placeholder", "model/axis", "model/Mean", ":0"),
    *(
        "model/dense/BiasAdd:0",
        "model/dense/BiasAdd:1",
        "TensorflowPredict2D",
        "TensorflowPredictVGGish",
        "predictions",
    ),
    *("TensorflowPredictEffnetDiscogs", "TensorflowPredictMusiCNN", "embeddings", "danceable", BACKBONE, HEAD, 96, 187),
    *(200, 16000, 44100, 2**31, 2**63, 10**400, -1),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(TEMPTING),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def written() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield write_default_models(Path(place))


@pytest.mark.parametrize("model", [HEAD, BACKBONE])
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.tuples(st.sampled_from(KNOWN), JSON), min_size=1, max_size=2))
def test_any_metadata_serves_or_is_refused(model: str, written: Path, changes: list[tuple[Place, object]]) -> None:
    path = written / f"{model}.json"
    before = path.read_text()
    path.write_text(json.dumps(changed(before, changes)))
    try:
        analyzer = made(written, heads=["danceability"])["danceability"]
        try:
            analyzer.load()
        except AnalyzerUnavailableError as error:
            assert str(written) in str(error) or "audiobatchctl models fetch" in str(error)  # noqa: PT017
            return
        found = analyzer.analyze(song(seconds=4.0))
        assert [*found.values, *found.unmeasurable] == ["danceability"]
    finally:
        path.write_text(before)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(changes=st.lists(st.tuples(st.sampled_from(KNOWN), JSON), min_size=1, max_size=2))
def test_any_metadata_of_labels_serves_or_is_refused(written: Path, changes: list[tuple[Place, object]]) -> None:
    write_effnet_head(written, GENRE)
    path = written / f"{GENRE_MODEL}.json"
    path.write_text(json.dumps(changed(path.read_text(), changes)))
    analyzer = made(written, heads=[GENRE])["essentia_genre"]
    try:
        analyzer.load()
    except AnalyzerUnavailableError as error:
        assert str(written) in str(error) or "audiobatchctl models fetch" in str(error)  # noqa: PT017
        return
    found = labels(analyzer.analyze(song(seconds=4.0)))
    assert len(found) == min(10, len(json.loads(path.read_bytes())["classes"]))
    assert all(0 < len(label) <= 100 for label in found)


def changed(text: str, changes: Iterable[tuple[Place, object]]) -> object:
    content = json.loads(text)
    for place, new in changes:
        inner = content
        try:
            for step in place[:-1]:
                inner = inner[step]
            inner[place[-1]] = new
        except (TypeError, LookupError):
            # The change before has left nothing of it.
            continue
    return content


# The models' digests


def digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_digests_are_those_of_the_serving_graphs(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    write_model(tmp_path, WHOLE, "musicnn", DANCEABILITY)
    found = {name: each.models for name, each in loaded(tmp_path).items()}
    assert found == {
        "danceability": {name: digest(tmp_path / f"{name}.pb") for name in (BACKBONE, HEAD)},
        "atonality": {name: digest(tmp_path / f"{name}.pb") for name in (BACKBONE, f"tonal_atonal-{BACKBONE}")},
    }


def test_replaced_backbone_is_told_as_it_was_loaded(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    first, second = made(tmp_path).values()
    first.load()
    before = digest(tmp_path / f"{BACKBONE}.pb")
    write_model(tmp_path, BACKBONE, "musicnn", seed=99)
    second.load()
    assert before != digest(tmp_path / f"{BACKBONE}.pb")
    assert first.models[BACKBONE] == second.models[BACKBONE] == before


# In a worker


def bench(directory: Path, trusted: list[str] | None = None, **options: object) -> Bench:
    """A worker's, which trusts the tiny models although they have the names of published ones; or those `trusted`."""
    trusted = digests_in(directory) if trusted is None else trusted
    settings = WorkerSettings(
        ("classifiers",), {"classifiers": options}, (str(directory),), trusted_models=tuple(trusted)
    )
    return Bench.load(settings)


def test_a_worker_offers_what_loads(tmp_path: Path) -> None:
    write_default_models(tmp_path)
    (tmp_path / f"tonal_atonal-{BACKBONE}.pb").write_bytes(b"")
    found = bench(tmp_path)
    danceability, atonality = found.offers
    assert (danceability.name, danceability.unavailable) == ("danceability", None)
    assert danceability.remark == "run by ONNX Runtime"
    assert danceability.features == {FULL_MIX: ("danceability",), **dict.fromkeys(STEMS, ())}
    assert danceability.models == {name: digest(tmp_path / f"{name}.pb") for name in (BACKBONE, HEAD)}
    assert (atonality.name, atonality.models, atonality.remark) == ("atonality", {}, "")
    assert atonality.features[FULL_MIX] == ("atonality",)
    assert atonality.unavailable is not None
    assert str(tmp_path / f"tonal_atonal-{BACKBONE}.pb") in atonality.unavailable
    assert list(found.analyzers) == ["danceability"]


def test_backbone_of_another_digest_makes_heads_unavailable(tmp_path: Path) -> None:
    backbone = write_default_models(tmp_path) / f"{BACKBONE}.pb"
    trusted = digest(backbone).removeprefix("sha256:")
    found = bench(tmp_path, trusted=[])
    assert found.analyzers == {}
    for offer in found.offers:
        assert offer.features[FULL_MIX]
        assert offer.models == {}
        assert offer.unavailable is not None
        assert offer.unavailable.startswith(f"cannot trust {backbone}: its SHA-256 is {trusted} instead")
        assert "trusted_models" in offer.unavailable
    assert set(bench(tmp_path, trusted=[trusted]).analyzers) == {"danceability", "atonality"}


@pytest.mark.parametrize("suffix", [".pb", ".json"])
def test_a_head_of_another_digest_than_its_pin_is_unavailable(tmp_path: Path, suffix: str) -> None:
    write_default_models(tmp_path)
    trusted = [hashlib.sha256((tmp_path / f"{BACKBONE}.pb").read_bytes()).hexdigest()]
    file = tmp_path / f"{HEAD}{suffix}"
    pin = hashlib.sha256(file.read_bytes()).hexdigest()
    (tmp_path / f"{HEAD}.sha256").write_text(f"{pin}  {file.name}\n")
    assert set(bench(tmp_path, trusted).analyzers) == {"danceability", "atonality"}
    if suffix == ".pb":
        write_model(tmp_path, HEAD, "head", DANCEABILITY, seed=99)
    else:
        altered(tmp_path / f"{HEAD}.pb", lambda told: told["classes"].reverse())
    danceability, atonality = bench(tmp_path, trusted).offers
    assert danceability.unavailable is not None
    assert f"instead of the pinned {pin}" in danceability.unavailable
    assert danceability.features[FULL_MIX] == ("danceability",)
    assert atonality.unavailable is None


def test_a_model_that_was_added_is_loaded(tmp_path: Path) -> None:
    graph = write_model(tmp_path / "theirs", "mood_happy-mine-1", "vggish", MOOD)
    intake.add(graph, graph.with_suffix(".json"), tmp_path / "models")
    (offer,) = bench(tmp_path / "models", trusted=[], heads=["mood_happy"], families=["mine-1"]).offers
    assert offer.unavailable is None


def test_a_worker_is_told_of_heads_by_its_options(tmp_path: Path) -> None:
    write_model(tmp_path, "mood_happy-vggish-audioset-1", "vggish", MOOD)
    (offer,) = bench(tmp_path, heads=["mood_happy"], families=["vggish-audioset-1"]).offers
    assert offer.features[FULL_MIX] == ("mood_happy_happy", "mood_happy_non_happy")
    assert offer.unavailable is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"family": ["x"]}, "unknown option `family` (there are: `heads`, `families`, `engine`)"),
        (
            {"engine": "openvino"},
            """option `engine`: expected "auto" or "tensorflow" or "onnxruntime", got \"openvino\"""",
        ),
        ({"heads": "mood_happy"}, 'option `heads`: expected a list of texts, got "mood_happy"'),
        ({"families": [1]}, "option `families`: expected a list of texts, got [1]"),
        ({"heads": ["a/b"]}, 'option `heads`: expected names of letters, digits and underscores, got "a/b"'),
    ],
)
def test_options_that_cannot_be_make_it_unavailable(tmp_path: Path, options: dict[str, object], reason: str) -> None:
    (offer,) = bench(write_default_models(tmp_path), None, **options).offers
    assert (offer.name, offer.unavailable) == ("classifiers", f"[analyzer.classifiers] {reason}")
