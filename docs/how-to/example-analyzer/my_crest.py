"""The analyzer `crest`: the crest factor of every file."""

from collections.abc import Mapping

import numpy as np

from audiobatchd.plugin_api import Audio, Cost, Feature, Measurement, Settings, View, feature_name

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
