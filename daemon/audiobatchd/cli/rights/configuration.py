"""The configuration's text: datasets and operators put in and taken out, with all else as its author wrote it."""

from __future__ import annotations

import os
import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from audiobatchd.errors import ConfigError, UsageError
from audiobatchd.vocabulary.names import shown

_OPERATORS = re.compile(r"^operators\s*=\s*\[[^]]*\]", re.MULTILINE)
_HEAD = re.compile(r"(?:#.*\n)*")
"""The comment that a file begins with."""


def datasets(text: str, path: Path) -> list[str]:
    """List the real paths of the datasets in a configuration. Raises ConfigError where it is none."""
    return [
        os.path.realpath(path.parent / str(each.get("path", ""))) for each in _parsed(text, path).get("dataset", [])
    ]


def inboxes(text: str, dataset: str, path: Path) -> list[str]:
    """List the real paths of the inboxes in a configuration for a dataset's real path. Raises ConfigError."""
    return [
        os.path.realpath(path.parent / str(each.get("path", "")))
        for each in _parsed(text, path).get("inbox", [])
        if os.path.realpath(path.parent / str(each.get("dataset", ""))) == dataset
    ]


def with_dataset(text: str, dataset: str) -> str:
    """Add a dataset at the end. Raises UsageError where no configuration can name it."""
    try:
        table = f"[[dataset]]\npath = {msgspec.json.encode(dataset).decode()}\n"
    except UnicodeEncodeError as error:
        message = f"a path outside UTF-8 cannot be configured: {shown(dataset)}"
        raise UsageError(message) from error
    return f"{text.rstrip()}\n\n{table}".lstrip()


def without_dataset(text: str, dataset: str, path: Path) -> str:
    """Take a dataset's table out, and those of its inboxes, which no configuration may have without it.

    Raises UsageError where it is not written as `with_dataset` writes it.
    """
    parts: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            parts.append([])
        parts[-1].append(line)
    blocks = ["".join(part) for part in parts]

    def is_of_it(block: str) -> bool:
        if block.startswith("[[inbox]]"):
            return bool(inboxes(block, dataset, path))
        return block.startswith("[[dataset]]") and dataset in datasets(block, path)

    rest = "".join(block for block in blocks if not is_of_it(block))
    if dataset in datasets(rest, path):
        message = f"cannot take {shown(dataset)} out of {path}: its table is written in a way of its own"
        raise UsageError(message)
    return rest


def operators(text: str, path: Path) -> list[str]:
    """List the names of the operators in a configuration. Raises ConfigError where it is none."""
    return [str(name) for name in _parsed(text, path).get("operators", [])]


def with_operator(text: str, user: str, path: Path) -> str:
    """Add an operator. Raises UsageError where the list of them is written in a way that cannot be added to."""
    wanted = {**_parsed(text, path), "operators": [*operators(text, path), user]}
    line = f"operators = {msgspec.json.encode(wanted['operators']).decode()}"
    if _OPERATORS.search(text):
        new = _OPERATORS.sub(lambda _: line, text, count=1)
    else:
        head = _HEAD.match(text)
        end = head.end() if head else 0
        # In front of all tables: behind one it would be a key of that.
        new = "\n".join(part for part in (text[:end], f"{line}\n", text[end:].lstrip("\n")) if part)
    with suppress(ConfigError):
        if _parsed(new, path) == wanted:
            return new
    message = f"cannot add {user} to `operators` in {path}: it is written in a way of its own; add the name by hand"
    raise UsageError(message)


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: not TOML: {error}"
        raise ConfigError(message) from error
