"""Names on a command line: a dataset or a track folder, by any path, as the service and the disk call it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import msgspec

from audiobatchd.config.file import Config, DatasetConfig, chosen_config, dataset_from_command_line
from audiobatchd.control.client import ControlClient
from audiobatchd.control.requests import FolderName
from audiobatchd.disk import filesystems
from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.vocabulary.names import parsed, shown

_WAYS = (os.path.abspath, filesystems.without_links)  # a link stays a link
"""How a path is made absolute: as it is written, then without links."""


def datasets_of(client: ControlClient) -> list[str]:
    """List the paths of the service's datasets, as it shows them."""
    return [dataset.path for dataset in client.status().datasets]


def dataset_named(dataset: str, datasets: list[str]) -> str:
    """Find one of the service's `datasets`, given by any path. Raises UsageError where it is none of them."""
    for way in _WAYS:
        path = way(dataset)
        for each in datasets:
            if way(parsed(each)) == path:
                return parsed(each)
    message = f"no dataset of the daemon's: {shown(dataset)} ({', '.join(datasets) or 'it has none'})"
    raise UsageError(message)


def folder_named(folder: str, datasets: list[str]) -> FolderName:
    """Name a folder as the service does, given by its path on disk or by the name that `status` shows.

    Raises UsageError where it is in none of the service's `datasets`, or may be in several.
    """
    # By its names first: the disk of a dataset may not answer.
    for way in _WAYS:
        path = way(folder)
        for dataset in datasets:
            root = way(parsed(dataset))
            if path == root or path.startswith(os.path.join(root, "")):
                return FolderName(dataset, shown(os.path.relpath(path, root)))
    inside = [each for each in datasets if is_directory(Path(parsed(each), parsed(folder)))] or datasets
    if len(inside) == 1 and not Path(folder).is_absolute():
        return FolderName(inside[0], shown(parsed(folder)))
    message = f"{shown(folder)} is in no dataset of the daemon's ({', '.join(datasets) or 'it has none'})"
    raise UsageError(message)


def dataset_of(arguments: argparse.Namespace) -> tuple[Config, DatasetConfig]:
    """Find the configuration, and the dataset that a command names. Raises UsageError where that is no directory."""
    settings = chosen_config(arguments.config, os.environ)
    dataset = dataset_from_command_line(settings, arguments.dataset)
    if not Path(dataset.path).is_dir():
        message = f"no such dataset: {shown(dataset.path)}"
        raise UsageError(message)
    return settings, msgspec.structs.replace(dataset, path=os.path.realpath(dataset.path))


def refuse_inside(target: Path, arguments: argparse.Namespace, client: ControlClient) -> None:
    """Raise UsageError where a file that is to be made lies inside of a dataset that is known here.

    That is the one that a command names, those configured, and those of the service.
    """
    settings, dataset = dataset_of(arguments)
    try:
        served = [parsed(each) for each in datasets_of(client)]
    except AudiobatchError:
        served = []
    for each in (dataset.path, *(each.path for each in settings.dataset), *served):
        if Path(os.path.realpath(target)).is_relative_to(os.path.realpath(each)):
            message = f"cannot write {shown(str(target))}: it is inside of the dataset {shown(each)}"
            raise UsageError(message)


def is_directory(path: Path) -> bool:
    """Tell whether there is such a directory; `Path.is_dir` raises for a name that is too long for one."""
    try:
        return path.is_dir()
    except OSError:
        return False
