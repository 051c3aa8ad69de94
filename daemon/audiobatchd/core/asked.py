"""Words that ask for features: the name of a feature, or that of an analyzer, which stands for all that it gives.

Where a feature and an analyzer have one name it is the feature's, as it was before analyzers could be named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from audiobatchd.core.assessment import Offer
from audiobatchd.vocabulary.analyzer_sets import OPTIONAL_FEATURES
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.suggestions import did_you_mean


def features_of(words: Iterable[str], offers: Collection[Offer]) -> tuple[str, ...]:
    """Name the features that these words ask for, each once; a word that no analyzer knows is passed over."""
    known = _features(offers)
    found: list[str] = []
    for word in words:
        if word in known:
            found.append(word)
        else:
            found += [name for offer in offers if word in offer.groups for name in _given(offer)]
    return tuple(dict.fromkeys(found))


def unknown_among(words: Iterable[str], offers: Collection[Offer]) -> list[str]:
    """Name the words that are neither a feature nor an analyzer that gives some."""
    known = _features(offers).union(*(offer.groups for offer in offers))
    return [word for word in dict.fromkeys(words) if word not in known]


def keys_of(words: Iterable[str], offers: Collection[Offer]) -> tuple[str, ...]:
    """Name the keys of records that these words ask for: those of `features_of`; unknown words may be other tools'."""
    found: dict[str, None] = {}
    for word in words:
        found |= dict.fromkeys(features_of([word], offers) or (word,))
    return tuple(found)


def why_unknown(words: Iterable[str], offers: Collection[Offer], installed: Collection[Offer] = ()) -> str:
    """Say why these words ask for nothing by these offers, with what to do about it.

    Each may be turned on by an option, be of an `installed` analyzer that the configuration leaves out, or be unknown;
    of all that are unknown it is told once what there is.
    """
    every = [*offers, *installed]
    groups = sorted({group for offer in every for group in offer.groups})
    known = [*sorted(_features(every)), *groups]
    off: list[str] = []
    unknown: list[str] = []
    for word in words:
        if reason := _why_off(word, installed):
            off.append(reason)
        else:
            meant = did_you_mean(word, known, "'")
            unknown.append(
                f"cannot find a feature or an analyzer called '{shown(word)}'{': ' + meant if meant else ''}"
            )
    if unknown:
        unknown[-1] += f" (analyzers: {', '.join(groups)}; `audiobatchctl features` lists all)"
    return "; ".join([*off, *unknown])


def left_out(names: Iterable[str]) -> tuple[Offer, ...]:
    """Stand in for `installed` analyzers of which no more is known than their names."""
    return tuple(Offer(name, 0, {}, groups=(name,)) for name in names)


def _why_off(word: str, installed: Collection[Offer]) -> str:
    """Say what turns a feature or an analyzer on that is off; empty for one that is not known."""
    if word in OPTIONAL_FEATURES:
        return f"the feature '{word}' is off; what turns it on in the configuration: {OPTIONAL_FEATURES[word]}"
    off = [offer for offer in installed if word in offer.groups or word in _given(offer)]
    if off:
        name = (*off[0].groups, off[0].name)[0]
        reason = f"'{word}' is off: `analyzers` in the configuration leaves {name} out"
        return f"{reason}; add '{name}', beside 'default' where there is no such list yet"
    return ""


def _features(offers: Iterable[Offer]) -> frozenset[str]:
    return frozenset(name for offer in offers for name in _given(offer))


def _given(offer: Offer) -> list[str]:
    return [name for names in offer.features.values() for name in names]
