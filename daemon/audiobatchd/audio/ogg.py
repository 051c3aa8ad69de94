"""Ogg (RFC 3533) with Vorbis, Opus (RFC 7845) or FLAC: walking the pages of the audio's logical streams.

A file may be a chain of links, one logical stream after the other; each counts its samples from its own beginning. The
granule position of a link's last page is where its audio ends. Checksums are the demuxer's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from audiobatchd.audio.flac import StreamInfo, parse_stream_info
from audiobatchd.audio.window import Excerpt, Joined, Literally, Window, contains
from audiobatchd.errors import DamagedFileError, UnmeasurableError

MARKER = b"OggS"
OPUS_RATE = 48000

_HEADER = 27
_MOST_SEGMENTS = 255
_MOST_PAGES = 4_000_000
_NEGATIVE = 1 << 63
_CONTINUED, _FIRST, _LAST = 1, 2, 4

_POLYNOMIAL = 0x04C11DB7


@dataclass
class Link:
    """Logical audio stream of a file."""

    rate: int
    """Rate in Hz."""
    channels: int
    skip: int = 0
    """Samples before the music (Opus' pre-skip)."""
    granule: int = 0
    """Granule position at which the last page of audio ends."""
    pages: int = 0
    """Number of pages with audio."""
    number: int = 0
    """Highest number of a page."""
    ended: bool = False
    """A page that is marked as the last one was seen."""
    start: int = 0
    """Offset in the file of its first page."""
    stop: int = 0
    """Offset in the file behind its pages, and those of other streams between them."""
    last: int = 0
    """Offset of the last page that holds audio."""
    marked: bool = False
    """The page at `last` is marked as the end."""
    stream_info: StreamInfo | None = None

    @property
    def end(self) -> int:
        """End of the audio, in samples from the zero of its granule positions (Opus: behind the pre-skip)."""
        return max(0, self.granule - self.skip)

    def audio(self, window: Window) -> Window:
        """The link as a file of its own, its last page of audio marked as the end.

        Some writers put the mark on an empty page behind it; FFmpeg trims the end by the last page alone.
        """
        if self.marked or not self.last:
            return Excerpt(window, self.start, self.stop)
        page = window.at(self.last, self.stop - self.last)
        return Joined(Excerpt(window, self.start, self.last), Literally(_marked(page)))


@dataclass(frozen=True)
class _Page:
    flags: int
    """Header type: continues a packet, first or last page of its stream (RFC 3533, 6)."""
    granule: int
    """Position in the stream at the end of the last packet that ends here."""
    serial: int
    """Number of the logical stream."""
    number: int
    """Number of the page in its stream."""
    body: int
    """Offset at which the header ends."""
    end: int
    """Offset at which the page ends."""
    is_empty: bool
    """True where it holds nothing, and continues nothing."""


def audio_links(window: Window) -> list[Link]:
    """The audio's links, first to last.

    Raises DamagedFileError where the file ends inside a page, without the last page of its audio, where there is
    something else between the pages, or where they are in the wrong order; UnmeasurableError where rate or channels
    change on the way.
    """
    links: list[Link] = []
    current: dict[int, Link] = {}
    offset, start, opening = 0, 0, False
    for _ in range(_MOST_PAGES):
        page = _page_at(window, offset)
        if page is None:
            break
        if page.flags & _FIRST:
            if not opening:
                current, start = {}, offset
            link = _parse_first(window.at(page.body, min(page.end - page.body, 64)))
            # Of streams that begin together only the first that holds audio is measured.
            if link is not None and not current:
                link.start, link.stop = start, page.end
                links.append(link)
                current = {page.serial: link}
        elif (known := current.get(page.serial)) is not None:
            # Pages may be missing, where a broadcast was tuned in to late, or come twice: FFmpeg drops the second.
            if page.number < known.number:
                message = f"holds its pages in the wrong order at byte {offset}"
                raise DamagedFileError(message)
            known.number = page.number
            known.ended = bool(page.flags & _LAST)
            if not page.is_empty:
                known.last, known.stop, known.marked = offset, page.end, known.ended
                if page.granule < _NEGATIVE:
                    known.granule = page.granule
                    known.pages += page.granule > 0
        opening = bool(page.flags & _FIRST)
        offset = page.end
    _check_end(window, offset, links)
    return links


def _page_at(window: Window, offset: int) -> _Page | None:
    header = window.at(offset, _HEADER + _MOST_SEGMENTS)
    if len(header) < _HEADER or header[:4] != MARKER:
        return None
    body = _HEADER + header[26]
    end = offset + body + sum(header[_HEADER:body])
    if len(header) < body or end > window.size:
        return None
    granule = int.from_bytes(header[6:14], "little")
    serial, number = (int.from_bytes(header[start : start + 4], "little") for start in (14, 18))
    return _Page(
        header[5], granule, serial, number, offset + body, end, end == offset + body and not header[5] & _CONTINUED
    )


def _check_end(window: Window, offset: int, links: list[Link]) -> None:
    if any((link.rate, link.channels) != (links[0].rate, links[0].channels) for link in links):
        message = "changes its sample rate or its channels on the way"
        raise UnmeasurableError(message)
    rest = window.at(offset, len(MARKER))
    if rest and MARKER.startswith(rest):
        message = "ends too early: inside a page"
        raise DamagedFileError(message)
    ended = not links or links[-1].ended
    if not ended or (rest and contains(window, MARKER + b"\0", offset)):
        message = f"holds no page at byte {offset}" if rest else "ends too early: its last page is missing"
        raise DamagedFileError(message)


def _marked(page: bytes) -> bytes:
    """The same page with the mark of the last one. Its checksum is as right or wrong as it was: CRCs are linear."""
    checksum = 0
    for octet in (_LAST, *bytes(len(page) - 6)):
        checksum ^= octet << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (_POLYNOMIAL if checksum >> 31 else 0)) & 0xFFFFFFFF
    checksum ^= int.from_bytes(page[22:26], "little")
    return page[:5] + bytes([page[5] | _LAST]) + page[6:22] + checksum.to_bytes(4, "little") + page[26:]


def _parse_first(packet: bytes) -> Link | None:
    """The link that begins with this packet, or None where it is not audio that we know."""
    if packet[:7] == b"\x01vorbis" and len(packet) >= 16:
        return Link(int.from_bytes(packet[12:16], "little"), packet[11])
    if packet[:8] == b"OpusHead" and len(packet) >= 12:
        return Link(OPUS_RATE, packet[9], skip=int.from_bytes(packet[10:12], "little"))
    if packet[:5] == b"\x7fFLAC":
        info = parse_stream_info(packet[17:51])
        return Link(info.rate, info.channels, stream_info=info) if info else None
    return None
