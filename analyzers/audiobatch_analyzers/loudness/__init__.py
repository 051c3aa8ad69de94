"""Loudness (ITU-R BS.1770-4, EBU R 128): the analyzer `loudness`, and the gate that silence does not pass.

It owns LUFS and LRA. True peak is in `peaks`.
"""

from audiobatch_analyzers.loudness.analyzer import LoudnessAnalyzer

__all__ = ["LoudnessAnalyzer"]
