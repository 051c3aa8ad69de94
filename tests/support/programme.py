"""A programme for the benchmarks: generated, or made of recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiobatchd.plugin_api import View
from support.audio_files import CONTAINERS, music
from support.decoding import read


def programme(recordings: Path | None, seconds: float, rate: int) -> NDArray[np.float32]:
    """Stereo of this length: generated, or the recordings of a directory one after the other, again and again."""
    if recordings is None:
        return music(seconds, rate)
    paths = sorted(path for path in recordings.glob("*") if path.suffix[1:].lower() in CONTAINERS)
    if not paths:
        message = f"cannot find a recording in {recordings}"
        raise SystemExit(message)
    one_after_the_other = np.concatenate([read(path).view(View(rate))[:, [0, -1]] for path in paths])
    return np.resize(one_after_the_other, (round(seconds * rate), 2))
