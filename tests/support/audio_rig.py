"""Types of the fixtures of `tests/unit/audio`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from audiobatchd.audio.source import SourceFile
from audiobatchd.plugin_api import Audio

Decoded = Callable[[Path], Audio]
"""Decodes the file at a path."""

Opened = Callable[[Path], SourceFile]
"""Opens the file at a path; it is closed with the test."""

Healthy = Callable[[str], bytes]
"""Gives a healthy file of a kind."""
