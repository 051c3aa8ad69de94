"""Onsets: the analyzer `onset`, and what finds the onsets of a signal.

It owns onset strengths and the peaks among them. What rhythm the onsets make is in `syncopation`.
"""

from audiobatch_analyzers.onset.analyzer import OnsetAnalyzer

__all__ = ["OnsetAnalyzer"]
