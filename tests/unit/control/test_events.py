"""An event as one line."""

from __future__ import annotations

import pytest

from audiobatchd.control.events import event_line, plainly


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-14.25, "-14.25"),
        (1e-7, "1e-07"),
        (3, "3"),
        (True, "True"),
        ({"Rock": 0.61, "Pop": 0.2}, "Rock 0.61; Pop 0.2"),
        ("a\udce9", r"a\xe9"),
    ],
)
def test_values_are_told_as_text(value: object, text: str) -> None:
    assert plainly(value) == text


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("A - B", 'name="A - B"'),
        ("A", "name=A"),
        ("", 'name=""'),
        ("a=b", 'name="a=b"'),
        ('the "one"', r'name="the \x22one\x22"'),
    ],
)
def test_what_would_be_misread_is_quoted(value: str, field: str) -> None:
    assert event_line("folder-done", {"name": value}) == f"folder-done {field}"


def test_line_is_one_line_whatever_a_name_contains(hostile: tuple[str, ...]) -> None:
    for name in hostile:
        line = event_line("folder-failed", {"folder": name, "reason": f"{name}\n{name}"})
        assert line.isprintable()
