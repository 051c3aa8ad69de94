"""Peaks (ITU-R BS.1770-4, Annex 2): the analyzer `peaks`.

It owns sample peak and true peak. Loudness is in `loudness`.
"""

from audiobatch_analyzers.peaks.analyzer import PeakAnalyzer

__all__ = ["PeakAnalyzer"]
