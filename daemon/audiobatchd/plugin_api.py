"""The contract between audiobatchd and an analyzer: all that an analyzer package imports of audiobatchd.

An analyzer is a class without constructor arguments, named by an entry point in the group `audiobatchd.analyzers`.
A worker process makes one instance, calls `load` once, and then `analyze` once per source file, from one thread.
The daemon itself never imports an analyzer: a worker tells it what its analyzers offer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from audiobatchd.errors import AnalyzerUnavailableError

if TYPE_CHECKING:  # the daemon reads the words below without paying for numpy
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ENTRY_POINT_GROUP",
    "FULL_MIX",
    "STEMS",
    "Analyzer",
    "AnalyzerUnavailableError",
    "Audio",
    "Feature",
    "Measurement",
    "feature_name",
]

ENTRY_POINT_GROUP = "audiobatchd.analyzers"
FULL_MIX = "full_mix"
STEMS = ("drums", "bass", "other", "vocals")

Value = float | int | str | bool


def feature_name(base: str, role: str) -> str:
    """The record's key for `base` measured on the source file of `role`: `lufs` of the full mix, else `lufs_drums`."""
    return base if role == FULL_MIX else f"{base}_{role}"


@dataclass(frozen=True)
class Audio:
    """One decoded source file.

    `samples` are float32 of shape (frames, channels), full scale is 1.0, all finite; `rate` is in Hz.
    `channels` names each column in FFmpeg's words ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"; mono is "FC").
    """

    role: str
    samples: NDArray[np.float32]
    rate: int
    channels: tuple[str, ...]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class Feature:
    """One named number or label of the record, as shown to users."""

    name: str
    unit: str
    description: str


@dataclass(frozen=True)
class Measurement:
    """What an analyzer found in one source file.

    Every feature that was promised for the file's role stands either in `values` (finite numbers, texts, booleans) or,
    with the reason in a few words, in `unmeasurable` (a property of the audio: too short, silent).
    """

    values: Mapping[str, Value]
    unmeasurable: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Analyzer(Protocol):
    """Turns the audio of one source file into features.

    `version` is raised whenever the same audio would give other values; every folder is then measured anew.
    """

    name: str
    version: int

    @property
    def models(self) -> Mapping[str, str]:
        """The digest of every model that `load` loaded, by the model's name; empty where there is none."""

    def features(self, role: str) -> tuple[Feature, ...]:
        """The features given for a source file of `role` (`FULL_MIX` or one of `STEMS`); none: it is not read."""

    def load(self) -> None:
        """Load what every analysis needs, once per worker.

        Raises AnalyzerUnavailableError, with the reason, where this machine lacks something.
        """

    def analyze(self, audio: Audio) -> Measurement:
        """Measure one file. Any exception is an error of the analyzer, never of the file."""
