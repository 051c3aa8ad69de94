"""Values of another kind than was expected, in words for people: msgspec speaks of `int`, `str` and `$.dataset[0]`.

What is expected is read off the type that the value was to be of, never off a library's message.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin

import msgspec
from msgspec import Struct, inspect

_LONGEST = 80
"""Characters of a value that are repeated."""
_LISTS = (list, tuple, set, frozenset)
_WORDS: dict[type[inspect.Type], str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "text",
    inspect.BoolType: "true or false",
    inspect.StructType: "a list",  # one that is written as a list
}


class Misfit(Struct, frozen=True):
    """The first value that is not as its type says."""

    text: str
    """What is wrong: "expected a whole number, got "2""."""
    place: tuple[str | int, ...] = ()
    """The keys and numbers that lead to the value, or to the table that has the key."""
    unknown: str = ""
    """The key that the table does not have; empty where another thing is wrong."""

    def __str__(self) -> str:
        """Say what is wrong, and where."""
        return f"{self.text} - at `{dotted(self.place)}`" if self.place else self.text


def dotted(place: tuple[str | int, ...]) -> str:
    """Write a place as people read it: `dataset[0].path`."""
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in place).removeprefix(".")


def misfit(kind: Any, value: object, *, table: str = "an object", strict: bool = True) -> Misfit | None:  # noqa: ANN401  # any type
    """Find the first thing in `value` that does not fit the type `kind`; None where all does.

    `table` is what the format of the value calls an object; where that has only texts, `strict` is False.
    """
    return _Search(table, strict).first(kind, value, ())


def why_not_json(kind: Any, content: bytes, error: Exception) -> str:  # noqa: ANN401  # any type
    """Say why `content` is no JSON of this `kind`, as the `error` that came of decoding it could not."""
    try:
        found = misfit(kind, msgspec.json.decode(content))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"it is not JSON: {error}"
    except RecursionError:
        return "it is too deep"
    return str(found or error)


def value_in_words(value: object) -> str:
    """Write a value as TOML and JSON do; only what it is, where it has parts."""
    match value:
        case Mapping():
            return "a table"
        case list() | tuple():
            return "a list"
        case bool() | str() | None:
            text = msgspec.json.encode(value).decode()
        case _:
            text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


class _Search:
    def __init__(self, table: str, strict: bool) -> None:  # noqa: FBT001  # of one caller
        self._table = table
        self._strict = strict

    def first(self, kind: Any, value: object, place: tuple[str | int, ...]) -> Misfit | None:  # noqa: ANN401  # any type
        kind = _without_none(kind, value)
        if kind in (Any, msgspec.Raw):
            return None
        if _is_struct(kind):
            return self._in_struct(kind, value, place)
        origin, parts = get_origin(kind), get_args(kind)
        if origin in _LISTS:
            return self._in_list(parts[0], value, place)
        if origin is dict:
            if not isinstance(value, dict):
                return _wrong(self._table, value, place)
            return self._each(((parts[1], each, (*place, str(key))) for key, each in value.items()))
        try:
            msgspec.convert(value, kind, strict=self._strict)
        except msgspec.ValidationError:
            return _wrong(_expected(inspect.type_info(kind)), value, place)
        return None

    def _in_struct(self, kind: type[Struct], value: object, place: tuple[str | int, ...]) -> Misfit | None:
        if not isinstance(value, dict):
            return _wrong(self._table, value, place)
        fields = msgspec.structs.fields(kind)
        known = {field.encode_name for field in fields}
        if kind.__struct_config__.forbid_unknown_fields:
            for key in value:
                if key not in known:
                    return Misfit(f"unknown key `{key}`", place, str(key))
        for field in fields:
            if field.required and field.encode_name not in value:
                return Misfit(f"the key `{field.encode_name}` is missing", place)
        return self._each(
            (field.type, value[field.encode_name], (*place, field.encode_name))
            for field in fields
            if field.encode_name in value
        )

    def _in_list(self, kind: Any, value: object, place: tuple[str | int, ...]) -> Misfit | None:  # noqa: ANN401  # any type
        if not isinstance(value, list | tuple):
            named = self._table.removeprefix("a ").removeprefix("an ") if _is_struct(kind) else "text"
            return _wrong(f"a list of {named}s", value, place)
        return self._each((kind, each, (*place, number)) for number, each in enumerate(value))

    def _each(self, parts: Any) -> Misfit | None:  # noqa: ANN401  # triples of what `first` takes
        return next((found for part in parts if (found := self.first(*part)) is not None), None)


def _is_struct(kind: Any) -> bool:  # noqa: ANN401  # any type
    return isinstance(kind, type) and issubclass(kind, Struct) and not kind.__struct_config__.array_like


def _without_none(kind: Any, value: object) -> Any:  # noqa: ANN401  # any type
    """Leave out of a union that a value need not be there, where one is there."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    others = [each for each in get_args(kind) if each is not types.NoneType]
    return others[0] if value is not None and len(others) == 1 else kind


def _wrong(expected: str, value: object, place: tuple[str | int, ...]) -> Misfit:
    return Misfit(f"expected {expected}, got {value_in_words(value)}", place)


def _expected(kind: inspect.Type) -> str:
    """Say what a value of a type is; the description of an annotated one goes before."""
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            return str((schema or {}).get("description") or _expected(inner))
        case inspect.UnionType(types=parts):
            return " or ".join(_expected(each) for each in parts if not isinstance(each, inspect.NoneType))
        case inspect.IntType() | inspect.FloatType():
            return f"{_WORDS[type(kind)]}{_bounded(kind)}"
        case inspect.EnumType(cls=cls):
            *names, last = [f'"{each.value}"' for each in cls]
            return f"{', '.join(names)} or {last}" if names else last
    return _WORDS.get(type(kind), "another value")


def _bounded(kind: inspect.IntType | inspect.FloatType) -> str:
    if kind.gt is not None:
        return f" above {kind.gt:g}"
    return "" if kind.ge is None else f" of {kind.ge:g} or more"
