"""The promise of a file before it is decoded: its container, where its audio is, how many sample frames it holds.

Owns the choice of the parser and how far each container's promise can be trusted; the parsers stand in modules of their
own, read by bounded steps, and are safe on any bytes. What the samples turn out to be is `decode`'s business.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from audiobatchd.audio import adts, aiff, flac, frames, mp3, mp4, ogg, wav
from audiobatchd.audio.foreign import kind_of
from audiobatchd.audio.tags import leading_tags, tags_behind, trailing_tags
from audiobatchd.audio.window import Excerpt, Joined, Window, only_zeros
from audiobatchd.errors import DamagedFileError

_MOST_ZEROS_BEFORE = 1 << 16
_MOST_ZEROS_BEHIND = 4096
_LONGEST_BLOCK = 8192
_LONGEST_FLAC_FRAME = 1 << 22
_BELIEVED = frozenset({"flac", "ogg", "mov"})
"""FFmpeg's names of containers that say their length, by a number that may be wrong."""


@dataclass(frozen=True)
class Promise:
    """Promise of a file, as far as it is known without decoding."""

    demuxer: str
    """FFmpeg's name of the container."""
    audio: Window
    """Bytes to give to FFmpeg."""
    frames: int | None = None
    """Promised number of sample frames; None where there is no promise."""
    rate: float = 0.0
    """Rate in Hz at which `frames` are counted."""
    below: int = 0
    """Frames that may be missing from `frames`."""
    above: int = 0
    """Frames that there may be beyond `frames`."""
    late: bool = False
    """`frames` count from the stream's zero, and not from its first sample."""
    start: float = 0.0
    """Seconds by which the stream's zero lies before its first sample."""
    stream_info: flac.StreamInfo | None = None
    behind: tuple[Promise, ...] = ()
    """Audio to be decoded by itself and put behind this: later links of a chain, files that were put together."""

    @property
    def seconds(self) -> float | None:
        """The promised length with what is behind, None where there is no promise."""
        if self.frames is None or self.rate <= 0:
            return None
        return max(0.0, self.frames / self.rate - self.start) + sum(each.seconds or 0.0 for each in self.behind)

    @property
    def is_counted(self) -> bool:
        """True where bytes were counted, samples of PCM or frames that were walked; False where a header says so."""
        return self.demuxer not in _BELIEVED

    @property
    def size(self) -> int:
        """Bytes that are given to the decoder, with what is behind."""
        return self.audio.size + sum(each.size for each in self.behind)

    def completed(self, start: Fraction | None, duration: Fraction | None, rate: int) -> Promise:
        """Complete this promise by what FFmpeg read from the header: start and duration of the audio in seconds.

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

    Tags around the audio are left out. Raises DamagedFileError where the file contradicts its own sizes or is of no
    kind that is read, UnmeasurableError where it holds audio of several kinds, and OSError.
    """
    audio: Window = Excerpt(window, leading_tags(window), window.size)
    head = audio.at(0, 64)
    for matches, parser in _CONTAINERS:
        if matches(head):
            return parser(audio)
    bare = _without_leading_zeros(audio)
    found = _frames(Excerpt(bare, 0, trailing_tags(bare)))
    if found is None:
        message = f"is {kind_of(audio)}"
        raise DamagedFileError(message)
    return found


def _flac(audio: Window) -> Promise:
    audio = Excerpt(audio, 0, trailing_tags(audio))
    place = flac.audio_offset(audio)
    info = flac.parse_stream_info(place.stream_info) if place else None
    last = audio.size - _LONGEST_FLAC_FRAME
    if last > 0 and only_zeros(audio, last, audio.size):
        # FFmpeg would gather them all in memory, looking for the frame that follows.
        message = f"ends in {_LONGEST_FLAC_FRAME} zeros or more, which no frame can hold"
        raise DamagedFileError(message)
    if info is None:
        return Promise("flac", audio)
    return Promise("flac", audio, info.frames, info.rate, stream_info=info)


