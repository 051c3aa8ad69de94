"""Judgement on the numbers of a mutant: right, or of damage that no decoder can notice, or a fault.

A number is right where the file still gives the samples of its parent, at its rate and in its channels. Where it gives
others, its container must be one that cannot notice such damage: `UNNOTICED`, after docs/explanation/decoding.md.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import open_source
from audiobatchd.errors import AudiobatchError
from audiobatchd.plugin_api import FULL_MIX
from fuzz.mutations import Mutant
from fuzz.originals import BITS, source
from fuzz.rounds import Fate, Found

_LONGEST = 21600.0
_MOST_TRIMMED = 2 * 4095
"""Most samples that LAME's tag can tell to leave out, at both ends together: 12 bits for each."""
_XING_BYTES = 4608
_LEAST_CHUNK = 8
_SEAM = 1e-3
"""The mean difference that a decoder makes which knows what was before a frame, as one for both files does."""
_LOSSLESS = frozenset({*BITS} - {"ogg flac"})
_OTHERWISE = frozenset({"wav big-endian", "wav 24 in 32", "wav streamed", "aifc 24 little", "aiff float"})
"""Kinds that FFmpeg itself reads wrong, or to another end; some versions take floats in AIFF-C for integers."""


class Verdict(StrEnum):
    """Fate of a mutant, where nothing was wrong with that."""

    REFUSED = "refused"
    UNMEASURABLE = "unmeasurable"
    EQUAL = "published and equal to its parent"
    UNNOTICED = "published with damage that no decoder can notice"


class Reference(StrEnum):
    """Statement of another decoder on a file that was measured although it is not its parent any more."""

    ABSENT = "there is no ffmpeg to ask"
    AGREES = "ffmpeg decodes the same samples"
    DIFFERS = "ffmpeg decodes other samples"
    REFUSES = "ffmpeg refuses it"


class Difference(StrEnum):
    """Difference of a file's sound from its parent's; `SAMPLES` where there are as many, and others."""

    SAMPLES = "samples"
    LENGTH = "length"
    RATE = "rate"
    CHANNELS = "channels"


@dataclass(frozen=True)
class Sound:
    """A decoded file."""

    samples: NDArray[np.float32]
    rate: int
    channels: tuple[str, ...]

    @property
    def peak(self) -> float:
        """The largest magnitude, in dB."""
        return 20 * math.log10(max(float(np.abs(self.samples).max(initial=0.0)), 1e-300))

    def differences(self, other: Sound) -> frozenset[Difference]:
        """List what is not as in the `other`."""
        found = set()
        if self.rate != other.rate:
            found.add(Difference.RATE)
        if self.channels != other.channels:
            found.add(Difference.CHANNELS)
        if len(self.samples) != len(other.samples):
            found.add(Difference.LENGTH)
        elif not np.array_equal(self.samples, other.samples):
            found.add(Difference.SAMPLES)
        return frozenset(found)


@dataclass(frozen=True)
class Excuse:
    """Excuse of a decoder that did not notice."""

    reason: str
    holds: Callable[[Mutant, Sound, Sound], bool] = lambda _mutant, _sound, _parent: True
    """Tells whether it holds for a mutant, given its sound and its parent's."""


def _is_sealed(mutant: Mutant, _sound: Sound, _parent: Sound) -> bool:
    return mutant.sealed


def _is_chain_or_tail(mutant: Mutant, sound: Sound, parent: Sound) -> bool:
    """Two whole files, or the end of one: compared where the decoder has forgotten how it began."""
    if mutant.sealed or len(mutant.kinds) > 1:
        return True
    if len(sound.samples) > len(parent.samples):
        return False
    same = len(sound.samples) // 2
    return bool(np.allclose(sound.samples[-same:], parent.samples[-same:], atol=1e-3))


def _is_as_many(_mutant: Mutant, sound: Sound, parent: Sound) -> bool:
    return sound.samples.size == parent.samples.size


def _is_left_open(mutant: Mutant, sound: Sound, parent: Sound) -> bool:
    """The data chunk has no size, as in a stream; or one that nothing contradicts.

    That is one which is off by less than a chunk behind it would take, or which the RIFF's own does not reach.
    """
    order: Literal["big", "little"] = "big" if b"RIFX" in mutant.content[:_XING_BYTES] else "little"
    riff, data = mutant.content.find(b"RIFX" if order == "big" else b"RIFF"), mutant.content.find(b"data")
    if riff < 0 or data < 0:
        return False
    outer, size = (int.from_bytes(mutant.content[place + 4 : place + 8], order) for place in (riff, data))
    few = 0 <= len(parent.samples) - len(sound.samples) <= _LEAST_CHUNK
    return few or _is_open(size) or _is_open(outer) or riff + outer < data + size


