"""The analyzers of the entry point `classifiers`: danceability, atonality, and whatever further heads are configured.

Each head is an analyzer of its own: a machine may have the models of one and lack those of another. Which files serve a
head is decided by families, in an order of preference. Heads on one backbone share its run over a file.

A head `danceability` in the family `msd-musicnn-1` is the model `danceability-msd-musicnn-1`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.classifiers import model_files
from audiobatch_analyzers.engines import graphs
from audiobatch_analyzers.loudness.silence import why_silent
from audiobatchd.plugin_api import (
    FULL_MIX,
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
    from audiobatchd.plugin_api import CheckModel

HEADS = ("danceability", "tonal_atonal")
FAMILIES = ("msd-musicnn-1", "musicnn-msd-2", "musicnn-mtt-2", "vggish-audioset-1")

DECIMALS = 4

_NAMES = {"tonal_atonal": "atonality"}
_ONE_CLASS = {"danceability": "danceable", "tonal_atonal": "atonal"}
"""Heads of two classes of which one says all: their only feature has the analyzer's name."""

_DESCRIPTIONS = {
    "danceability": "Probability that the track is danceable",
    "tonal_atonal": "Probability that the track is atonal",
}
_SOURCE = "Essentia models (Alonso-Jimenez et al. 2020)"


def classifiers(settings: Settings) -> tuple[Classifier, ...]:
    """Make one analyzer per configured head. Options: `heads` and `families`, lists of names. Raises OptionError."""
    heads = settings.options.texts("heads", HEADS)
    families = settings.options.texts("families", FAMILIES)
    settings.options.close()
    for head in heads:
        # Features are called after it, and files are looked up by it.
        if not re.fullmatch(r"\w+", head, re.ASCII):
            message = f"option `heads`: expected names of letters, digits and underscores, got {head!r:.100}"
            raise OptionError(message)
    backbones = _Backbones(settings.model_directories, settings.check_model)
    return tuple(Classifier(head, families, backbones) for head in heads)


@dataclass
class _Backbones:
    """Models that give embeddings, each loaded once for all heads on it."""

    directories: tuple[Path, ...]
    check: CheckModel
    _loaded: dict[str, Graph] = field(default_factory=dict)

    def load(self, files: ModelFiles) -> Graph:
        """The graph that gives its embeddings. Raises AnalyzerUnavailableError."""
        if files.name not in self._loaded:
            self._loaded[files.name] = graphs.load(files, graphs.EMBEDDINGS)
        return self._loaded[files.name]


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

    The audio is resampled to the model's rate (16 kHz) by soxr HQ; Essentia's own examples resample with aliasing.
    """

    version: int = 1
    cost: Cost = Cost.HEAVY

    def __init__(self, head: str, families: tuple[str, ...], backbones: _Backbones) -> None:
        self.name = _NAMES.get(head, head)
        self._head = head
        self._families = families
        self._backbones = backbones
        self._lacks = ""
        self._serving: _Serving | None = None
        self._classes: tuple[str, ...] = ()
        self._view = View()
        try:
            serving = self._find()
            self._classes = _distinct(head, serving.model)
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

    def features(self, role: str) -> tuple[Feature, ...]:
        """Features of the mix alone: `danceability`, `atonality`, else `<head>_<class>` for every class."""
        return tuple(self._features.values()) if role == FULL_MIX else ()

    def views(self, role: str) -> tuple[View, ...]:
        """Mono at the model's rate."""
        return (self._view,) if role == FULL_MIX and self._serving is not None else ()

    def load(self) -> None:
        """Load and try the graphs. Raises AnalyzerUnavailableError: which model to fetch, or what is wrong with it."""
        if self._serving is None:
            raise AnalyzerUnavailableError(self._lacks)
        model, backbone = self._serving.model, self._serving.backbone
        for wanted in self._features:
            if wanted not in self._classes:
                why = f"none of its classes is {wanted!r}"
                raise model.unusable(why)
        embed = self._backbones.load(backbone) if backbone is not None else None
        predict = graphs.load(model, graphs.PREDICTIONS)
        _, width = model.input
        if embed is not None and embed.width != width:
            why = f"it takes {width} numbers, {embed.files.graph} gives {embed.width}"
            raise model.unusable(why)
        self._embed, self._predict = embed, predict

    def analyze(self, audio: Audio) -> Measurement:
        """Measure; nothing where the file is silent, or shorter than one patch of the model (about 3 s)."""
        assert self._serving is not None
        samples = audio.view(self._view)
        if silent := why_silent(audio, samples, self._serving.rate):
            return self._without(silent)
        rows = self._rows(audio, samples)
        if not len(rows):
            return self._without(f"shorter than one patch of {(self._serving.backbone or self._serving.model).name}")
        means = dict(zip(self._classes, rows.mean(axis=0, dtype=np.float64), strict=True))
        return Measurement({feature.name: _rounded(means[label]) for label, feature in self._features.items()})

    def _without(self, reason: str) -> Measurement:
        return Measurement({}, {feature.name: reason for feature in self._features.values()})

    def _rows(self, audio: Audio, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        assert self._predict is not None
        if self._embed is None:
            return self._predict(samples)
        embed = self._embed
        return self._predict(audio.shared(("embeddings", embed.files.name), lambda: embed(samples)))

    def _promised(self) -> dict[str, Feature]:
        """The features, by the classes whose probabilities they are."""
        if self._head in _ONE_CLASS:
            only = Feature(self.name, "", _DESCRIPTIONS[self._head], "0 to 1", _SOURCE)
            return {_ONE_CLASS[self._head]: only}
        told = f"by the model {self._head}"
        return {
            label: Feature(_key(self._head, label), "", f"Probability of {label!r} {told}", "0 to 1", _SOURCE)
            for label in self._classes
        }

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
            backbone = model_files.find(name, directories, self._backbones.check)
            if backbone is not None:
                return _Serving(model, backbone)
            lacks = lacks or f"the model {model.graph} takes what {name} gives: audiobatchctl models fetch {name}"
        wanted = f"{self._head}-{self._families[0]}" if self._families else self._head
        message = lacks or f"no model of {self._head} is here: audiobatchctl models fetch {wanted}"
        closed = ", ".join(map(str, model_files.closed(directories)))
        raise AnalyzerUnavailableError(f"{message} (cannot look into {closed}: no permission)" if closed else message)


def _key(head: str, label: str) -> str:
    """The feature's name for a class; what is neither a letter nor a digit becomes an underscore."""
    return f"{head}_{re.sub(r'[^0-9A-Za-z]+', '_', label).strip('_').lower()}"


def _distinct(head: str, model: ModelFiles) -> tuple[str, ...]:
    """The classes of the model. Raises AnalyzerUnavailableError where two would be one feature, or one has no name."""
    found: dict[str, str] = {}
    for label in model.classes:
        key = _key(head, label)
        if key.endswith("_"):
            why = f"its class {label!r} has neither a letter nor a digit"
            raise model.unusable(why)
        if key in found:
            why = f"its classes {found[key]!r} and {label!r} would both be {key}"
            raise model.unusable(why)
        found[key] = label
    return model.classes


def _rounded(value: float) -> float:
    return round(float(value), DECIMALS)