def _wav(audio: Window) -> Promise:
    data = wav.wave_data(audio)
    form = data.form
    if form.tag in wav.MPEG_AUDIO and (found := _frames(data.samples)) is not None:
        return found
    if not form.is_pcm:
        return Promise("wav", data.plain)
    return Promise("wav", data.plain, data.samples.size // form.frame_bytes, form.rate)


def _aiff(audio: Window) -> Promise:
    sound = aiff.sound(audio)
    if not sound.is_pcm:
        return Promise("aiff", sound.plain)
    return Promise("aiff", sound.plain, sound.frames, sound.rate)


def _mp4(audio: Window) -> Promise:
    mp4.check_boxes(audio)
    return Promise("mov", audio)


def _ogg(audio: Window) -> Promise:
    links = ogg.audio_links(audio)
    if not links:
        return Promise("ogg", audio)
    links = [link for link in links if link.pages]
    if not links:
        message = "holds no samples"
        raise DamagedFileError(message)
    # FFmpeg mistakes the one page of a short stream for a beginning that was trimmed.
    slacks = [(link.pages <= 1) * _LONGEST_BLOCK for link in links]
    return _row(
        [
            Promise(
                "ogg",
                link.audio(audio),
                link.end,
                link.rate,
                below=slack,
                above=slack,
                late=True,
                stream_info=link.stream_info,
            )
            for link, slack in zip(links, slacks, strict=True)
        ]
    )


def _row(promises: Sequence[Promise]) -> Promise:
    """The first promise, with those behind it."""
    return dataclasses.replace(promises[0], behind=tuple(promises[1:]))


# Files that are nothing but frames


_ROWS = (
    (adts.HEADER_BYTES, adts.length_like),
    (mp3.HEADER_BYTES, partial(mp3.length_like, counts=True)),
)
"""Search for frames of either kind: the bytes of a header, and what makes a `frames.Length` of one."""


@dataclass(frozen=True)
class _Run:
    """Frames of one stream in a row."""

    demuxer: str
    parts: tuple[Window, ...]
    """Windows that hold the frames and nothing else."""
    end: int
    """Offset in the file at which the frames end."""
    count: int
    """Number of frames."""
    samples: int
    """Samples of each frame."""
    rate: int
    key: bytes
    """Equal in runs that may be played as one stream."""
    info: mp3.Count | None = None

    @property
    def promise(self) -> Promise:
        """Promise of these frames. FFmpeg trims by LAME's tag only where it believes it, and may drop a frame."""
        samples = self.count * self.samples
        audio = Joined(*self.parts)
        if self.demuxer == "aac":
            slack = 2 * self.samples
            return Promise("aac", audio, samples, self.rate, below=slack, above=slack)
        nominal = max(0, samples - (self.info.trimmed if self.info else 0))
        above = samples - nominal + self.samples
        return Promise("mp3", audio, nominal, self.rate, below=self.samples, above=above)


def _frames(audio: Window) -> Promise | None:
    """Find the promise of MP3 and ADTS, from the first byte on or, as FFmpeg plays them, from behind something else."""
    runs = _runs(audio)
    if runs:
        return _row([run.promise for run in runs])
    starts = [frames.row(audio, 0, header, like) for header, like in _ROWS]
    for start in sorted(start for start in starts if start is not None):
        if runs := _runs(Excerpt(audio, start, audio.size)):
            return _row([run.promise for run in runs])
    return None


def _runs(audio: Window) -> list[_Run]:
    """List the rows of frames of a file: of one MP3 or ADTS, or of several put together, with or without tags."""
    runs: list[_Run] = []
    offset = 0
    while offset < audio.size and (run := _adts(audio, offset, runs) or _mp3(audio, offset, runs)) is not None:
        before = runs[-1] if runs else None
        if before and before.key == run.key and not before.info and not run.info:
            # One decoder for both: a recording in segments has tags between frames that need each other.
            run = dataclasses.replace(run, parts=before.parts + run.parts, count=before.count + run.count)
            del runs[-1]
        runs.append(run)
        offset = tags_behind(audio, run.end)
    if runs:
        _check_rest(audio, runs[-1], offset)
    return runs


def _mp3(audio: Window, offset: int, before: Sequence[_Run]) -> _Run | None:
    """The MP3 that begins at `offset`, behind the runs `before`, if one does; see `_walk`."""
    first = audio.at(offset, mp3.HEADER_BYTES)
    header = mp3.header_at(audio, offset)
    if header is None:
        return None
    info = mp3.info_count(audio.at(offset, header.length))
    lead = offset + header.length if info else offset
    walk = _walk(
        audio, lead, mp3.HEADER_BYTES, mp3.length_like(first), counted=info.frames if info else 0, first=not before
    )
    if walk is None:
        return None
    if info and info.frames:
        _compare(info, walk, lead + walk.end - offset, more=tags_behind(audio, lead + walk.end) < audio.size)
    end = lead + walk.end
    key = b"mp3" + mp3.stream_of(first)
    return _Run("mp3", (Excerpt(audio, offset, end),), end, walk.count, header.samples, header.rate, key, info)


def _adts(audio: Window, offset: int, before: Sequence[_Run]) -> _Run | None:
    """The AAC that begins at `offset`, behind the runs `before`, if one does; see `_walk`."""
    first = audio.at(offset, adts.HEADER_BYTES)
    header = adts.header_at(audio, offset)
    walk = _walk(audio, offset, adts.HEADER_BYTES, adts.length_like(first), first=not before) if header else None
    if header is None or walk is None:
        return None
    end = offset + walk.end
    return _Run("aac", (Excerpt(audio, offset, end),), end, walk.count, adts.FRAME_SAMPLES, header.rate, first[2:3])


def _walk(
    audio: Window, offset: int, header: int, length: frames.Length, *, counted: int = 0, first: bool
) -> frames.Walk | None:
    """Walk the frames from `offset` on; None where they are so few that it is an accident.

    Raises DamagedFileError where the file ends inside a frame, unless all that were `counted` are there, or frames that
    are not the `first` of the file would begin with it.
    """
    walk = frames.walk(Excerpt(audio, offset, audio.size), header, length)
    if walk.missing and (first or walk.count) and not 0 < counted <= walk.count:
        message = f"ends too early: its last frame lacks {walk.missing} bytes"
        raise DamagedFileError(message)
    end = offset + walk.end
    if counted or walk.count >= 2 or end == audio.size:
        return walk
    if walk.count and frames.row(audio, end, header, lambda _: length) is not None:
        message = f"holds no frame at byte {end}"
        raise DamagedFileError(message)
    return None


def _compare(info: mp3.Count, walk: frames.Walk, octets: int, *, more: bool) -> None:
    """Raise DamagedFileError where frames are missing or on top, unless the header's own byte count says otherwise.

    The walk ended `octets` behind the beginning; with `more` there is something else than tags.
    Without a byte count one frame of difference is forgiven: not all encoders count the same frames.
    """
    slack = 0 if info.octets else 1
    if walk.count < info.frames - slack and octets < (info.octets or octets + 1):
        fault = f"holds no frame at byte {octets}" if more else "ends too early"
        message = f"{fault}: {walk.count} of the {info.frames} frames that its header counts are there"
        raise DamagedFileError(message)
    if walk.count > info.frames + slack and octets > info.octets:
        message = f"holds more than it promises: {walk.count} frames where its header counts {info.frames}"
        raise DamagedFileError(message)


def _check_rest(audio: Window, run: _Run, offset: int) -> None:
    """Raise DamagedFileError where frames go on behind something else than tags, or may do so untold.

    The tags behind the last run end at `offset`. A frame behind a hole FFmpeg would skip with it. Many zeros behind
    frames without a count are what an unfinished download looks like.
    """
    counted = run.info is not None and run.info.frames > 0
    few = audio.size - offset <= _MOST_ZEROS_BEHIND
    if few and only_zeros(audio, offset, audio.size):
        return
    if not counted or any(frames.row(audio, offset, header, like) is not None for header, like in _ROWS):
        message = f"holds no frame at byte {offset}"
        raise DamagedFileError(message)


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
