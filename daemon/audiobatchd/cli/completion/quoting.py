"""Command lines as shells hand them over: split into words, and words quoted for them."""

from __future__ import annotations

import os


def split_line(line: str) -> tuple[list[str], str]:
    """Split a line as a shell does, without its quoting; the last word may be empty. With it the quote that is open."""
    words: list[str] = []
    word: str | None = None
    quote, index = "", 0
    while index < len(line):
        char = line[index]
        is_escape = char == "\\" and (not quote or (quote == '"' and line[index + 1 : index + 2] in _ESCAPED))
        if is_escape:
            index += 1
            word = (word or "") + line[index : index + 1]
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote, word = char, word or ""
        elif not quote and char.isspace():
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + char
        index += 1
    return [*words, word or ""], quote


_ESCAPED = ('"', "\\", "$", "`")
"""Signs that a backslash escapes between double quotes."""


def quoted(text: str, quote: str = "") -> str:
    """Quote text for a shell, where this `quote` is open already; it is left open."""
    if quote == "'":
        return text.replace("'", "'\\''")
    signs = "".join(_ESCAPED) if quote else _SPECIAL
    return "".join(f"\\{char}" if char in signs else char for char in text)


_SPECIAL = " \t!\"#$&'()*,;<=>?[\\]^`{|}~"


def words_of(line: str, program: str) -> list[str]:
    """Split a line, and leave out what stands before the program's arguments."""
    words, _ = split_line(line)
    starts = [index for index, word in enumerate(words[:-1]) if os.path.basename(word) == program]
    return words[starts[0] + 1 :] if starts else words[1:]
