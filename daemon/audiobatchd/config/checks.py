"""The configuration held against this machine: analyzers that are installed, users that there are, models on disk."""

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
from audiobatchd.vocabulary.quantities import size_in_bytes


def refuse_unknown_analyzers(settings: Config) -> None:
    """Raise ConfigError where the configuration names an analyzer that is not installed."""
    installed = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    for name in [*(settings.analyzers or ()), *settings.analyzer]:
        if name not in installed:
            message = f"no analyzer named {name!r} is installed (there are: {', '.join(sorted(installed))})"
            raise ConfigError(message)


def operators(names: Iterable[str]) -> frozenset[int]:
    """The UIDs that may change things: root, the daemon's own, and those of the users that the configuration names.

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


def worker_settings(config: Config, model_directories: tuple[Path, ...]) -> WorkerSettings:
    """What workers are started with."""
    directories = tuple(map(str, model_directories))
    limit = size_in_bytes(config.record_limit)
    return WorkerSettings(
        config.analyzers, config.analyzer, directories, config.max_duration, limit, config.trusted_digests
    )
