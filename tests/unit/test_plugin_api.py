"""An analyzer's options (what each takes, gives and refuses), and the rounding of its values."""

from __future__ import annotations

import importlib.util
import math
import platform
import sys
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from audiobatchd.errors import OptionError
from audiobatchd.plugin_api import Options, Settings, absence, significant

METHODS = ("multifeature", "degara")
HUGE = 10**400
"""A number in TOML and in Python, and none that a float can hold."""


def options(value: object) -> Options:
    return Options({"key": value})


def refusal(read: Callable[[], object]) -> str:
    with pytest.raises(OptionError) as caught:
        read()
    return str(caught.value)


def in_toml(value: object) -> str:
    """The value as Python writes it, with TOML's words and quotes."""
    return "a table" if isinstance(value, dict) else repr(value).replace("'", '"').replace("True", "true")


# Flags


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("default", [True, False])
def test_a_flag_is_true_or_false(value: bool, default: bool) -> None:
    assert options(value).flag("key", default=default) is value
    assert Options().flag("key", default=default) is default


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1, "1"), (0, "0"), ("true", '"true"'), ("", '""'), (1.0, "1.0"), ([], "[]"), ([True], "[true]"), ({}, "a table")],
)
def test_a_flag_is_nothing_else(value: object, shown: str) -> None:
    message = refusal(lambda: options(value).flag("key", default=False))
    assert message == f"option `key`: expected true or false, got {shown}"


# Numbers


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), (30, 30.0), (2.5, 2.5), (1e300, 1e300)])
def test_a_number_is_what_was_written(value: object, expected: float) -> None:
    assert options(value).number("key", least=1.0) == expected


def test_a_number_that_is_not_set_is_none() -> None:
    assert Options().number("key", least=1.0) is None


@pytest.mark.parametrize("value", [0.99, -1, True, "30", [30], math.nan, math.inf, HUGE])
def test_a_number_is_nothing_else_nor_too_small(value: object) -> None:
    message = refusal(lambda: options(value).number("key", least=1.0))
    assert message.startswith("option `key`: expected a number that is 1 or more, got ")


# Several of some


def test_choices_are_in_the_order_of_those_allowed_and_each_once() -> None:
    assert options(["degara", "multifeature", "degara"]).choices("key", METHODS, ()) == METHODS
    assert options([]).choices("key", METHODS, METHODS) == ()
    assert Options().choices("key", METHODS, ("degara",)) == ("degara",)


@pytest.mark.parametrize("value", ["degara", ["tempo"], [1], True, {}, [["degara"]]])
def test_choices_are_nothing_else(value: object) -> None:
    message = refusal(lambda: options(value).choices("key", METHODS, ()))
    assert message.startswith('option `key`: expected a list of "multifeature", "degara", got ')


# Choices


@pytest.mark.parametrize("value", METHODS)
def test_a_choice_is_one_of_those(value: str) -> None:
    assert options(value).choice("key", METHODS, "multifeature") == value


@pytest.mark.parametrize("default", METHODS)
def test_a_choice_has_a_default(default: str) -> None:
    assert Options().choice("key", METHODS, default) == default


@pytest.mark.parametrize(
    ("value", "shown"),
    [("fast", '"fast"'), ("Degara", '"Degara"'), ("", '""'), (1, "1"), (True, "true"), (["degara"], '["degara"]')],
)
def test_a_choice_is_nothing_else(value: object, shown: str) -> None:
    message = refusal(lambda: options(value).choice("key", METHODS, "degara"))
    assert message == f'option `key`: expected "multifeature" or "degara", got {shown}'


# Spans


@pytest.mark.parametrize(
    ("value", "span"),
    [
        ([80, 160], (80.0, 160.0)),
        ([79.5, 160], (79.5, 160.0)),
        ([1e-3, 1e9], (0.001, 1e9)),
        ([1, 10**300], (1.0, 1e300)),
        ((80, 160), (80.0, 160.0)),
    ],
)
def test_a_span_is_two_numbers(value: object, span: tuple[float, float]) -> None:
    found = options(value).span("key")
    assert found == span
    assert found is not None
    assert [type(each) for each in found] == [float, float]


def test_a_span_that_is_not_set_is_none() -> None:
    assert Options().span("key") is None


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([160, 80], id="the wrong way round"),
        pytest.param([80, 80], id="the same twice"),
        pytest.param([0, 80], id="from zero"),
        pytest.param([-80, 80], id="from below zero"),
        pytest.param([], id="none"),
        pytest.param([80], id="one"),
        pytest.param([80, 120, 160], id="three"),
        pytest.param(80, id="a number"),
        pytest.param("80-160", id="a text"),
        pytest.param("ab", id="a text of two characters"),
        pytest.param(["80", "160"], id="two texts"),
        pytest.param([[80], [160]], id="two lists"),
        pytest.param({"low": 80, "high": 160}, id="a table"),
        pytest.param(True, id="true"),
        pytest.param([True, 80], id="true for the lower one"),
        pytest.param([0.5, True], id="true for the higher one"),
        pytest.param([80, math.inf], id="to infinity"),
        pytest.param([-math.inf, 80], id="from minus infinity"),
        pytest.param([math.nan, 80], id="from what is no number"),
        pytest.param([80, math.nan], id="to what is no number"),
    ],
)
def test_a_span_is_nothing_else(value: object) -> None:
    message = refusal(lambda: options(value).span("key"))
    assert message == f"option `key`: expected two positive numbers, the lower one first, got {in_toml(value)}"


