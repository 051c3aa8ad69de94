"""The features that the analyzers of this package give, by the names of the analyzers: for what cannot ask them.

An analyzer tells its own, but only once it is loaded, which takes seconds; a completion has a tenth of one.
"""

from __future__ import annotations

from collections.abc import Iterator

from audiobatchd.plugin_api import STEMS, feature_name
from audiobatchd.vocabulary.analyzer_sets import OPTIONAL_FEATURES

_OF_MIX: dict[str, str] = {
    "bands": "rms_energy_bass rms_energy_body rms_energy_mid rms_energy_air",
    "classifiers": "",
    "danceability": "danceability",
    "atonality": "atonality",
    "file": "duration sample_rate channels codec bit_depth bit_rate",
    "fingerprint": ".CHROMAPRINT",
    "loudness": "lufs lra",
    "onset": "onset_count onset_density onset_strength_mean onset_strength_std .ONSETS",
    "peaks": "true_peak sample_peak",
    "quality": "quality_cut_start quality_cut_end quality_false_stereo quality_bandwidth_hz quality_dc_offset "
    "quality_clipped_share",
    "rhythm": "bpm bpm_essentia bpm_is_defined bpm_confidence beat_count beat_regularity beat_steadiness .BEATS_GRID",
    "saturation": "saturation_ratio saturation_count",
    "spectral": "spectral_flatness spectral_flux spectral_skewness spectral_kurtosis",
    "syncopation": "syncopation on_beat_ratio rhythmic_complexity rhythmic_evenness ioi_mean ioi_std",
    "tags": "track_metadata_artist track_metadata_title track_metadata_album track_metadata_year track_metadata_genre",
    "timbre": "brightness roughness hardness depth booming reverberation sharpness warmth",
    "tonal": " ".join(f"hpcp_{each}" for each in range(12))
    + " "
    + " ".join(f"tiv_{each}" for each in range(12))
    + " tonic tonic_strength tonic_scale key",
}
_OF_STEMS: dict[tuple[str, ...], str] = {
    STEMS: "lufs lra",
    tuple(stem for stem in STEMS if stem != "vocals"): "onset_density_average onset_density_variance syncopation "
    "rhythmic_complexity rhythmic_evenness",
}


def analyzers() -> Iterator[str]:
    """Name the analyzers, by which all of their features can be asked for."""
    yield from _OF_MIX


def features() -> Iterator[str]:
    """Name the features, those of the full mix first; also those that an option turns on."""
    for names in _OF_MIX.values():
        yield from names.split()
    for stems, names in _OF_STEMS.items():
        for stem in stems:
            yield from (feature_name(name, stem) for name in names.split())
    yield from OPTIONAL_FEATURES
