"""The analyzers of the entry point `classifiers`: danceability, atonality, and whatever further heads are configured.

Each head is an analyzer of its own: a machine may have the models of one and lack those of another. Which files serve a
head is decided by families, in an order of preference. Heads on one backbone share its run over a file.

A head `danceability` in the family `msd-musicnn-1` is the model `danceability-msd-musicnn-1`. Heads of many labels
give one feature, the most probable ones with their probabilities; they are off unless they are configured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.classifiers import model_files
from audiobatch_analyzers.engines import graphs
from audiobatch_analyzers.loudness.silence import why_silent
from audiobatchd.plugin_api import (
    FULL_MIX,
    LONGEST_LABEL,
    AnalyzerUnavailableError,
    Audio,
    Cost,
    Feature,
    Measurement,
    OptionError,
    Settings,
    View,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from audiobatch_analyzers.classifiers.model_files import ModelFiles
    from audiobatch_analyzers.engines.graphs import Graph
    from audiobatchd.plugin_api import CheckModel, Value

HEADS = ("danceability", "tonal_atonal")
_EFFNET = "discogs-effnet-1"
FAMILIES = ("msd-musicnn-1", "musicnn-msd-2", "musicnn-mtt-2", "vggish-audioset-1", _EFFNET)

DECIMALS = 4
MOST_PROBABLE = 10
"""Number of labels that a head of many labels gives."""

_MOST_FEATURES = 600
"""Number of classes that a head may have which gives a feature for each: a worker tells them all in one message."""

_ONE_NETWORK = ("discogs-effnet-bs64-1", "discogs-effnet-bsdynamic-1")
"""The names of one network, published for 64 patches at a time and for any number: either serves the other's heads."""


@dataclass(frozen=True)
class _Single:
    """Head that gives a single feature, and not one for each of its classes."""

    name: str
    """Name of the analyzer and of the feature."""
    description: str
    only: str = ""
    """Class whose probability is the value; "" where the value maps the most probable classes to theirs."""


_LABELS = f"The {MOST_PROBABLE} most probable {{}}, each with its probability"
_SINGLE = {
    "danceability": _Single("danceability", "Probability that the track is danceable", "danceable"),
    "tonal_atonal": _Single("atonality", "Probability that the track is atonal", "atonal"),
    # Names and form are those of the batch guide's own tools.
    "genre_discogs400": _Single("essentia_genre", _LABELS.format("genres and styles in the words of Discogs")),
    "mtg_jamendo_moodtheme": _Single("essentia_mood", _LABELS.format("moods and themes")),
    "mtg_jamendo_instrument": _Single("essentia_instrument", _LABELS.format("instruments")),
}
"""Heads that give one feature each."""

_SOURCE = "Essentia models (Alonso-Jimenez et al. 2020)"


def classifiers(settings: Settings) -> tuple[Classifier, ...]:
    """Make one analyzer per configured head. Raises OptionError.

    Options: `heads` and `families`, lists of names, and `engine`: `auto`, or the only one that may run the graphs.
    """
    heads = settings.options.texts("heads", HEADS)
    families = settings.options.texts("families", FAMILIES)
    engine = settings.options.choice("engine", (graphs.AUTO, *graphs.ENGINES), graphs.AUTO)
    settings.options.close()
    for head in heads:
        # Features are called after it, and files are looked up by it.
        if not re.fullmatch(r"\w+", head, re.ASCII):
            message = f'option `heads`: expected names of letters, digits and underscores, got "{head:.100}"'
            raise OptionError(message)
        for known, single in _SINGLE.items():
            if head == single.name != known:
                message = f"option `heads`: {head} is what the head {known} gives: name that"
                raise OptionError(message)
    backbones = _Backbones(settings.model_directories, settings.check_model, engine)
    return tuple(Classifier(head, families, backbones) for head in heads)


