"""Programs as people write them without the service, each in a process of its own.

`bench/analyzers` runs `python bench/contenders.py NAME FILE ...`, and measures the whole process. Each imports what it
needs itself, and nothing of ours that costs anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

_BLOCK, _STEP = 0.4, 0.1


def pyloudnorm(path: str) -> None:
    """Integrated loudness and range."""
    import pyloudnorm as library  # noqa: PLC0415  # each process pays for its own imports alone
    import soundfile  # noqa: PLC0415

    samples, rate = soundfile.read(path)
    meter = library.Meter(rate)
    meter.integrated_loudness(samples)
    meter.loudness_range(samples)


def guide(path: str) -> None:
    """The batch guide's scripts: integrated loudness, and the range out of that of every 400 ms, one each 100 ms."""
    import numpy as np  # noqa: PLC0415
    import pyloudnorm as library  # noqa: PLC0415
    import soundfile  # noqa: PLC0415

    samples, rate = soundfile.read(path)
    meter = library.Meter(rate)
    meter.integrated_loudness(samples)
    block, step = round(_BLOCK * rate), round(_STEP * rate)
    starts = range(0, len(samples) - block + 1, step)
    loudness = np.array([meter.integrated_loudness(samples[start : start + block]) for start in starts])
    np.percentile(loudness[np.isfinite(loudness)], (10, 95))


def essentia_loudness(path: str) -> None:
    """LoudnessEBUR128, on what AudioLoader reads."""
    from audiobatch_analyzers.engines import essentia  # noqa: PLC0415

    standard = essentia.standard()
    samples, rate, *_ = standard.AudioLoader(filename=path)()
    standard.LoudnessEBUR128(sampleRate=rate)(samples)


def essentia_rhythm(path: str) -> None:
    """RhythmExtractor2013 by multifeature, on what MonoLoader reads."""
    from audiobatch_analyzers.engines import essentia  # noqa: PLC0415

    standard = essentia.standard()
    standard.RhythmExtractor2013(method="multifeature")(standard.MonoLoader(filename=path, sampleRate=44100)())


def essentia_model(path: str, directories: str, *names: str) -> None:
    """A model, or a backbone and the head on it, as in Essentia's published examples, with its own resampling."""
    from audiobatch_analyzers.classifiers import model_files  # noqa: PLC0415
    from audiobatch_analyzers.engines import essentia  # noqa: PLC0415

    standard = essentia.standard()
    given = None
    for name in names:
        files = model_files.find(name, tuple(map(Path, msgspec.json.decode(directories, type=list[str]))))
        assert files is not None
        if given is None:
            given = standard.MonoLoader(filename=path, sampleRate=files.rate, resampleQuality=4)()
        node, _ = files.input
        output = files.output("predictions" if name == names[-1] else "embeddings")
        algorithm = getattr(standard, files.algorithm)
        given = algorithm(graphFilename=str(files.graph), input=node, output=output)(given)


_CONTENDERS: tuple[Callable[..., None], ...] = (
    pyloudnorm,
    guide,
    essentia_loudness,
    essentia_rhythm,
    essentia_model,
)


def main() -> None:
    """Run the one that is named."""
    found = {contender.__name__: contender for contender in _CONTENDERS}
    name, *arguments = sys.argv[1:] or [""]
    if name not in found:
        message = f"this is run by bench/analyzers; expected one of {', '.join(found)}"
        raise SystemExit(message)
    found[name](*arguments)


if __name__ == "__main__":
    main()
