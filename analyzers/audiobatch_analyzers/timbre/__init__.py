"""The eight timbral scores of the Audio Commons project, computed again from their published descriptions.

One module per family of what the scores rest on (`specific_loudness`, `spectra`, `envelopes`, `onsets`, `attacks`,
`segments`, `separation`, `roughness`, `reverberation`), the input that they have in common in `programme`, the
regressions in `scores`, and the analyzer in `analyzer`.
"""

from audiobatch_analyzers.timbre.analyzer import TimbreAnalyzer

__all__ = ["TimbreAnalyzer"]
