"""The configuration: TOML, environment and command line, read once into one frozen object that is passed down."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import pairwise
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from audiobatchd.config import lines, misplaced
from audiobatchd.config.places import SERVICE_CONFIGURATION, own_configuration
from audiobatchd.config.schedule import ScheduleConfig, unreadable
from audiobatchd.config.web import WebConfig, check
from audiobatchd.disk import bounded, filesystems
from audiobatchd.errors import ConfigError
from audiobatchd.vocabulary.expectations import Misfit, misfit
from audiobatchd.vocabulary.quantities import size_in_bytes
from audiobatchd.vocabulary.states import WatchMode

MOST_DATASETS = 1000
"""More than that one service does not look after in time."""
MOST_INBOXES = 32
"""Each has a process of its own, of some 30 MiB."""

# What a description says is expected where a value is refused.
FileName = Annotated[str, Meta(min_length=1, pattern=r"\A[^\0/]*\Z", description="the name of a file, without a path")]
Digest = Annotated[
    str, Meta(pattern=r"\A(sha256:)?[0-9a-f]{64}\Z", description="a SHA-256 of 64 hexadecimal digits, in lower case")
]
Words = Annotated[str, Meta(min_length=1, max_length=1000, description="up to 1,000 characters")]
WorkerCount = Annotated[int | Literal["auto"], Meta(description='a whole number, or "auto"')]
Processors = Annotated[
    str, Meta(max_length=1000, pattern=r"\A[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*\Z",
              description='processors like "0-3,6"'),
]  # fmt: skip
IoClass = Annotated[Literal["best-effort", "idle"], Meta(description='"best-effort" or "idle"')]
DirectoryName = Annotated[str, Meta(min_length=1, pattern=r"\A[^\0]*\Z", description="a path")]


AUTO = "auto"
"""The number of workers that is found out from cores and memory."""


class Bounds(NamedTuple):
    """The least and the most that a number may be; of a size, the size itself as it is written."""

    least: float | str
    most: float | str

    def __str__(self) -> str:
        """Say them as people read them: "0.1 to 86,400"."""
        return " to ".join(each if isinstance(each, str) else f"{each:,}" for each in self)

    def hold(self, value: object) -> bool:
        """Tell whether a value is a number, or a size, within them."""
        if isinstance(value, str):
            try:
                return size_in_bytes(str(self.least)) <= size_in_bytes(value) <= size_in_bytes(str(self.most))
            except ValueError:
                return False
        # Written so that it is false of `nan`, which TOML knows.
        return isinstance(value, int | float) and float(self.least) <= value <= float(self.most)


# A shorter interval would be all that the service does.
_INTERVAL, _DAY, _WEEK, _YEAR = 0.1, 86_400, 604_800, 31_536_000
BOUNDS: Mapping[str, Bounds] = {
    # What starts at once, and each takes 200 MiB and more.
    "workers": Bounds(1, 512),
    "job_timeout": Bounds(_INTERVAL, _WEEK),
    "job_timeout_factor": Bounds(0, 10_000),
    "max_duration": Bounds(_INTERVAL, _WEEK),
    "max_deaths": Bounds(1, 1_000_000),
    "max_suspect": Bounds(1, 1_000_000),
    # With less a worker would be ended before its first job.
    "worker_memory": Bounds("64 MiB", "1024 TiB"),
    # The supervisor holds a record in its own memory.
    "record_limit": Bounds("1 KiB", "1 GiB"),
    "keep_decisions": Bounds("1 MiB", "64 GiB"),
    "recycle_jobs": Bounds(1, 1_000_000_000),
    "stop_grace": Bounds(0, _DAY),
    "reap": Bounds(_INTERVAL, _DAY),
    "settle": Bounds(0, _WEEK),
    "rescan": Bounds(_INTERVAL, _YEAR),
    "link_lifetime": Bounds(10, _DAY),
    "max_load": Bounds(0.01, 10_000),
    "min_free_memory": Bounds("0 KiB", "1024 TiB"),
    # Less than 0 takes rights that the service does not have.
    "worker_nice": Bounds(0, 19),
}
"""Of every key that is a number or a size."""


class DatasetConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a `[[dataset]]`. Each key is described in docs/reference/configuration.md."""

    path: DirectoryName
    settle: float = 5.0
    rescan: float = 3600.0
    ignore: tuple[str, ...] = ()
    mode: WatchMode = WatchMode.AUTO
    ready_marker: FileName | None = None
    adopt: bool = True
    alone: bool = False
    schedule: ScheduleConfig = ScheduleConfig()


class InboxConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of an `[[inbox]]`. Each key is described in docs/reference/configuration.md."""

    path: DirectoryName
    dataset: DirectoryName
    settle: float = 60.0
    name: Words = "{artist} - {album} - {title}"
    stems: Words | None = None


TABLES: Mapping[str, type[Struct]] = {
    "dataset": DatasetConfig,
    "inbox": InboxConfig,
    "web": WebConfig,
    "schedule": ScheduleConfig,
}
"""The types of the tables, by their heading; there is one of each in `misplaced.ONCE`, and any number of the others."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration file; every key is optional. Times are seconds.

    `analyzer` has a table of options for each analyzer; what may stand in it is the analyzer's to say.
    """

    dataset: tuple[DatasetConfig, ...] = ()
    inbox: tuple[InboxConfig, ...] = ()
    workers: WorkerCount | None = None
    analyzers: tuple[str, ...] | None = None
    analyzer: dict[str, dict[str, Any]] = {}
    model_directory: DirectoryName | None = None
    trusted_models: tuple[Digest, ...] = ()
    recompute_other_models: bool = False
    job_timeout: float = 600.0
    job_timeout_factor: float = 4.0
    max_duration: float = 21600.0
    max_deaths: int = 3
    max_suspect: int = 5
    worker_memory: str = "6 GiB"
    record_limit: str = "16 MiB"
    recycle_jobs: int = 500
    stop_grace: float = 30.0
    reap: float = 60.0
    operators: tuple[str, ...] = ()
    metrics_textfile: DirectoryName | None = None
    keep_decisions: str | None = None
    web: WebConfig = WebConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    worker_nice: int | None = None
    worker_io_class: IoClass | None = None
    worker_cpus: Processors | None = None

    @property
    def trusted_digests(self) -> tuple[str, ...]:
        """The SHA-256 of each file of a model that is used whatever is published or pinned, in hexadecimal."""
        return tuple(digest.removeprefix("sha256:") for digest in self.trusted_models)


def find_config(environ: Mapping[str, str]) -> Path | None:
    """Find the configuration file where none is named: /etc, else the user's; None where there is neither."""
    for candidate in (SERVICE_CONFIGURATION, own_configuration(environ)):
        if candidate.is_file():
            return candidate
    return None


