"""Tags of a file: the analyzer `tags`.

It owns artist, title, album, year and genre, as people and shops wrote them into the file. What the file is, is in
`file`.
"""

from audiobatch_analyzers.tags.analyzer import TagAnalyzer

__all__ = ["TagAnalyzer"]
