"""Makes the demo tracks: three short songs, each synthesised as four stems and the mix that is their exact sum.

Owns the songs, their sounds, and that a track folder is there as a whole or not at all. Sounds are float64 of shape
(frames,) or, in stereo, (frames, channels), at 44.1 kHz. The same song always gives the same samples.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

# Here rather than at its first use: this import swallows a Ctrl-C.
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from audiobatchd.plugin_api import FULL_MIX, STEMS
from audiobatchd.vocabulary.names import shown

Sound = NDArray[np.float64]
Pcm = NDArray[np.int16]

RATE = 44100
STEPS = 16  # in a bar of four beats
TAIL = 1.0  # seconds in which the last bar rings on and fades
PEAK = 10 ** (-1 / 20)

MAJOR, MINOR, DORIAN = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10)
VOWELS = ((730, 1090, 2440), (570, 840, 2410), (530, 1840, 2480))
"""The first three formants in "hod", "hawed" and "head", in Hz (Peterson and Barney, 1952: means of 33 men)."""


@dataclass(frozen=True)
class Song:
    """Music to play.

    A pattern has a character for each step of a bar. "x" hits a drum hard, "o" softly. A digit begins a note, that many
    degrees above the chord or, in the melody, above the tonic; "-" holds it.
    """

    name: str
    tempo: float  # beats per minute
    tonic: int  # MIDI note of the bass
    scale: tuple[int, ...]  # semitones above the tonic
    chords: tuple[int, ...]  # a degree of the scale for each bar
    intro: int  # bars without drums and bass
    drums: tuple[str, str, str]  # patterns of kick, snare, hat
    bass: str
    arpeggio: str
    melody: tuple[str, ...]  # a pattern for each bar
    drive: float  # how hard the stems are saturated
    levels: Mapping[str, float]  # root mean square of each stem, in dB, relative to each other

    @property
    def bar(self) -> float:
        """Length of a bar in seconds."""
        return 4 * 60 / self.tempo

    def pitch(self, degree: int, octave: int) -> float:
        """Frequency in Hz of a degree of the scale, `octave` octaves above the bass."""
        octaves, place = divmod(degree, len(self.scale))
        return float(440 * 2 ** ((self.tonic + self.scale[place] - 69) / 12 + octave + octaves))


SONGS = (
    Song(
        "Demo - Morning Loop", 92, 41, MAJOR, chords=(0, -2, 3, -3), intro=1,
        drums=("x.....x.x..o....", "....x..o....x..o", "x.o.x.o.x.o.x.oo"),
        bass="0---..0-4---..2-", arpeggio="0-2-4-6-4-2-4-2-",
        melody=("......4-5-4-2---", "5---4-2-1-------", "......5-7-5-4---", "4-3-2---1-------"),
        drive=0.1, levels={"drums": -4, "bass": -2, "other": -4, "vocals": -3},
    ),
    Song(
        "Demo - Paper Lanterns", 120, 45, DORIAN, chords=(0, 3, -1, 0), intro=0,
        drums=("x...x...x...x..o", "....x.......x..o", "o.x.o.x.o.x.o.xo"),
        bass="0-.00-.0..0-4-6-", arpeggio="0--2--4--2--4-6-",
        melody=("......4---6-7---", "5-----..4-3-2---", "..3-2-1-----2-1-", "0-----------...."),
        drive=0.1, levels={"drums": -2, "bass": -6, "other": -6, "vocals": -6},
    ),
    Song(
        "Demo - Last Night Tram", 140, 40, MINOR, chords=(0, -2, 2, -1, 0), intro=1,
        drums=("x..x..x...x.x...", "....x..o.o..x...", "xoxoxoxoxoxoxoxo"),
        bass="0.0-0.0-0.0-7-4-", arpeggio="0-7-4-2-0-7-4-2-",
        melody=("4---------2-4-..", "5-----4-2-------", "..2-4-2-1---0---", "1-------..4-6-5-", "4-2-0-----------"),
        drive=0.5, levels={"drums": -2, "bass": -3, "other": -6, "vocals": -4},
    ),
)  # fmt: skip


def clock(seconds: float) -> Sound:
    """The time of every frame in seconds, shape (frames,)."""
    return np.arange(round(seconds * RATE), dtype=np.float64) / RATE


def swell(time: Sound, attack: float, release: float) -> Sound:
    """A gain that rises within `attack` seconds and falls to nothing in the last `release` seconds of `time`."""
    gain: Sound = np.clip(time / attack, 0, 1) * np.clip((time[-1] - time) / release, 0, 1) ** 2
    return gain


def tone(time: Sound, frequency: Sound | float, strengths: Sequence[float], damping: float = 0.0) -> Sound:
    """A tone of as many harmonics as are given strengths; `frequency` is in Hz, constant or for every frame.

    The n-th harmonic fades by exp(-n * damping) a second. As the n-th power of the first it costs no sine of its own.
    """
    first = np.exp(np.cumsum(2j * np.pi * frequency - damping + 0 * time) / RATE)
    audible = [strength for n, strength in enumerate(strengths, 1) if n * np.max(frequency) < RATE / 2]
    return np.asarray(np.polyval([*reversed(audible), 0.0], first).imag, dtype=np.float64)


def drum_kit(random: Generator) -> tuple[Sound, Sound, Sound]:
    """Kick, snare and hat: a skin whose pitch falls and a click; a shell and rattling wires; a burst of high noise."""
    time = clock(0.5)
    skin = tone(time, 48 + 122 * np.exp(-time / 0.035), [1.0], 8.0)
    wires = np.diff(random.standard_normal(time.size), append=0.0) * np.exp(-time / 0.07)
    metal = np.diff(random.standard_normal(time.size), 2, append=[0.0, 0.0]) * np.exp(-time / 0.025)
    beater, shell = tone(time, 2500, [0.3], 300.0), tone(time, 185, [0.6, 0.3], 15.0)
    return skin + beater, shell + 0.35 * wires, 0.09 * metal


def string(frequency: float, seconds: float) -> Sound:
    """A plucked string, whose high harmonics fade first."""
    time = clock(seconds + 0.08)
    return tone(time, frequency, [1 / n for n in range(1, 16)], 0.8) * swell(time, 0.004, 0.08)


def voice(frequency: float, seconds: float, formants: Sequence[int]) -> Sound:
    """A sung vowel: it slides into its note, then comes vibrato; harmonics are as strong as the formants have them."""
    time = clock(seconds + 0.1)
    bend = -0.8 * np.exp(-time / 0.04) + 0.25 * np.clip(2 * time, 0, 1) * np.sin(2 * np.pi * 5.3 * time)  # semitones

    def strength(n: int) -> float:
        peaks = (1 / (rank + (n * frequency - formant) ** 2 / 8000) for rank, formant in enumerate(formants, 1))
        return float((0.03 + sum(peaks)) / n**0.5)

    return tone(time, frequency * 2 ** (bend / 12), [strength(n) for n in range(1, 25)]) * swell(time, 0.05, 0.15)


def with_echo(stem: Sound, delay: float) -> Sound:
    """`stem`, of shape (frames, 2), with echoes every `delay` seconds that change sides and fade."""
    wet, frames = stem.copy(), round(delay * RATE)
    for count in range(1, 5):
        wet[count * frames :] += 0.4**count * stem[: -count * frames, :: (-1) ** count]
    return wet


def place(stem: Sound, second: float, sound: Sound, pan: float = 0.0) -> None:
    """Add `sound` of shape (frames,) to `stem` of shape (frames, 2), panned between -1, left, and 1, right."""
    part = stem[round(second * RATE) :][: len(sound)]
    angle = (pan + 1) * np.pi / 4
    part += sound[: len(part), np.newaxis] * (np.cos(angle), np.sin(angle))


def played(song: Song, bar: int, pattern: str) -> Iterator[tuple[str, float, float]]:
    """Yield each note or hit of a pattern in a bar, when it begins, and how long it is held, in seconds."""
    for note in re.finditer(r"([xo\d])-*", pattern):
        yield note[1], (bar + note.start() / STEPS) * song.bar, len(note[0]) / STEPS * song.bar


def play_rhythm(drums: Sound, bass: Sound, song: Song, random: Generator) -> None:
    """Add drums, of which no two hits are quite alike, and a bass that follows the chords."""
    kit = tuple(zip(song.drums, drum_kit(random), (0.0, 0.1, -0.3), strict=True))
    for bar in range(song.intro, len(song.chords)):
        for pattern, sound, pan in kit:
            for hit, second, _ in played(song, bar, pattern):
                force = (1.0 if hit == "x" else 0.4) * random.uniform(0.85, 1.0)
                place(drums, second + random.uniform(0.0, 0.004), force * sound, pan)
        for degree, second, length in played(song, bar, song.bass):
            place(bass, second, string(song.pitch(song.chords[bar] + int(degree), 0), length))


def play_harmony(other: Sound, vocals: Sound, song: Song, random: Generator) -> None:
    """Add an arpeggio in thirds, and the melody, a vowel for each note in turn."""
    for bar, (chord, melody) in enumerate(zip(song.chords, song.melody, strict=True)):
        for degree, second, length in played(song, bar, song.arpeggio):
            for third, pan in ((0, -0.5), (2, 0.5)):
                sound = string(song.pitch(chord + int(degree) + third, 2), 2 * length)
                place(other, second + random.uniform(0.0, 0.01), random.uniform(0.7, 1.0) * sound, pan)
        for count, (degree, second, length) in enumerate(played(song, bar, melody)):
            place(vocals, second, voice(song.pitch(int(degree), 1), length, VOWELS[count % len(VOWELS)]))


def recorded(song: Song) -> dict[str, Sound]:
    """Return every stem by its role, of shape (frames, 2)."""
    random = default_rng(list(song.name.encode()))
    time = clock(len(song.chords) * song.bar + TAIL)
    stems = {role: np.zeros((time.size, 2)) for role in STEMS}
    play_rhythm(stems["drums"], stems["bass"], song, random)
    play_harmony(stems["other"], stems["vocals"], song, random)
    for role in ("other", "vocals"):
        stems[role] = with_echo(stems[role], 3 / STEPS * song.bar)
    fade = swell(time, 1 / RATE, TAIL)[:, np.newaxis]
    return {role: fade * np.tanh(song.drive / np.std(stem) * stem) for role, stem in stems.items()}


def mastered(song: Song) -> dict[str, Pcm]:
    """The full mix and every stem by its role, of shape (frames, 2).

    One gain for all puts the highest peak at -1 dBFS. The mix is the sum of its stems to the last bit.
    """
    stems = {role: 10 ** (song.levels[role] / 20) / np.std(stem) * stem for role, stem in recorded(song).items()}
    highest = max(np.abs(sound).max() for sound in (*stems.values(), sum(stems.values())))
    pcm = {role: np.rint(stem * (PEAK * 32768 / highest)).astype(np.int16) for role, stem in stems.items()}
    return {FULL_MIX: np.sum(list(pcm.values()), axis=0, dtype=np.int16), **pcm}


def encoded(pcm: Pcm) -> bytes:
    """A FLAC file of samples of shape (frames, 2)."""
    # In memory, because FFmpeg takes no names outside UTF-8 and keeps to itself why a write failed.
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=RATE, layout="stereo", format="s16")
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), "s16", "stereo")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def make_track(dataset: Path, song: Song) -> None:
    """Make the song's folder where there is none: under a hidden name first, so that half a track is never seen."""
    folder, hidden = dataset / song.name, dataset / f".{song.name}"
    if folder.exists():
        return
    shutil.rmtree(hidden, ignore_errors=True)
    try:
        hidden.mkdir()
        for role, pcm in mastered(song).items():
            (hidden / f"{role}.flac").write_bytes(encoded(pcm))
        hidden.rename(folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def main() -> int:
    """Make what is absent; the exit code."""
    parser = argparse.ArgumentParser(description="Make three demo tracks in a dataset, as far as they are absent.")
    parser.add_argument("dataset", metavar="DATASET", type=Path, help="a directory; made where there is none")
    target = dataset = parser.parse_args().dataset
    try:
        dataset.mkdir(parents=True, exist_ok=True)
        for song in SONGS:
            target = dataset / song.name
            make_track(dataset, song)
    except OSError as error:
        cause = error.strerror or str(error)
        sys.stderr.write(f"cannot write {shown(str(error.filename or target))}: {cause.lower()}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
