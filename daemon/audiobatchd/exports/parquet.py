"""Apache Parquet: typed, nullable columns, with units and descriptions in the metadata of each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from audiobatchd import __version__
from audiobatchd.errors import AudiobatchError
from audiobatchd.exports.tracks import Table, Track, Type
from audiobatchd.plugin_api import absence
from audiobatchd.vocabulary.names import shown

_GROUP = 10_000
"""Rows of a row group, which is held in memory."""


def refuse_without_library() -> None:
    """Raise AudiobatchError where the library that writes Parquet is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415  # an extra, and slow to load
    except ImportError as error:
        message = f"cannot write Parquet, for which pyarrow is needed: {absence('pyarrow')}; or export to csv or jsonl"
        raise AudiobatchError(message) from error


def write_parquet(table: Table, path: Path) -> None:
    """Write a file; mappings of numbers are maps."""
    import pyarrow as pa  # noqa: PLC0415  # as above
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415  # as above

    types = {
        Type.NUMBER: pa.float64(),
        Type.TEXT: pa.string(),
        Type.FLAG: pa.bool_(),
        Type.NUMBERS: pa.map_(pa.string(), pa.float64()),
    }
    schema = pa.schema(
        [
            pa.field(field.name, types[field.type], metadata={"unit": field.unit, "description": field.description})
            for field in table.fields
        ],
        metadata={"audiobatchd.version": __version__, "audiobatchd.dataset": shown(table.dataset)},
    )
    with ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(table.tracks, _GROUP)):
            columns = [_column(table, group, place) for place in range(len(table.fields))]
            arrays = [pa.array(values, schema.field(place).type) for place, values in enumerate(columns)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _column(table: Table, group: list[Track], place: int) -> list[Any]:
    field = table.fields[place]
    return list(_values(group, field.name, is_map=field.type is Type.NUMBERS, is_number=field.type is Type.NUMBER))


def _values(group: list[Track], name: str, *, is_map: bool, is_number: bool) -> Iterator[Any]:
    for track in group:
        value: Any = track.values[name]
        if is_map and isinstance(value, dict):
            yield [(label, float(number)) for label, number in sorted(value.items())]
        elif is_number and isinstance(value, int | float):
            yield float(value)
        else:
            yield value
