"""Audit of adopted values: those of a record that other tools wrote and that nothing here has measured.

`RULES` says what is wrong with a value, or may be: each with the kind of the finding, and its reason for people. Most
are about what the scripts of the batch guide put where they measured nothing.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum

import msgspec
from msgspec import Struct

from audiobatchd.core.assessment import Offer
from audiobatchd.core.provenance import Entry
from audiobatchd.plugin_api import FULL_MIX

_LONGEST = 60
"""Characters of a value that are shown."""
_READ = 4096
"""Bytes of a value that are looked at; no number is longer."""


class FlawKind(StrEnum):
    """The kinds of flaws, the surest first."""

    TYPE = "wrong-type"
    RANGE = "out-of-range"
    PLACEHOLDER = "placeholder"
    """Value that stands where nothing was measured."""
    MEANING = "other-meaning"
    METHOD = "other-method"
    """Value that is computed in another way, and cannot be told from a right one."""


class Adopted(Struct, frozen=True):
    """An adopted value, with what may tell whether it is one."""

    value: object
    """As JSON has it."""
    has_file: bool
    """True where the source file is there that it would be measured from."""
    others: Mapping[str, object]
    """The adopted values of the folder, by name, this one among them."""
    role: str
    """Role of the file that it would be measured from."""


class Rule(Struct, frozen=True):
    """One thing that can be wrong with a value."""

    features: tuple[str, ...]
    """Patterns of features, without the stem at their end."""
    kind: FlawKind
    applies: Callable[[Adopted], bool]
    """Tells whether a value has the flaw."""
    reason: str
    """Words for people on what is wrong, and why."""


class Flaw(Struct, frozen=True):
    """A flaw of a value, by the rule that applies to it."""

    feature: str
    kind: FlawKind
    value: str
    """As it stands in the record; a long one is cut."""
    reason: str
    """As in `Rule`."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _outside(least: float, most: float) -> Callable[[Adopted], bool]:
    def applies(adopted: Adopted) -> bool:
        value = adopted.value
        return isinstance(value, int | float) and not isinstance(value, bool) and not least <= value <= most

    return applies


def _is_one_of(*values: float) -> Callable[[Adopted], bool]:
    return lambda adopted: _is_number(adopted.value) and adopted.value in values


def _lacks_beats(adopted: Adopted) -> bool:
    defined, beats = adopted.others.get("bpm_is_defined"), adopted.others.get("beat_count")
    return (defined is not None and defined in (0, "0")) or (_is_number(beats) and beats in (0, 1))


def _without_beats(value: float) -> Callable[[Adopted], bool]:
    return lambda adopted: _is_number(adopted.value) and adopted.value == value and _lacks_beats(adopted)


def _has_loudness_too(adopted: Adopted) -> bool:
    return ("lufs" if adopted.role == FULL_MIX else f"lufs_{adopted.role}") in adopted.others


_TIMBRE = ("brightness", "roughness", "hardness", "depth", "booming", "reverberation", "sharpness", "warmth")
_SHARES = ("danceability", "atonality", "beat_steadiness", "on_beat_ratio", "saturation_ratio", "spectral_flatness")
_COUNTS = ("beat_count", "onset_count", "saturation_count")
_NUMBERS = (
    *("lufs", "lra", "true_peak", "sample_peak", "bpm", "bpm_*", "beat_regularity"),
    *("onset_*", "syncopation", "rhythmic_*", "ioi_*", "spectral_*", "rms_energy_*", "hpcp_*", "tiv_*"),
    *("tonic", "tonic_strength", *_TIMBRE, *_SHARES, *_COUNTS),
)
_CLAMPED = "it stands at the end of the range to which the scripts clamp, whatever was measured"
_RANGES: tuple[tuple[tuple[str, ...], float, float, str], ...] = (
    (("lufs",), -70.0, 0.0, "integrated loudness is from -70, the absolute gate of ITU-R BS.1770, to about 0 LUFS"),
    (("lra",), 0.0, 70.0, "a loudness range is from 0 to less than 70 LU"),
    (("bpm", "bpm_essentia"), 20.0, 300.0, "a tempo is from 20 to 300 BPM"),
    (("true_peak", "sample_peak"), -200.0, 20.0, "a peak is at most about 20 dB above full scale"),
    (_SHARES, 0.0, 1.0, "a share or a probability is from 0 to 1"),
    (("bpm_is_defined",), 0, 1, "it is 0 or 1"),
    (("beat_regularity",), 0.0, 1.0, "the intervals of beats deviate by less than a second"),
    ((*_COUNTS, "onset_*", "ioi_*"), 0.0, 1e9, "it is not below 0"),
    (("tonic",), 0, 11, "a pitch class is from 0 to 11"),
    (("rms_energy_*",), -300.0, 20.0, "a level is at most about 20 dB above full scale"),
)
_CLAMPS: tuple[tuple[tuple[str, ...], tuple[float, ...]], ...] = (
    (("lufs",), (-40.0, 0.0)),
    (("lra",), (25.0,)),
    (("bpm",), (40.0, 300.0)),
    (_TIMBRE, (0.0, 100.0)),
    (("onset_density",), (50.0,)),
    (("onset_strength_*", "ioi_*"), (10.0,)),
    (("spectral_flux",), (3.0,)),
    (("spectral_skewness",), (-3.0, 3.0)),
    (("spectral_kurtosis",), (0.0, 10.0)),
    (("rms_energy_*",), (-60.0, 0.0)),
)

