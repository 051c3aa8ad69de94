"""Names, for people, of files that hold no audio in a container that is read, by their first bytes.

Serves messages alone: "is Matroska/WebM, which is not read" helps, where a decoder's words would not.
"""

from __future__ import annotations

import re

from audiobatchd.audio import mp3
from audiobatchd.audio.window import Window, only_zeros

_HEAD = 4096
_MOST_ODD = 0.02
_MOST_ZEROS = 1 << 28

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x1a\x45\xdf\xa3", "Matroska/WebM"),
    (bytes.fromhex("3026b2758e66cf11"), "WMA/ASF"),
    (b"wvpk", "WavPack"),
    (b"MAC ", "Monkey's Audio"),
    (b"MPCK", "Musepack"),
    (b"MP+", "Musepack"),
    (b"TTA1", "True Audio"),
    (b"TTA2", "True Audio"),
    (b"tBaK", "TAK"),
    (b"OFR ", "OptimFROG"),
    (b"ajkg", "Shorten"),
    (b"DSD ", "DSD (DSF)"),
    (b"FRM8", "DSD (DSDIFF)"),
    (b"caff", "Core Audio (CAF)"),
    (b".snd", "Sun audio (AU)"),
    (bytes.fromhex("726966662e91cf11"), "Sony Wave64 (W64)"),
    (b"#!AMR", "AMR"),
    (b"ADIF", "AAC in ADIF"),
    *((bytes((0x56, octet)), "AAC in LATM") for octet in range(0xE0, 0xE8)),
    (b"\x0b\x77", "AC-3"),
    (b"\x7f\xfe\x80\x01", "DTS"),
    (b".RMF", "RealMedia"),
    (b"FLV\x01", "Flash video"),
    (b"\0\0\x01\xba", "an MPEG video"),
    (b"MThd", "MIDI"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"BZh", "compressed with bzip2"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"\x7fELF", "a program (ELF)"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\0\x05\x16\x07", "an AppleDouble file of macOS"),
    (b"version https://git-lfs.github.com/spec/", "a Git LFS pointer"),
)
"""First bytes that hardly stand there by accident, and what begins with them. "Is ..." is put before."""

_INSIDE: tuple[tuple[bytes, int, bytes, str], ...] = (
    (b"RIFF", 8, b"AVI ", "an AVI video"),
    (b"RIFF", 8, b"WEBP", "a WebP picture"),
    (b"RIFF", 8, b"", "a RIFF file other than WAV"),
    (b"FORM", 8, b"", "an IFF file other than AIFF"),
    (b"\x47", 188, b"\x47", "an MPEG transport stream"),
    (b"", 257, b"ustar", "a tar archive"),
)
"""Beginnings that take a second look at a place behind them."""

_TEXTS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE), "a web page (HTML)"),
    (re.compile(rb"\s*<\?xml|\s*<[a-z]+[\s>]", re.IGNORECASE), "XML"),
    (re.compile(rb'\s*(\{\s*["}]|\[\s*["{\[\]\d])'), "JSON"),
    (re.compile(rb"/annex/objects/"), "a git-annex pointer"),
    (re.compile(rb"#EXTM3U|\[playlist\]", re.IGNORECASE), "a playlist"),
)

_HINTS = {
    "a Git LFS pointer": "fetch the audio itself with git lfs pull",
    "a git-annex pointer": "fetch the audio itself with git annex get",
    "an AppleDouble file of macOS": "the audio is in the file without ._ before its name",
}
"""Advice about some of them."""


def kind_of(window: Window) -> str:
    """Name the kind of the file, to be put behind "is"."""
    head = window.at(0, _HEAD)
    if not head:
        return "a tag without any audio behind it"
    for beginning, name in _BEGINNINGS:
        if head.startswith(beginning):
            return _unread(name)
    for beginning, place, word, name in _INSIDE:
        if head.startswith(beginning) and head[place : place + len(word)] == word and len(head) > place:
            return _unread(name)
    if mp3.is_free_format(head[: mp3.HEADER_BYTES]):
        return _unread("free-format MP3")
    if _is_text(head):
        name = next((name for pattern, name in _TEXTS if pattern.match(head)), "text")
        return _unread(name)
    if window.size <= _MOST_ZEROS and only_zeros(window, 0, window.size):
        return "nothing but zeros"
    return "of no kind that is read: no audio begins in its first 64 KiB"


def _unread(name: str) -> str:
    hint = _HINTS.get(name)
    return f"{name}, which is not read" + (f": {hint}" if hint else "")


def _is_text(head: bytes) -> bool:
    """Tell whether these bytes are text in UTF-8 or in an older coding: hardly a control character among them."""
    odd = sum(octet < 0x20 and octet not in b"\t\n\r\f\x1b" for octet in head)
    if not any(octet >= 0x80 for octet in head):
        return odd <= len(head) * _MOST_ODD and 0 not in head
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # A character may be cut off at the end of what was looked at.
        if error.start < max(1, len(head) - 3):
            return False
        text = head[: error.start].decode()
    return odd <= len(text) * _MOST_ODD and "\0" not in text
