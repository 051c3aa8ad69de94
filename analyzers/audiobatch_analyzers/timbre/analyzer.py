"""The analyzer `timbre`: the eight scores of the mix, and of the stems that the configuration names.

Owns the features' names, and how long a span is analysed. What a file gives is `measurement`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatchd.plugin_api import (
    FULL_MIX,
    NATIVE,
    STEMS,
    Audio,
    Cost,
    Feature,
    Measurement,
    Settings,
    Stream,
    View,
    feature_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST = 300.0
"""In seconds: of anything longer the middle is analysed, unless the configuration says otherwise."""

SHORTEST_EXCERPT = 1.0

_BYTES_A_SECOND = 2 << 20

SPAN = "span"
"""The name of the span in the provenance."""

_DESCRIPTIONS = {
    "brightness": "How much of its energy lies high",
    "roughness": "How much its partials beat against each other",
    "hardness": "How hard and fast its sounds begin",
    "depth": "How much it is felt to reach down",
    "booming": "How much its low end resonates",
    "reverberation": "How likely listeners call it reverberant",
    "sharpness": "How piercing its high end is",
    "warmth": "How warm its low middle is against its high end",
}
_SOURCE = "Audio Commons timbral models 0.4 (D5.8)"


class TimbreAnalyzer:
    """Measures the timbral scores of the Audio Commons project.

    Options: `excerpt`, how many seconds at the middle of a file are analysed (all of it, but at most 300 s, where it is
    not set); `stems`, of which stems the scores are wanted too. Scores are rounded to 0.0001 and not clamped: a few
    sounds lie below 0 or above 100.
    """

    name: str = "timbre"
    version: int = 1
    cost: Cost = Cost.HEAVY
    binding: frozenset[str] = frozenset({SPAN})

    def __init__(self, settings: Settings) -> None:
        options = settings.options
        self._longest = options.number("excerpt", least=SHORTEST_EXCERPT)
        self._roles = (FULL_MIX, *options.choices("stems", STEMS, ()))
        options.close()
        self._measure: Callable[[Audio, float], Measurement] | None = None

    @property
    def models(self) -> Mapping[str, str]:
        """The span that is analysed."""
        return {SPAN: f"middle {LONGEST if self._longest is None else self._longest:g} s"}

    def features(self, role: str) -> tuple[Feature, ...]:
        """The eight scores; of a stem `brightness_<stem>` and so on where it is named in the configuration."""
        if role not in self._roles:
            return ()
        return tuple(
            Feature(feature_name(name, role), "", told, "usually 0 to 100", _SOURCE)
            for name, told in _DESCRIPTIONS.items()
        )

    def views(self, role: str) -> tuple[View, ...]:
        """All channels at the file's own rate: only the span is resampled."""
        return (NATIVE,) if role in self._roles else ()

    def working_memory(self, stream: Stream, seconds: float) -> float:  # noqa: ARG002  # three channels at most
        """Bytes that the scores take of the span, whatever the file's length: measured at up to 1.6 MiB a second."""
        return _BYTES_A_SECOND * min(seconds, self._longest or LONGEST)

    def load(self) -> None:
        """Import what the scores are computed with."""
        # scipy.signal and pyloudnorm, 0.6 CPU s and 75 MB: not for a worker of which other features are asked.
        from audiobatch_analyzers.timbre.measurement import measure  # noqa: PLC0415  # see above

        self._measure = measure

    def analyze(self, audio: Audio) -> Measurement:
        """Measure the eight; none where the span is too short, silent, or nowhere above the gate of loudness."""
        assert self._measure is not None
        return self._measure(audio, self._longest or LONGEST)
