"""The acoustic fingerprint of a mix, by which near duplicates are found: the analyzer `fingerprint`.

It owns what is put into Chromaprint. Comparing fingerprints is the service's own business.
"""

from audiobatch_analyzers.fingerprint.analyzer import FingerprintAnalyzer

__all__ = ["FingerprintAnalyzer"]
