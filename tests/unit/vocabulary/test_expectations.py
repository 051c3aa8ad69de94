"""What is wrong with a value, in words for people."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Raw, Struct

from audiobatchd.vocabulary.expectations import Misfit, dotted, misfit, value_in_words, why_not_json


class Colour(StrEnum):
    """Value that is one of three."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"


class Pair(Struct, array_like=True):
    """Object that is written as a list."""

    one: int
    other: int


class Inner(Struct):
    """Object in another."""

    name: str
    size: float = 1.0


class Outer(Struct, forbid_unknown_fields=True):
    """Object with a field of each kind."""

    count: int | None = None
    share: Annotated[float, Meta(gt=0)] = 1.0
    least: Annotated[int, Meta(ge=2)] = 2
    on: bool = False
    colour: Colour = Colour.RED
    words: list[str] = []
    inner: list[Inner] = []
    by_name: dict[str, dict[str, Any]] = {}
    code: Annotated[str, Meta(pattern="^[a-z]+$", description="a code of small letters")] = "a"
    pair: Pair | None = None
    raw: Raw = Raw(b"1")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"count": "2"}, 'expected a whole number, got "2" - at `count`'),
        ({"count": 2.5}, "expected a whole number, got 2.5 - at `count`"),
        ({"count": True}, "expected a whole number, got true - at `count`"),
        ({"count": []}, "expected a whole number, got a list - at `count`"),
        ({"share": "1"}, 'expected a number above 0, got "1" - at `share`'),
        ({"share": 0}, "expected a number above 0, got 0 - at `share`"),
        ({"least": 1}, "expected a whole number of 2 or more, got 1 - at `least`"),
        ({"on": "yes"}, 'expected true or false, got "yes" - at `on`'),
        ({"on": None}, "expected true or false, got null - at `on`"),
        ({"colour": "pink"}, 'expected "red", "green" or "blue", got "pink" - at `colour`'),
        ({"words": "a"}, 'expected a list of texts, got "a" - at `words`'),
        ({"words": ["a", 1]}, "expected text, got 1 - at `words[1]`"),
        ({"inner": {}}, "expected a list of objects, got a table - at `inner`"),
        ({"inner": [{"name": "a"}, 5]}, "expected an object, got 5 - at `inner[1]`"),
        ({"inner": [{}]}, "the key `name` is missing - at `inner[0]`"),
        ({"inner": [{"name": "a", "size": "x"}]}, 'expected a number, got "x" - at `inner[0].size`'),
        ({"by_name": 1}, "expected an object, got 1 - at `by_name`"),
        ({"by_name": {"a": 1}}, "expected an object, got 1 - at `by_name.a`"),
        ({"code": "A"}, 'expected a code of small letters, got "A" - at `code`'),
        ({"pair": {"one": 1}}, "expected a list, got a table - at `pair`"),
        ({"cuont": 1}, "unknown key `cuont`"),
        ([], "expected an object, got a list"),
    ],
)
def test_first_misfit_is_said_without_types(value: object, said: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, Outer)
    assert str(misfit(Outer, value)) == said


def test_what_fits_is_no_misfit() -> None:
    parts = {"by_name": {"a": {"b": 1}}, "pair": [1, 2], "raw": {"x": []}, "inner": [{"name": "a"}]}
    assert misfit(Outer, {"count": None} | parts) is None


def test_texts_of_a_query_are_read_as_what_they_say() -> None:
    assert misfit(Outer, {"count": "2", "on": "true"}, strict=False) is None
    assert str(misfit(Outer, {"count": "two"}, strict=False)) == 'expected a whole number, got "two" - at `count`'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"count": "2"}', 'expected a whole number, got "2" - at `count`'),
        (b"{", "it is not JSON: a fault"),
        (b"\xff", "it is not JSON: a fault"),
        (b"[" * 100_000 + b"]" * 100_000, "it is too deep"),
        (b"{}", "a fault"),
    ],
)
def test_json_that_is_none_is_told_from_another_shape(content: bytes, said: str) -> None:
    assert why_not_json(Outer, content, ValueError("a fault")) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a\nb", '"a\\nb"'),
        ("x" * 200, '"' + "x" * 79 + "..."),
        (10**100, "1" + "0" * 79 + "..."),
        (float("nan"), "nan"),
        (None, "null"),
        ({}, "a table"),
        ([1], "a list"),
    ],
)
def test_value_is_repeated_up_to_a_length(value: object, said: str) -> None:
    assert value_in_words(value) == said


def test_place_is_written_with_dots_and_numbers() -> None:
    assert dotted(("dataset", 0, "path")) == "dataset[0].path"
    assert str(Misfit("it is wrong")) == "it is wrong"
