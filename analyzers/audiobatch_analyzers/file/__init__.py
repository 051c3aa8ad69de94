"""The form of a file: the analyzer `file`.

It owns length, rate, channels, codec, bit depth and bit rate, as the container tells them. Tags are in `tags`.
"""

from audiobatch_analyzers.file.analyzer import FormAnalyzer

__all__ = ["FormAnalyzer"]
