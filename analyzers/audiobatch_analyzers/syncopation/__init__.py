"""Syncopation: the analyzer `syncopation`, of how onsets lie about the beats and how evenly they follow each other.

It owns what is computed from times. The times are found by `onset` and `rhythm`.
"""

from audiobatch_analyzers.syncopation.analyzer import SyncopationAnalyzer

__all__ = ["SyncopationAnalyzer"]