def _is_open(size: int) -> bool:
    return size == 0 or 0x7FFFF000 <= size <= 0x7FFFFFFF or size >= 0xFFFFFF00


def _is_trimmed_or_uncounted(mutant: Mutant, sound: Sound, parent: Sound) -> bool:
    """Accept a difference of no more than LAME's tag can say, or one where no frame counts the others any more."""
    trimmed = abs(len(sound.samples) - len(parent.samples)) <= _MOST_TRIMMED
    return trimmed or b"Info" not in mutant.content[:_XING_BYTES]


_AIFF = {
    Difference.LENGTH: Excuse("twice as many samples of half the channels are as many", _is_as_many),
    Difference.SAMPLES: Excuse("PCM has no checksum"),
    Difference.RATE: Excuse("the header says its rate once"),
    Difference.CHANNELS: Excuse("the header says its channels once"),
}
_WAV = {
    **_AIFF,
    Difference.LENGTH: Excuse("where no size contradicts another, a cut leaves no trace", _is_left_open),
}
_SEALED = {each: Excuse("a writer that makes checksums right can make any file", _is_sealed) for each in Difference}
_OGG = {
    **_SEALED,
    Difference.LENGTH: Excuse("links may follow each other, and a broadcast be tuned in to late", _is_chain_or_tail),
}
_MP4 = {
    Difference.SAMPLES: Excuse("AAC and ALAC have no checksum"),
    Difference.LENGTH: Excuse("an edit list leaves out what it likes; one frame more is usual"),
    Difference.RATE: Excuse("the header says its rate once"),
}
UNNOTICED: Mapping[str, Mapping[Difference, Excuse]] = {
    **dict.fromkeys(("wav", "wav 24", "wav float", "wav big-endian", "wav 24 in 32", "wav streamed"), _WAV),
    **dict.fromkeys(("aiff", "aiff float", "aifc 24 little"), _AIFF),
    **dict.fromkeys(("ogg", "opus", "ogg flac"), _OGG),
    **dict.fromkeys(("m4a", "m4a alac", "m4a faststart", "m4a fragments"), _MP4),
    "mp3": {
        Difference.SAMPLES: Excuse("MP3 has no checksum but where an encoder was asked for it"),
        Difference.LENGTH: Excuse(
            "LAME's tag is believed, and where it is gone nothing counts", _is_trimmed_or_uncounted
        ),
    },
    "mp3 uncounted": {
        Difference.SAMPLES: Excuse("MP3 has no checksum but where an encoder was asked for it"),
        Difference.LENGTH: Excuse("frames that no header counts may be gone"),
    },
    "aac": {
        Difference.SAMPLES: Excuse("AAC has no checksum"),
        Difference.LENGTH: Excuse("frames that no header counts may be gone"),
    },
}
"""Differences from the parent, by kind, that a file with a number may have. FLAC with its MD5 may have none."""


@dataclass
class Judgement:
    """The verdict on one mutant, in which way a decoder is excused, and what is wrong: mostly nothing."""

    verdict: Verdict
    reason: str = ""
    faults: list[str] = field(default_factory=list)
    reference: Reference | None = None


