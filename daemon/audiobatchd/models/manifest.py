"""The published models that we know by name: what each is, where it is published, and what is known of its files.

Nothing here is looked up on the network. What is not known for certain is None, and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OFFICIAL = "https://essentia.upf.edu/models"
LICENCE = "CC BY-NC-SA 4.0"
LICENCE_ADDRESS = "https://creativecommons.org/licenses/by-nc-sa/4.0/"
_BACKBONE = "msd-musicnn-1"
_EFFNET = "discogs-effnet-bs64-1"


@dataclass(frozen=True)
class Model:
    """Published model: a graph `<name>.pb`, and `<name>.json`, which tells its inputs, outputs and classes."""

    name: str
    path: str
    """Common address of both files below the base, without the extension."""
    what: str
    """Description for people."""
    size: int | None = None
    """Bytes of the graph, about right."""
    needs: str | None = None
    """Name of the model whose output it takes."""
    sha256: str | None = None
    """Digest of the graph."""
    licence: str = LICENCE
    head: str = ""
    """Question that it answers, such as `tonal_atonal`; empty where it only gives what heads take."""

    @property
    def family(self) -> str:
        """The rest of its name behind the head: models of one family answer many questions in one way."""
        return self.name.removeprefix(f"{self.head}-")

    @property
    def serves(self) -> str:
        """Name of the analyzer that works with it; empty where it only gives what heads take."""
        return _ANALYZERS.get(self.head, self.head)


_ANALYZERS = {
    "tonal_atonal": "atonality",
    "genre_discogs400": "essentia_genre",
    "mtg_jamendo_moodtheme": "essentia_mood",
    "mtg_jamendo_instrument": "essentia_instrument",
}
"""Analyzers that are not called like the head."""


# The extractor's address, and those of danceability and tonal_atonal on it and on VGGish, are the published ones, as
# they stand. The others follow the same scheme, which Essentia's list of models spells out for every name below.


def _head(of: str, what: str, size: int | None = None) -> Model:
    """A small classifier that takes the backbone's output: one run of the backbone serves all of them."""
    name = f"{of}-{_BACKBONE}"
    return Model(name, f"classification-heads/{of}/{name}", f"{what}: a head on {_BACKBONE}", size, _BACKBONE, head=of)


def _effnet_head(of: str, what: str, size: int | None = None) -> Model:
    """A small classifier that takes what the Effnet gives."""
    name = f"{of}-discogs-effnet-1"
    return Model(name, f"classification-heads/{of}/{name}", f"{what}: a head on {_EFFNET}", size, _EFFNET, head=of)


def _classifier(of: str, trained: str, what: str, size: int | None = None, sha256: str | None = None) -> Model:
    """A whole classifier, from audio to classes."""
    name = f"{of}-{trained}"
    return Model(name, f"classifiers/{of}/{name}", f"{what}: a whole classifier", size, None, sha256, head=of)


MODELS: tuple[Model, ...] = (
    Model(
        _BACKBONE,
        f"feature-extractors/musicnn/{_BACKBONE}",
        "MusiCNN trained on the Million Song Dataset: the backbone of the heads below",
        3_197_999,
        sha256="cdea0722bcee7f731286843f2233e3aa69887bb5c3e2dce011eff55f38d04f3e",
    ),
    _head("danceability", "danceable or not", 80_000),
    _head("tonal_atonal", "tonal or atonal", 80_000),
    _head("mood_happy", "happy or not"),
    _head("mood_sad", "sad or not"),
    _head("mood_aggressive", "aggressive or not"),
    _head("mood_relaxed", "relaxed or not"),
    _head("mood_party", "party music or not"),
    _head("mood_acoustic", "acoustic or not"),
    _head("mood_electronic", "electronic or not"),
    _head("voice_instrumental", "with a voice or instrumental"),
    _head("gender", "female or male voice"),
    _classifier(
        "danceability",
        "musicnn-msd-2",
        "danceable or not",
        3_239_548,
        "08e9a9f717ceb22026e39a18d0b28cd7052a196ce913a3ff30b99c2f9ac2f0b7",
    ),
    _classifier("danceability", "musicnn-mtt-2", "danceable or not"),
    _classifier("tonal_atonal", "musicnn-msd-2", "tonal or atonal"),
    _classifier(
        "tonal_atonal",
        "musicnn-mtt-2",
        "tonal or atonal",
        3_239_548,
        "2a916a9af4be9b99972709d39935a377c869a627c359e4979a0a2c2de4e26a43",
    ),
    _classifier("danceability", "vggish-audioset-1", "danceable or not", 288_000_000),
    _classifier("tonal_atonal", "vggish-audioset-1", "tonal or atonal", 288_000_000),
    Model(
        _EFFNET,
        f"feature-extractors/discogs-effnet/{_EFFNET}",
        "EfficientNet trained on Discogs' styles, for 64 patches at a time: the backbone of the heads below",
        18_370_000,
    ),
    _effnet_head("genre_discogs400", "400 genres and styles in the words of Discogs", 2_060_000),
    _effnet_head("mtg_jamendo_moodtheme", "56 moods and themes"),
    _effnet_head("mtg_jamendo_instrument", "40 instruments"),
    _effnet_head("danceability", "danceable or not"),
    _effnet_head("tonal_atonal", "tonal or atonal"),
    _effnet_head("mood_happy", "happy or not"),
    _effnet_head("mood_sad", "sad or not"),
    _effnet_head("mood_aggressive", "aggressive or not"),
    _effnet_head("mood_relaxed", "relaxed or not"),
    _effnet_head("mood_party", "party music or not"),
    _effnet_head("mood_acoustic", "acoustic or not"),
    _effnet_head("mood_electronic", "electronic or not"),
    _effnet_head("voice_instrumental", "with a voice or instrumental"),
    _effnet_head("gender", "female or male voice"),
)
BY_NAME = {model.name: model for model in MODELS}
DEFAULT = (_BACKBONE, f"danceability-{_BACKBONE}", f"tonal_atonal-{_BACKBONE}")
"""Models that the analyzers of this project work with, where nothing else is configured."""


def wanted(options: Mapping[str, object]) -> tuple[str, ...]:
    """Name the models that the analyzers `classifiers` work with by their `options`, as a configuration has them.

    For each head the published model of the family that is preferred; the default ones where the options say nothing.
    """
    heads = _texts(options.get("heads")) or tuple(BY_NAME[name].head for name in DEFAULT if BY_NAME[name].head)
    families = _texts(options.get("families")) or tuple(dict.fromkeys(model.family for model in MODELS if model.head))
    named = (next((f"{head}-{each}" for each in families if f"{head}-{each}" in BY_NAME), "") for head in heads)
    return tuple(model.name for model in with_needed(filter(None, named)))


def _texts(told: object) -> tuple[str, ...]:
    """The texts of a list; none where it is no such list, of which the analyzer complains."""
    return tuple(each for each in told if isinstance(each, str)) if isinstance(told, list) else ()


def with_needed(names: Iterable[str]) -> tuple[Model, ...]:
    """The models of these names, each after the one that it needs, none twice. Raises KeyError for an unknown name."""
    chosen: dict[str, Model] = {}
    for name in names:
        model = BY_NAME[name]
        if model.needs:
            chosen.setdefault(model.needs, BY_NAME[model.needs])
        chosen.setdefault(name, model)
    return tuple(chosen.values())
