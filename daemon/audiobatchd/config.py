"""The configuration: TOML, environment and command line, read once into one frozen object that is passed down."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from audiobatchd import bounded, filesystems
from audiobatchd.errors import ConfigError
from audiobatchd.model import WatchMode

# TOML knows `inf`; the lock of a folder, which announces how long it will be held, is JSON and does not.
Seconds = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
PositiveSeconds = Annotated[float, Meta(gt=0, le=sys.float_info.max)]
Count = Annotated[int, Meta(ge=1)]
FileName = Annotated[str, Meta(min_length=1, pattern=r"\A[^\0/]*\Z")]
Size = Annotated[str, Meta(pattern=r"\A\d+(\.\d+)? ?[KMGT]iB\Z")]
Digest = Annotated[str, Meta(pattern=r"\A(sha256:)?[0-9a-f]{64}\Z")]
DirectoryName = Annotated[str, Meta(min_length=1, pattern=r"\A[^\0]*\Z")]


class DatasetConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One `[[dataset]]`. Each key is described in docs/reference/configuration.md."""

    path: DirectoryName
    settle: Seconds = 5.0
    rescan: PositiveSeconds = 3600.0
    ignore: tuple[str, ...] = ()
    mode: WatchMode = WatchMode.AUTO
    ready_marker: FileName | None = None
    adopt: bool = True
    alone: bool = False


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration file; every key is optional. Times are seconds.

    `analyzer` has a table of options for each analyzer; what may stand in it is the analyzer's to say.
    """

    dataset: tuple[DatasetConfig, ...] = ()
    workers: Count | None = None
    analyzers: tuple[str, ...] | None = None
    analyzer: dict[str, dict[str, Any]] = {}
    model_directory: DirectoryName | None = None
    trusted_models: tuple[Digest, ...] = ()
    recompute_other_models: bool = False
    job_timeout: PositiveSeconds = 600.0
    job_timeout_factor: Seconds = 4.0
    max_duration: PositiveSeconds = 7200.0
    max_deaths: Count = 3
    max_suspect: Count = 5
    worker_memory: Size = "6 GiB"
    record_limit: Size = "16 MiB"
    recycle_jobs: Count = 500
    stop_grace: Seconds = 30.0
    reap: PositiveSeconds = 60.0
    operators: tuple[str, ...] = ()
    metrics_textfile: DirectoryName | None = None

    @property
    def trusted_digests(self) -> tuple[str, ...]:
        """The SHA-256 of each file of a model that is used whatever is published or pinned, in hexadecimal."""
        return tuple(digest.removeprefix("sha256:") for digest in self.trusted_models)

    @property
    def worker_count(self) -> int:
        """The configured number of workers, or one per core that this process may use."""
        return self.workers or len(os.sched_getaffinity(0))


def size_in_bytes(size: Size) -> int:
    """A `Size` ("4 GiB") as a number of bytes."""
    return int(float(size[:-3]) * 1024 ** ("KMGT".index(size[-3]) + 1))


def find(environ: Mapping[str, str]) -> Path | None:
    """The configuration file where none is named: /etc, else the user's; None where there is neither."""
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")
    for candidate in (Path("/etc/audiobatchd/audiobatchd.toml"), home / "audiobatchd" / "audiobatchd.toml"):
        if candidate.is_file():
            return candidate
    return None


