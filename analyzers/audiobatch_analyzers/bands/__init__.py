"""Energy by frequency band: the analyzer `bands`, and the mono mix that analyzers of blocks measure.

It owns the edges of the bands. Loudness, which weights frequencies as listeners do, is in `loudness`.
"""

from audiobatch_analyzers.bands.analyzer import BandsAnalyzer

__all__ = ["BandsAnalyzer"]
