"""Rhythm: the analyzer `rhythm`, and the pulse without which a tempo means nothing.

It owns tempo. How Essentia is loaded is told by `engines`.
"""

from audiobatch_analyzers.rhythm.analyzer import RhythmAnalyzer

__all__ = ["RhythmAnalyzer"]