@pytest.mark.parametrize("value", [[80, HUGE], [HUGE, HUGE + 1]], ids=["one", "both"])
def test_a_span_of_numbers_beyond_floats_is_refused(value: list[int]) -> None:
    message = refusal(lambda: options(value).span("key"))
    assert message == f"option `key`: expected two positive numbers, the lower one first, got {repr(value)[:100]}"


@given(st.lists(st.integers() | st.floats() | st.booleans() | st.none() | st.text(max_size=2), max_size=3))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_span_is_refused_or_finite_and_ascending(value: list[object]) -> None:
    try:
        found = options(value).span("key")
    except OptionError:
        return
    assert found is not None
    low, high = found
    assert 0 < low <= high < math.inf


# Texts


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (["a"], ("a",)),
        (["b", "a"], ("b", "a")),
        (["a", "b", "a", "a"], ("a", "b")),
        (["ä/ö *"], ("ä/ö *",)),
        ([], ()),
    ],
)
def test_texts_are_a_list_each_taken_once(value: list[str], texts: tuple[str, ...]) -> None:
    assert options(value).texts("key", ("default",)) == texts


@pytest.mark.parametrize("default", [(), ("a", "b")])
def test_texts_have_a_default(default: tuple[str, ...]) -> None:
    assert Options().texts("key", default) == default


@pytest.mark.parametrize("value", ["a", "", 1, True, [""], ["a", ""], ["a", 1], [["a"]], {"a": "b"}], ids=repr)
def test_texts_are_nothing_else(value: object) -> None:
    message = refusal(lambda: options(value).texts("key", ()))
    assert message == f"option `key`: expected a list of texts, got {in_toml(value)}"


# All of them


def test_a_long_value_is_shown_by_its_beginning() -> None:
    message = refusal(lambda: options("x" * 1000).flag("key", default=False))
    assert message == 'option `key`: expected true or false, got "' + "x" * 99


def test_every_option_that_was_read_closes() -> None:
    read = Options({"flag": True, "choice": "degara", "span": [1, 2], "texts": ["a"]})
    read.flag("flag", default=False)
    read.choice("choice", METHODS, "degara")
    read.span("span")
    read.texts("texts", ())
    read.close()


def test_options_that_are_not_set_close() -> None:
    read = Options()
    read.flag("flag", default=False)
    read.close()
    Options().close()
    Options({}).close()


def test_a_key_that_nobody_reads_is_refused() -> None:
    assert refusal(Options({"stems": True}).close) == "unknown option `stems` (there are: none)"


def test_a_refused_key_is_told_which_keys_there_are() -> None:
    read = Options({"method": "degara", "folds": [80, 160], "grid": True})
    read.choice("method", METHODS, "degara")
    read.span("fold")
    assert refusal(read.close) == "unknown option `folds` (there are: `method`, `fold`)"


def test_the_table_that_was_given_is_copied() -> None:
    table: dict[str, object] = {"key": True}
    read = Options(table)
    table.clear()
    assert read.flag("key", default=False) is True


def test_settings_have_no_options_unless_some_are_given() -> None:
    Settings().options.close()
    assert Settings().model_directories == ()
    assert Settings().options is not Settings().options


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [(0.000123456, 4, 0.0001235), (12.34567, 3, 12.3), (-1234567.0, 4, -1235000.0), (0.0, 4, 0.0), (1e-30, 2, 1e-30)],
)
def test_significant_keeps_digits_and_not_places(value: float, digits: int, expected: float) -> None:
    assert significant(value, digits) == expected


# What is not installed


@pytest.mark.parametrize(
    ("distribution", "wanted"),
    [
        ("essentia-tensorflow", "essentia-tensorflow==2.1b6.dev1389"),
        ("systemd-python", "'systemd-python<236,>=234'"),
        ("of-another-project", "of-another-project"),
    ],
)
def test_absence_names_the_command_by_our_bounds(distribution: str, wanted: str) -> None:
    assert absence(distribution) == f"it is not installed: {sys.executable} -m pip install {wanted}"


def test_absence_names_uv_where_there_is_no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert absence("essentia-tensorflow").endswith(
        f": uv pip install --python {sys.executable} essentia-tensorflow==2.1b6.dev1389"
    )


def test_absence_of_what_this_machine_cannot_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    told = absence("essentia-tensorflow")
    assert told == f"there is no essentia-tensorflow for Python {platform.python_version()} on aarch64"
