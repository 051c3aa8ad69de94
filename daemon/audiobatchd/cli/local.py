"""The service as it is set up on this machine: its configuration, checked, its unit, its models and workers' settings.

For commands that answer without asking it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from audiobatchd.config import checks, lines, misplaced
from audiobatchd.config.file import TABLES, Config, DatasetConfig, find_config, load_config
from audiobatchd.config.places import model_directories, state_directory
from audiobatchd.core.assessment import Policy
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.disk import bounded
from audiobatchd.errors import AudiobatchError, ConfigError
from audiobatchd.imports import inbox
from audiobatchd.vocabulary import quantities
from audiobatchd.vocabulary.names import shown
from audiobatchd.worker import questions

UNIT = "audiobatchd.service"
"""The service's unit."""

USER = "audiobatch"
"""The user that the unit runs as; the package makes it."""

_PATIENCE = 5.0
"""Seconds that systemd has to answer."""

_ENDING = 5.0
"""Seconds that the service takes to end what runs when `stop_grace` is over, and to close what it has open."""


def checked_config(path: Path | None) -> Config:
    """Read a configuration file, or take the defaults. Raises ConfigError for whatever ends the service's start."""
    settings = _with_known_analyzers(path)
    checks.operators(settings.operators)
    refuse_wrong_options(settings, path, model_directories_here(settings))
    for each in settings.inbox:
        inbox.refuse_unusable(each.name, each.stems, f"inbox {shown(each.path)}")
    return settings


def config_here(named: Path | None) -> Config:
    """Read the `named` configuration file, else the one that is found, for what goes by its analyzers.

    Raises ConfigError, also where it names an analyzer that there is not.
    """
    return _with_known_analyzers(named or find_config(os.environ))


def _with_known_analyzers(path: Path | None) -> Config:
    settings = load_config(path) if path else Config()
    checks.refuse_unknown_analyzers(settings, path)
    return settings


def refuse_wrong_options(settings: Config, path: Path | None, directories: tuple[Path, ...]) -> None:
    """Raise ConfigError where the analyzers say that an option is none of theirs, or has a value that cannot be.

    Where they cannot be asked nothing is refused: the workers will tell.
    """
    if not settings.analyzer:
        return
    try:
        wrong = questions.wrong_options(checks.worker_settings(settings, directories))
    except AudiobatchError:
        return
    for each in wrong:
        meant = misplaced.of_option(each.key, each.known, each.entry, Config, TABLES) if each.key else ""
        place = ("analyzer", each.entry, each.key) if each.key else ("analyzer", each.entry)
        reason = f"{each.reason}{_line(path, place)}{': ' if meant else ''}{meant}"
        message = f"{path}: [analyzer.{shown(each.entry)}] {reason}"
        raise ConfigError(message)


def _line(path: Path | None, place: lines.Place) -> str:
    try:
        return lines.said(bounded.read(path, bounded.SETTINGS_LIMIT)[0], place) if path else ""
    except OSError:
        return ""


def model_directories_here(settings: Config) -> tuple[Path, ...]:
    """List where this user's models are looked for, in this order."""
    return model_directories(settings.model_directory, os.environ, state_directory(os.environ, os.getuid()))


def worker_settings_here(settings: Config) -> WorkerSettings:
    """Make the settings that a worker of this user's would have."""
    return checks.worker_settings(settings, model_directories_here(settings))


def policy_of(settings: Config, dataset: DatasetConfig) -> Policy:
    """Tell by which terms the service judges what is due in a dataset's folders."""
    return Policy(
        adopt=dataset.adopt,
        recompute_other_models=settings.recompute_other_models,
        max_duration=settings.max_duration,
        worker_memory=quantities.size_in_bytes(settings.worker_memory),
    )


def is_installed(names: Iterable[str]) -> bool:
    """Tell whether any of these names is that of an analyzer's entry point."""
    return not checks.installed_analyzers().isdisjoint(names)


def ended_first(settings: Config) -> str:
    """Say where the machine's unit ends the service before `stop_grace` is over, with the cure; empty where not."""
    command = ["systemctl", "show", "--property=LoadState,TimeoutStopUSec", UNIT]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
        properties = dict(line.partition("=")[::2] for line in told.splitlines())
        timeout = quantities.seconds_in(properties["TimeoutStopUSec"])
    except (OSError, subprocess.TimeoutExpired, KeyError, ValueError):
        return ""  # no systemd, or `infinity`
    if properties.get("LoadState") != "loaded" or settings.stop_grace + _ENDING <= timeout:
        return ""
    return (
        f"stop_grace is {settings.stop_grace:g} s, and {UNIT} is killed after {timeout:g} s: "
        f"raise its TimeoutStopSec above {settings.stop_grace + _ENDING:g}, by `systemctl edit audiobatchd`"
    )
