"""Round of the fuzzer: a dataset of mutants, the real `audiobatchd --once` over it, and what came of each.

Whatever happens to files, the service goes on: a worker that dies or hangs, an analyzer that fails, and a file that is
left behind are troubles. What the numbers are worth is the judge's business.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from audiobatch_analyzers.file import FormAnalyzer
from audiobatch_analyzers.tags.analyzer import PREFIX
from audiobatch_analyzers.tags.text import LONGEST
from audiobatchd.core.discovery import is_companion
from audiobatchd.plugin_api import ENTRY_POINT_GROUP, FULL_MIX, Settings
from support.model_graphs import digests_in, write_default_models
from support.service import PROGRAMS, configuration, features_of, leftovers, record_of, run

OF_THE_FILE = ["file", "tags"]
"""Analyzers that tell of a file and not of its sound: their values are not judged by it."""
ANALYZERS = [point.name for point in distribution("audiobatchd").entry_points.select(group=ENTRY_POINT_GROUP)]
_HEAVY: dict[str, Any] = {"analyzer.quality.heavy": True}
"""Key of the configuration: all detectors of `quality` are on."""
_FORM = frozenset(each.name for each in FormAnalyzer(Settings()).features(FULL_MIX))
DEADLINE = 60.0
"""Seconds for one folder, whatever its file promises: a healthy one takes a fifth of one."""

_START = 60.0
_EVENT = re.compile(r"^\S+ (?P<event>[a-z-]+)(?P<fields> .*)?$")
_FOLDER = re.compile(r" folder=(\S+)")
_REASON = re.compile(r" reason=(.+)$")
_ENDED = {"folder-done", "folder-failed"}
_QUIET = _ENDED | {"worker-ready", "dataset-active", "lock-removed"}
"""The reaper, which goes about from the start, may meet a lock that a worker is just making."""


class Fate(StrEnum):
    """Fate of a file: it was called damaged, or found to have no number, or has some."""

    REFUSED = "refused"
    UNMEASURABLE = "unmeasurable"
    PUBLISHED = "published"


@dataclass
class Found:
    """Log's word on one file's folder (None: nothing), and what is in its record."""

    event: str | None = None
    reason: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    unmeasurable: dict[str, str] = field(default_factory=dict)

    @property
    def fate(self) -> Fate:
        """Whatever the log says: a number is a number."""
        if self.values:
            return Fate.PUBLISHED
        return Fate.REFUSED if self.event == "folder-failed" else Fate.UNMEASURABLE


@dataclass
class Round:
    """Result of a round."""

    found: dict[str, Found]
    """Files that were measured."""
    troubles: list[str]
    """All that a round may not bring."""
    log: str


class Rounds:
    """Runs one round after the other in a directory of its own, which is empty between them."""

    def __init__(self, directory: Path, workers: int | None) -> None:
        self._dataset = directory / "dataset"
        models = write_default_models(directory / "models")
        self.config = configuration(
            directory / "fuzz.toml",
            self._dataset,
            settle=0.0,
            analyzers=ANALYZERS,
            model_directory=str(models),
            trusted_models=digests_in(models),
            job_timeout=DEADLINE,
            job_timeout_factor=0.0,
            max_deaths=1,
            workers=workers or len(os.sched_getaffinity(0)),
            **_HEAVY,
        )

    def run(self, files: Mapping[str, tuple[str, bytes]]) -> Round:
        """Measure `files`, by name: what each is called besides (its extension), and its bytes."""
        for name, (extension, content) in files.items():
            (self._dataset / name).mkdir(parents=True)
            (self._dataset / name / f"full_mix.{extension}").write_bytes(content)
        try:
            code, log = self._once(_START + DEADLINE * len(files))
            found = {name: Found() for name in files}
            troubles = [*read_log(log, found), *self._read_records(files, found)]
            if code not in {0, 1}:
                troubles.append(f"audiobatchd ended with {code}")
            return Round(found, troubles, log)
        finally:
            shutil.rmtree(self._dataset)

    def _once(self, limit: float) -> tuple[int, str]:
        command = [*map(str, (PROGRAMS / "audiobatchd", "--config", self.config, "--once", self._dataset))]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            _, log = process.communicate(timeout=limit)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            _, log = process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        return process.returncode, log

    def _read_records(self, files: Mapping[str, tuple[str, bytes]], found: Mapping[str, Found]) -> Sequence[str]:
        troubles = [f"left behind: {name}" for name in leftovers(self._dataset)]
        for name, (extension, content) in files.items():
            folder = self._dataset / name
            values = features_of(folder)
            of_the_file = {key: values.pop(key) for key in list(values) if key in _FORM or key.startswith(PREFIX)}
            found[name].values = values
            troubles += [f"{name}: {key} is {value!r}" for key, value in of_the_file.items() if not is_fit(value)]
            for analyzer, entries in record_of(folder).get("_audiobatch", {}).get("analyzers", {}).items():
                if analyzer not in OF_THE_FILE:
                    why = entries["full_mix"].get("unmeasurable", {})
                    found[name].unmeasurable |= {key: why[key] for key in why if not is_companion(key)}
            names = {path.name for path in folder.iterdir()} - {f"full_mix.{extension}", f"{name}.INFO"}
            if found[name].values:  # a file that was measured may have features that are files
                names = {each for each in names if not is_companion(each.removeprefix(name))}
            if names or (folder / f"full_mix.{extension}").read_bytes() != content:
                troubles.append(f"{name}: its folder is not as it was: {sorted(names)}")
        return troubles


def read_log(log: str, found: Mapping[str, Found]) -> list[str]:
    """Note in `found` what the log says of each folder; gives what it should not say, and whom it does not mention."""
    troubles = []
    for line in log.splitlines():
        event, fields = _EVENT.match(line), ""
        if event is not None:
            fields = event["fields"] or ""
        if event is None or event["event"] not in _QUIET:
            troubles.append(f"the log says: {line}")
        folder, reason = _FOLDER.search(fields), _REASON.search(fields)
        if event is not None and folder is not None:
            each = found[folder[1]]
            each.event, each.reason = event["event"], reason[1].strip('"') if reason else ""
    return troubles + [f"{name}: nothing was said" for name, each in found.items() if each.event not in _ENDED]


def is_fit(value: object) -> bool:
    """Tell whether a record should hold this of a file: a number above 0, or one line of text that is not too long."""
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST and not {unicodedata.category(each) for each in value} & {"Cc", "Cs"}
    return isinstance(value, float | int) and math.isfinite(value) and value > 0


def bounds(config: Path) -> dict[str, tuple[float, float]]:
    """The range of every feature, as `audiobatchctl features` tells it in words; of texts and flags too."""
    _, out, _ = run("audiobatchctl", "features", "--json", "--config", config)
    told = json.loads(out)
    return {each["name"]: range_in(each["bounds"]) for each in told["features"]}


def range_in(words: str) -> tuple[float, float]:
    """The lowest and the highest value that such words allow: "0 to 5.32", "-70 and above", "true or false"."""
    if words == "true or false":
        return 0.0, 1.0
    if span := re.match(r"(-?[\d.]+) to (-?[\d.]+)\b", words):
        return float(span[1]), float(span[2])
    if least := re.match(r"(-?[\d.]+) (?:and above|or more)\b", words):
        return float(least[1]), float("inf")
    return float("-inf"), float("inf")
