"""Licences become SPDX identifiers where the metadata is sure, and stay words where it is not."""

from __future__ import annotations

import pytest

from publishing.libraries import Json
from publishing.licences import licence


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"license_expression": "MIT OR Apache-2.0", "license": "no"}, {"expression": "MIT OR Apache-2.0"}),
        ({"license": "Apache 2.0"}, {"expression": "Apache-2.0"}),
        ({"license": "BSD-3-Clause"}, {"expression": "BSD-3-Clause"}),
        (
            {"license": "Copyright (c) ...", "classifier": ["License :: OSI Approved :: MIT License"]},
            {"expression": "MIT"},
        ),
        (
            {"license": "Copyright (c)\n2001", "classifier": ["License :: OSI Approved :: BSD License"]},
            {"license": {"name": "BSD License"}},
        ),
        ({"license": "Custom\nwith much text"}, {"license": {"name": "Custom"}}),
        ({"license": "x" * 300}, {"license": {"name": "x" * 200}}),
        ({}, {"license": {"name": "not told"}}),
    ],
)
def test_licence_of_metadata(told: Json, expected: Json) -> None:
    assert licence(told) == expected