@dataclass
class _Backbones:
    """Models that give embeddings, each loaded once for all heads on it."""

    directories: tuple[Path, ...]
    check: CheckModel
    engine: str
    """The engine that runs these models and the heads: `graphs.AUTO`, or one of `graphs.ENGINES`."""
    _loaded: dict[str, Graph] = field(default_factory=dict)

    def load(self, files: ModelFiles) -> Graph:
        """The graph that gives its embeddings. Raises AnalyzerUnavailableError."""
        if files.name not in self._loaded:
            self._loaded[files.name] = self._graph(files, graphs.EMBEDDINGS)
        return self._loaded[files.name]

    def load_head(self, model: ModelFiles, embed: Graph | None) -> Graph:
        """The graph that gives predictions, from what `embed` gives or from audio. Raises AnalyzerUnavailableError."""
        _, width = model.input
        if embed is None or embed.width == width:
            return self._graph(model, graphs.PREDICTIONS)
        try:
            # Until October 2025 the metadata of most Effnet heads was published with 1200 numbers for 1280.
            return self._graph(replace(model, width=embed.width), graphs.PREDICTIONS)
        except AnalyzerUnavailableError:
            self._graph(model, graphs.PREDICTIONS)  # where the graph itself is at fault, it says so
            why = f"it takes {width} numbers, {embed.files.graph} gives {embed.width}"
            raise model.unusable(why) from None

    def _graph(self, files: ModelFiles, purpose: str) -> Graph:
        return graphs.load(files, purpose, self.engine)


@dataclass(frozen=True)
class _Serving:
    """The files that serve a head: the model itself, and the backbone where it works on embeddings."""

    model: ModelFiles
    backbone: ModelFiles | None

    @property
    def rate(self) -> int:
        return (self.backbone or self.model).rate


