"""Words that ask for features: a feature's name before an analyzer's, and what is said of unknown ones."""

from __future__ import annotations

import pytest

from audiobatchd.core.asked import features_of, unknown_among, why_unknown
from audiobatchd.core.assessment import Facts, Offer, Policy, assess
from audiobatchd.core.shapes import features_due
from audiobatchd.plugin_api import FULL_MIX, Needs
from audiobatchd.vocabulary.files import FileStamp

LOUDNESS = Offer("loudness", 1, {FULL_MIX: ("lufs", "lra"), "drums": ("lufs_drums",)}, groups=("loudness",))
MOOD = Offer("mood", 1, {FULL_MIX: ("happy",)}, groups=("heads", "mood"))
KEY = Offer("key", 1, {FULL_MIX: ("key", "scale")}, groups=("heads",))  # `key` is a feature, so no group of it
BROKEN = Offer("broken", 0, {}, unavailable="it cannot be imported", groups=("broken",))
OFFERS = (LOUDNESS, MOOD, KEY, BROKEN)


@pytest.mark.parametrize(
    ("words", "features"),
    [
        (("lufs",), "lufs"),
        (("loudness",), "lufs lra lufs_drums"),
        (("loudness", "lufs"), "lufs lra lufs_drums"),
        (("heads",), "happy key scale"),
        (("mood", "lra"), "happy lra"),
        (("key",), "key"),
        (("broken", "nothing"), ""),
    ],
)
def test_words_stand_for_features(words: tuple[str, ...], features: str) -> None:
    assert features_of(words, OFFERS) == tuple(features.split())


def test_unknown_is_what_no_analyzer_is_or_gives() -> None:
    assert unknown_among(("lufs", "heads", "broken", "lufz", "lufz"), OFFERS) == ["lufz"]


def test_an_unknown_word_is_told_with_nearest_names() -> None:
    assert "called 'lufz': did you mean 'lufs'" in why_unknown(["lufz"], OFFERS)
    told = why_unknown(["loudnes"], OFFERS)
    assert "did you mean 'loudness'" in told
    assert "(analyzers: broken, heads, loudness, mood; " in told
    assert "did you mean 'mood'" in why_unknown(["moood"], (), (MOOD,))


def test_of_several_unknown_words_what_there_is_is_told_once() -> None:
    told = why_unknown(["lufz", "essentia_mood", "hapy"], OFFERS)
    assert told.index("essentia_mood") < told.index("'lufz'") < told.index("'hapy': did you mean 'happy'?")
    assert told.count("(analyzers: ") == 1
    assert told.endswith("lists all)")


@pytest.mark.parametrize(("word", "analyzer"), [("mood", "heads"), ("happy", "heads"), ("swing", "swing")])
def test_what_is_left_out_is_told_as_off(word: str, analyzer: str) -> None:
    swing = Offer("swing", 1, {FULL_MIX: ("swing",)})  # the word is the feature, and no group
    told = why_unknown([word], (LOUDNESS,), (*OFFERS, swing))
    assert told.startswith(f"'{word}' is off: `analyzers` in the configuration leaves {analyzer} out; add '{analyzer}'")


def test_a_known_feature_that_is_off_is_told_with_its_option() -> None:
    told = why_unknown(["essentia_genre"], OFFERS)
    assert "is off" in told
    assert "genre_discogs400" in told


def test_an_analyzer_asked_for_by_name_takes_what_it_needs_along() -> None:
    beats = Offer("rhythm", 1, {FULL_MIX: ("beats", "bpm")}, groups=("rhythm",))
    needs = {FULL_MIX: Needs(results=("beats",))}
    swing = Offer("swing", 1, {FULL_MIX: ("swing_ratio", "evenness")}, needs=needs, groups=("swing",))
    facts = Facts({FULL_MIX: FileStamp(b"a.wav", 1, 1)}, frozenset(), lambda _analyzer, _role: None, {})
    found = assess(facts, (beats, swing, LOUDNESS), Policy(only=("swing",)))
    assert {each.analyzer for each in found.due[FULL_MIX]} == {"rhythm", "swing"}


@pytest.mark.parametrize("only", [("loudness",), ("lufs", "loudness"), ("lufs",), ("mood",), ("key",), ()])
def test_a_policy_asks_by_the_same_words(only: tuple[str, ...]) -> None:
    files = dict.fromkeys((FULL_MIX, "drums"), FileStamp(b"a.wav", 1, 1))
    facts = Facts(files, frozenset(), lambda _analyzer, _role: None, {})
    policy = Policy(only=only)
    due = features_due(assess(facts, OFFERS, policy), OFFERS, policy)
    assert set(due) == set(features_of(only, OFFERS))
