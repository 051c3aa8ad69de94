"""Danceability, atonality and further heads of Essentia's models, for people's own scripts: loaded once, used often."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from audiobatchd.config.places import model_directories, state_directory
from audiobatchd.core.assessment import Due
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.disk.record import opened
from audiobatchd.errors import AnalyzerFaultError, AnalyzerUnavailableError, UnmeasurableError
from audiobatchd.library.tracks import Folder
from audiobatchd.plugin_api import FULL_MIX, Value
from audiobatchd.vocabulary.files import FileStamp, in_64_bits
from audiobatchd.vocabulary.names import shown
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.measure import measure

_ENTRY_POINT = "classifiers"


class EssentiaAnalyzer:
    """Holds the models of the analyzers `classifiers`, in the process that makes it; use it from one thread.

    `model_directory` is looked in before the usual places; `heads` and `families` are the options of
    `[analyzer.classifiers]`, None for their defaults; `trusted_models` is the key of the configuration.
    Raises AnalyzerUnavailableError, with the reason for each head, where none has its models.

    After a fork TensorFlow hangs for ever: make one in each process, started by `spawn`.
    """

    def __init__(
        self,
        model_directory: Folder | None = None,
        heads: Sequence[str] | None = None,
        families: Sequence[str] | None = None,
        trusted_models: Sequence[str] = (),
    ) -> None:
        options = {"heads": heads, "families": families}
        given = {name: list(value) for name, value in options.items() if value is not None}
        configured = None if model_directory is None else os.fspath(model_directory)
        state = state_directory(os.environ, os.getuid())
        found = model_directories(configured, os.environ, state)
        trusted = tuple(digest.removeprefix("sha256:") for digest in trusted_models)
        directories = tuple(map(str, found))
        settings = WorkerSettings((_ENTRY_POINT,), {_ENTRY_POINT: given}, directories, math.inf, trusted_models=trusted)
        self._bench = Bench.load(settings)
        if not self._bench.analyzers:
            reasons = "; ".join(f"{offer.name}: {offer.unavailable}" for offer in self._bench.offers)
            raise AnalyzerUnavailableError(reasons)

    def analyze_file(self, path: Folder | None) -> dict[str, Value]:
        """Measure one audio file; the values by feature, as in docs/reference/features. Nothing is written.

        Raises UnmeasurableError, with the reason, where the audio has none of them (silent, too short);
        DamagedFileError where the file is damaged; SourceChangedError where it changed meanwhile; FileNotFoundError
        where there is none, also for the None of `get_full_mix`; AnalyzerFaultError where a model raised; OSError.
        """
        if path is None:
            message = "cannot analyze a full mix that is not there"
            raise FileNotFoundError(message)
        place_of, name = os.path.split(os.path.abspath(path))  # noqa: PTH100  # a link stays a link
        status = os.stat(path)
        stamp = FileStamp(os.fsencode(name), status.st_size, in_64_bits(status.st_mtime_ns))
        due = tuple(Due(name) for name in self._bench.analyzers)
        with opened(place_of) as folder:
            result = measure(folder, FULL_MIX, stamp, due, self._bench, lambda _doing, _seconds: None)
        if result.faults:
            raise AnalyzerFaultError("; ".join(result.faults.values()))
        if not result.values:
            reasons = ", ".join(dict.fromkeys(result.unmeasurable.values()))
            message = f"cannot measure {shown(name)}: {reasons}"
            raise UnmeasurableError(message)
        return result.values
