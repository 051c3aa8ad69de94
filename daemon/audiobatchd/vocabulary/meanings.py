"""Units and descriptions of the features of this project's own analyzers, for what shows values without loading them.

Each analyzer declares its own; a test holds this list against them. Of other analyzers' features nothing is known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from audiobatchd.plugin_api import STEMS


class Meaning(NamedTuple):
    """Meaning of one key of records."""

    unit: str
    """As `BPM`; empty where it has none."""
    description: str
    """The meaning in a few words."""


_UNKNOWN = Meaning("", "")


def meaning_of(key: str) -> Meaning:
    """Look up a feature, or that of the mix for the same one of a stem; empty where it is not known."""
    base, _, role = key.rpartition("_")
    found = MEANINGS.get(key) or (MEANINGS.get(base) if role in STEMS else None)
    return Meaning(*found) if found else _UNKNOWN


# fmt: off
MEANINGS: Mapping[str, tuple[str, str]] = {
    "rms_energy_bass": ("dBFS", "Level from 20 to 120 Hz"),
    "rms_energy_body": ("dBFS", "Level from 120 to 600 Hz"),
    "rms_energy_mid": ("dBFS", "Level from 600 to 2500 Hz"),
    "rms_energy_air": ("dBFS", "Level from 2500 to 22000 Hz"),
    "danceability": ("", "Probability that the track is danceable"),
    "atonality": ("", "Probability that the track is atonal"),
    "duration": ("s", "Length"),
    "sample_rate": ("Hz", "Sample rate"),
    "channels": ("channels", "Number of channels"),
    "codec": ("", "Codec"),
    "bit_depth": ("bit", "Bits of a sample, of a lossless codec"),
    "bit_rate": ("bit/s", "Bits of the whole file for each second"),
    "lufs": ("LUFS", "Integrated loudness"),
    "lra": ("LU", "Loudness range"),
    "onset_count": ("onsets", "Number of onsets"),
    "onset_density": ("1/s", "Onsets a second"),
    "onset_strength_mean": ("dB", "Mean of the onset strength where onsets begin"),
    "onset_strength_std": ("dB", "Standard deviation of these strengths"),
    "true_peak": ("dBTP", "True peak"),
    "sample_peak": ("dBFS", "Largest sample magnitude"),
    "quality_cut_start": ("", "Whether it begins in the middle of sound"),
    "quality_cut_end": ("", "Whether it ends in the middle of sound"),
    "quality_false_stereo": ("", "Whether both channels hold one signal"),
    "quality_bandwidth_hz": ("Hz", "Frequency above which there is nothing"),
    "quality_dc_offset": ("of full scale", "Mean of the samples, in the channel where it is largest"),
    "quality_clipped_share": ("of 1", "Share of samples at full scale, three or more in a row"),
    "bpm": ("BPM", "Tempo"),
    "bpm_essentia": ("BPM", "Tempo as the extractor gives it, never folded"),
    "bpm_is_defined": ("", "Whether there are beats, steady enough for one tempo"),
    "bpm_confidence": ("", "Confidence of the beats (not with degara)"),
    "beat_count": ("beats", "Number of beats"),
    "beat_regularity": ("s", "Standard deviation of the intervals between beats"),
    "beat_steadiness": ("", "1 less the interquartile range of beat intervals over their median"),
    "saturation_ratio": ("", "Share of the length that stays close to full scale"),
    "saturation_count": ("events", "Number of times that it does"),
    "spectral_flatness": ("", "How much it is like noise (1) and not like tones (0)"),
    "spectral_flux": ("", "How much it changes from frame to frame"),
    "spectral_skewness": ("", "How far its high end reaches beyond its centre"),
    "spectral_kurtosis": ("", "How peaked it is; 0 is a normal distribution"),
    "syncopation": ("", "Share of the onsets that are off the beat"),
    "on_beat_ratio": ("", "Share of the onsets that are on a beat"),
    "rhythmic_complexity": ("", "How much its intervals vary"),
    "rhythmic_evenness": ("", "How alike its intervals are"),
    "ioi_mean": ("s", "Mean of the intervals between onsets"),
    "ioi_std": ("s", "Standard deviation of the intervals between onsets"),
    "onset_density_average": ("1/s", "Onsets a second, on average"),
    "onset_density_variance": ("1/s²", "Variance of onsets a second"),
    "syncopation_drums": ("", "Share of the onsets that are off the beat, by their strength"),
    "syncopation_bass": ("", "Share of the onsets that are off the beat, by their strength"),
    "syncopation_other": ("", "Share of the onsets that are off the beat, by their strength"),
    "track_metadata_artist": ("", "Artist"),
    "track_metadata_title": ("", "Title"),
    "track_metadata_album": ("", "Album"),
    "track_metadata_year": ("", "Year of the recording or of its release"),
    "track_metadata_genre": ("", "Genre, as it was written"),
    "brightness": ("", "How much of its energy lies high"),
    "roughness": ("", "How much its partials beat against each other"),
    "hardness": ("", "How hard and fast its sounds begin"),
    "depth": ("", "How much it is felt to reach down"),
    "booming": ("", "How much its low end resonates"),
    "reverberation": ("", "How likely listeners call it reverberant"),
    "sharpness": ("", "How piercing its high end is"),
    "warmth": ("", "How warm its low middle is against its high end"),
    "hpcp_0": ("", "Share of the pitch class C"),
    "hpcp_1": ("", "Share of the pitch class C#"),
    "hpcp_2": ("", "Share of the pitch class D"),
    "hpcp_3": ("", "Share of the pitch class D#"),
    "hpcp_4": ("", "Share of the pitch class E"),
    "hpcp_5": ("", "Share of the pitch class F"),
    "hpcp_6": ("", "Share of the pitch class F#"),
    "hpcp_7": ("", "Share of the pitch class G"),
    "hpcp_8": ("", "Share of the pitch class G#"),
    "hpcp_9": ("", "Share of the pitch class A"),
    "hpcp_10": ("", "Share of the pitch class A#"),
    "hpcp_11": ("", "Share of the pitch class B"),
    "tiv_0": ("", "Tonal interval vector, coordinate 1, real part"),
    "tiv_1": ("", "Tonal interval vector, coordinate 1, imaginary part"),
    "tiv_2": ("", "Tonal interval vector, coordinate 2, real part"),
    "tiv_3": ("", "Tonal interval vector, coordinate 2, imaginary part"),
    "tiv_4": ("", "Tonal interval vector, coordinate 3, real part"),
    "tiv_5": ("", "Tonal interval vector, coordinate 3, imaginary part"),
    "tiv_6": ("", "Tonal interval vector, coordinate 4, real part"),
    "tiv_7": ("", "Tonal interval vector, coordinate 4, imaginary part"),
    "tiv_8": ("", "Tonal interval vector, coordinate 5, real part"),
    "tiv_9": ("", "Tonal interval vector, coordinate 5, imaginary part"),
    "tiv_10": ("", "Tonal interval vector, coordinate 6, real part"),
    "tiv_11": ("", "Tonal interval vector, coordinate 6, imaginary part"),
    "tonic": ("", "Pitch class of the tonic, 0 (C) to 11 (B)"),
    "tonic_strength": ("", "How well the key fits"),
    "tonic_scale": ("", "Scale of the key"),
    "key": ("", "Tonic and scale, spelled with sharps"),
}
# fmt: on
