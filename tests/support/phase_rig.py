"""A folder, analyzers that need more of it than one file, and jobs on it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiobatchd.core.assessment import Assessment, Facts, Offer, Policy, assess
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.messages import Job, Result, WorkerSettings, decode_from_worker, encode
from audiobatchd.disk import record
from audiobatchd.disk.listing import read_folder
from audiobatchd.plugin_api import (
    FULL_MIX,
    AnyAnalyzer,
    Audio,
    Cost,
    Feature,
    Measurement,
    Needs,
    View,
    feature_name,
)
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.job import run
from audiobatchd.worker.process.needs import needs_by_role
from support.audio_files import tone, write_audio

RATE = 8000
MONO = View(RATE, mono=True)
Samples = NDArray[np.float32]


@dataclass
class Part:
    """An analyzer of some roles, which keeps what it was given."""

    name: str = "part"
    version: int = 1
    roles: tuple[str, ...] = (FULL_MIX,)
    wanted: tuple[View, ...] = (MONO,)
    models: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = Cost.LIGHT
    seen: list[tuple[str, Samples]] = field(default_factory=list)
    meanwhile: Callable[[Audio], object] = bool

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature(feature_name(self.name, role), "", ""),) if role in self.roles else ()

    def needs(self, role: str) -> Needs:  # noqa: ARG002  # the same for all
        return Needs()

    def views(self, role: str) -> tuple[View, ...]:
        return self.wanted if role in self.roles else ()

    def load(self) -> None:
        pass

    def analyze(self, audio: Audio) -> Measurement:
        self.seen += [(audio.role, audio.view(view).copy()) for view in self.wanted]
        self.meanwhile(audio)
        return self.measured(audio)

    def measured(self, audio: Audio) -> Measurement:
        return Measurement({feature_name(self.name, audio.role): round(audio.duration, 3)})


@dataclass
class Pulse(Part):
    """Gives `pulse` and the file `.PULSES` of the mix: its length, and its version; nothing of silence."""

    name: str = "pulse"
    filed: bool = True
    """Whether the file is written: an option."""

    def features(self, role: str) -> tuple[Feature, ...]:
        files = (Feature(".PULSES", "", ""),) if self.filed and role in self.roles else ()
        return (*super().features(role), *files)

    def measured(self, audio: Audio) -> Measurement:
        if not audio.view(self.wanted[0]).any():
            return Measurement({}, {feature.name: "silent" for feature in self.features(audio.role)})
        files = {".PULSES": f"{audio.duration:.2f} v{self.version}"} if self.filed else {}
        return Measurement({"pulse": audio.duration}, files=files)


@dataclass
class Chord(Part):
    """Gives `chord` of the sum of bass and other: the root mean square."""

    name: str = "chord"
    sum_of: tuple[str, ...] = ("bass", "other")

    def needs(self, role: str) -> Needs:
        return Needs(sum_of=self.sum_of) if role in self.roles else Needs()

    def measured(self, audio: Audio) -> Measurement:
        power = float(np.mean(np.square(audio.view(self.wanted[0]), dtype=np.float64)))
        return Measurement({"chord": round(power**0.5, 6)})


@dataclass
class Swing(Part):
    """Gives `swing` of some roles: what it read of the pulses of the mix."""

    name: str = "swing"
    roles: tuple[str, ...] = (FULL_MIX, "bass", "drums")
    results: tuple[str, ...] = (".PULSES", "pulse")

    def needs(self, role: str) -> Needs:
        return Needs(results=self.results) if role in self.roles else Needs()

    def measured(self, audio: Audio) -> Measurement:
        name = feature_name(self.name, audio.role)
        told = [audio.result(each) for each in self.results]
        if None in told:
            return Measurement({}, {name: "no pulse"})
        text = " ".join(each.decode() if isinstance(each, bytes) else str(each) for each in told)
        return Measurement({name: f"{audio.duration:.2f} with {text}"})


def offer_of(analyzer: AnyAnalyzer, unavailable: str | None = None) -> Offer:
    """What an analyzer offers."""
    features = {role: tuple(feature.name for feature in analyzer.features(role)) for role in ROLES}
    return Offer(
        analyzer.name,
        analyzer.version,
        features,
        dict(analyzer.models),
        unavailable,
        needs=needs_by_role(analyzer),
    )


@dataclass
class PhaseRoom:
    """A dataset with the track folder `Song`, and a worker's bench."""

    root: Path
    parts: list[Part] = field(default_factory=lambda: [Chord(), Pulse(), Swing()])
    max_duration: float = 60.0
    worker_memory: int | None = None
    memory: dict[str, FileMemory] = field(default_factory=dict)
    """What the catalog remembers, from job to job."""
    stages: list[str] = field(default_factory=list)

    @property
    def song(self) -> Path:
        return self.root / "Song"

    @property
    def bench(self) -> Bench:
        settings = WorkerSettings(max_duration=self.max_duration, worker_memory=self.worker_memory)
        parts: dict[str, AnyAnalyzer] = {part.name: part for part in self.parts}
        return Bench(settings, parts, tuple(offer_of(part) for part in self.parts))

    def part(self, name: str) -> Part:
        """The analyzer of this name."""
        return next(part for part in self.parts if part.name == name)

    def fill(
        self, role: str, seconds: float = 0.5, rate: int = RATE, frequency: float = 400.0, dbfs: float = -20
    ) -> Path:
        """Put a tone into the folder."""
        self.song.mkdir(exist_ok=True, parents=True)
        return write_audio(self.song / f"{role}.wav", tone(seconds, rate, 1, frequency, dbfs), rate)

    def run(self, policy: Policy | None = None) -> Result:
        """Do a job, on what the last one left in memory."""
        signature = read_folder(str(self.song)).signature
        names = os.fsencode(self.root), b"Song"
        job = Job(7, *names, signature, policy or Policy(), self.memory, 60.0)
        self.stages.clear()
        for part in self.parts:
            part.seen.clear()
        result = run(job, self.bench, lambda doing, _seconds: self.stages.append(doing))
        self.memory = result.memory
        assert decode_from_worker(encode(result)) == result
        return result

    def assess(self, policy: Policy | None = None, memory: dict[str, FileMemory] | None = None) -> Assessment:
        """Assess the folder as the service does."""
        listing, found = read_folder(str(self.song)), record.read_in(str(self.song))
        present = found.present() | listing.companions
        remembered = self.memory if memory is None else memory
        facts = Facts(listing.stamps, present, found.provenance.entry, remembered)
        return assess(facts, self.bench.offers, policy or Policy(max_duration=self.max_duration))

    def due(self, policy: Policy | None = None) -> dict[str, set[str]]:
        """The analyzers that are due, by role."""
        return {role: {each.analyzer for each in work} for role, work in self.assess(policy).due.items()}

    def told(self) -> dict[str, Any]:
        """The record without its provenance."""
        path = self.song / "Song.INFO"
        values = dict(json.loads(path.read_bytes())) if path.exists() else {}
        return {key: value for key, value in values.items() if key != "_audiobatch"}

    def entry(self, analyzer: str, role: str = FULL_MIX) -> dict[str, Any]:
        """An entry of the provenance."""
        entries = json.loads((self.song / "Song.INFO").read_bytes())["_audiobatch"]["analyzers"]
        return dict(entries[analyzer][role])

    def touch(self, role: str) -> None:
        """Give a file another time, and nothing else."""
        path = self.song / f"{role}.wav"
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000_000))

    def stood(self) -> tuple[int, int]:
        """What tells whether the record was replaced."""
        status = (self.song / "Song.INFO").stat()
        return status.st_ino, status.st_mtime_ns

    def decoded(self) -> list[str]:
        """The files that the last job decoded, in their order."""
        return [doing.removeprefix("decoding ") for doing in self.stages if doing.startswith("decoding ")]
