"""Sets of analyzers, by name, and the choice of analyzers that a list of sets and names makes.

Names are those of entry points. docs/adr/0043 says which analyzer is in which set, and what each costs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from audiobatchd.errors import ConfigError
from audiobatchd.vocabulary.suggestions import cannot_find

ALL, DEFAULT = "all", "default"
_WITHOUT = "-"

OFF_BY_DEFAULT: tuple[str, ...] = ("fingerprint",)
"""Analyzers that are installed with this package and are no part of the set `default`."""

SETS: dict[str, tuple[str, ...]] = {
    "guide": ("classifiers", "loudness", "rhythm", "timbre"),
    "light": (
        "bands",
        "file",
        "loudness",
        "onset",
        "peaks",
        "quality",
        "saturation",
        "spectral",
        "tags",
        "tonal",
    ),
}
"""Sets with members of their own: what the batch guide's scripts give, and what costs less than decoding the file."""

OPTIONAL_FEATURES: dict[str, str] = {
    "essentia_genre": "[analyzer.classifiers] heads = ['danceability', 'tonal_atonal', 'genre_discogs400']",
    "essentia_mood": "[analyzer.classifiers] heads = ['danceability', 'tonal_atonal', 'mtg_jamendo_moodtheme']",
    "essentia_instrument": "[analyzer.classifiers] heads = ['danceability', 'tonal_atonal', 'mtg_jamendo_instrument']",
    "quality_clicks": "[analyzer.quality] detectors = ['clicks']",
    "quality_gaps": "[analyzer.quality] detectors = ['gaps']",
    "quality_hum": "[analyzer.quality] detectors = ['hum']",
    "quality_noise": "[analyzer.quality] detectors = ['noise']",
}
"""Features that only an option of their analyzer turns on, with that option as it stands in a configuration."""

OPTIONS: dict[str, tuple[str, ...]] = {
    "beats_grid": ("rhythm",),
    "detectors": ("quality",),
    "engine": ("classifiers",),
    "excerpt": ("timbre",),
    "families": ("classifiers",),
    "fold": ("rhythm",),
    "heads": ("classifiers",),
    "heavy": ("quality",),
    "method": ("rhythm",),
    "onsets": ("onset",),
    "stems": ("file", "peaks", "timbre"),
}
"""Options of this package's analyzers, each with the analyzers that have it: to tell where a misplaced one belongs."""


def chosen(words: Sequence[str] | None, installed: Collection[str]) -> tuple[str, ...]:
    """Choose from the `installed` analyzers by a list of sets and names, where "-NAME" leaves one out; none twice.

    None stands for ["default"], and so does a list that only leaves out. A member of a set that is not installed is
    passed over. Raises ConfigError for a word that is neither set nor installed.
    """
    named = [DEFAULT] if words is None else [each for each in words if not each.startswith(_WITHOUT)]
    without = [each.removeprefix(_WITHOUT) for each in words or () if each.startswith(_WITHOUT)]
    if without and not named:
        named = [DEFAULT]
    wanted = [name for word in named for name in _members(word, installed)]
    left_out = {name for word in without for name in _members(word, installed)}
    return tuple(dict.fromkeys(name for name in wanted if name not in left_out))


def _members(word: str, installed: Collection[str]) -> list[str]:
    """Name the analyzers that a set or a name stands for, sorted."""
    if word == ALL:
        return sorted(installed)
    if word == DEFAULT:
        return sorted(set(installed).difference(OFF_BY_DEFAULT))
    if word in SETS:
        return [name for name in SETS[word] if name in installed]
    if word not in installed:
        sets = sorted({ALL, DEFAULT, *SETS})
        message = (
            f"{cannot_find('the analyzer', word, installed, sets)}, and the sets {', '.join(sets)} - at `analyzers`"
        )
        raise ConfigError(message)
    return [word]
