"""Names of track folders: a template filled in, made fit for any file system, and different from all others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from string import Formatter

from audiobatchd.core.discovery import Name, contents
from audiobatchd.errors import UsageError
from audiobatchd.imports.text import clean, folded

FIELDS = ("artist", "albumartist", "album", "title", "track", "disc", "year", "file")
"""Fields that a template may name."""
USUAL = "{artist} - {album} - {title}"
LONGEST = 250
"""Bytes of a folder's name, at most."""
_BESIDE = len(".BEATS_GRID")
"""Bytes that the longest name in a track folder, that of a companion, has beside the folder's."""
_WITHOUT_NAME = "Unnamed"
_OF_WINDOWS = frozenset({"cifs", "exfat", "fuseblk", "msdos", "ntfs", "ntfs3", "smb3", "smbfs", "vfat"})
"""Types of file systems that have the rules of Windows for names."""
_FORBIDDEN_THERE = str.maketrans(dict.fromkeys(':*?"<>|', "_"))
_SEPARATORS = str.maketrans({"/": "-", "\\": "-"})


class Template:
    """A template such as `{artist} - {title}`. A field that is empty takes the text that joins it with it."""

    def __init__(self, text: str) -> None:
        """Raises UsageError for a field that is not known, and for a template without any."""
        self._parts: list[tuple[str, str | None]] = []
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            message = f"cannot understand --name {text!r}: {error}"
            raise UsageError(message) from error
        for literal, name, form, conversion in parsed:
            if name is not None and (name not in FIELDS or form or conversion):
                known = ", ".join(f"{{{each}}}" for each in FIELDS)
                message = f"cannot understand --name {text!r}: there is no {{{name}}}, but {known}"
                raise UsageError(message)
            self._parts.append((literal.translate(_SEPARATORS), name))
        if not any(name for _, name in self._parts):
            message = f"cannot understand --name {text!r}: it names no field, such as {{title}}"
            raise UsageError(message)

    def filled(self, values: Mapping[str, str]) -> str:
        """Fill it in: a name without separators of paths, that neither hides nor looks like an option."""
        made, skipped, any_field = "", False, False
        for literal, name in self._parts:
            value = clean(values.get(name or "", "").translate(_SEPARATORS))
            if name is None:
                made += "" if skipped else literal
            elif value:
                # What stands before the first field belongs to it; what joined one that is empty goes with that.
                made += value if skipped and not any_field else literal + value
                skipped, any_field = False, True
            else:
                skipped = True
        return clean(made).lstrip(". -").rstrip() or _WITHOUT_NAME


class Names:
    """The names in a dataset: those that are there, and those that were given."""

    def __init__(
        self, taken: Iterable[str], ignore: tuple[str, ...] = (), longest: int = LONGEST, filesystem: str = ""
    ) -> None:
        """`ignore`: patterns of directories that are not entered; `longest`: bytes that a name may have.

        `filesystem`: its type, where that is known: on some fewer characters are allowed.
        """
        self._is_of_windows = filesystem in _OF_WINDOWS
        self._taken = {folded(name) for name in taken}
        self._numbers: dict[str, int] = {}
        """The last number that was given to a name, folded: a thousand songs may be called "Unknown"."""
        self._ignore = ignore
        self._longest = longest

    def give(self, wanted: str) -> str:
        """Give a name of its own, cut at a character: `wanted`, or with the first number behind it that is free."""
        if self._is_of_windows:
            wanted = wanted.translate(_FORBIDDEN_THERE).rstrip(". ") or _WITHOUT_NAME
        number, name = self._numbers.get(folded(wanted), 1), _cut(wanted, self._longest)
        while folded(name) in self._taken or not self._is_fit(name):
            number += 1
            suffix = f" ({number})"
            name = _cut(wanted, self._longest - len(suffix)) + suffix
            if number > len(self._taken) + 2:  # then no number makes it fit: a pattern that leaves out everything
                break
        self._taken.add(folded(name))
        self._numbers[folded(wanted)] = number
        return name

    def _is_fit(self, name: str) -> bool:
        """Tell whether a track folder may have this name.

        One that is called like a source file would be taken for one, `crops` is not entered, and `Song.lock` would be
        in the place of the lock of `Song`.
        """
        found = contents([Name(name, is_dir=True, is_link=False)], self._ignore)
        return not found.sources and found.directories == [name] and not name.lower().endswith(".lock")


def longest_in(dataset: str) -> int:
    """Count the bytes that a folder's name may have there, so that every file in it can have its name too."""
    try:
        most = os.pathconf(dataset, "PC_NAME_MAX")
    except OSError:
        most = 255
    return max(1, min(LONGEST, most - _BESIDE))


def _cut(name: str, longest: int) -> str:
    return name.encode()[:longest].decode(errors="ignore").rstrip() or _WITHOUT_NAME[:longest]
