"""The names of channels, where the file says them and where it leaves them unsaid."""

from __future__ import annotations

from av import AudioLayout

_UNSAID = (
    ("FC",),
    ("FL", "FR"),
    ("FL", "FR", "FC"),
    ("FL", "FR", "BL", "BR"),
    ("FL", "FR", "FC", "BL", "BR"),
    ("FL", "FR", "FC", "LFE", "BL", "BR"),
    ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
)
"""The assignment that RFC 9639 (FLAC, 9.1.3) makes by number alone; WAVE without a channel mask is written like it."""

MOST_CHANNELS = len(_UNSAID)


def channel_names(layout: AudioLayout) -> tuple[str, ...]:
    """FFmpeg's name of each channel; by their number alone where the file gives them no places."""
    names = tuple(channel.name for channel in layout.channels)
    said = len(set(names)) == len(names) and not any(name in {"NONE", "UNK", "?"} for name in names)
    return names if said else _UNSAID[len(names) - 1]
