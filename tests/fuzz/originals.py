"""The healthy files that mutants are made of: one of every container and codec, the same bytes each time."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from support.audio_files import Samples, music, quantized, write_audio
from support.containers import aifc, chunk, extensible, form, riff, rifx, wave

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
    "wav big-endian": ("wav", {}),
    "wav 24 in 32": ("wav", {}),
    "wav streamed": ("wav", {}),
    "aifc 24 little": ("aiff", {}),
}
"""Extension of every kind of file, and what else `write_audio` is to be told, which makes most of them."""

BITS: Mapping[str, int | None] = {
    "wav": 16, "wav 24": 24, "wav float": None, "aiff": 16, "aiff float": None, "flac": 16, "flac 24": 24,
    "ogg flac": 16, "m4a alac": 24, "wav big-endian": 16, "wav 24 in 32": 24, "wav streamed": 16, "aifc 24 little": 24,
}  # fmt: skip
"""Bits of a sample, of the lossless kinds: so much of the music is in them, whatever a decoder says of it."""


def source(kind: str) -> Samples:
    """The samples that a healthy file of this lossless `kind` was made of."""
    samples, bits = music(SECONDS, RATE, [*KINDS].index(kind)), BITS[kind]
    return samples if bits is None else quantized(samples, bits)


def _by_hand(kind: str) -> bytes:
    """A file that no program at hand writes."""
    scaled = (source(kind).astype(np.float64) * (1 << 31)).astype(np.int64)
    match kind:
        case "wav big-endian":
            return rifx((scaled >> 16).astype(">i2").tobytes(), form(rate=RATE, order=">"))
        case "wav 24 in 32":
            return wave(scaled.astype("<i4").tobytes(), extensible(32, 24, rate=RATE))
        case "wav streamed":
            samples = (scaled >> 16).astype("<i2").tobytes()
            return riff(chunk(b"fmt ", form(rate=RATE)), chunk(b"data", samples, 0xFFFFFFFF), size=0xFFFFFFFF)
        case _:
            rows = scaled.astype("<i4").view(np.uint8).reshape(-1, 4)
            return aifc(rows[:, 1:].tobytes(), 24, b"sowt", rate=RATE)


_BY_HAND = frozenset({"wav big-endian", "wav 24 in 32", "wav streamed", "aifc 24 little"})


def extension_of(kind: str) -> str:
    """Name a healthy file of `kind`."""
    return KINDS[kind][0]


def originals() -> dict[str, bytes]:
    """The bytes of one healthy file of every kind, each with music of its own."""
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="audio-fuzz-") as directory:
        for seed, (kind, (extension, options)) in enumerate(KINDS.items()):
            if kind in _BY_HAND:
                made[kind] = _by_hand(kind)
                continue
            # FFmpeg gives Ogg streams a random number otherwise.
            exact = {"fflags": "+bitexact", **options.get("muxer_options", {})}
            path = Path(directory, f"{seed}.{extension}")
            samples = music(SECONDS, RATE, seed)
            tags = {"title": "a mutant", "comment": "its parent"}
            write_audio(path, samples, RATE, **{**options, "muxer_options": exact}, metadata=tags)
            made[kind] = path.read_bytes()
    return made