def chosen(named: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in the `named` file, else in the one that is found, else the defaults. Raises ConfigError."""
    path = named or find(environ)
    return load(path) if path else Config()


def load(path: Path) -> Config:
    """Read a configuration file. Raises ConfigError with the file, the key and what was expected."""
    try:
        content, _ = bounded.read(path, bounded.SETTINGS_LIMIT)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigError(message) from error
    try:
        config = msgspec.toml.decode(content, type=Config)
    except msgspec.ValidationError as error:
        message = f"{path}: {_in_toml_words(str(error))}"
        raise ConfigError(message) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        message = f"{path}: not TOML: {error}"
        raise ConfigError(message) from error
    for key in ("worker_memory", "record_limit"):
        try:
            size_in_bytes(getattr(config, key))
        except OverflowError as error:
            message = f"{path}: expected a size that there can be - at `{key}`"
            raise ConfigError(message) from error
    base = path.resolve().parent
    datasets = [msgspec.structs.replace(each, path=str(base / each.path)) for each in config.dataset]
    for key in ("model_directory", "metrics_textfile"):
        if (named := getattr(config, key)) is not None:
            config = msgspec.structs.replace(config, **{key: str(base / named)})
    try:
        return with_datasets(config, datasets)
    except ConfigError as error:
        message = f"{path}: {error} - at `dataset`"
        raise ConfigError(message) from error


def with_datasets(config: Config, datasets: list[DatasetConfig]) -> Config:
    """`config` with these datasets, their paths made absolute. Raises ConfigError where two of them overlap.

    A path that leads through a link stays as it is: where the link leads may change. Where the disk does not answer
    no link is followed: a dataset that hangs keeps no other from its start.
    """
    absolute = tuple(msgspec.structs.replace(each, path=_absolute(each.path)) for each in datasets)
    places = [_without_links(each.path) for each in absolute]
    for (one, here), (other, there) in combinations(zip(absolute, places, strict=True), 2):
        if overlap(here, there):
            message = f"two datasets overlap: {_with_target(one.path, here)} and {_with_target(other.path, there)}"
            raise ConfigError(message)
    return msgspec.structs.replace(config, dataset=absolute)


def overlap(one: str, other: str) -> bool:
    """Whether two directories, given without links, are the same or one lies in the other."""
    return os.path.commonpath([one, other]) in (one, other)


def _absolute(path: str) -> str:
    plain = os.path.normpath(Path.cwd() / path)
    # `..` after a link is not the directory that the link is in.
    is_plain = ".." not in Path(path).parts or _without_links(plain) == _without_links(path)
    return plain if is_plain else str(Path.cwd() / path)


def _with_target(path: str, target: str) -> str:
    return path if path == target else f"{path} (which leads to {target})"


def differences(old: Config, new: Config) -> list[str]:
    """What is different in `new`, a line each: "workers: 2 -> 4", "dataset /srv/music: settle: 5.0 -> 10.0"."""
    told = _changed_keys(old, new, without="dataset")
    before, after = ({each.path: each for each in config.dataset} for config in (old, new))
    told += [f"dataset {path}: no longer" for path in before if path not in after]
    told += [f"dataset {path}: new" for path in after if path not in before]
    for path in before:
        if path in after:
            told += [f"dataset {path}: {line}" for line in _changed_keys(before[path], after[path])]
    return told


def _changed_keys(old: Struct, new: Struct, without: str = "") -> list[str]:
    values = ((key, getattr(old, key), getattr(new, key)) for key in old.__struct_fields__ if key != without)
    return [f"{key}: {_in_toml(one)} -> {_in_toml(other)}" for key, one, other in values if one != other]


def _in_toml(value: object) -> str:
    return "not set" if value is None else msgspec.json.encode(value).decode()


def dataset_from_command_line(config: Config, path: str) -> DatasetConfig:
    """The dataset at `path`: with the settings that the file gives it, else with the defaults."""
    wanted = _without_links(path)
    for each in config.dataset:
        if _without_links(each.path) == wanted:
            return each
    return DatasetConfig(path=_absolute(path))


def _without_links(path: str) -> str:
    return filesystems.resolved(path) or os.path.abspath(path)  # noqa: PTH100  # the disk does not tell where links lead


def _in_toml_words(message: str) -> str:
    """Msgspec speaks of objects, arrays and `$.dataset[0]`; a TOML file has tables, and keys."""
    words = {"`object`": "a table", "`array`": "an array", "Object contains unknown field": "unknown key"}
    for theirs, ours in words.items():
        message = message.replace(theirs, ours)
    return message.replace("`$.", "`").replace(" - at `$`", "")
