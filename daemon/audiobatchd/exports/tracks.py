"""Tracks to be exported: the values of each folder in the types of its table, and where its audio is."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import BinaryIO

from msgspec import Struct

from audiobatchd.control.results import Column, Row, Value
from audiobatchd.disk.leases import open_recalled
from audiobatchd.disk.listing import read_sources
from audiobatchd.errors import AudiobatchError
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.vocabulary.names import folder_at, parsed, shown


class Type(Enum):
    """Type of a column; each value is of it, or missing."""

    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"
    NUMBERS = "numbers"
    """Numbers by label."""


class Field(Struct, frozen=True):
    """A column of an export."""

    name: str
    """The column's name."""
    type: Type
    """The type of all its values."""
    unit: str = ""
    """As in `Column`."""
    description: str = ""
    """As in `Column`."""


class Track(Struct, frozen=True):
    """A track folder."""

    folder: str
    """Its path below the dataset, as the file system has it."""
    values: dict[str, Value]
    """A value for each field, in their order; None where there is none."""
    files: dict[str, str]
    """Names of its source files by role, of those that were asked for."""


class Table(Struct, frozen=True):
    """All that is exported of one dataset."""

    dataset: str
    """Its path, without links."""
    fields: tuple[Field, ...]
    """The columns, the folder's name first."""
    roles: tuple[str, ...]
    """Roles of the source files that belong to it."""
    tracks: Iterator[Track]
    """The rows; they can be taken once."""


def fields_of(columns: Iterable[Column], labelled: Iterable[str], roles: Sequence[str]) -> tuple[Field, ...]:
    """Make the fields of columns, and one for the path of each role's file.

    Of the mappings those that are `labelled` have numbers alone; others are text.
    """
    types = {"number": Type.NUMBER, "text": Type.TEXT, "flag": Type.FLAG}
    numbers = set(labelled)
    fields = [
        Field(
            column.name,
            types.get(column.kind) or (Type.NUMBERS if column.name in numbers else Type.TEXT),
            column.unit,
            column.description,
        )
        for column in columns
    ]
    files = [Field(path_of(role), Type.TEXT, "", f"Path of {role} below the dataset") for role in roles]
    return (*fields, *files)


def path_of(role: str) -> str:
    """Name the field with the path of a role's file."""
    return f"{role}_path"


def has_numbers_alone(values: Iterable[Value]) -> bool:
    """Tell whether every value of a mapping's column is one of numbers by label."""
    return all(
        value is None or (isinstance(value, dict) and all(_is_number(each) for each in value.values()))
        for value in values
    )


def tracks_of(
    dataset: str,
    fields: Sequence[Field],
    rows: Iterable[Row],
    roles: Sequence[str],
    ranges: dict[str, tuple[float, float]],
) -> Iterator[Track]:
    """Yield a track for each row of the fields' columns, the folder's name first.

    Files of these `roles` are looked for; `ranges` bound numbers by column. A flag among numbers is 0 or 1. What has
    another type than its column, because the record has changed since the columns were asked for, is missing.
    """
    names = [field.name for field in fields[: len(fields) - len(roles)]]
    texts = [field.name for field in fields[1 : len(names)] if field.type is Type.TEXT]
    numbers = [field.name for field in fields if field.type is Type.NUMBER]
    others = [(field.name, field.type) for field in fields if field.type in (Type.FLAG, Type.NUMBERS)]
    of_numbers = [place for place, field in enumerate(fields) if field.type is Type.NUMBER]
    for row in rows:
        folder = parsed("" if row[0] == "." else str(row[0]))
        files = _files(dataset, folder, roles) if roles else {}
        # Most cells are numbers, and there are a hundred in a row: only what is not as it should be is touched.
        values: dict[str, Value] = dict(zip(names, row, strict=True))
        for name in texts:
            if not isinstance(value := values[name], str | None):
                values[name] = as_text(value)
        if not _OF_NUMBERS.issuperset(map(type, map(row.__getitem__, of_numbers))):
            values |= {name: _number_of(values[name]) for name in numbers}
        for name, type_ in others:
            if not _IS[type_](values[name]):
                values[name] = None
        for name, (low, high) in ranges.items():
            if isinstance(value := values[name], int | float) and not isinstance(value, bool):
                values[name] = min(max(value, low), high)
        for role in roles:
            values[path_of(role)] = shown(os.path.join(folder, files[role])) if role in files else None
        yield Track(folder, values, files)


_OF_NUMBERS = frozenset((float, int, type(None)))


def _number_of(value: Value) -> float | None:
    """Make a number of a flag; None of anything else."""
    if isinstance(value, bool):
        return int(value)
    return value if isinstance(value, int | float) else None


_IS: Mapping[Type, Callable[[Value], bool]] = {
    Type.FLAG: lambda value: value is None or isinstance(value, bool),
    Type.NUMBERS: lambda value: has_numbers_alone((value,)),
}
"""Tells whether a value has a type, or is missing."""


def opened(dataset: str, track: Track, role: str) -> tuple[BinaryIO, int]:
    """Open a source file, and tell its size. Raises AudiobatchError where it is no plain file, or cannot be opened."""
    path = os.path.join(folder_at(dataset, track.folder), track.files[role])
    try:
        # A pipe would be waited for.
        file = os.fdopen(open_recalled(path, os.O_RDONLY | os.O_CLOEXEC), "rb")
    except OSError as error:
        message = f"cannot export {shown(path)}: {error.strerror}"
        raise AudiobatchError(message) from error
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        message = f"cannot export {shown(path)}: it is no plain file"
        raise AudiobatchError(message)
    return file, status.st_size


def roles_of(*, stems: bool) -> tuple[str, ...]:
    """List the roles whose files belong to an export."""
    return ROLES if stems else (FULL_MIX,)


def as_text(value: Value) -> str:
    """Write a value as text: what is no text as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _files(dataset: str, folder: str, roles: Sequence[str]) -> dict[str, str]:
    """Find the source files of a folder; none where it has gone since it was read, or does not let itself be read."""
    try:
        return read_sources(folder_at(dataset, folder), roles)
    except OSError:
        return {}


def _is_number(value: object) -> bool:
    """Tell whether it is a number, and none that is beyond the largest one with a fraction."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
