"""Decoding a source file, once, to blocks of float32; and telling a healthy file from a damaged one.

FFmpeg is asked to be strict, and is not trusted: what it gives is compared with the file's promise (`promise`), with
FLAC's MD5, and with its own log. Decoding goes by one thread: slots, not threads, fill the cores.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, Protocol

from av import AudioFrame, AudioLayout, Packet
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, PatchWelcomeError
from numpy.typing import NDArray

from audiobatchd.audio.blocks import Block, Blocks
from audiobatchd.audio.container import (
    LogLine,
    audio_stream,
    check_reading,
    in_seconds,
    is_short_of_memory,
    nameless,
    opened,
    own_order,
)
from audiobatchd.audio.flac import PcmDigest
from audiobatchd.audio.gather import Gatherer
from audiobatchd.audio.layout import MOST_CHANNELS, channel_names
from audiobatchd.audio.limit import MOST_RATE, Limit
from audiobatchd.audio.promise import Promise, promised
from audiobatchd.audio.source import SourceFile
from audiobatchd.audio.views import Decoded
from audiobatchd.audio.window import WindowReader
from audiobatchd.errors import DamagedFileError, UnmeasurableError
from audiobatchd.plugin_api import NATIVE

_LEAST_RATE = 8000
_LONGEST_FRAME = 1 << 16
_LONGEST_PACKETS = {"aac": 2048, "alac": 8192, "mp3": 1152, "mp3float": 1152, "opus": 5760, "vorbis": 8192}
"""Samples that a packet can hold, by FFmpeg's name of the codec; `_LONGEST_FRAME` of others."""

# What squares and sums of float32 samples can still hold; a file of integers called floats stays far below.
_MOST_AMPLITUDE = 1e12
# 30 dB above full scale: nothing that was encoded is so loud, and one bit of a gain that flipped makes it so.
_MOST_ENCODED = 32.0


class Receiver(Protocol):
    """Takes what is decoded of one file.

    Nothing of it may be used before `decode_into` has returned: only then is the file known to be whole.
    """

    def on_promise(self, seconds: float | None) -> None:
        """Hear of the file's promise, once, when it was read and found possible, before anything is decoded.

        `seconds` are the promised length, None where the file promises none.
        """

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:
        """Make ready for blocks of these channels at `rate` Hz; `promised` is the length in seconds, as above."""

    def feed(self, block: Block) -> None:
        """Take in the next samples, of shape (frames, channels), all finite; they are valid during the call.

        A file may still turn out to be damaged, or too long, or to have samples beyond reason further on.
        """


def decode_into(source: SourceFile, max_duration: float, receiver: Receiver) -> None:
    """Decode all of `source` into `receiver`, at its own rate and with its own channels.

    Raises DamagedFileError where the file does not hold what it promises, or nothing, or far too many bytes;
    UnmeasurableError where it is longer than `max_duration` seconds, has more channels or another sample rate than
    loudness is defined for, or samples beyond reason; OSError where it cannot be read. What `receiver` raises is passed
    on.
    """
    if not source.stamp.size:
        message = "is empty"
        raise DamagedFileError(message)
    promise = promised(source.window())
    take = _Take(Limit(max_duration, receiver.on_promise), source, promise.size, receiver)
    if promise.demuxer != "mov":  # FFmpeg reads its header; of other containers it may read any part first
        take.check_size(promise.seconds)
    for part in (promise, *promise.behind):
        reader = WindowReader(part.audio)
        try:
            _decode(reader, part, take)
        except (DamagedFileError, UnmeasurableError, FFmpegError) as error:
            check_reading(reader)
            if isinstance(error, FFmpegError) and not (isinstance(error, MemoryError) and is_short_of_memory()):
                raise DamagedFileError(take.fault(error)) from error
            raise
        check_reading(reader)
    take.finish()


def decode(
    source: SourceFile, role: str, max_duration: float, on_promise: Callable[[float | None], None] = lambda _: None
) -> Decoded:
    """Decode all of `source` and hold it as a whole; `on_promise` and what is raised are as of `decode_into`."""
    whole = _Whole(role, on_promise)
    decode_into(source, max_duration, whole)
    return whole.gatherer.decoded()


class _Whole:
    """Receiver of the native samples."""

    def __init__(self, role: str, on_promise: Callable[[float | None], None]) -> None:
        self._role = role
        self._on_promise = on_promise
        self.gatherer: Gatherer

    def on_promise(self, seconds: float | None) -> None:
        self._on_promise(seconds)

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:
        self.gatherer = Gatherer(self._role, rate, channels, (NATIVE,), promised)

    def feed(self, block: Block) -> None:
        self.gatherer.feed(block)


