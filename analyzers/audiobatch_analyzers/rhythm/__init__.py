"""Rhythm: the analyzer `rhythm`, and the judgement whether there is a pulse whose tempo means anything.

It owns tempo. How Essentia is loaded is told by `engines`.
"""

from audiobatch_analyzers.rhythm.analyzer import RhythmAnalyzer

__all__ = ["RhythmAnalyzer"]
