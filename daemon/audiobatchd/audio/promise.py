"""What a file promises before it is decoded: its container, where its audio is, how many sample frames it holds.

Owns the choice of the parser and how far each container's promise can be trusted; the parsers stand in modules of their
own, read by bounded steps, and are safe on any bytes. What the samples turn out to be is `decode`'s business.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from audiobatchd.audio import adts, aiff, flac, frames, mp3, mp4, ogg, wav
from audiobatchd.audio.tags import leading_tags, trailing_tags
from audiobatchd.audio.window import Excerpt, Window
from audiobatchd.errors import DamagedFileError

DEMUXERS = ("wav", "flac", "mp3", "ogg", "mov", "aac", "aiff")
"""FFmpeg's names of the containers that we know how to judge; no other is read."""

_MOST_ZEROS_BEFORE = 1 << 16
_MOST_ZEROS_BEHIND = 4096
_MOST_ZEROS_LOOKED_AT = 1 << 30
_BLOCK = 1 << 20
_LONGEST_BLOCK = 8192
_LONGEST_FLAC_FRAME = 1 << 22


@dataclass(frozen=True)
class Promise:
    """What was found out without decoding.

    `demuxer` is FFmpeg's name of the container (None: let it look), `audio` the bytes to give it. `frames` at `rate` Hz
    are promised (None: nothing is), give or take `below` and `above`; with `late` they count from the stream's zero,
    which may lie `start` seconds before its first sample. `stream_info` is FLAC's.
    """

    demuxer: str | None
    audio: Window
    frames: int | None = None
    rate: float = 0.0
    below: int = 0
    above: int = 0
    late: bool = False
    start: float = 0.0
    stream_info: flac.StreamInfo | None = None

    @property
    def seconds(self) -> float | None:
        """The promised length, None where there is no promise."""
        return max(0.0, self.frames / self.rate - self.start) if self.frames is not None and self.rate > 0 else None

    def completed(self, start: Fraction | None, duration: Fraction | None, rate: int) -> Promise:
        """This promise with what FFmpeg read from the header: start and duration of the audio in seconds.

        The duration is MP4's alone, to 1 ms at worst: elsewhere FFmpeg estimates. FFmpeg does not trim the last packet
        of an MP4, and a packet with spectral band replication has 2048 samples.
        """
        if self.demuxer == "mov" and duration and rate > 0:
            return dataclasses.replace(
                self, frames=round(duration * rate), rate=rate, below=rate // 500 + 1, above=2 * 2048
            )
        if self.late and start:
            return dataclasses.replace(self, start=float(start))
        return self

    def check(self, count: int, rate: int, first: int) -> None:
        """Raise DamagedFileError unless `count` decoded frames at `rate` Hz, from the frame `first` on, keep it."""
        if self.frames is None or self.rate <= 0:
            return
        scale = rate / self.rate
        expected = self.frames * scale - (first if self.late else 0)
        if count < expected - self.below * scale - 0.5:
            message = f"ends too early: {count} of the {expected:.0f} samples that it promises could be decoded"
            raise DamagedFileError(message)
        if count > expected + self.above * scale + 0.5:
            message = f"holds more than it promises: {count} samples instead of {expected:.0f}"
            raise DamagedFileError(message)


def promised(window: Window) -> Promise:
    """Find the container by its first bytes, never by the file's name, and read what it promises.

    Tags around the audio are left out. Raises DamagedFileError where the file contradicts its own sizes,
    UnmeasurableError where it holds audio of several kinds, and OSError.
    """
    audio: Window = Excerpt(window, leading_tags(window), window.size)
    head = audio.at(0, 64)
    for matches, parser in _CONTAINERS:
        if matches(head):
            return parser(audio)
    audio = _without_leading_zeros(audio)
    return _frames(Excerpt(audio, 0, trailing_tags(audio))) or Promise(None, window)