def chosen_config(named: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the `named` configuration file, else the one that is found, else take the defaults. Raises ConfigError."""
    path = named or find_config(environ)
    return load_config(path) if path else Config()


def load_config(path: Path) -> Config:
    """Read a configuration file. Raises ConfigError with the file, the key and what was expected."""
    try:
        content, _ = bounded.read(path, bounded.SETTINGS_LIMIT)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigError(message) from error
    try:
        config = msgspec.toml.decode(content, type=Config)
    except msgspec.ValidationError as error:
        message = f"{path}: {_refusal(content, error)}"
        raise ConfigError(message) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        message = f"{path}: not TOML: {error}"
        raise ConfigError(message) from error
    if found := _beyond_bounds(config):
        message = f"{path}: {found}{lines.said(content, found.place)}"
        raise ConfigError(message)
    base = path.resolve().parent
    datasets = [msgspec.structs.replace(each, path=str(base / each.path)) for each in config.dataset]
    inboxes = tuple(
        msgspec.structs.replace(each, path=_absolute(str(base / each.path)), dataset=str(base / each.dataset))
        for each in config.inbox
    )
    for key in ("model_directory", "metrics_textfile"):
        if (named := getattr(config, key)) is not None:
            config = msgspec.structs.replace(config, **{key: str(base / named)})
    web = {key: str(base / named) for key in ("certificate", "key") if (named := getattr(config.web, key))}
    config = msgspec.structs.replace(config, web=msgspec.structs.replace(config.web, **web))
    try:
        check(config.web)
    except ConfigError as error:
        message = f"{path}: {error}"
        raise ConfigError(message) from error
    table = "dataset"
    try:
        config = with_datasets(config, datasets)
        table = "inbox"
        return msgspec.structs.replace(config, inbox=_fit_inboxes(inboxes, config))
    except ConfigError as error:
        message = f"{path}: {error} - at `{table}`"
        raise ConfigError(message) from error


def beyond_bounds(config: Config) -> str:
    """Say which number of a configuration is less or more than it may be; empty where none is."""
    return str(_beyond_bounds(config) or "")


def _beyond_bounds(config: Config) -> Misfit | None:
    tables: list[tuple[tuple[str | int, ...], Struct]] = [((), config)]
    for name in TABLES:
        found = getattr(config, name)
        tables += [((name,), found)] if name in misplaced.ONCE else (((name, n), each) for n, each in enumerate(found))
    tables += [(("dataset", number, "schedule"), each.schedule) for number, each in enumerate(config.dataset)]
    for where, table in tables:
        if isinstance(table, ScheduleConfig) and (found := unreadable(table)):
            return Misfit(found.text, (*where, *found.place))
        for key in table.__struct_fields__:
            value = getattr(table, key)
            if key in BOUNDS and value not in (None, AUTO) and not BOUNDS[key].hold(value):
                kind = "a size" if isinstance(value, str) else "a number"
                return Misfit(f"expected {kind} from {BOUNDS[key]}", (*where, key))
    return None


def with_datasets(config: Config, datasets: list[DatasetConfig]) -> Config:
    """Make `config` have these datasets, their paths made absolute. Raises ConfigError where two of them overlap.

    Inboxes of other datasets go. A path that leads through a link stays as it is: where the link leads may change.
    Where the disk does not answer no link is followed: a dataset that hangs keeps no other from its start.
    """
    if len(datasets) > MOST_DATASETS:
        message = (
            f"cannot watch {len(datasets):,} datasets: one service takes {MOST_DATASETS:,}; name directories above them"
        )
        raise ConfigError(message)
    absolute = tuple(msgspec.structs.replace(each, path=_absolute(each.path)) for each in datasets)
    places = [filesystems.without_links(each.path) for each in absolute]
    # In this order one that lies in another follows it, or follows one that does.
    in_order = sorted(zip(places, range(len(places)), absolute, strict=True), key=lambda each: Path(each[0]).parts)
    for pair in pairwise(in_order):
        (here, _, one), (there, _, other) = sorted(pair, key=itemgetter(1))
        if overlap(here, there):
            message = f"two datasets overlap: {_with_target(one.path, here)} and {_with_target(other.path, there)}"
            raise ConfigError(message)
    paths = {each.path for each in absolute}
    inboxes = tuple(each for each in config.inbox if each.dataset in paths)
    return msgspec.structs.replace(config, dataset=absolute, inbox=inboxes)


def _fit_inboxes(inboxes: tuple[InboxConfig, ...], config: Config) -> tuple[InboxConfig, ...]:
    """Name the dataset of each inbox as the configuration does.

    Raises ConfigError where there is no such dataset, where an inbox and a dataset overlap, or two inboxes do: what is
    moved out of one may be nothing else's.
    """
    if len(inboxes) > MOST_INBOXES:
        message = f"cannot look after {len(inboxes):,} inboxes: one service takes {MOST_INBOXES:,}"
        raise ConfigError(message)
    places = {filesystems.without_links(each.path): each.path for each in config.dataset}
    taken = {place: f"the dataset {path}" for place, path in places.items()}
    made = []
    for each in inboxes:
        place = filesystems.without_links(each.path)
        for other, what in taken.items():
            if overlap(place, other):
                message = f"the inbox {_with_target(each.path, place)} and {what} overlap: give it a directory apart"
                raise ConfigError(message)
        taken[place] = f"the inbox {each.path}"
        dataset = places.get(filesystems.without_links(each.dataset))
        if dataset is None:
            message = f"the inbox {each.path} is for {each.dataset}, which is no dataset of this configuration"
            raise ConfigError(message)
        made.append(msgspec.structs.replace(each, dataset=dataset))
    return tuple(made)


def overlap(one: str, other: str) -> bool:
    """Tell whether two directories, given without links, are the same or one lies in the other."""
    return os.path.commonpath([one, other]) in (one, other)


def _absolute(path: str) -> str:
    plain = os.path.normpath(Path.cwd() / path)
    # `..` after a link is not the directory that the link is in.
    is_plain = ".." not in Path(path).parts or filesystems.without_links(plain) == filesystems.without_links(path)
    return plain if is_plain else str(Path.cwd() / path)


def _with_target(path: str, target: str) -> str:
    return path if path == target else f"{path} (which leads to {target})"


def differences(old: Config, new: Config) -> list[str]:
    """List what is different in `new`: "workers: 2 -> 4", "dataset /srv/music: settle: 5.0 -> 10.0"."""
    return [
        *_changed_keys(old, new, without=tuple(TABLES)),
        *(
            f"{name}: {line}"
            for name in misplaced.ONCE
            for line in _changed_keys(getattr(old, name), getattr(new, name))
        ),
        *_changed_tables("dataset", old.dataset, new.dataset),
        *_changed_tables("inbox", old.inbox, new.inbox),
    ]


def _changed_tables(
    name: str, old: Iterable[DatasetConfig | InboxConfig], new: Iterable[DatasetConfig | InboxConfig]
) -> list[str]:
    before, after = ({each.path: each for each in tables} for tables in (old, new))
    told = [f"{name} {path}: no longer" for path in before if path not in after]
    told += [f"{name} {path}: new" for path in after if path not in before]
    for path in before:
        if path in after:
            told += [f"{name} {path}: {line}" for line in _changed_keys(before[path], after[path])]
    return told


def _changed_keys(old: Struct, new: Struct, without: tuple[str, ...] = ()) -> list[str]:
    values = ((key, getattr(old, key), getattr(new, key)) for key in old.__struct_fields__ if key not in without)
    return [f"{key}: {_in_toml(one)} -> {_in_toml(other)}" for key, one, other in values if one != other]


def _in_toml(value: object) -> str:
    return "not set" if value is None else msgspec.json.encode(value).decode()


def dataset_from_command_line(config: Config, path: str) -> DatasetConfig:
    """Make the dataset at `path`: with the settings that the file gives it, else with the defaults."""
    wanted = filesystems.without_links(path)
    for each in config.dataset:
        if filesystems.without_links(each.path) == wanted:
            return each
    return DatasetConfig(path=_absolute(path))


def _refusal(content: bytes, error: msgspec.ValidationError) -> str:
    """Say what is wrong with a configuration that is TOML, where, and what was probably meant."""
    found = misfit(Config, msgspec.toml.decode(content), table="a table")
    if found is None:
        return str(error)
    hint = misplaced.hint(found, Config, TABLES)
    place = (*found.place, found.unknown) if found.unknown else found.place
    return f"{found}{lines.said(content, place)}{': ' if hint else ''}{hint}"
