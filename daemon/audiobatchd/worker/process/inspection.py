"""The analyzers that read one source file itself, one after the other; what is decoded of it is `readers`' business."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from audiobatchd.audio.inspected import InspectedFile
from audiobatchd.errors import UnmeasurableError
from audiobatchd.plugin_api import FileAnalyzer, Measurement
from audiobatchd.worker.process.charge import charged
from audiobatchd.worker.process.readers import Answer, Report


def inspect(
    file: InspectedFile, analyzers: Sequence[FileAnalyzer], report: Report, costs: dict[str, float]
) -> Iterator[Answer]:
    """Let each of `analyzers` measure `file`; `costs` gets their processor time.

    Raises DamagedFileError where the file turns out to be damaged, OSError where it cannot be read.
    """
    for analyzer in sorted(analyzers, key=lambda each: each.cost):
        report(f"{analyzer.name} of {file.name}", 0.0)
        faults: dict[str, str] = {}
        measurement: object = None
        with charged(analyzer, costs, faults):
            try:
                measurement = analyzer.inspect(file)
            except UnmeasurableError as error:
                reason = str(error)
                measurement = Measurement({}, {each.name: reason for each in analyzer.features(file.role)})
        file.check()
        yield Answer(analyzer, measurement, faults.get(analyzer.name, ""))
