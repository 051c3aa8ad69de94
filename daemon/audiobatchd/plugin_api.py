"""The contract between audiobatchd and an analyzer: all that an analyzer package imports of audiobatchd.

An entry point in the group `audiobatchd.analyzers` names a class, or a function, that is called with `Settings` and
gives an analyzer (or a tuple of several). A worker process makes them, calls `load` of each once, and then has them
measure one source file after the other, from one thread. The daemon itself never imports an analyzer: a worker tells it
what its analyzers offer.

There are three kinds. A `BlockAnalyzer` is fed a file block by block while it is decoded: `begin` once per file, then
`feed` and `finish` of what that gave. It takes no memory for the file's length. An `Analyzer` reads whole views:
`analyze` once per file, when it is decoded. A `FileAnalyzer` reads the file itself, its tags say, for which nothing is
decoded: `inspect` once per file. Which kind one is shows by the method that it has, `begin`, `analyze` or `inspect`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar, runtime_checkable

from audiobatchd.errors import AnalyzerUnavailableError, OptionError, UnknownOptionError, UnmeasurableError

if TYPE_CHECKING:  # the daemon reads the words below without paying for numpy
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "ENTRY_POINT_GROUP",
    "FULL_MIX",
    "LARGEST_FILE",
    "LARGEST_RESULT",
    "LONGEST_LABEL",
    "LOW_FREQUENCY",
    "MOST_LABELS",
    "NATIVE",
    "STEMS",
    "Analyzer",
    "AnalyzerUnavailableError",
    "AnyAnalyzer",
    "Audio",
    "AudioAnalyzer",
    "BlockAnalyzer",
    "CheckModel",
    "Cost",
    "Encoding",
    "Feature",
    "Feed",
    "File",
    "FileAnalyzer",
    "Measurement",
    "Needs",
    "OptionError",
    "Options",
    "Settings",
    "Stream",
    "UnmeasurableError",
    "Value",
    "View",
    "absence",
    "feature_name",
    "significant",
]

ENTRY_POINT_GROUP = "audiobatchd.analyzers"
FULL_MIX = "full_mix"
STEMS = ("drums", "bass", "other", "vocals")
LOW_FREQUENCY = frozenset({"LFE", "LFE2"})
"""The channels for low-frequency effects: loudness and mono views leave them out."""

Value = float | int | str | bool | Mapping[str, float | int]
"""Value of a feature: a number, a text, a boolean, or numbers by label, in the order in which they are to be read."""

MOST_LABELS = 100
"""Number of labels that one value may have."""
LONGEST_LABEL = 100
"""Number of characters that a label may have."""
LARGEST_FILE = 16 << 20
"""Bytes that a feature may have that is a file."""
LARGEST_RESULT = 4 << 20
"""Bytes of a feature that is a file, beyond which it is not read again for the analyzers that need it."""

_T = TypeVar("_T")


def feature_name(base: str, role: str) -> str:
    """The record's key for `base` measured on the source file of `role`: `lufs` of the full mix, else `lufs_drums`."""
    return base if role == FULL_MIX else f"{base}_{role}"


def significant(value: float, digits: int = 4) -> float:
    """Round `value`, which is finite, to so many significant digits, for scales on which small values mean something.

    Decimal places would make 0.0 of them, which means something else.
    """
    return float(f"{value:.{digits}g}")


def absence(distribution: str) -> str:
    """Say of a distribution that is not installed by which command it is, or that there is none for this machine.

    For the reason of an AnalyzerUnavailableError. What audiobatchd asks for by an extra goes by that one's bounds.
    """
    # Nearly always everything is there, and nothing of this is loaded.
    import platform  # noqa: PLC0415  # see above
    import shlex  # noqa: PLC0415  # see above
    from importlib import metadata, util  # noqa: PLC0415  # see above

    from packaging.requirements import Requirement  # noqa: PLC0415  # see above

    wanted = distribution
    with suppress(metadata.PackageNotFoundError):  # started from the sources
        extras = metadata.metadata("audiobatchd").get_all("Provides-Extra", [])
        known = [Requirement(line) for line in metadata.requires("audiobatchd") or ()]
        machine = platform.machine()
        here = [{"extra": extra, "platform_machine": machine} for extra in ("", *extras)]
        for each in (each for each in known if each.name == distribution):
            if each.marker and not any(map(each.marker.evaluate, here)):
                return f"there is no {distribution} for Python {platform.python_version()} on {machine}"
            wanted = f"{each.name}{each.specifier}"
    pip = [sys.executable, "-m", "pip", "install"]
    # Environments of `uv tool` have no pip of their own.
    command = pip if util.find_spec("pip") else ["uv", "pip", "install", "--python", sys.executable]
    return f"it is not installed: {shlex.join([*command, wanted])}"


