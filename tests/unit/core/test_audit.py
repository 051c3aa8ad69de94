"""Rules of the audit: what is found in values of other tools, what is not, and whose values they are."""

from __future__ import annotations

import json

import pytest

from audiobatchd.core.assessment import Offer
from audiobatchd.core.audit import RULES, Auditor, Flaw, FlawKind
from audiobatchd.core.provenance import Entry
from audiobatchd.plugin_api import FULL_MIX, STEMS, feature_name
from audiobatchd.vocabulary.files import ROLES, Fingerprint

LOUDNESS = Offer("loudness", 1, {role: (feature_name("lufs", role), feature_name("lra", role)) for role in ROLES})
PEAKS = Offer("peaks", 1, {FULL_MIX: ("true_peak", "sample_peak")})
RHYTHM = Offer("rhythm", 2, {FULL_MIX: ("bpm", "bpm_is_defined", "beat_count", "beat_regularity", "bpm_confidence")})
TIMBRE = Offer("timbre", 1, {FULL_MIX: ("brightness", "warmth")})
HEADS = Offer("danceability", 1, {FULL_MIX: ("danceability", "essentia_genre")})
BANDS = Offer("bands", 1, {FULL_MIX: ("rms_energy_bass", "spectral_flux", "key", "tonic")})
OFFERS = (LOUDNESS, PEAKS, RHYTHM, TIMBRE, HEADS, BANDS)
ENTRY = Entry(fingerprint=Fingerprint("full_mix.flac", 1, 1, "x"), version=1)

SOUND = {
    "lufs": -9.31, "lufs_drums": -14.2, "bpm": 128.02, "bpm_is_defined": 1, "beat_count": 511,
    "beat_regularity": 0.0123, "true_peak": 0.4, "brightness": 61.2, "danceability": 0.913, "rms_energy_bass": -21.5,
    "essentia_genre": {"Electronic---House": 0.9}, "key": "F# minor", "tonic": 6, "mine": [1, 2], "lra_bass": 3.2,
}  # fmt: skip
"""A record of the scripts in which nothing is wrong."""


def found(
    values: dict[str, object],
    *,
    roles: tuple[str, ...] = ROLES,
    measured: tuple[str, ...] = (),
    asked: tuple[str, ...] | None = None,
) -> list[Flaw]:
    """Audit a record, of which these analyzers have `measured` their part."""
    return audited({key: json.dumps(value).encode() for key, value in values.items()}, roles, measured, asked)


def audited(
    members: dict[str, bytes],
    roles: tuple[str, ...] = ROLES,
    measured: tuple[str, ...] = (),
    asked: tuple[str, ...] | None = None,
) -> list[Flaw]:
    auditor = Auditor(OFFERS, asked)
    adopted = auditor.adopted(members, lambda analyzer, _: ENTRY if analyzer in measured else None)
    return list(auditor.findings(adopted, roles))


def test_nothing_is_found_in_a_sound_record() -> None:
    assert found(SOUND) == []


