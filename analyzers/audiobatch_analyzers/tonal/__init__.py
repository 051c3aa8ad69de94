"""Tonality: the analyzer `tonal`, which gives pitch classes, the tonal interval vector and the key.

It owns what of a folder they are measured on, and how keys are spelled. How tonal music is at all, by a model, is in
`classifiers`.
"""

from audiobatch_analyzers.tonal.analyzer import TonalAnalyzer

__all__ = ["TonalAnalyzer"]