class Classifier:
    """Gives the classes' probabilities of one head, each the mean over all patches of the full mix, rounded to 0.0001.

    A head of many labels gives the ten most probable ones by label, most probable first; of equal ones the first in the
    model's own order.

    The audio is resampled to the model's rate (16 kHz) by soxr HQ; Essentia's own examples resample with aliasing.
    """

    version: int = 1
    cost: Cost = Cost.HEAVY

    def __init__(self, head: str, families: tuple[str, ...], backbones: _Backbones) -> None:
        self._single = _SINGLE.get(head)
        self.name = self._single.name if self._single else head
        self._head = head
        self._families = families
        self._backbones = backbones
        self._lacks = ""
        self._serving: _Serving | None = None
        self._classes: tuple[str, ...] = ()
        self._view = View()
        try:
            serving = self._find()
            self._classes = _usable_classes(head, serving.model)
            self._view = View(serving.rate, mono=True)
            self._serving = serving
        except AnalyzerUnavailableError as error:
            self._lacks = str(error)
        self._features = self._promised()
        self._embed: Graph | None = None
        self._predict: Graph | None = None

    @property
    def models(self) -> Mapping[str, str]:
        """The SHA-256 of each graph that serves, as it was when it was loaded."""
        return {graph.files.name: graph.digest for graph in (self._embed, self._predict) if graph is not None}

    @property
    def remark(self) -> str:
        """The engines that run its graphs, for people: values do not depend on them."""
        engines = dict.fromkeys(graph.engine.title for graph in (self._embed, self._predict) if graph is not None)
        return f"run by {' and '.join(engines)}" if engines else ""

    def features(self, role: str) -> tuple[Feature, ...]:
        """Features of the mix alone: one with the analyzer's name, or `<head>_<class>` for every class."""
        return self._features if role == FULL_MIX else ()

    def views(self, role: str) -> tuple[View, ...]:
        """Mono at the model's rate."""
        return (self._view,) if role == FULL_MIX and self._serving is not None else ()

    def load(self) -> None:
        """Load and try the graphs. Raises AnalyzerUnavailableError: which model to fetch, or what is wrong with it."""
        if self._serving is None:
            raise AnalyzerUnavailableError(self._lacks)
        model, backbone = self._serving.model, self._serving.backbone
        if self._single and self._single.only and self._single.only not in self._classes:
            why = f"none of its classes is {self._single.only!r}"
            raise model.unusable(why)
        embed = self._backbones.load(backbone) if backbone is not None else None
        self._embed, self._predict = embed, self._backbones.load_head(model, embed)

    def analyze(self, audio: Audio) -> Measurement:
        """Measure; nothing where the file is silent, or shorter than one patch of the model (about 3 s)."""
        assert self._serving is not None
        samples = audio.view(self._view)
        if silent := why_silent(audio, samples, self._serving.rate):
            return self._without(silent)
        rows = self._rows(audio, samples)
        if not len(rows):
            return self._without(f"shorter than one patch of {(self._serving.backbone or self._serving.model).name}")
        return Measurement(self._values(rows.mean(axis=0, dtype=np.float64)))

    def _values(self, means: NDArray[np.float64]) -> dict[str, Value]:
        if self._single is None:
            return {each.name: _rounded(mean) for each, mean in zip(self._features, means, strict=True)}
        if self._single.only:
            return {self.name: _rounded(means[self._classes.index(self._single.only)])}
        first = np.argsort(-means, kind="stable")[:MOST_PROBABLE]
        return {self.name: {self._classes[place]: _rounded(means[place]) for place in first}}

    def _without(self, reason: str) -> Measurement:
        return Measurement({}, {feature.name: reason for feature in self._features})

    def _rows(self, audio: Audio, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        assert self._predict is not None
        if self._embed is None:
            return self._predict(samples)
        embed = self._embed
        return self._predict(audio.shared(("embeddings", embed.files.name), lambda: embed(samples)))

    def _promised(self) -> tuple[Feature, ...]:
        """The features: one, or one for each class in the model's order."""
        if self._single is not None:
            bounds = "0 to 1" if self._single.only else "0 to 1 each"
            return (Feature(self.name, "", self._single.description, bounds, _SOURCE),)
        told = f"by the model {self._head}"
        return tuple(
            Feature(_key(self._head, label), "", f"Probability of {label!r} {told}", "0 to 1", _SOURCE)
            for label in self._classes
        )

    def _find(self) -> _Serving:
        """The first family of which all files are there. Raises AnalyzerUnavailableError where none is."""
        directories = self._backbones.directories
        lacks = ""
        for family in self._families:
            model = model_files.find(f"{self._head}-{family}", directories, self._backbones.check)
            if model is None:
                continue
            if model.algorithm != graphs.ON_EMBEDDINGS:
                return _Serving(model, None)
            name = model.backbone or family
            for alike in (name, *_ONE_NETWORK) if name in _ONE_NETWORK else (name,):
                backbone = model_files.find(alike, directories, self._backbones.check)
                if backbone is not None:
                    return _Serving(model, backbone)
            lacks = lacks or f"the model {model.graph} takes what {name} gives: audiobatchctl models fetch {name}"
        message = lacks or f"no model of {self._head} is here: {self._to_fetch()}"
        closed = ", ".join(map(str, model_files.closed(directories)))
        raise AnalyzerUnavailableError(f"{message} (cannot look into {closed}: no permission)" if closed else message)

    def _to_fetch(self) -> str:
        """Say how to get a model that serves the head."""
        if self._single is None or self._single.only:
            model = f"{self._head}-{self._families[0]}" if self._families else self._head
        elif _EFFNET in self._families:
            model = f"{self._head}-{_EFFNET}"
        else:
            return f"it is published in the family {_EFFNET}, which the option `families` leaves out"
        return f"audiobatchctl models fetch {model}"


def _key(head: str, label: str) -> str:
    """The feature's name for a class; what is neither a letter nor a digit becomes an underscore."""
    return f"{head}_{re.sub(r'[^0-9A-Za-z]+', '_', label).strip('_').lower()}"


def _usable_classes(head: str, model: ModelFiles) -> tuple[str, ...]:
    """The classes of the model. Raises AnalyzerUnavailableError where records cannot tell them apart, or hold them."""
    by_label = head in _SINGLE and not _SINGLE[head].only
    if not by_label and len(model.classes) > _MOST_FEATURES:
        why = f"it has {len(model.classes):,} classes, expected at most {_MOST_FEATURES:,}"
        raise model.unusable(why)
    found: dict[str, str] = {}
    for label in model.classes:
        if len(label) > LONGEST_LABEL or not label.isprintable():
            why = f"its class {label!r:.60} is no label: expected at most {LONGEST_LABEL} printable characters"
            raise model.unusable(why)
        key = label if by_label else _key(head, label)
        if key.endswith("_") and not by_label:
            why = f"its class {label!r} has neither a letter nor a digit"
            raise model.unusable(why)
        if key in found:
            why = f"its classes {found[key]!r} and {label!r} would both be {key}"
            raise model.unusable(why)
        found[key] = label
    return model.classes


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS)
