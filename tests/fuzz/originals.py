"""The healthy files that mutants are made of: one of every container and codec, the same bytes each time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.audio_files import music, write_audio

RATE = 48000
SECONDS = 3.3
"""Long enough for every analyzer: three seconds are the least for a range, a tempo, and a patch of a network."""

KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "wav": ("wav", {}),
    "wav 24": ("wav", {"muxer": "wav", "codec": "pcm_s24le", "sample_format": "s32"}),
    "wav float": ("wav", {"muxer": "wav", "codec": "pcm_f32le"}),
    "aiff": ("aiff", {}),
    "aiff float": ("aiff", {"muxer": "aiff", "codec": "pcm_f32be"}),
    "flac": ("flac", {}),
    "flac 24": ("flac", {"sample_format": "s32"}),
    "mp3": ("mp3", {}),
    "mp3 uncounted": ("mp3", {"muxer_options": {"write_xing": "0"}}),
    "ogg": ("ogg", {}),
    "ogg flac": ("ogg", {"muxer": "ogg", "codec": "flac"}),
    "opus": ("opus", {}),
    "m4a": ("m4a", {}),
    "m4a alac": ("m4a", {"muxer": "ipod", "codec": "alac"}),
    "m4a faststart": ("m4a", {"muxer_options": {"movflags": "faststart"}}),
    "m4a fragments": (
        "m4a",
        {
            "muxer": "mp4",
            "codec": "aac",
            "muxer_options": {"movflags": "frag_keyframe+empty_moov", "frag_size": "9000"},
        },
    ),
    "aac": ("aac", {}),
}
"""Of every kind of file: its extension, and what else `write_audio` is to be told."""


def extension_of(kind: str) -> str:
    """What a healthy file of `kind` is called."""
    return KINDS[kind][0]


def originals() -> dict[str, bytes]:
    """The bytes of one healthy file of every kind, each with music of its own."""
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="audio-fuzz-") as directory:
        for seed, (kind, (extension, options)) in enumerate(KINDS.items()):
            # FFmpeg gives Ogg streams a random number otherwise.
            exact = {"fflags": "+bitexact", **options.get("muxer_options", {})}
            path = Path(directory, f"{seed}.{extension}")
            samples = music(SECONDS, RATE, seed)
            tags = {"title": "a mutant", "comment": "its parent"}
            write_audio(path, samples, RATE, **{**options, "muxer_options": exact}, metadata=tags)
            made[kind] = path.read_bytes()
    return made
