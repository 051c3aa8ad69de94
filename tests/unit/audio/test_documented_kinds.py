"""The table of kinds in docs/explanation/decoding.md, row by row: what is measured, what is refused, in which words."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from audiobatchd.errors import DamagedFileError, UnmeasurableError
from audiobatchd.plugin_api import Audio
from fuzz.checksums import pages, sealed
from support.audio_files import music, quantized, write_audio
from support.containers import aifc, chunk, extensible, form, riff, rifx, wave
from support.frames_by_hand import ID3V1

Files = Sequence[bytes | tuple[bytes, int]]
"""Files of a kind; with a number, a file and the size of the hole behind it."""
Make = Callable[[Callable[[str], bytes], Path], Files]

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "decoding.md"
ROW = re.compile(r"^\| (.+?) \| (.+) \|$")
NUMBER = re.compile(r"(?<![\w-])(0x[0-9a-f]+|\d+(\.\d+)?)(?!\w)")
MUSIC = quantized(music(2, 48000, 1), 16).astype(np.float64)
PCM = (music(2, 48000, 1) * 32767).astype("<i2").tobytes()
BIG = np.frombuffer(PCM, "<i2").astype(">i2").tobytes()
LIST = b"LIST\x04\0\0\0INFO"
ID3 = b"ID3\4\0\0\0\0\0\x09" + bytes(9)
GIB = 1 << 30


def integers(container: int, order: str = "<") -> bytes:
    rows = (music(2, 48000, 1) * (1 << 15)).astype(np.int64).astype(f"{order}i4") << 16
    octets = rows.astype(f"{order}i4").view(np.uint8).reshape(-1, 4)
    return (octets[:, :container] if order == ">" else octets[:, 4 - container :]).tobytes()


def written(directory: Path, muxer: str, codec: str) -> bytes:
    return write_audio(directory / "b.bin", music(2, 48000, 1), 48000, muxer=muxer, codec=codec).read_bytes()


def linear(_: Callable[[str], bytes], directory: Path) -> Files:
    codecs = ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw")
    plain = [written(directory, "wav", codec) for codec in codecs]
    long = [start + riff(RF64, chunk(b"fmt ", form()), chunk(b"data", PCM, OPEN))[4:] for start in (b"RF64", b"BW64")]
    return [*plain, *long, *(rifx(integers(width, ">"), form(bits=8 * width, order=">")) for width in (2, 3, 4))]


RF64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(PCM), 0, 0))
OPEN = 0xFFFFFFFF
ANYTHING = (LIST, bytes(99), b"text", ID3, ID3V1)


def gained(whole: bytes, gain: int) -> bytes:
    head = whole.index(b"OpusHead") + 16
    return sealed(whole[:head] + struct.pack("<h", gain) + whole[head + 2 :])


def with_empty_end(whole: bytes) -> bytes:
    last = bytearray(whole[(start := pages(whole)[-2]) :])
    last[5] &= ~4
    number = struct.pack("<I", int.from_bytes(last[18:22], "little") + 1)
    return sealed(whole[:start] + last + b"OggS\0\4" + bytes(8) + last[14:18] + number + bytes(4) + b"\1\0")


def changed(whole: bytes, place: int, new: bytes) -> bytes:
    return whole[:place] + new + whole[place + len(new) :]


def others(_: Callable[[str], bytes], directory: Path) -> Files:
    made = [
        ("matroska", "flac"), ("asf", "pcm_s16le"), ("wv", "wavpack"), ("caf", "pcm_s16le"), ("au", "pcm_s16be"),
        ("w64", "pcm_s16le"), ("ac3", "ac3"), ("mpegts", "aac"), ("avi", "pcm_s16le"),
    ]  # fmt: skip
    return [*(written(directory, *each) for each in made), b"MAC \x96\x0f" + bytes(99)]


ADPCM = form(2, 4, 1, order=">")
FRAMES: Mapping[str, Make] = {
    "MP3 that counts its frames: tags or anything behind": lambda h, _: [h("mp3") + each for each in ANYTHING],
    "MP3 put together from several, with tags between or not": lambda h, _: [
        h(one) + between + h(two)
        for one, two in (("mp3", "mp3"), ("mp3 uncounted", "mp3"), ("mp3 uncounted", "mp3 uncounted"))
        for between in (b"", ID3, ID3V1)
    ],
    "MP3 that counts its frames, and more frames behind": lambda h, _: [h("mp3") + h("mp3 uncounted")[45:]],
    "MP3, AAC: something else than tags between the frames, or behind frames without a count": lambda h, _: [
        h(kind) + b"junk" + behind for kind in ("mp3 uncounted", "aac") for behind in (b"", h(kind))
    ],
    "MP3, AAC: up to 64 KiB of anything before the first frame": lambda h, _: [
        b"\1" * 60_000 + h(kind) for kind in ("mp3", "mp3 uncounted", "aac")
    ],
    "MP3 in free format": lambda _, __: [b"\xff\xfb\x00\x64" + bytes(3000)],
}
OGG: Mapping[str, Make] = {
    "Ogg: a chain of links with one rate and as many channels, of any codecs and output gains": lambda h, _: [
        h("ogg") + h("opus") + gained(h("opus"), -512) + h("ogg flac")[:0]
    ],
    "Ogg: links of another rate or other channels": lambda h, d: [
        h("ogg") + write_audio(d / "b.ogg", music(1, 44100), 44100).read_bytes()
    ],
    "Ogg: the mark of the end on an empty page; any bytes behind it": lambda h, _: [
        with_empty_end(h(kind)) + behind for kind in ("ogg", "opus", "ogg flac") for behind in (b"", *ANYTHING)
    ],
    "Ogg: no mark of the end": lambda h, _: [h("ogg")[: pages(h("ogg"))[-2]]],
    "Ogg: a page that was changed": lambda h, _: [changed(h("opus"), len(h("opus")) // 2, b"??")],
    "Opus: an output gain in its header": lambda h, _: [gained(h("opus"), -512)],
    "Opus: R128 tags; ReplayGain tags of any file": lambda _, d: [
        write_audio(d / "b.opus", music(2, 48000, 1), 48000, metadata={"R128_TRACK_GAIN": "-512"}).read_bytes()
    ],
}
WAV: Mapping[str, Make] = {
    "WAV (RIFF, RF64, BW64, RIFX): integers of 8, 16, 24 and 32 bits, floats of 32 and 64, A-law, mu-law": linear,
    "WAV: integers that do not fill their bytes (12 bits in 16, 20 in 24), "
    "or an EXTENSIBLE container that is wider than the valid bits": lambda _, __: [
        wave(integers(2), form(bits=12)),
        wave(integers(3), form(bits=20)),
        *(wave(integers(width), extensible(8 * width, valid)) for width, valid in ((4, 24), (4, 16), (3, 20), (2, 12))),
    ],
    "WAV: integers in wider slots without EXTENSIBLE": lambda _, __: [wave(integers(4), form(bits=24, slot=4))],
    "WAV: a format chunk that contradicts itself": lambda _, __: [
        wave(PCM, form(bits=16, slot=1)), wave(PCM, form(3, 16)), wave(PCM, form(rate=0)), wave(PCM, form(bits=0)),
    ],
    "WAV: ADPCM, MP3": lambda _, d: [written(d, "wav", codec) for codec in ("adpcm_ms", "adpcm_ima_wav", "libmp3lame")],
    "RIFX: ADPCM": lambda _, __: [rifx(PCM, ADPCM)],
    "WAV: sizes left open by a stream (0, 0xFFFFFFFF, and the like), with or without chunks and tags "
    "behind the samples": lambda _, __: [
        wave(PCM, size=size, behind=behind) for size in (0, OPEN, 0x7FFFF000) for behind in (b"", LIST, LIST + ID3V1)
    ],
    "WAV: sizes left open, chunks, and no samples": lambda _, __: [
        wave(b"", size=size, behind=LIST) for size in (0, OPEN)
    ],
    "WAV beyond 4 GiB with sizes that overflowed": lambda _, __: [(wave(PCM), 4 * GIB), (wave(PCM), 8 * GIB)],
    "WAV: a data chunk larger than the file": lambda _, __: [wave(PCM, size=len(PCM) + 1)],
    "WAV: a data chunk that ends among samples": lambda _, __: [wave(PCM, size=len(PCM) // 2)],
    "WAV: data and ds64 chunks that disagree": lambda _, __: [
        riff(RF64, chunk(b"fmt ", form()), chunk(b"data", PCM[4:]), start=b"RF64")
    ],
    "WAV: zeros or anything behind the RIFF, odd chunks with and without a pad byte, "
    "the format chunk behind the samples":
    lambda _, __: [
        *(wave(PCM) + each for each in ANYTHING),
        (wave(PCM), 64 << 20),
        *(riff(chunk(b"JUNK", b"odd", pad=pad), chunk(b"fmt ", form()), chunk(b"data", PCM)) for pad in (False, True)),
        riff(chunk(b"data", PCM), chunk(b"fmt ", form())),
    ],
    "WAV: two data chunks, or another WAV behind it": lambda _, __: [
        wave(PCM, behind=chunk(b"data", PCM)), wave(PCM) + wave(PCM),
    ],
    "WAV in WAV": lambda _, __: [wave(wave(PCM))],
}  # fmt: skip
AIFF: Mapping[str, Make] = {
    "AIFF, AIFF-C (NONE, twos, sowt, in24, in32, raw, fl32, fl64, alaw, ulaw, ima4): all widths, either order of bytes":
    lambda h, d: [
        h("aiff"),
        *(aifc(integers(bits // 8, ">"), bits, kind) for bits in (16, 24, 32) for kind in (b"NONE", b"twos")),
        *(aifc(integers(bits // 8), bits, b"sowt") for bits in (16, 24, 32)),
        aifc(integers(3, ">"), 24, b"in24"),
        aifc(integers(4, ">"), 32, b"in32"),
        aifc(bytes(octet ^ 0x80 for octet in integers(1)), 8, b"raw "),
        *(written(d, "aiff", codec) for codec in ("pcm_f32be", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "adpcm_ima_qt")),
    ],
    "AIFF: sizes left open by a stream, chunks, tags and zeros behind the samples": lambda _, __: [
        *(aifc(BIG, size=0, frames=0) + behind for behind in (b"", chunk(b"ID3 ", ID3, order=">"), ID3V1)),
        (aifc(BIG), 64 << 20),
    ],
    "AIFF: a sound chunk larger than the file": lambda _, __: [aifc(BIG)[:-1]],
    "AIFF: more samples counted than there are": lambda _, __: [aifc(BIG, frames=1 << 30)],
    "AIFF: more samples than counted": lambda _, __: [aifc(BIG, frames=1000)],
}  # fmt: skip
REST: Mapping[str, Make] = {
    "FLAC: no count and no MD5 in its header, tags before and behind": lambda h, _: [
        changed(changed(h("flac"), 21, bytes([h("flac")[21] & 0xF0]) + bytes(4)), 26, bytes(16)),
        ID3 + h("flac") + ID3V1,
    ],
    "FLAC, Ogg, MP4: a length beyond `max_duration` that its packets do not have": lambda h, _: [
        changed(h("flac"), 22, b"\xff"),
        sealed(changed(h("ogg"), pages(h("ogg"))[-2] + 10, b"\1")),
    ],
    "FLAC: another count, or another MD5": lambda h, _: [
        changed(h("flac"), 22, (96001).to_bytes(4, "big")), changed(h("flac"), 30, b"????"),
    ],
    "MP4: AAC, ALAC; the index before or behind, fragments, cover pictures": lambda h, _: [
        h("m4a"), h("m4a alac"), h("m4a faststart"),
    ],
    "MP4: no index": lambda h, _: [h("m4a")[: h("m4a").index(b"moov") - 4]],
    "MP4: another file behind it": lambda h, _: [h("m4a") * 2],
    "Matroska, WebM, WMA, WavPack, Monkey's Audio, CAF, AU, W64, AC-3, MPEG-TS, AVI, ...": others,
    "A web page, JSON, text, a ZIP archive, a picture, ...": lambda _, __: [
        b"<!doctype html>", b'{"a": 1}', b"some words\n", b"PK\3\4" + bytes(30), b"\x89PNG\r\n\x1a\n" + bytes(30),
    ],
    "A pointer where the audio was not fetched": lambda _, __: [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    ],
    "Zeros": lambda _, __: [bytes(1), bytes(100_000)],
    "Nothing": lambda _, __: [b""],
    "Anything else": lambda _, __: [np.random.default_rng(1).bytes(50_000), bytes(70_000) + b"\1"],
}  # fmt: skip
KINDS = {**WAV, **AIFF, **OGG, **FRAMES, **REST}


def rows() -> dict[str, str]:
    section = PAGE.read_text().split("\n## What becomes of every kind\n")[1].split("\n## ")[0]
    found = [ROW.match(line) for line in section.splitlines()]
    return dict([(match[1], match[2]) for match in found if match][2:])


def test_every_kind_on_the_page_is_tried_and_no_other() -> None:
    assert sorted(rows()) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_measured_or_refused_as_the_page_says(
    tmp_path: Path, decoded: Callable[[Path], Audio], healthy: Callable[[str], bytes], kind: str
) -> None:
    told = rows()[kind]
    words, said = set(re.findall(r"`([^`]+)`", told)), set()
    for number, made in enumerate(KINDS[kind](healthy, tmp_path)):
        content, hole = made if isinstance(made, tuple) else (made, 0)
        path = tmp_path / f"{number}.bin"
        path.write_bytes(content)
        os.truncate(path, len(content) + hole)
        if told.startswith("measured"):
            assert _is_the_music(decoded(path)), (number, content[:40])
            continue
        with pytest.raises(UnmeasurableError if told.startswith("unmeasurable") else DamagedFileError) as caught:
            decoded(path)
        said.add(NUMBER.sub("N", str(caught.value)))
    assert said == words


def _is_the_music(audio: Audio) -> bool:
    """Tell whether the samples begin with those of the music, and are as many, or several times as many.

    They may be late by as much as lossy codecs make them, and no louder: in another order of bytes they are noise.
    """
    ours, theirs = audio.view()[:48000, 0].astype(np.float64), MUSIC[:48000, 0]
    correlation = np.fft.irfft(np.fft.rfft(ours, 1 << 17) * np.conj(np.fft.rfft(theirs, 1 << 17)), 1 << 17)
    gain = np.sqrt(np.dot(ours, ours) / np.dot(theirs, theirs))
    times = round(len(audio.view()) / len(MUSIC))
    late = len(audio.view()) - times * len(MUSIC)
    alike = correlation[:4096].max() / (gain * np.dot(theirs, theirs))
    return bool(alike > 0.9 and 0.75 < gain < 1.05 and times > 0 and abs(late) < 4096 * times)