RULES: tuple[Rule, ...] = (
    Rule(
        ("bpm_is_defined",), FlawKind.MEANING, lambda adopted: isinstance(adopted.value, bool),
        "true or false stands where 0 or 1 is meant: readers of numbers skip it",
    ),
    Rule(
        ("*",), FlawKind.TYPE, lambda adopted: isinstance(adopted.value, list),
        "a value is one number, a text or a mapping, and no list",
    ),
    Rule(
        _NUMBERS, FlawKind.TYPE, lambda adopted: not _is_number(adopted.value),
        "a number is meant: readers of numbers skip anything else",
    ),
    Rule(
        ("*",), FlawKind.PLACEHOLDER, lambda adopted: not adopted.has_file and _is_one_of(0, -40, -70)(adopted),
        "it is of a stem that is not there",
    ),
    *(Rule(features, FlawKind.RANGE, _outside(least, most), reason) for features, least, most, reason in _RANGES),
    Rule(
        ("bpm",), FlawKind.PLACEHOLDER, _without_beats(120),
        "120 BPM stands in where there were no beats, or no steady ones",
    ),
    Rule(
        ("beat_regularity",), FlawKind.PLACEHOLDER, _without_beats(1),
        "1 stands in where there were no beats",
    ),
    Rule(
        ("lra",), FlawKind.PLACEHOLDER, _is_one_of(0),
        "0 stands in for the range of what is too short for one; of silence it is right",
    ),
    Rule(
        ("danceability", "atonality"), FlawKind.PLACEHOLDER, _is_one_of(0, 0.5),
        "a model gives neither exactly: it stands in where none was run",
    ),
    Rule(
        ("essentia_*",), FlawKind.PLACEHOLDER, lambda adopted: adopted.value == {},
        "an empty mapping stands in where no model was run",
    ),
    *(Rule(features, FlawKind.PLACEHOLDER, _is_one_of(*values), _CLAMPED) for features, values in _CLAMPS),
    Rule(
        ("lra",), FlawKind.METHOD, _has_loudness_too,
        "the scripts take the range of the integrated loudness of 400 ms, where EBU Tech 3342 has 3 s: up to 2 LU off, "
        "and not to be told from a right one",
    ),
)  # fmt: skip
"""The first that applies to a value is what is said of it."""


class Auditor:
    """Audits folders by what these analyzers give, or by those of their features that are `asked` for."""

    def __init__(self, offers: Collection[Offer], asked: Collection[str] | None = None) -> None:
        self._known: dict[str, tuple[str, str, tuple[Rule, ...]]] = {}
        """The analyzer, the role and the rules, by feature."""
        for offer in offers:
            for role, names in offer.features.items():
                for name in names:
                    self._known[name] = offer.name, role, _rules_of(name, role)
        self._asked = frozenset(self._known if asked is None else asked)

    def adopted(
        self, values: Mapping[str, bytes | msgspec.Raw], entry: Callable[[str, str], Entry | None]
    ) -> dict[str, object]:
        """Pick the values of a record that no analyzer here has measured, decoded; `entry` as in `Facts`."""
        there = {name: self._known[name] for name in self._known if name in values}
        unmeasured = {each for each in {known[:2] for known in there.values()} if entry(*each) is None}
        return {name: _decoded(bytes(values[name])) for name, known in there.items() if known[:2] in unmeasured}

    def asked_of(self, adopted: Mapping[str, object]) -> dict[str, object]:
        """Pick the values that are asked for; the others may tell something of them."""
        return {name: value for name, value in adopted.items() if name in self._asked}

    def findings(self, adopted: Mapping[str, object], roles: Collection[str]) -> Iterator[Flaw]:
        """Hold adopted values of a folder that has the files of these roles against the rules, as far as asked for."""
        for name, value in self.asked_of(adopted).items():
            _, role, rules = self._known[name]
            seen = Adopted(value, role in roles, adopted, role)
            rule = next((rule for rule in rules if rule.applies(seen)), None)
            if rule is not None:
                yield Flaw(name, rule.kind, _shown(value), rule.reason)


def _rules_of(name: str, role: str) -> tuple[Rule, ...]:
    base = name if role == FULL_MIX else name.removesuffix(f"_{role}")
    return tuple(rule for rule in RULES if any(fnmatch.fnmatchcase(base, pattern) for pattern in rule.features))


def _decoded(raw: bytes) -> object:
    """Decode a value; of a list, and of anything that is too long to be a number, only what tells its kind."""
    text = raw.strip()
    if text.startswith(b"["):
        return []
    if len(text) > _READ:
        return {"": ""} if text.startswith(b"{") else text[:_LONGEST].decode(errors="replace")
    try:
        value: object = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return text.decode(errors="replace")
    return value


def _shown(value: object) -> str:
    text = "[...]" if isinstance(value, list) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
