"""Words that ask for features: the name of a feature, or that of an analyzer, which stands for all that it gives.

Where a feature and an analyzer have one name it is the feature's, as it was before analyzers could be named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from audiobatchd.core.assessment import Offer
from audiobatchd.vocabulary.analyzer_sets import OPTIONAL_FEATURES
from audiobatchd.vocabulary.suggestions import cannot_find


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


def why_unknown(word: str, offers: Collection[Offer]) -> str:
    """Say why a word asks for nothing: no one knows it, or an option turns it on; with what to do about it."""
    if word in OPTIONAL_FEATURES:
        return f'the feature "{word}" is off; what turns it on in the configuration: {OPTIONAL_FEATURES[word]}'
    groups = {group for offer in offers for group in offer.groups}
    return f"{cannot_find('the feature', word, _features(offers), groups)}; analyzers: {', '.join(sorted(groups))}"


def _features(offers: Iterable[Offer]) -> frozenset[str]:
    return frozenset(name for offer in offers for name in _given(offer))


def _given(offer: Offer) -> list[str]:
    return [name for names in offer.features.values() for name in names]
