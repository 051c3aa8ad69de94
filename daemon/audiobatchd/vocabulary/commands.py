"""Commands that texts for people name, as a shell takes them: with paths that may hold blanks, quotes and any byte."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from audiobatchd.vocabulary.names import printable, shown

_LIBRARY = "YOUR_MUSIC"
_BESIDE = "-tracks"


def quoted(path: str) -> str:
    r"""Quote a path, as `os.fsdecode` gives it, for a shell: `'my music'`.

    One with bytes that cannot be typed becomes `$'caf\xe9'`. That is bash's and zsh's way, and POSIX's since 2024.
    """
    text = printable(shown(path))
    if text == path:
        return shlex.quote(path)
    return "$'" + text.replace("'", "\\'") + "'"


def joined(words: Iterable[str]) -> str:
    """Join the words of a command, each quoted."""
    return " ".join(map(quoted, words))


def import_command(directory: str, *, has_music: bool) -> str:
    """Name the command that makes track folders for a directory without any.

    Where it `has_music` they are made of that, in a new dataset beside it; else in it, of music that lies elsewhere.
    """
    if has_music:
        return f"audiobatchctl import {quoted(directory)} {quoted(directory.rstrip('/') + _BESIDE)}"
    return f"audiobatchctl import {_LIBRARY} {quoted(directory)}"