@pytest.mark.parametrize(
    ("values", "feature", "kind"),
    [
        # where nothing was measured
        ({"bpm": 120, "bpm_is_defined": 0}, "bpm", FlawKind.PLACEHOLDER),
        ({"bpm": 120.0, "beat_count": 0}, "bpm", FlawKind.PLACEHOLDER),
        ({"beat_regularity": 1.0, "bpm_is_defined": 0}, "beat_regularity", FlawKind.PLACEHOLDER),
        ({"lufs": -40.0}, "lufs", FlawKind.PLACEHOLDER),
        ({"lra": 0.0}, "lra", FlawKind.PLACEHOLDER),
        ({"lra_drums": 0}, "lra_drums", FlawKind.PLACEHOLDER),
        ({"lra": 25.0}, "lra", FlawKind.PLACEHOLDER),
        ({"brightness": 100}, "brightness", FlawKind.PLACEHOLDER),
        ({"warmth": 0.0}, "warmth", FlawKind.PLACEHOLDER),
        ({"danceability": 0.0}, "danceability", FlawKind.PLACEHOLDER),
        ({"danceability": 0.5}, "danceability", FlawKind.PLACEHOLDER),
        ({"essentia_genre": {}}, "essentia_genre", FlawKind.PLACEHOLDER),
        ({"rms_energy_bass": -60.0}, "rms_energy_bass", FlawKind.PLACEHOLDER),
        ({"spectral_flux": 3.0}, "spectral_flux", FlawKind.PLACEHOLDER),
        # beyond what there can be
        ({"lufs": 3.2}, "lufs", FlawKind.RANGE),
        ({"lufs_drums": -80.5}, "lufs_drums", FlawKind.RANGE),
        ({"lra": -0.1}, "lra", FlawKind.RANGE),
        ({"bpm": 19.9}, "bpm", FlawKind.RANGE),
        ({"bpm": 301}, "bpm", FlawKind.RANGE),
        ({"true_peak": 20.5}, "true_peak", FlawKind.RANGE),
        ({"danceability": 1.01}, "danceability", FlawKind.RANGE),
        ({"bpm_is_defined": 2}, "bpm_is_defined", FlawKind.RANGE),
        ({"beat_count": -1}, "beat_count", FlawKind.RANGE),
        ({"beat_regularity": 1.2}, "beat_regularity", FlawKind.RANGE),
        ({"tonic": 12}, "tonic", FlawKind.RANGE),
        # of another meaning, way or type
        ({"bpm_is_defined": True}, "bpm_is_defined", FlawKind.MEANING),
        ({"lufs": -9.3, "lra": 7.1}, "lra", FlawKind.METHOD),
        ({"lufs_bass": -9.3, "lra_bass": 7.1}, "lra_bass", FlawKind.METHOD),
        ({"lufs": "-9.3"}, "lufs", FlawKind.TYPE),
        ({"warmth": [50.0]}, "warmth", FlawKind.TYPE),
        ({"key": ["C", "G"]}, "key", FlawKind.TYPE),
        ({"bpm": {"mean": 120}}, "bpm", FlawKind.TYPE),
        ({"bpm": True}, "bpm", FlawKind.TYPE),
    ],
    ids=str,
)
def test_each_rule_finds_what_it_is_for(values: dict[str, object], feature: str, kind: FlawKind) -> None:
    assert [(each.feature, each.kind) for each in found(values)] == [(feature, kind)]


@pytest.mark.parametrize(
    "values",
    [
        {"bpm": 120.0, "bpm_is_defined": 1, "beat_count": 480},
        {"bpm": 120.0},
        {"lra": 7.1},  # without their loudness it may be another tool's
        {"lufs": -39.99},
        {"beat_regularity": 1.0, "beat_count": 300},
        {"danceability": 0.4999},
        {"key": "C"},
        {"tonic": 0},
        {"lufs": -70.0},
    ],
    ids=str,
)
def test_what_may_be_right_is_left_alone(values: dict[str, object]) -> None:
    assert found(values) == []


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("value", [0.0, -70, -40.0])
def test_values_of_absent_stems_are_placeholders(stem: str, value: float) -> None:
    values: dict[str, object] = {f"lufs_{stem}": value}
    assert [each.kind for each in found(values, roles=(FULL_MIX,))] == [FlawKind.PLACEHOLDER]
    assert "not there" in found(values, roles=(FULL_MIX,))[0].reason
    assert found({f"lufs_{stem}": -12.5}, roles=(FULL_MIX,)) == []


def test_what_was_measured_here_is_not_looked_at() -> None:
    values: dict[str, object] = {"lufs": 3.2, "lra": -1.0, "true_peak": 30.0}
    assert [each.feature for each in found(values, measured=("loudness",))] == ["true_peak"]


def test_only_what_is_asked_for_is_told_and_by_all_values() -> None:
    values: dict[str, object] = {"bpm": 120, "bpm_is_defined": 0, "lufs": 3.2}
    assert [each.feature for each in found(values, asked=("bpm",))] == ["bpm"]


@pytest.mark.parametrize(
    "text",
    [b"1e400", b'"%s"' % (b"9" * 100_000), b"[%s1]" % (b"1," * 50_000), b"[" * 5000, b"9" * 5000, b'"\xff"', b"{" * 9],
    ids=["inf", "text", "list", "nested", "digits", "no text", "open"],
)
def test_odd_values_are_found_and_cut(text: bytes) -> None:
    (finding,) = audited({"bpm": text})
    assert finding.kind in (FlawKind.TYPE, FlawKind.RANGE)
    assert len(finding.value) <= 60


def test_no_two_rules_say_the_same() -> None:
    assert len({(rule.features, rule.kind, rule.reason) for rule in RULES}) == len(RULES)
    assert all(rule.reason and not rule.reason.endswith(".") for rule in RULES)
