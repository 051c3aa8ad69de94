"""Names as text: what stands in a name of any encoding, and which names are alike."""

from __future__ import annotations

import os
import unicodedata

from audiobatchd.vocabulary.names import HARMLESS

_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def readable(name: str) -> str:
    """Read a file's name, as `os.fsdecode` gives it, as text in NFC; bytes outside UTF-8 as Windows-1252.

    That was the usual encoding of names before UTF-8; the few bytes that it leaves out are Latin-1's.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        try:
            name = raw.decode("cp1252")
        except UnicodeDecodeError:
            name = raw.decode("latin-1")
    return clean(name)


def clean(text: str) -> str:
    """`text` in NFC, in one line, without characters that steer a terminal or turn its direction, nor outer blanks."""
    kept = (char if not _steers(char) else " " if char.isspace() else "" for char in text)
    return " ".join(unicodedata.normalize("NFC", "".join(kept)).split())


def folded(name: str) -> str:
    """Fold a name: two that fold alike are one name where letter case or the form of accents do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _steers(char: str) -> bool:
    return unicodedata.category(char) in _STEERING and char not in HARMLESS
