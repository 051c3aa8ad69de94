"""Saturation: the analyzer `saturation`, which finds where the mix stays close to full scale.

It owns what counts as such a place. Peaks are in `peaks`.
"""

from audiobatch_analyzers.saturation.analyzer import SaturationAnalyzer

__all__ = ["SaturationAnalyzer"]
