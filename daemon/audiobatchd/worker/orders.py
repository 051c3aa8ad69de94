"""What the process that makes pictures of audio is asked for, and what it makes: data only."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

ORDER_LIMIT = 4096
"""Bytes of a message of either side."""
RESULT_LIMIT = 4 << 20
"""Bytes that one picture may have."""
COLUMNS = 1000
"""Columns of every picture; a waveform or a curve of a very short file has fewer."""


class Kind(StrEnum):
    """The pictures that are made of one source file."""

    WAVEFORM = "waveform"
    SPECTROGRAM = "spectrogram"
    LOUDNESS = "loudness"


class Order(Struct, frozen=True):
    """Asks for one picture. The open source file and a file for the result come with it, as descriptors."""

    kind: Kind
    name: bytes
    """Name of the source file, by which no file is opened."""
    max_duration: float
    """Seconds of audio beyond which a file is left out."""


class Working(Struct, frozen=True, tag=True):
    """Tells that the process is ready for its first order, or has come further with the one that it has."""


class Made(Struct, frozen=True, tag=True):
    """Tells that an order is done."""

    failure: str = ""
    """Why there is no picture, in words for people; empty where the result is in its file."""
    lasting: bool = True
    """True where that is so as long as the file stays as it is."""


class Waveform(Struct, frozen=True):
    """The extremes of a file's samples over time, of all channels together; full scale is 1."""

    seconds: float
    """Length of the file, which the columns divide evenly."""
    low: tuple[float, ...]
    """The lowest sample of each column."""
    high: tuple[float, ...]


class Loudness(Struct, frozen=True):
    """The loudness of a file over time in LUFS, by ITU-R BS.1770-4; silence is -70, the absolute gate."""

    seconds: float
    """Length of the whole 100 ms steps in the file, which the columns divide evenly."""
    momentary_low: tuple[float | None, ...]
    """The quietest window of 400 ms that ends in each column; None where none does."""
    momentary_high: tuple[float | None, ...]
    """The loudest one."""
    short_term: tuple[float | None, ...]
    """The loudest window of 3 s that ends in each column."""
    integrated: float | None
    """The loudness of the whole file; None where it is shorter than one window of 400 ms."""