class _Take:
    """Decoded part of one file so far, part behind part; all parts have the same rate, channels and format."""

    def __init__(self, limit: Limit, source: SourceFile, given: int, receiver: Receiver) -> None:
        self._limit = limit
        self._receiver = receiver
        self._source = source
        self._given = given
        """Bytes of the file that the decoder is handed."""
        self._is_promised = False
        self._promised: float | None = None
        """Length in seconds that the whole file promises."""
        self._doubted: float | None = None
        """Promised length in seconds, where it is too long and may be wrong."""
        self._skimmed = 0.0
        """Seconds of it that were found."""
        self._blocks: Blocks | None = None
        self._kind: tuple[int, AudioLayout, str] | None = None
        self._codec = ""

    @property
    def count(self) -> int:
        """Number of sample frames."""
        return self._blocks.count if self._blocks else 0

    @property
    def seconds(self) -> float:
        """Length of the samples, or, where packets are only counted, of those that were found."""
        return self.count / self._kind[0] if self._kind else self._skimmed

    @property
    def is_doubted(self) -> bool:
        """True where the file promises to be too long: then its packets are counted, and not decoded."""
        return self._doubted is not None

    def check_size(self, seconds: float | None) -> None:
        """See `limit.Limit.check_size`."""
        self._limit.check_size(seconds, self._source.stamp.size, self._given)

    def promise(self, promise: Promise) -> None:
        """Take note of the length that the whole file promises, if it promises one; the first time only.

        One that is too long is believed where the bytes were counted for it; otherwise it is doubted.
        """
        if self._is_promised:
            return
        self._is_promised, seconds = True, promise.seconds
        if promise.is_counted:
            if 0 < promise.rate < _LEAST_RATE:
                # At so low a rate a short file would count as too long.
                message = f"has a sample rate of {promise.rate:g} Hz"
                raise UnmeasurableError(message)
            self._limit.check(seconds or 0.0)
        elif seconds is not None and self._limit.is_passed(seconds - promise.below / promise.rate):
            self._doubted = seconds
            self.check_size(None)
            return
        self.check_size(seconds)
        self._promised = seconds
        self._limit.on_promise(seconds)

    def skim(self, seconds: float) -> None:
        """Count what a packet holds, of a file that promises to be too long; raises BeyondLimitError once it is."""
        self._skimmed += seconds
        self._limit.check(self._skimmed)
        self._source.on_progress()

    def begin(self, first: AudioFrame, order: AudioLayout | None, codec: str) -> None:
        """Make ready for a part that begins with this frame.

        Raises UnmeasurableError for what no loudness is defined for.
        """
        self._codec = codec
        if self._blocks is None:
            channels = _channels_of(first, order)
            self._kind = first.sample_rate, first.layout, first.format.name
            most = _MOST_AMPLITUDE if codec.startswith("pcm_") else _MOST_ENCODED
            self._blocks = Blocks(first.format.name, len(channels), self._receiver.feed, most)
            self._receiver.begin(first.sample_rate, channels, self._promised)

    def add(self, frame: AudioFrame) -> NDArray[Any]:
        """Take one frame; gives its raw samples as `Blocks.add` does."""
        assert self._blocks is not None
        if (frame.sample_rate, frame.layout, frame.format.name) != self._kind:
            message = f"changes its sample rate or its channels at {self.seconds:.3f} s"
            raise DamagedFileError(message)
        raw = self._blocks.add(frame)
        self._limit.check(self.seconds)
        self._source.on_progress()
        return raw

    def fault(self, error: Exception | None = None) -> str:
        """Say that the decoder gave up here, in other words than its own, which help only those who wrote it."""
        if isinstance(error, MemoryError):
            return "cannot be decoded: its header asks for more memory than there can be"
        if isinstance(error, PatchWelcomeError):
            return "cannot be decoded: it makes use of a part of its codec that is not read"
        place = f"its audio is damaged at {self.seconds:.3f} s" if self.seconds else "its beginning is damaged"
        return f"cannot be decoded: {place}"

    def finish(self) -> None:
        """Hand on the last block; raises as `decode_into` does where there are no samples, or such as cannot be."""
        if self._doubted is not None:
            message = f"ends too early: it promises {self._doubted:.3f} s, and holds {self._skimmed:.3f} s"
            raise DamagedFileError(message)
        if self._blocks is None or self._kind is None:
            message = "holds no samples"
            raise DamagedFileError(message)
        self._blocks.flush()
        rate, magnitude = self._kind[0], self._blocks.magnitude
        if bad := self._blocks.bad:
            noun = "sample that is" if bad == 1 else "samples that are"
            message = f"holds {bad} {noun} not finite, the first at {self._blocks.first_bad / rate:.3f} s"
            raise DamagedFileError(message)
        if magnitude > _MOST_ENCODED and not self._codec.startswith("pcm_"):
            message = f"holds samples {20 * math.log10(magnitude):.0f} dB above full scale, as no encoder writes them"
            raise DamagedFileError(message)
        if magnitude > _MOST_AMPLITUDE:
            raise UnmeasurableError("samples beyond a trillion times full scale")


