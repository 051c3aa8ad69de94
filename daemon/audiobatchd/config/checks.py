"""The configuration held against this machine: analyzers that are installed, users that there are, models on disk.

What only looks at the values of keys is `file`'s.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from audiobatchd.config.file import Config
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.errors import ConfigError
from audiobatchd.plugin_api import ENTRY_POINT_GROUP
from audiobatchd.vocabulary.analyzer_sets import chosen
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import numbers_in, size_in_bytes
from audiobatchd.vocabulary.suggestions import cannot_find, nearest


def installed_analyzers() -> frozenset[str]:
    """Name the entry points of analyzers that are installed."""
    return frozenset(point.name for point in entry_points(group=ENTRY_POINT_GROUP))


def refuse_unknown_analyzers(settings: Config, path: Path | None) -> None:
    """Raise ConfigError where the configuration, read from `path`, names an analyzer or set that there is not.

    Options may be there for an analyzer that another machine has; not where the name is nearly one that is here.
    """
    installed = installed_analyzers()
    try:
        chosen(settings.analyzers, installed)
        for name in not_installed(settings):
            if nearest(name, installed):
                message = f"{cannot_find('the analyzer', name, installed)} - at `analyzer.{shown(name)}`"
                raise ConfigError(message)
    except ConfigError as error:
        message = f"{path}: {error}" if path else str(error)
        raise ConfigError(message) from error


def not_installed(settings: Config) -> list[str]:
    """Name the analyzers that have options and are not installed."""
    installed = installed_analyzers()
    return [name for name in settings.analyzer if name not in installed]


def operators(names: Iterable[str]) -> frozenset[int]:
    """Find the UIDs that may change things: root, the service's own, and those of the users that `names` has.

    Raises ConfigError for a name that no user has.
    """
    uids = {0, os.geteuid()}
    for name in names:
        try:
            uids.add(pwd.getpwnam(name).pw_uid)
        except KeyError:
            message = f"no user is called {name!r} - at `operators`"
            raise ConfigError(message) from None
    return frozenset(uids)


def worker_settings(settings: Config, model_directories: tuple[Path, ...]) -> WorkerSettings:
    """Make the settings that workers are started with, of the configuration and where this machine has models.

    Raises ConfigError where they may use no processor.
    """
    return WorkerSettings(
        settings.analyzers,
        settings.analyzer,
        tuple(map(str, model_directories)),
        settings.max_duration,
        size_in_bytes(settings.record_limit),
        settings.trusted_digests,
        worker_memory=size_in_bytes(settings.worker_memory),
        nice=settings.worker_nice,
        io_class=settings.worker_io_class,
        cpus=tuple(sorted(usable_cpus(settings))) if settings.worker_cpus is not None else None,
    )


def usable_cpus(settings: Config) -> frozenset[int]:
    """Find the processors that workers may use. Raises ConfigError where `worker_cpus` leaves none of those here."""
    ours = frozenset(os.sched_getaffinity(0))
    if settings.worker_cpus is None:
        return ours
    found = ours & numbers_in(settings.worker_cpus)
    if not found:
        here = ",".join(map(str, sorted(ours)))
        message = f"cannot use the processors {settings.worker_cpus}: the service may use {here} - at `worker_cpus`"
        raise ConfigError(message)
    return found
