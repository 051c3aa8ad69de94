"""Opening a part of a source file with FFmpeg: strictly, from a window, and with FFmpeg's errors at hand.

Owns what is asked of FFmpeg. It is always told the kind of container and never left to guess: in some kinds, other
files are named, which it would open. What its decoders give is `decode`'s business.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
from av import AudioCodecContext, AudioLayout
from av.audio.stream import AudioStream
from av.codec.context import ThreadType
from av.container import InputContainer

from audiobatchd.audio.window import WindowReader
from audiobatchd.errors import DamagedFileError

_READ_BYTES = 1 << 16
# Larger packets are mapped and unmapped one by one: four times the CPU time at 256 KiB.
_PCM_PACKET_BYTES = 1 << 14
_PLENTY_BYTES = 1 << 26
_STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}

LogLine = tuple[int, str, str]


@contextmanager
def opened(reader: WindowReader, demuxer: str) -> Iterator[tuple[InputContainer, list[LogLine]]]:
    """Open a container of the kind `demuxer`, as FFmpeg calls it; gives it with the errors that FFmpeg logs meanwhile.

    Raises av.error.FFmpegError.
    """
    options = {"max_size": str(_PCM_PACKET_BYTES)} if demuxer == "wav" else {}
    with (
        _captured_log() as log,
        av.open(
            reader,
            "r",
            format=demuxer,
            options=options,
            buffer_size=_READ_BYTES,
            metadata_errors="replace",
        ) as container,
    ):
        yield container, log


def audio_stream(container: InputContainer) -> AudioStream:
    """Return the first audio stream, set to be decoded strictly; cover art and other streams are left alone.

    Raises DamagedFileError where there is none that can be decoded.
    """
    streams = container.streams.audio
    if not streams or not streams[0].codec_context:
        message = "holds no audio" if not streams else "holds audio of an unknown codec"
        raise DamagedFileError(message)
    stream = streams[0]
    stream.codec_context.thread_type = ThreadType.NONE
    stream.codec_context.thread_count = 1
    stream.codec_context.options = dict(_STRICT)
    return stream


def own_order(context: AudioCodecContext) -> AudioLayout | None:
    """Take an order of channels that only this file has out of the decoder's hands, which goes by their number then.

    AIFF may have one. PyAV 18 frees it with every frame, and with every look at it, and FFmpeg does again: the process
    dies of it. To be called before anything else looks at the layout.
    """
    layout = context.layout
    if "channels (" not in layout.name:
        return None
    # The layout that was read above is freed with `layout`: no other object may keep it.
    context.layout = nameless(layout.nb_channels)
    return layout


def nameless(channels: int) -> AudioLayout:
    """Return the layout of so many channels in no order."""
    return AudioLayout(f"{channels} channels")


def in_seconds(ticks: int | None, stream: AudioStream) -> Fraction | None:
    """Return a time of the stream in seconds; None where FFmpeg does not know it."""
    return None if ticks is None or stream.time_base is None else ticks * stream.time_base


def check_reading(reader: WindowReader) -> None:
    """Raise the OSError behind which FFmpeg saw the end of the file: then the file was not judged."""
    if reader.fault is not None:
        raise reader.fault


def is_short_of_memory() -> bool:
    """Tell whether the machine lacks memory, rather than that a header asks for more than there can be."""
    try:
        bytearray(_PLENTY_BYTES)
    except MemoryError:
        return True
    return False


@contextmanager
def _captured_log() -> Iterator[list[LogLine]]:
    """FFmpeg's errors of this thread, repeated ones too; outside of it FFmpeg logs nowhere."""
    av.logging.set_skip_repeated(False)
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as log:
            yield log
    finally:
        av.logging.set_level(None)
