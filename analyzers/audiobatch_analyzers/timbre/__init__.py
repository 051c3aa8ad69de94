"""Timbre: the analyzer `timbre`, the eight timbral scores of the Audio Commons project, from their descriptions.

It owns the scores and everything on the way to them, one module per family: `specific_loudness`, `spectra`,
`envelopes`, `onsets`, `attacks`, `segments`, `separation`, `roughness`, `reverberation`; the input that they have in
common is `programme`, the regressions are `scores`, and what a file gives is `measurement`.
"""

from audiobatch_analyzers.timbre.analyzer import TimbreAnalyzer

__all__ = ["TimbreAnalyzer"]