def _decode(reader: WindowReader, promise: Promise, take: _Take) -> None:
    """Decode one part of a file, to its end, behind what was taken before."""
    with opened(reader, promise.demuxer) as (container, log):
        stream = audio_stream(container)
        if promise.demuxer != "ogg":
            # Probing has decoded the beginning, and will be repeated; a page that was dropped is gone for good.
            log.clear()
        promise = promise.completed(
            in_seconds(stream.start_time, stream), in_seconds(stream.duration, stream), stream.rate
        )
        take.promise(promise)
        decoding = _Decoding(stream, promise, take, log)
        if take.is_doubted:
            decoding.skim(container)
        else:
            decoding.run(container)


class _Decoding:
    """Decoding of one stream into a `_Take`."""

    def __init__(self, stream: AudioStream, promise: Promise, take: _Take, log: list[LogLine]) -> None:
        self._stream = stream
        self._promise = promise
        self._take = take
        self._log = log
        self._codec = stream.codec_context.name
        self._order = own_order(stream.codec_context)
        info = promise.stream_info
        self._md5 = (
            PcmDigest(info.bits) if info is not None and info.md5 is not None and self._codec == "flac" else None
        )

    def run(self, container: InputContainer) -> None:
        """Decode to the end; see `decode_into`. Nothing is decoded behind the first error: FFmpeg may crash there."""
        frames, before = self._frames(container), self._take.count
        first = next(frames, None)
        if first is None:
            if self._promise.frames != 0:
                message = "holds no samples"
                raise DamagedFileError(message)
            return
        self._take.begin(first, self._order, self._codec)
        last = first
        for last in chain((first,), frames):
            raw = self._take.add(last)
            if self._md5 is not None:
                self._md5.add(raw)
        self._judge(self._take.count - before, first, last)

    def skim(self, container: InputContainer) -> None:
        """Count what the packets hold, as far as the limit; only the first are decoded, to learn the rate in truth.

        What an index says of a packet is held against what its codec can put into one, and against its bytes in PCM.
        """
        stated, rate = self._stream.rate, 0
        for packet in container.demux(self._stream):
            if not rate:
                rate = next((frame.sample_rate for frame in packet.decode() if frame.samples), 0)
            if self._log:
                self._check_log()
            if packet.size:
                self._take.skim(self._length(packet, stated, rate or stated))

    def _length(self, packet: Packet[Any], stated: int, rate: int) -> float:
        """The seconds of one packet, `rate` Hz in truth where its header has `stated` another one."""
        pcm = self._codec.startswith("pcm_")
        most = packet.size if pcm else _LONGEST_PACKETS.get(self._codec, _LONGEST_FRAME)
        if not packet.duration or not rate:
            return most / (rate or MOST_RATE)
        told = in_seconds(packet.duration, self._stream) or Fraction(0)
        if self._codec == "flac":  # whose frames know their rate
            told *= Fraction(stated, rate)
        return min(float(told), most / rate)

    def _frames(self, container: InputContainer) -> Iterator[AudioFrame]:
        for packet in container.demux(self._stream):
            for frame in packet.decode():
                if frame.samples:
                    yield frame
            if self._log:
                self._check_log()

    def _check_log(self) -> None:
        """Raise on what FFmpeg only logs: a frame that it conceals, a page that it drops.

        PyAV swallows an error of a packet that has given a frame already. PCM decoders complain of a file's odd end.
        """
        for _, name, text in self._log:
            if text.startswith("CRC mismatch"):
                message = "holds a page with a wrong checksum"
                raise DamagedFileError(message)
            if name == self._codec and not name.startswith("pcm_"):
                raise DamagedFileError(self._take.fault())
        self._log.clear()

    def _judge(self, count: int, first: AudioFrame, last: AudioFrame) -> None:
        """Raise DamagedFileError where the `count` frames that were decoded are not what was promised."""
        start, rate = first.pts or 0, first.sample_rate
        self._promise.check(count, rate, start)
        if self._promise.demuxer == "flac" and first.pts is not None and last.pts is not None:
            missing = last.pts - start + last.samples - count
            if missing and last.time_base == Fraction(1, rate):
                fault = "samples are missing on the way" if missing > 0 else "samples more than its frames count"
                message = f"{'ends too early:' if missing > 0 else 'holds'} {abs(missing)} {fault}"
                raise DamagedFileError(message)
        info = self._promise.stream_info
        if self._md5 is not None and info is not None and self._md5.digest() != info.md5:
            message = "holds samples whose MD5 is not the one in STREAMINFO"
            raise DamagedFileError(message)


def _channels_of(frame: AudioFrame, order: AudioLayout | None) -> tuple[str, ...]:
    """The channels of the first frame, in the file's own `order` where the decoder leaves that to it.

    Raises UnmeasurableError for what no loudness is defined for.
    """
    channels, rate = frame.layout.nb_channels, frame.sample_rate
    if not 1 <= channels <= MOST_CHANNELS:
        message = f"has {channels} channels"
        raise UnmeasurableError(message)
    if not _LEAST_RATE <= rate <= MOST_RATE:
        message = f"has a sample rate of {rate} Hz"
        raise UnmeasurableError(message)
    return channel_names(order if order is not None and frame.layout == nameless(channels) else frame.layout)
