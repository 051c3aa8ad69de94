"""Encoding of a source file, as its container tells: codec, rate, channels, bits and length.

Nothing is decoded but the few frames by which FFmpeg learns what a header does not say. What the file holds in truth is
`decode`'s business: a length that is told here is as true as the file's promise, which `decode` holds it to.
"""

from __future__ import annotations

import re
from fractions import Fraction

from av import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from audiobatchd.audio.container import audio_stream, check_reading, in_seconds, is_short_of_memory, opened, own_order
from audiobatchd.audio.flac import parse_stream_info
from audiobatchd.audio.limit import Limit
from audiobatchd.audio.promise import Promise, promised
from audiobatchd.audio.source import SourceFile
from audiobatchd.audio.window import WindowReader
from audiobatchd.errors import DamagedFileError
from audiobatchd.plugin_api import Encoding

_PCM = re.compile(r"pcm_[a-z](\d+)")
_ALAC_BITS = 17
"""Offset of the bits of a sample in ALAC's `alac` box, with the box's own header, as FFmpeg hands it on."""


def encoding_of(source: SourceFile, max_duration: float) -> Encoding:
    """Read how `source` holds its audio.

    Raises DamagedFileError where its container contradicts itself, or is none that is read, or far too large;
    UnmeasurableError where it holds audio of several kinds, or is longer than `max_duration` seconds by its size alone;
    OSError where it cannot be read.
    """
    if not source.stamp.size:
        message = "is empty"
        raise DamagedFileError(message)
    promise = promised(source.window())
    limit = Limit(max_duration)
    if promise.demuxer != "mov":  # FFmpeg reads its header; of other containers it may read any part first
        _check_size(limit, promise, source)
    found = _part(promise, limit, source)
    if found.seconds is None or not promise.late:
        return found
    # Each link of a chain has a zero of its own.
    behind = [_part(part, limit, source).seconds or 0.0 for part in promise.behind]
    return Encoding(found.codec, found.rate, found.channels, found.bits, found.seconds + sum(behind))


def _check_size(limit: Limit, promise: Promise, source: SourceFile) -> None:
    seconds = promise.seconds
    if seconds is not None and not promise.is_counted and limit.is_passed(seconds):
        seconds = None  # not to be believed, least of all that it makes so large a file possible
    limit.check_size(seconds, source.stamp.size, promise.size)


def _part(promise: Promise, limit: Limit, source: SourceFile) -> Encoding:
    """Read one part of the file; its length with all that is behind it, of a late promise its own."""
    reader = WindowReader(promise.audio)
    try:
        with opened(reader, promise.demuxer) as (container, _):
            stream = audio_stream(container)
            start, duration = in_seconds(stream.start_time, stream), in_seconds(stream.duration, stream)
            promise = promise.completed(start, duration, stream.rate)
            if promise.demuxer == "mov":
                _check_size(limit, promise, source)
            context = stream.codec_context
            channels = (own_order(context) or context.layout).nb_channels
            codec = context.codec.canonical_name
            seconds = _own_seconds(promise) if promise.late else promise.seconds
            if seconds is None:
                seconds = _counted(container, stream, source)
            bits = _bits(codec, context, promise)
            codec = _other_order(codec) if promise.is_swapped else codec
            return Encoding(codec, stream.rate, channels, bits, seconds)
    except (DamagedFileError, FFmpegError) as error:
        check_reading(reader)
        if isinstance(error, FFmpegError) and not (isinstance(error, MemoryError) and is_short_of_memory()):
            message = "cannot be decoded: its beginning is damaged"
            raise DamagedFileError(message) from error
        raise
    finally:
        check_reading(reader)


def _own_seconds(promise: Promise) -> float | None:
    if promise.frames is None or promise.rate <= 0:
        return None
    return max(0.0, promise.frames / promise.rate - promise.start)


def _counted(container: InputContainer, stream: AudioStream, source: SourceFile) -> float | None:
    """Add up the packets of a stream that does not promise a length, as one that was written into a pipe."""
    total = Fraction(0)
    for packet in container.demux(stream):
        if packet.size:
            if not packet.duration:
                return None
            total += in_seconds(packet.duration, stream) or 0
            source.on_progress()
    return float(total) or None


def _other_order(codec: str) -> str:
    """Return the name of the same PCM with its bytes in the other order."""
    stem, order = codec[:-2], codec[-2:]
    return stem + {"le": "be", "be": "le"}.get(order, order)


def _bits(codec: str, context: AudioCodecContext, promise: Promise) -> int | None:
    """Return the bits of a sample; None for codecs that keep no samples as they were."""
    extra = context.extradata or b""
    if codec == "flac":
        info = promise.stream_info or parse_stream_info(extra[-34:])
        return info.bits if info else None
    if codec == "alac":
        return extra[_ALAC_BITS] if len(extra) > _ALAC_BITS else None
    found = _PCM.match(codec)
    return int(found[1]) if found else None
