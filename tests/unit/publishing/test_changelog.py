"""The section of a version is found, with its date, and nothing of its neighbours."""

from __future__ import annotations

import re

import pytest

from publishing.changelog import section
from publishing.signing import PublishingError

TEXT = """# Changelog

## [Unreleased]

- To come.

## [1.10.0] - 2026-02-03

### Added

- Much, over
  two lines.

### Fixed

- A fault.

## [1.1.0] - 2026-01-02

## [1.0.0]

- Without a date.

[1.10.0]: https://example.org/1.10.0
"""


def test_section_ends_where_the_next_begins() -> None:
    assert section(TEXT, "1.10.0") == "### Added\n\n- Much, over\n  two lines.\n\n### Fixed\n\n- A fault.\n"
    assert section(TEXT.partition("## [1.1.0]")[0], "1.10.0") == section(TEXT, "1.10.0")


def test_links_below_the_last_section_are_left_out() -> None:
    assert section(TEXT.replace("[1.0.0]", "[1.0.0] - 2026-01-01"), "1.0.0") == "- Without a date.\n"


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("2.0.0", "has no section [2.0.0]"),
        ("1.10", "has no section [1.10]"),
        ("1.1.0", "tells nothing"),
        ("1.0.0", "has no date"),
        ("Unreleased", "has no date"),
    ],
)
def test_what_cannot_be_released_is_told(version: str, said: str) -> None:
    with pytest.raises(PublishingError, match=re.escape(said)):
        section(TEXT, version)
