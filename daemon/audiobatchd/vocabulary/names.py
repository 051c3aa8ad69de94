r"""File names, which are bytes, as text that JSON and a terminal can carry, and the way back.

Inside the program a name is what `os.fsdecode` gives (undecodable bytes are lone surrogates). Outside it every byte
that is no part of UTF-8 text, every control character and the backslash itself is `\xNN`, so that the way back has
one answer.
"""

import os
import re
import unicodedata

_ESCAPED_BYTE = re.compile(rb"\\x([0-9a-f]{2})")
_NEEDS_ESCAPE = re.compile("[\x00-\x1f\x7f-\x9f\\\\\u2028\u2029\ud800-\udfff]")
# The joiners are part of how some scripts are spelt, and they move nothing.
HARMLESS = "\u200c\u200d"
"""Characters that stay, and take no cell of a terminal."""
_STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(name: str) -> str:
    r"""`name` as JSON and terminals show it: `b'caf\xe9'` becomes `caf\xe9`."""
    return _NEEDS_ESCAPE.sub(lambda match: "".join(f"\\x{byte:02x}" for byte in os.fsencode(match[0])), name)


def folder_shown(path: str) -> str:
    """Show a folder's path below its dataset; `.` where the dataset is itself a track folder."""
    return shown(path) or "."


def folder_at(root: str, path: str) -> str:
    """Find the directory at `path` below `root`; `root` as it is where that is empty."""
    return os.path.join(root, path) if path else root


def parsed(text: str) -> str:
    """Read the name that `shown` made `text` of; text without an escape is taken as it is."""
    return os.fsdecode(_ESCAPED_BYTE.sub(lambda match: bytes([int(match[1], 16)]), os.fsencode(text)))


def printable(text: str) -> str:
    r"""`text` without anything that ends a line, steers a terminal or turns its direction; such is `\xNN` instead.

    What `shown` made stays as it is.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(char) if _steers(char) else char for char in text)


def _steers(char: str) -> bool:
    return unicodedata.category(char) in _STEERING and char not in HARMLESS


def _escaped(char: str) -> str:
    # `surrogateescape` knows only the halves that stand for one byte of a name.
    errors = "surrogateescape" if "\udc80" <= char <= "\udcff" else "surrogatepass"
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", errors))
