"""Three analyzers: of a file as a whole, of a file block by block, and of several files and an earlier result."""

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from audiobatchd.plugin_api import Audio, Cost, Feature, Feed, Measurement, Needs, Settings, Stream, View, feature_name

MONO = View(rate=44100, mono=True)


class CrestAnalyzer:
    """Gives `crest`, or `crest_<stem>`: the peak over the root mean square, of the file in mono."""

    name = "crest"
    version = 1
    cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        self._stems = settings.options.flag("stems", default=True)
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        if role != "full_mix" and not self._stems:
            return ()
        return (Feature(feature_name("crest", role), "dB", "Crest factor", "0 and above"),)

    def views(self, role: str) -> tuple[View, ...]:
        return (MONO,) if self.features(role) else ()

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, audio: Audio) -> Measurement:
        name = feature_name("crest", audio.role)
        samples = audio.view(MONO)
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        if power == 0.0:
            return Measurement({}, {name: "silent"})
        peak = float(np.abs(samples).max())
        return Measurement({name: round(20 * float(np.log10(peak)) - 10 * float(np.log10(power)), 2)})


class ClippedAnalyzer:
    """Gives `clipped`, or `clipped_<stem>`: how many samples are at full scale or above, in all channels."""

    name = "clipped"
    version = 1
    cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature(feature_name("clipped", role), "samples", "Samples at full scale", "0 and above"),)

    def load(self) -> None:
        """Nothing to load."""

    def begin(self, stream: Stream) -> Feed:
        return ClippedFeed(feature_name("clipped", stream.role))


class ClippedFeed:
    """The count of one file so far."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def feed(self, block: NDArray[np.float32]) -> None:
        self._count += int(np.count_nonzero(np.abs(block) >= 1.0))

    def finish(self) -> Measurement:
        return Measurement({self._name: self._count})


class HarmonyAnalyzer:
    """Gives `harmony_crest` of the mix: the crest factor of bass and other together, less that of the mix.

    And `.HARMONY`, a file for NumPy: the peak of each of their seconds.
    """

    name = "harmony"
    version = 1
    cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        if role != "full_mix":
            return ()
        return (
            Feature("harmony_crest", "dB", "Crest factor of bass and other, less that of the mix"),
            Feature(".HARMONY", "", "Peak of each second of bass and other"),
        )

    def needs(self, role: str) -> Needs:
        return Needs(sum_of=("bass", "other"), results=("crest",)) if role == "full_mix" else Needs()

    def views(self, role: str) -> tuple[View, ...]:
        return (MONO,) if self.features(role) else ()

    def load(self) -> None:
        """Nothing to load."""

    def analyze(self, audio: Audio) -> Measurement:
        samples, crest = audio.view(MONO), audio.result("crest")
        peaks = [float(np.abs(samples[start : start + 44100]).max()) for start in range(0, len(samples), 44100)]
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        if power == 0.0 or not isinstance(crest, float):
            return Measurement({}, {"harmony_crest": "silent", ".HARMONY": "silent"})
        own = 20 * float(np.log10(max(peaks))) - 10 * float(np.log10(power))
        file = io.BytesIO()
        np.save(file, np.array(peaks, np.float32))
        return Measurement({"harmony_crest": round(own - crest, 2)}, files={".HARMONY": file.getvalue()})
