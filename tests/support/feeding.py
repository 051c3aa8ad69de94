"""Measuring a file that is in memory, by an analyzer of either kind."""

from __future__ import annotations

from audiobatchd.audio.blocks import BLOCK
from audiobatchd.plugin_api import AnyAnalyzer, Audio, BlockAnalyzer, FileAnalyzer, Measurement, Stream


def measured(analyzer: AnyAnalyzer, audio: Audio, block: int = BLOCK) -> Measurement:
    """What `analyzer` gives of `audio`; one that takes blocks is fed so many frames at a time."""
    assert not isinstance(analyzer, FileAnalyzer)
    if not isinstance(analyzer, BlockAnalyzer):
        return analyzer.analyze(audio)
    feed = analyzer.begin(Stream(audio.role, audio.rate, audio.channels, audio.duration))
    samples = audio.view()
    for start in range(0, len(samples), block):
        feed.feed(samples[start : start + block])
    return feed.finish()
