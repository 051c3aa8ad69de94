"""What analyzers may give as a companion file; values are tried where they are measured."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatchd.errors import AnalyzerFaultError
from audiobatchd.plugin_api import FULL_MIX, Feature, Measurement
from audiobatchd.worker.process import validity
from audiobatchd.worker.process.validity import checked
from support.phase_rig import Part


class Filed(Part):
    """An analyzer of one file."""

    def features(self, role: str) -> tuple[Feature, ...]:  # noqa: ARG002  # the same for all
        return (Feature(".PART", "", ""),)


def given(content: object) -> object:
    """The file that comes of this content."""
    measurement = Measurement({}, files={".PART": content})  # type: ignore[dict-item]  # that is what is tried
    return checked(Filed(), FULL_MIX, measurement)[1][".PART"]


@pytest.mark.parametrize("content", ["", "text\n", b"", b"\x93NUMPY\xff\x00", np.bytes_(b"\xff\x01")])
def test_text_and_bytes_are_taken_as_they_are(content: str | bytes) -> None:
    found = given(content)
    assert found == content
    assert type(found) in (str, bytes)


@pytest.mark.parametrize("content", [5, None, bytearray(b"a"), memoryview(b"a"), ["a"], "\ud800"])
def test_other_content_is_a_fault_that_names_the_file(content: object) -> None:
    with pytest.raises(AnalyzerFaultError, match=r"analyzer part gave \w+ for \.PART: expected a text, or bytes"):
        given(content)


@pytest.mark.parametrize(("content", "more"), [("ä" * 5, "ä" * 6), (b"x" * 10, b"x" * 11)])
def test_content_of_more_than_the_bound_is_a_fault(
    content: str | bytes, more: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validity, "LARGEST_FILE", 10)
    assert given(content) == content
    with pytest.raises(AnalyzerFaultError, match=r"gave 1[12] bytes for \.PART, more than 10 bytes"):
        given(more)
