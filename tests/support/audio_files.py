"""Makes the audio that tests measure: signals, files of every container by PyAV alone, and whole track folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from audiobatchd.plugin_api import FULL_MIX, STEMS

Samples = NDArray[np.float32]

ROLES = (FULL_MIX, *STEMS)
PLACES = {1: ("FC",), 2: ("FL", "FR"), 6: ("FL", "FR", "FC", "LFE", "BL", "BR")}
"""Names of channels by their number."""

_CHUNK = 1 << 14

CONTAINERS: Mapping[str, tuple[str, str]] = {
    "flac": ("flac", "flac"),
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "ogg": ("ogg", "vorbis"),
    "opus": ("opus", "libopus"),
    "m4a": ("ipod", "aac"),
    "aac": ("adts", "aac"),
    "aiff": ("aiff", "pcm_s16be"),
    "aif": ("aiff", "pcm_s16be"),
    "oga": ("ogg", "vorbis"),
    "m4b": ("ipod", "aac"),
    "mp4": ("mp4", "aac"),
    "aifc": ("aiff", "pcm_s16le"),
    "wave": ("wav", "pcm_s16le"),
}
"""FFmpeg's muxer and the usual codec of every extension. The Vorbis encoder knows stereo alone, Opus 48 kHz."""

_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

_FULL_SCALE: Mapping[str, tuple[float, type[np.generic]]] = {
    "u8": (1 << 7, np.uint8),
    "s16": (1 << 15, np.int16),
    "s32": (1 << 31, np.int32),
    "flt": (1.0, np.float32),
    "dbl": (1.0, np.float64),
}


def tone(
    seconds: float, rate: int = 44100, channels: int = 2, frequency: float = 1000.0, dbfs: float = -20.0
) -> Samples:
    """A sine of `frequency` Hz in every channel, its peak at `dbfs`; shape (frames, channels).

    In stereo, 1 kHz at -23 dBFS is -23 LUFS (EBU Tech 3341).
    """
    time = np.arange(round(seconds * rate)) / rate
    wave = 10 ** (dbfs / 20) * np.sin(2 * np.pi * frequency * time)
    return np.repeat(wave.astype(np.float32)[:, np.newaxis], channels, axis=1)


def music(seconds: float, rate: int = 44100, seed: int = 0, channels: int = 2) -> Samples:
    """A programme whose loudness and spectrum wander: chords over noise, the same for the same arguments.

    Shape (frames, channels); the peak is -3 dBFS, no two channels are equal.
    """
    random = np.random.default_rng(seed)
    frames = round(seconds * rate)
    time = np.arange(frames) / rate
    knots = np.arange(0.0, seconds + 1.5, 0.75)
    samples = np.empty((frames, channels))
    for channel in range(channels):
        levels = 10 ** (random.uniform(-30, 0, knots.size) / 20)
        voice = random.standard_normal(frames) * 0.05
        for pitch in random.choice(np.arange(100.0, 2000.0, 27.5), 5, replace=False):
            voice += np.sin(2 * np.pi * min(pitch, rate / 5) * time + random.uniform(0, 2 * np.pi))
        samples[:, channel] = voice * np.interp(time, knots, levels)
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-9)
    return (samples * (0.7079 / peak)).astype(np.float32)


def write_audio(
    path: Path,
    samples: NDArray[Any],
    rate: int,
    *,
    muxer: str | None = None,
    codec: str | None = None,
    sample_format: str | None = None,
    options: Mapping[str, str] | None = None,
    muxer_options: Mapping[str, str] | None = None,
    metadata: Mapping[str, str] | None = None,
    bit_rate: int | None = None,
) -> Path:
    """Write `samples` of shape (frames, channels) to `path`; container and codec go by its extension.

    `muxer` and `codec` name others; `sample_format` is one of FFmpeg's packed ones where a codec takes several ("s32"
    makes 24-bit FLAC); `options` are the encoder's, `muxer_options` the container's. Gives `path` back.
    """
    usual_muxer, usual_codec = CONTAINERS[path.suffix.removeprefix(".")] if not (muxer and codec) else ("", "")
    codec = codec or usual_codec
    # A file object, not a name: FFmpeg takes no names outside UTF-8, and takes `http:x.flac` for an address.
    with (
        path.open("wb") as file,
        av.open(file, "w", format=muxer or usual_muxer, container_options=dict(muxer_options or {})) as container,
    ):
        stream = container.add_stream(codec, rate=rate, options={"strict": "-2", **(options or {})})
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        context.layout = _LAYOUTS[samples.shape[1]]
        if sample_format:
            context.format = sample_format
        if bit_rate is not None:
            context.bit_rate = bit_rate
        container.metadata.update(metadata or {})
        for frame in _frames(samples, rate, context.format.name.removesuffix("p")):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def quantized(samples: NDArray[Any], bits: int) -> Samples:
    """Return what a lossless file of `bits` per sample gives back for `samples`."""
    scale = 2.0 ** (bits - 1)
    return (np.clip(np.rint(samples.astype(np.float64) * scale), -scale, scale - 1) / scale).astype(np.float32)


def _frames(samples: NDArray[Any], rate: int, sample_format: str) -> Iterable[av.AudioFrame]:
    scale, kind = _FULL_SCALE[sample_format]
    for start in range(0, len(samples), _CHUNK):
        chunk = samples[start : start + _CHUNK].reshape(1, -1).astype(np.float64)
        if scale != 1.0:
            # 32 bits hold the 24 of the codecs that are written here: rounded to these, so that nothing is cut off.
            step = scale if sample_format != "s32" else float(1 << 23)
            chunk = np.clip(np.rint(chunk * step), -step, step - 1) * (scale / step)
        if sample_format == "u8":
            chunk += 128
        frame = av.AudioFrame.from_ndarray(chunk.astype(kind), sample_format, _LAYOUTS[samples.shape[1]])
        frame.sample_rate = rate
        frame.pts = start
        yield frame


def make_track(
    folder: Path,
    *,
    seconds: float = 4.0,
    stems: Iterable[str] = STEMS,
    extension: str = "flac",
    seed: int = 0,
    rate: int = 44100,
) -> Path:
    """Make the track folder `folder` with a full mix and these stems, each a stereo programme of its own.

    A folder that is there already is filled up. Gives `folder` back.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if extension == "opus":
        rate = 48000
    for place, role in enumerate((FULL_MIX, *stems)):
        write_audio(folder / f"{role}.{extension}", music(seconds, rate, seed * 101 + place), rate)
    return folder


def path_of(folder: Path, name: bytes) -> Path:
    """The path of a file whose name is bytes, UTF-8 or not."""
    return folder / os.fsdecode(name)