# What an analyzer is given


@dataclass(frozen=True)
class View:
    """Form in which an analyzer reads a file."""

    rate: int | None = None
    """Sample rate in Hz; None: the file's own."""
    mono: bool = False
    """True for the mean of all channels but those for low-frequency effects."""


NATIVE = View()
"""The file as it is: its own rate, all its channels."""


@dataclass(frozen=True)
class Stream:
    """Source file that is about to be decoded, as a `BlockAnalyzer` is told of it."""

    role: str
    """`FULL_MIX` or one of `STEMS`."""
    rate: int
    """The file's own sample rate in Hz."""
    channels: tuple[str, ...]
    """The file's own channels in FFmpeg's words (FL, FR, FC, LFE, BL, BR, SL, SR; mono is FC)."""
    promised: float | None
    """Length in seconds that the file promises, None where it promises none; it may hold a little more or less."""


@dataclass(frozen=True)
class Needs:
    """Files and results of a folder that an analyzer reads for one role, beside the file of it or in its place."""

    sum_of: tuple[str, ...] = ()
    """Stems of which the sum is read in place of the file of the role: of those that are there. Where none is, the full
    mix stands in. The sum is as long as the longest of them; shorter ones end in zeros."""
    results: tuple[str, ...] = ()
    """Names of features that other analyzers give, of any file of the folder, and that are to be measured before:
    `.BEATS_GRID`."""


class Audio(Protocol):
    """Decoded source file, or the sum of several, see `Needs`."""

    @property
    def role(self) -> str:
        """`FULL_MIX` or one of `STEMS`."""

    @property
    def rate(self) -> int:
        """The file's own sample rate in Hz; of a sum the highest one in it."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The file's own channels in FFmpeg's words (FL, FR, FC, LFE, BL, BR, SL, SR; mono is FC); of a sum FC."""

    @property
    def duration(self) -> float:
        """Length in seconds; of a sum that of the longest file in it."""

    @property
    def powers(self) -> tuple[float, ...]:
        """The largest power of 400 ms in each channel, about its mean: what a mono view lacks where channels cancel.

        Full scale is 1.0. Of a sum: the one power of the sum itself, by the view of it with the highest rate. Raises
        LookupError where the native view is gone and no mono view was made of it, or a sum has no view.
        """

    def view(self, view: View = NATIVE) -> NDArray[np.float32]:
        """The samples as `view` says: float32, full scale 1.0, all finite, read-only.

        Shape (frames, channels), of a mono view (frames,): the mean of all channels but the low-frequency ones.
        Resampled by soxr at its quality HQ; of a sum, each file by itself before it is added. Made once per file,
        however many analyzers ask, and gone when none that is still to come has declared it: keep no reference. Raises
        LookupError for a view that the analyzer's `views` does not give.
        """

    def shared(self, key: Hashable, make: Callable[[], _T]) -> _T:
        """Return what `make` gives: it is called once per file and `key`, for the first analyzer that asks.

        Serves values from which several analyzers compute, such as a model's embeddings.
        """

    def result(self, name: str) -> Value | bytes | None:
        """Value of a feature of this folder that the analyzer's `needs` name; bytes for one that is a file.

        None where the audio has no such value, as the beats of silence, and where the folder has no such file. A value
        that another tool left is what stands there. Raises LookupError for what was not declared.
        """


@dataclass(frozen=True)
class Encoding:
    """Encoding of a file's audio, as its container tells: nothing was decoded to learn it."""

    codec: str
    """FFmpeg's short name of the codec: `flac`, `mp3`, `aac`, `vorbis`, `opus`, `pcm_s16le`, `alac`."""
    rate: int
    """Sample rate in Hz."""
    channels: int
    """Number of channels."""
    bits: int | None
    """Bits of a sample of a lossless codec; None of a lossy one."""
    seconds: float | None
    """Length, from the container's count of samples or, where it has none, of packets; None where neither is told."""