def _flac(audio: Window) -> Promise:
    audio = Excerpt(audio, 0, trailing_tags(audio))
    place = flac.audio_offset(audio)
    info = flac.parse_stream_info(place.stream_info) if place else None
    has_count = info is not None and info.frames is not None
    last = audio.size - _LONGEST_FLAC_FRAME
    if not has_count and last > 0 and _only_zeros(audio, last):
        # FFmpeg would gather them all in memory, looking for the frame that follows.
        message = f"ends in {_LONGEST_FLAC_FRAME} zeros or more, which no frame can hold"
        raise DamagedFileError(message)
    if info is None:
        return Promise("flac", audio)
    return Promise("flac", audio, info.frames, info.rate, stream_info=info)


def _wav(audio: Window) -> Promise:
    data = wav.wave_data(audio)
    form = data.form
    if form is None or not form.is_pcm:
        return Promise("wav", audio)
    return Promise("wav", audio, data.length // form.frame_bytes, form.rate)


def _aiff(audio: Window) -> Promise:
    common = aiff.common(audio)
    if common is None or not common.is_pcm:
        return Promise("aiff", audio)
    return Promise("aiff", audio, common.frames, common.rate)


def _mp4(audio: Window) -> Promise:
    mp4.check_boxes(audio)
    return Promise("mov", audio)


def _ogg(audio: Window) -> Promise:
    links = ogg.audio_links(audio)
    if not links:
        return Promise("ogg", audio)
    alone = len(links) == 1
    # FFmpeg does not trim the beginning of the later links: a Vorbis block, or Opus' pre-skip, comes on top of each.
    # And it mistakes the one page of a short stream for a beginning that was trimmed.
    slack = (len(links) - (links[0].pages > 1)) * _LONGEST_BLOCK
    return Promise(
        "ogg",
        audio,
        sum(link.end for link in links),
        links[0].rate,
        below=slack,
        above=slack,
        late=alone,
        stream_info=links[0].stream_info if alone else None,
    )


def _frames(audio: Window) -> Promise | None:
    """What MP3 and ADTS promise, from the first byte on or, as FFmpeg plays them, from behind something else."""
    found = _adts(audio) or _mp3(audio)
    if found is not None:
        return found
    for header, like in ((adts.HEADER_BYTES, adts.length_like), (mp3.HEADER_BYTES, mp3.length_like)):
        start = frames.row(audio, 0, header, like)
        if start is not None:
            behind = Excerpt(audio, start, audio.size)
            return _adts(behind) or _mp3(behind)
    return None


def _mp3(audio: Window) -> Promise | None:
    first = audio.at(0, mp3.HEADER_BYTES)
    header = mp3.header_at(audio, 0)
    if header is None:
        return None
    walk = frames.walk(audio, mp3.HEADER_BYTES, mp3.length_like(first))
    info = mp3.info_count(audio.at(0, header.length))
    if not (info and info.frames):
        _check_holes(audio, walk, mp3.HEADER_BYTES, mp3.length_like(first))
        if walk.count < 2 and walk.end < audio.size and not walk.missing:
            return None
    count = walk.count - (1 if info else 0)
    whole = _is_whole(audio, walk, count, info)
    if info and info.frames:
        _compare(info, count, walk, more=not whole)
    if whole:
        audio = Excerpt(audio, 0, walk.end)
    elif info and info.frames:
        count = info.frames
    else:
        return Promise("mp3", audio)
    # The walk has seen every frame; FFmpeg trims by LAME's tag only where it believes it, and may drop one to get in.
    trimmed = info.trimmed if info else 0
    samples = count * header.samples
    nominal = max(0, samples - trimmed)
    return Promise("mp3", audio, nominal, header.rate, below=header.samples, above=samples - nominal + header.samples)


def _compare(info: mp3.Count, count: int, walk: frames.Walk, *, more: bool) -> None:
    """Raise DamagedFileError where frames are missing or on top, unless the header's own byte count says otherwise.

    With `more` there is something else where the walk ended.
    Without a byte count one frame of difference is forgiven: not all encoders count the same frames.
    """
    slack = 0 if info.octets else 1
    if count < info.frames - slack and walk.end < (info.octets or walk.end + 1):
        fault = f"holds no frame at byte {walk.end}" if more else "ends too early"
        message = f"{fault}: {count} of the {info.frames} frames that its header counts are there"
        raise DamagedFileError(message)
    if count > info.frames + slack and walk.end > info.octets:
        message = f"holds more than it promises: {count} frames where its header counts {info.frames}"
        raise DamagedFileError(message)


def _adts(audio: Window) -> Promise | None:
    first = audio.at(0, adts.HEADER_BYTES)
    header = adts.header_at(audio, 0)
    if header is None:
        return None
    walk = frames.walk(audio, adts.HEADER_BYTES, adts.length_like(first))
    _check_holes(audio, walk, adts.HEADER_BYTES, adts.length_like(first))
    if walk.count < 2 and walk.end < audio.size and not walk.missing:
        return None
    if not _is_whole(audio, walk, walk.count, None):
        return Promise("aac", audio)
    slack = 2 * adts.FRAME_SAMPLES
    samples = walk.count * adts.FRAME_SAMPLES
    return Promise("aac", Excerpt(audio, 0, walk.end), samples, header.rate, below=slack, above=slack)


def _check_holes(audio: Window, walk: frames.Walk, header: int, length: frames.Length) -> None:
    """Raise DamagedFileError where the frames go on behind something else than tags: FFmpeg would skip it, and a frame.

    Streams that were recorded in segments have tags between them.
    """
    if not walk.count or walk.missing or leading_tags(Excerpt(audio, walk.end, audio.size)):
        return
    # A row at the very end of the walk is one that was given up for its length.
    if frames.row(audio, walk.end, header, lambda _: length) not in {None, walk.end}:
        message = f"holds no frame at byte {walk.end}"
        raise DamagedFileError(message)


def _is_whole(audio: Window, walk: frames.Walk, count: int, info: mp3.Count | None) -> bool:
    """Whether the walk saw all the audio: nothing, or nothing but zeros, behind it.

    Raises DamagedFileError where the file ends inside a frame, unless all frames that were counted are there.
    """
    counted = info is not None and 0 < info.frames <= count
    if walk.missing and not counted:
        message = f"ends too early: its last frame lacks {walk.missing} bytes"
        raise DamagedFileError(message)
    # Many zeros behind frames that nobody counted are what an unfinished download looks like.
    few = audio.size - walk.end <= (_MOST_ZEROS_LOOKED_AT if counted else _MOST_ZEROS_BEHIND)
    return bool(walk.missing) or (few and _only_zeros(audio, walk.end))


def _only_zeros(window: Window, offset: int) -> bool:
    while block := window.at(offset, _BLOCK):
        if block.count(0) != len(block):
            return False
        offset += len(block)
    return True


def _without_leading_zeros(audio: Window) -> Window:
    """The audio without zeros before it, and without the tags that may follow these."""
    head = audio.at(0, _MOST_ZEROS_BEFORE)
    audio = Excerpt(audio, len(head) - len(head.lstrip(b"\0")), audio.size)
    return Excerpt(audio, leading_tags(audio), audio.size)


_CONTAINERS: tuple[tuple[Callable[[bytes], bool], Callable[[Window], Promise]], ...] = (
    (lambda head: head.startswith(flac.MARKER), _flac),
    (lambda head: head.startswith(ogg.MARKER), _ogg),
    (lambda head: head[:4] in {b"RIFF", b"RIFX", b"RF64", b"BW64"} and head[8:12] == b"WAVE", _wav),
    (lambda head: head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}, _aiff),
    (lambda head: head[4:8] in mp4.BOX_TYPES, _mp4),
)
