"""Shape of the spectrum: the analyzer `spectral`, and the frames that spectra are taken of.

It owns flatness, flux, skewness and kurtosis. Pitch classes, from the peaks of spectra, are in `tonal`.
"""

from audiobatch_analyzers.spectral.analyzer import SpectralAnalyzer

__all__ = ["SpectralAnalyzer"]