class File(Protocol):
    """Source file as it lies on disk, for a `FileAnalyzer`."""

    @property
    def role(self) -> str:
        """`FULL_MIX` or one of `STEMS`."""

    @property
    def name(self) -> str:
        """The file's name as it is shown to people: not to open it by."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def open(self) -> BinaryIO:
        """Return a seekable, read-only file object over the bytes of the very file that is measured, from its start.

        Of what it reads in all there is a bound, some times the file's size, beyond which it raises OSError. An OSError
        of the disk ends the measurement of this file, whatever the analyzer makes of it.
        """

    def encoding(self) -> Encoding:
        """Return how the file holds its audio; read once per file.

        Raises UnmeasurableError where that cannot be said, as of audio of several kinds: pass it on.
        """


class Options:
    """The keys of the table `[analyzer.<name>]` in the configuration, each read with what it may be.

    Every method raises OptionError, which names the key and what was expected. `close` after the last one refuses
    keys that were not asked for.
    """

    def __init__(self, given: Mapping[str, object] | None = None) -> None:
        self._given = dict(given or {})
        self._read: list[str] = []

    def flag(self, key: str, default: bool) -> bool:  # noqa: FBT001  # the default of a boolean is one
        """Return `true` or `false`."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._error(key, "true or false", value)
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """Return one of `allowed`."""
        value = self._take(key, default)
        if not isinstance(value, str) or value not in allowed:
            raise self._error(key, " or ".join(f'"{each}"' for each in allowed), value)
        return value

    def span(self, key: str) -> tuple[float, float] | None:
        """Return two positive numbers, the second above the first: `[80, 160]`; None where the key is not set."""
        value = self._take(key, None)
        if value is None:
            return None
        match value:
            case [bool(), _] | [_, bool()]:
                pass  # an `int` to Python, and no number to who wrote it
            case [float() | int() as low, float() | int() as high] if 0 < low < high <= sys.float_info.max:
                return float(low), float(high)
        raise self._error(key, "two positive numbers, the lower one first", value)

    def number(self, key: str, least: float) -> float | None:
        """Return a number that is `least` or more; None where the key is not set."""
        value = self._take(key, None)
        if value is None:
            return None
        if isinstance(value, float | int) and not isinstance(value, bool) and least <= value <= sys.float_info.max:
            return float(value)
        raise self._error(key, f"a number that is {least:g} or more", value)

    def choices(self, key: str, allowed: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of some of `allowed`, in the order of these, none twice."""
        value = self._take(key, list(default))
        if not isinstance(value, list) or not all(isinstance(each, str) and each in allowed for each in value):
            raise self._error(key, "a list of " + ", ".join(f'"{each}"' for each in allowed), value)
        return tuple(each for each in allowed if each in value)

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of texts, none of them empty, none twice."""
        value = self._take(key, list(default))
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            raise self._error(key, "a list of texts", value)
        return tuple(dict.fromkeys(value))

    def close(self) -> None:
        """Refuse the keys that were not asked for."""
        for key in self._given:
            if key not in self._read:
                raise UnknownOptionError(key, tuple(self._read))

    def _take(self, key: str, default: object) -> object:
        self._read.append(key)
        return self._given.get(key, default)

    def _error(self, key: str, expected: str, value: object) -> OptionError:
        return OptionError(f"option `{key}`: expected {expected}, got {_in_toml(value):.100}")


def _in_toml(value: object) -> str:
    """Write a value as the configuration has it: `true`, not `True`."""
    if isinstance(value, list):
        return f"[{', '.join(map(_in_toml, value))}]"
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    return "a table" if isinstance(value, dict) else str(value)


CheckModel = Callable[[Path, str], None]


def _accept(path: Path, digest: str) -> None:
    """Accept every file: the daemon puts what it knows of models in this place."""


@dataclass(frozen=True)
class Settings:
    """Settings that an analyzer is made with."""

    options: Options = field(default_factory=Options)
    model_directories: tuple[Path, ...] = ()
    """Directories in which models are looked for, best first."""
    check_model: CheckModel = _accept
    """To be called with the path of every file of a model, and the SHA-256 in hexadecimal of what was read of it,
    before the file is used. Raises AnalyzerUnavailableError where that is not what was published, or came here, under
    that name."""


# What an analyzer gives


class Cost(IntEnum):
    """Cost of a second of audio, beside decoding it: cheap analyzers go first, so that views are freed early."""

    LIGHT = 1
    """Less than decoding."""
    MEDIUM = 2
    """About ten times as much as decoding: rhythm."""
    HEAVY = 3
    """More than that: neural networks."""


@dataclass(frozen=True)
class Feature:
    """Named value of the record, as shown to users."""

    name: str
    """Key of the record. A name that begins with a dot is a file beside the record: `<folder name>.BEATS_GRID`."""
    unit: str
    description: str
    bounds: str = ""
    """Range that values lie in."""
    source: str = ""
    """Standard or paper that the method comes from."""


@dataclass(frozen=True)
class Measurement:
    """Result of an analyzer for one source file: each feature promised for its role stands in one of three places."""

    values: Mapping[str, Value]
    """Finite numbers, texts, booleans, and mappings of 1 to `MOST_LABELS` labels to finite numbers. A label is a text
    of 1 to `LONGEST_LABEL` characters."""
    unmeasurable: Mapping[str, str] = field(default_factory=dict)
    """Reasons, in a few words, for features that the audio does not have: it is too short, or silent."""
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    """Contents of features that are files beside the record, of at most `LARGEST_FILE` bytes each: text, which is
    written as UTF-8, or bytes, which are written as they are."""


class Feed(Protocol):
    """Measurement of one file that is under way; no two files share one."""

    def feed(self, block: NDArray[np.float32]) -> None:
        """Take in the next samples: float32, full scale 1.0, all finite, read-only, of shape (frames, channels).

        Each channel is contiguous. Blocks have any number of frames from 1 up, and how a file is cut into them must not
        alter any bit of what is measured. Their memory is used again after the call: keep a copy of what is needed.
        """

    def finish(self) -> Measurement:
        """Give what was measured: once, after the last block, and only of a file that is whole.

        Of one that turns out to be damaged, `finish` is never called, however much of it was fed.
        """


class _Described(Protocol):
    """Description that all kinds of analyzers give of themselves.

    An analyzer may have an attribute `binding`, a set of names in `models`: results that were made with another value
    under one of these names are measured again, whereas those of other models count as complete.
    And, after `load`, an attribute `remark`, a few words for people on how it works on this machine; values may not
    depend on that.
    And, if it reads views, a method `needs(role)` that gives the `Needs` of the features of a role: what else they are
    measured from. They are measured again when any file that was read for them, or for the results that they need, has
    changed. As `features`, it always gives the same, also before `load`; and so does `views` of a role with a sum,
    which has views with a rate in mono alone. One that needs a result which no analyzer here gives is unavailable.
    """

    name: str
    version: int
    """To be raised whenever the same audio would give other values, or other features; every folder is measured again.

    Also for a new feature: a machine with the older analyzer would leave its value beside a file that was replaced.
    """
    cost: Cost

    @property
    def models(self) -> Mapping[str, str]:
        """Digests of the models, and options that alter values, by name: what the values depend on besides the version.

        Known after `load`. Records that were made with others count as complete unless the user wants otherwise.
        """

    def features(self, role: str) -> tuple[Feature, ...]:
        """The features given for a source file of `role` (`FULL_MIX` or one of `STEMS`); none: it is not read.

        Known before `load`, so that models of features that are not asked for are not waited for.
        """

    def load(self) -> None:
        """Load what every analysis needs, once per worker, and only in one that is asked for any of its features.

        Libraries that are slow to import belong here: the module itself is imported by every worker.

        Raises AnalyzerUnavailableError, with the reason, where this machine lacks something.
        """


@runtime_checkable
class Analyzer(_Described, Protocol):
    """Turns the audio of one source file, read as whole views, into features.

    It may have a method `working_memory(stream, seconds)`, of a `Stream` and its length: how many bytes `analyze` takes
    at most beside its views; as many as these where it has none. A file of which both do not fit into `worker_memory`
    is not given to it: its features are unmeasurable.
    """

    def views(self, role: str) -> tuple[View, ...]:
        """Forms in which `analyze` reads a source file of `role`."""

    def analyze(self, audio: Audio) -> Measurement:
        """Measure one file. Any exception is an error of the analyzer, never of the file."""


@runtime_checkable
class BlockAnalyzer(_Described, Protocol):
    """Turns the audio of one source file, fed block by block, into features; memory does not grow with the length."""

    def begin(self, stream: Stream) -> Feed:
        """Begin to measure one file: what the analyzer is to know of it is kept in the feed, which is a new one.

        Any exception, here and in the feed's methods, is an error of the analyzer, never of the file.
        """


@runtime_checkable
class FileAnalyzer(_Described, Protocol):
    """Turns one source file, read as it lies on disk, into features: what its container and its tags tell.

    Its features are stale when any byte of the file changed, whereas those of audio outlast other tags in a FLAC file.
    Where nothing else is due the file is not decoded: then it is known to be whole as far as its container tells.
    """

    def inspect(self, file: File) -> Measurement:
        """Measure one file. Any exception but UnmeasurableError is an error of the analyzer, never of the file.

        The message of that one is the reason why every feature is unmeasurable.
        """


AudioAnalyzer = Analyzer | BlockAnalyzer
"""Analyzers of what is decoded."""
AnyAnalyzer = AudioAnalyzer | FileAnalyzer
