"""MP4 and QuickTime (ISO/IEC 14496-12): whether the top-level boxes fit into the file."""

from __future__ import annotations

from audiobatchd.audio.window import Window
from audiobatchd.errors import DamagedFileError

BOX_TYPES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"}
_HOLDING_AUDIO = {b"moov", b"mdat", b"moof"}
_MOST_BOXES = 1_000_000


def check_boxes(window: Window) -> None:
    """Raise DamagedFileError where the file ends inside a box that the audio needs.

    What follows the last box that can be read (zeros, tags of another kind) is left alone.
    """
    offset = 0
    for _ in range(_MOST_BOXES):
        header = window.at(offset, 16)
        if len(header) < 8:
            return
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if kind in _HOLDING_AUDIO and size > window.size - offset:
            name = kind.decode("ascii")
            message = f"ends too early: its {name} box promises {size} bytes and {window.size - offset} are there"
            raise DamagedFileError(message)
        if size < 8:
            return
        offset += size
