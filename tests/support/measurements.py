"""Values of measurements, as the types that tests compute with."""

from __future__ import annotations

from audiobatchd.plugin_api import Value


def number(value: Value) -> float:
    """The number that a feature has. Fails where it is a text, a boolean or a mapping."""
    assert isinstance(value, float | int)
    assert not isinstance(value, bool)
    return float(value)
