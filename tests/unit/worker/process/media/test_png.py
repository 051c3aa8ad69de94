"""PNG: what FFmpeg reads back is the picture."""

from __future__ import annotations

import io

import av
import numpy as np

from audiobatchd.worker.process.media.png import palette, png


def test_other_decoder_reads_the_same_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (25, 37)).astype(np.uint8)
    with av.open(io.BytesIO(png(picture)), "r", format="png_pipe") as container:
        frame = next(container.decode(video=0))
        assert np.array_equal(frame.to_ndarray(format="rgb24"), palette()[picture])


def test_colours_become_evenly_lighter() -> None:
    lightness = palette() @ (0.2126, 0.7152, 0.0722)
    assert palette().shape == (256, 3)
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[0] < 5
    assert lightness[-1] > 240
