"""Defects of a recording: the analyzer `quality`, and the analyzers of its heavy detectors.

It owns cut ends, channels that hold one signal, bandwidth, offset and clipping, which cost little and are on, and
Essentia's detectors of clicks, gaps, hum and noise, which are off unless the configuration wants them.
"""

from audiobatch_analyzers.quality.analyzer import QualityAnalyzer, quality

__all__ = ["QualityAnalyzer", "quality"]
