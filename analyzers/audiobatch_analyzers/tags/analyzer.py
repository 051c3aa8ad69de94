"""The analyzer `tags`: artist, title, album, year and genre of the mix, as its file's tags have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatch_analyzers.tags.text import LONGEST, joined, year_in
from audiobatchd.plugin_api import FULL_MIX, Cost, Feature, File, Measurement, Settings, UnmeasurableError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "track_metadata_"
FIELDS = {
    "artist": "Artist",
    "title": "Title",
    "album": "Album",
    "year": "Year of the recording or of its release",
    "genre": "Genre, as it was written",
}
"""Descriptions, by what stands behind the prefix."""

_SOURCE = "ID3, Vorbis comments, MP4 metadata, APEv2, RIFF INFO"
_LONGEST_REASON = 200


class TagAnalyzer:
    """Reads five tags. One that is missing, or is nothing that it could be, is unmeasurable."""

    name: str = "tags"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """Give the five features of the mix alone: stems are cut out of it by programs that know no tags."""
        if role != FULL_MIX:
            return ()
        return tuple(
            Feature(
                PREFIX + field, "", what, "1 to 9999" if field == "year" else f"up to {LONGEST:,} characters", _SOURCE
            )
            for field, what in FIELDS.items()
        )

    def load(self) -> None:
        """Import mutagen, which no other analyzer takes."""
        from audiobatch_analyzers.tags import containers  # noqa: PLC0415  # only workers that read tags pay for it

        self._read = containers.read_tags

    def inspect(self, file: File) -> Measurement:
        """Measure one file. Tags that cannot be understood are no fault of it: players play it all the same."""
        try:
            found = self._read(file.open(), file.size)
        except MemoryError:
            raise
        except Exception as error:  # of the bytes of tags, mutagen may raise anything
            message = f"its tags cannot be read: {type(error).__name__}: {error}"
            raise UnmeasurableError(message[:_LONGEST_REASON]) from error
        values: dict[str, str | int] = {}
        missing: dict[str, str] = {}
        for field in FIELDS:
            text = joined(found.get(field, ()))
            if not text:
                missing[PREFIX + field] = "has no such tag"
            elif field == "year":
                year = year_in(text)
                if year:
                    values[PREFIX + field] = year
                else:
                    missing[PREFIX + field] = f"names no year: {text[:40]}"
            elif len(text) > LONGEST:
                missing[PREFIX + field] = f"longer than {LONGEST:,} characters"
            else:
                values[PREFIX + field] = text
        return Measurement(values, missing)