class Judge:
    """Knows how the parents sound, and what was measured of them."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        measured: Mapping[str, Found],
        bounds: Mapping[str, tuple[float, float]],
        directory: Path,
    ) -> None:
        self._measured = measured
        self._bounds = bounds
        self._path = directory / "judged.bin"
        self._parents = {kind: self._sound(content) for kind, content in files.items()}

    def false_parents(self) -> list[str]:
        """The lossless kinds that are not decoded to what they were made of."""
        lossless = [kind for kind in self._parents if kind in BITS]
        return [kind for kind in lossless if not np.array_equal(self._parents[kind].samples, source(kind))]

    def judge(self, mutant: Mutant, found: Found) -> Judgement:
        """The verdict on one mutant that was measured."""
        faults = []
        if found.event == "folder-failed" and not found.reason.startswith(f"full_mix.{mutant.extension}: "):
            faults.append(f"no damage of the file: {found.reason}")
        if mutant.harmless and found.fate is not Fate.PUBLISHED:
            faults.append(f"healthy, and not measured: {found.reason or found.unmeasurable}")
        if found.fate is Fate.REFUSED:
            return Judgement(Verdict.REFUSED, "", faults)
        promised = {*self._measured[mutant.kinds[0]].values, *self._measured[mutant.kinds[0]].unmeasurable}
        if {*found.values, *found.unmeasurable} != promised:
            faults.append(f"measured are {sorted(found.values)}, unmeasurable {sorted(found.unmeasurable)}")
        if found.fate is Fate.UNMEASURABLE:
            return Judgement(Verdict.UNMEASURABLE, next(iter(found.unmeasurable.values()), ""), faults)
        if found.event == "folder-failed":
            faults.append("damaged, and with numbers")
        judgement = self._published(mutant, found)
        judgement.faults += [*faults, *out_of_bounds(found, self._bounds)]
        return judgement

    def _published(self, mutant: Mutant, found: Found) -> Judgement:
        try:
            sound = self._sound(mutant.content)
        except AudiobatchError as error:
            return Judgement(Verdict.UNNOTICED, "", [f"published, although it {error}"])
        for kind in mutant.kinds:
            if not sound.differences(self._parents[kind]):
                same = found.values == self._measured[kind].values
                return Judgement(
                    Verdict.EQUAL, "", [] if same else [f"other numbers of the same sound: {found.values}"]
                )
        if mutant.whole and self._is_row(mutant, sound):
            return Judgement(Verdict.EQUAL)
        judgement = self._excused(mutant, sound)
        if mutant.harmless:
            judgement.faults.append("healthy, and measured otherwise than its parent")
        if mutant.whole:
            judgement.faults.append("two healthy files, and neither one alone nor both were measured")
        if abs(found.values.get("sample_peak", sound.peak) - sound.peak) > 0.006:
            judgement.faults.append(f"its peak is {sound.peak:.3f} dB")
        judgement.reference = self._reference(sound)
        # Of lossy codecs another release may conceal otherwise, and trim an MP3 by another rule.
        if judgement.reference is Reference.DIFFERS and mutant.kinds[0] in _LOSSLESS - _OTHERWISE:
            judgement.faults.append("ffmpeg decodes other samples")
        return judgement

    def _excused(self, mutant: Mutant, sound: Sound) -> Judgement:
        told = []
        for kind in mutant.kinds:
            excuses, parent = UNNOTICED.get(kind, {}), self._parents[kind]
            differences = sorted(sound.differences(parent))
            if all(each in excuses and excuses[each].holds(mutant, sound, parent) for each in differences):
                reason = "; ".join(excuses[each].reason for each in differences)
                return Judgement(Verdict.UNNOTICED, f"{kind}, {' and '.join(differences)}: {reason}")
            told.append(f"{' and '.join(differences)} ({len(sound.samples)} samples) differ from {kind}")
        return Judgement(Verdict.UNNOTICED, "", [f"published, and {'; '.join(told)}"])

    def _is_row(self, mutant: Mutant, sound: Sound) -> bool:
        """Tell whether the sound is that of the mutant's parents in a row, but for frames that need those before."""
        both = np.concatenate([self._parents[kind].samples for kind in mutant.kinds])
        return len(both) == len(sound.samples) and bool(np.mean(np.abs(both - sound.samples)) < _SEAM)

    def _reference(self, sound: Sound) -> Reference:
        """Decode the file that was decoded last by an `ffmpeg` on the path, as strict as it can be."""
        if shutil.which("ffmpeg") is None:
            return Reference.ABSENT
        strict = ["-xerror", "-err_detect", "crccheck+bitstream+buffer+explode"]
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-nostdin",
            *strict,
            "-i",
            str(self._path),
            "-map",
            "0:a:0",
            "-f",
            "f32le",
            "-",
        ]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if done.returncode:
            return Reference.REFUSES
        samples = np.frombuffer(done.stdout, "<f4")
        alike = samples.size == sound.samples.size and np.allclose(samples, sound.samples.ravel(), atol=1e-3)
        return Reference.AGREES if alike else Reference.DIFFERS

    def _sound(self, content: bytes) -> Sound:
        """Decode a file as a worker does; what a worker has measured cannot end this process."""
        self._path.write_bytes(content)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with open_source(directory, os.fsencode(self._path.name)) as source:
                audio = decode(source, FULL_MIX, _LONGEST)
        finally:
            os.close(directory)
        return Sound(audio.view(), audio.rate, audio.channels)


def out_of_bounds(found: Found, bounds: Mapping[str, tuple[float, float]]) -> list[str]:
    """The numbers, not the texts, that are none, or lie outside of what the documentation says of their feature."""
    faults = []
    for name, value in found.values.items():
        low, high = bounds.get(name, (math.inf, -math.inf))
        if not isinstance(value, str) and not (math.isfinite(value) and low <= value <= high):
            faults.append(f"{name} is {value}")
    return faults
