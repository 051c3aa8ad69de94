"""MP4 and QuickTime (ISO/IEC 14496-12): whether the top-level boxes fit into the file."""

from __future__ import annotations

from collections.abc import Iterator

from audiobatchd.audio.window import Window, contains
from audiobatchd.errors import DamagedFileError

BOX_TYPES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"}
_HOLDING_AUDIO = {b"moov", b"mdat", b"moof"}
_INDEX, _FRAGMENT = b"moov", b"moof"

_MOST_BOXES = 1_000_000


def check_boxes(window: Window) -> None:
    """Raise DamagedFileError where the file ends inside a box that the audio needs, or a part of it cannot be reached.

    That is a fragment behind what is no box, a file without its index, and another file behind it. What else follows
    the last box that can be read (zeros, tags of another kind) is left alone.
    """
    kinds = [kind for kind in _boxes(window) if kind in _HOLDING_AUDIO]
    if _INDEX not in kinds:
        message = "ends too early: it has no moov box" if kinds else "holds no samples: it has no moov box"
        raise DamagedFileError(message)
    if kinds.count(_INDEX) > 1 and _FRAGMENT not in kinds:
        message = "holds another file behind its own: there are two moov boxes"
        raise DamagedFileError(message)


def _boxes(window: Window) -> Iterator[bytes]:
    """The kinds of the boxes, first to last, as far as they can be followed; raises as `check_boxes` does."""
    offset, fragmented = 0, False
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
        if size == 0 and kind in _HOLDING_AUDIO:
            # Only the last box may say 0: it reaches to the end of the file.
            yield kind
            return
        if size < 8 or size > window.size - offset or not kind.isascii():
            # FFmpeg would end before another fragment without an error.
            if fragmented and contains(window, _FRAGMENT, offset):
                message = f"holds no box at byte {offset}"
                raise DamagedFileError(message)
            return
        yield kind
        fragmented = fragmented or kind == _FRAGMENT
        offset += size
