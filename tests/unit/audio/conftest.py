"""Fixtures of this room's tests: opening and decoding a path, and one healthy file of every kind, written once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import SourceFile, open_source
from audiobatchd.plugin_api import Audio
from support.audio_files import CONTAINERS, music, write_audio

_KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{extension: (extension, {}) for extension in CONTAINERS},
    "flac 24": ("flac", {"sample_format": "s32"}),
    "mp3 uncounted": ("mp3", {"muxer_options": {"write_xing": "0"}}),
    "ogg flac": ("ogg", {"muxer": "ogg", "codec": "flac"}),
    "m4a alac": ("m4a", {"muxer": "ipod", "codec": "alac"}),
    "m4a faststart": ("m4a", {"muxer": "ipod", "codec": "aac", "muxer_options": {"movflags": "faststart"}}),
}
"""Extension of every kind of file, and what else `write_audio` is to be told."""


@pytest.fixture
def opened() -> Iterator[Callable[[Path], SourceFile]]:
    """Opens a source file, through the descriptor of its folder as the daemon does; both are closed at the end."""
    with ExitStack() as stack:

        def open_at(path: Path) -> SourceFile:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, folder)
            return stack.enter_context(open_source(folder, os.fsencode(path.name)))

        yield open_at


@pytest.fixture
def decoded(opened: Callable[[Path], SourceFile]) -> Callable[[Path], Audio]:
    """Decodes a whole file of at most 2 h."""
    return lambda path: decode(opened(path), "full_mix", 7200.0)


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Gives the bytes of a healthy file of one kind: 96000 frames of stereo music at 48 kHz."""
    folder = tmp_path_factory.mktemp("healthy")
    files: dict[str, bytes] = {}

    def of_kind(kind: str) -> bytes:
        if kind not in files:
            extension, options = _KINDS[kind]
            files[kind] = write_audio(folder / f"{kind}.{extension}", music(2, 48000, 1), 48000, **options).read_bytes()
        return files[kind]

    return of_kind
