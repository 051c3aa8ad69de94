"""Names on a command line: a dataset or a track folder, by any path, as the service and the disk call it."""

from __future__ import annotations

import argparse
import os
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import msgspec

from audiobatchd.config.file import Config, DatasetConfig, chosen_config, dataset_from_command_line
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import EXPLAIN
from audiobatchd.control.requests import FolderName
from audiobatchd.disk import filesystems
from audiobatchd.errors import AudiobatchError, NoDaemonError, UsageError
from audiobatchd.vocabulary.files import EXTENSIONS, ROLES
from audiobatchd.vocabulary.names import parsed, shown
from audiobatchd.vocabulary.suggestions import nearest_paths

_WAYS = (os.path.abspath, filesystems.without_links)  # a link stays a link
"""How a path is made absolute: as it is written, then without links."""
_QUESTION = "did you mean"
_MOST_ASKED, _MOST_LISTED, _MOST_BESIDE = 20, 5, 10_000
"""Datasets in which a name is asked for, names in one message, and directories beside a dataset that are looked at."""


def datasets_of(client: ControlClient) -> list[str]:
    """List the paths of the service's datasets, as it shows them."""
    return [dataset.path for dataset in client.status().datasets]


def dataset_named(dataset: str, datasets: list[str]) -> str:
    """Find one of the service's `datasets`, given by any path. Raises UsageError where it is none of them."""
    for text in _texts(dataset):
        for way in _WAYS:
            path = way(text)
            for each in datasets:
                if way(parsed(each)) == path:
                    return parsed(each)
    near = _asked_for(nearest_paths(os.path.basename(_WAYS[0](dataset)), map(parsed, datasets)))
    message = f"no dataset of the daemon's: {shown(dataset)}{near} ({_listed(datasets)})"
    raise UsageError(message)


def folder_of(folder: str, client: ControlClient) -> FolderName:
    """Name a folder as the service does, given by any path or name that is the only one of its kind.

    Raises UsageError where it is in none of the service's datasets or may be in several, AudiobatchError where it has
    several datasets and knows the name in none.
    """
    datasets = datasets_of(client)
    try:
        return folder_named(folder, datasets)
    except UsageError:
        if Path(folder).is_absolute() or not 1 < len(datasets) <= _MOST_ASKED:
            raise
    found: list[FolderName] = []
    refusals: list[str] = []
    for dataset in datasets:
        try:
            report = client.ask(EXPLAIN, FolderName(dataset, shown(parsed(folder))))
        except NoDaemonError:
            raise
        except AudiobatchError as error:
            refusals.append(str(error))
        else:
            found.append(FolderName(report.dataset, report.folder))
    if not found:
        raise AudiobatchError("; ".join(sorted(refusals, key=lambda each: _QUESTION not in each)[:_MOST_LISTED]))
    if len(found) > 1:
        places = " or ".join(os.path.join(each.dataset, each.folder) for each in found)
        message = f"{shown(folder)} may be {places}: name it by its path"
        raise UsageError(message)
    return found[0]


def folder_named(folder: str, datasets: list[str]) -> FolderName:
    """Name a folder as the service does: by its path on disk, that of a file in it, or the name that `status` shows.

    Raises UsageError where it is in none of the service's `datasets`, or may be in several.
    """
    by_path = [place for text in _texts(folder) if (place := _inside(text, datasets)) is not None]
    for place in by_path:
        if (there := _there(place)) is not None:
            return there
    if not Path(folder).is_absolute():
        by_name = [FolderName(each, shown(parsed(folder).rstrip("/"))) for each in datasets]
        there_too = [there for each in by_name if (there := _there(each)) is not None]
        if len(there_too) == 1 or (len(by_name) == 1 and not by_path):
            return (there_too or [_without_source_file(each) for each in by_name])[0]
    if by_path:
        return _without_source_file(by_path[0])
    message = f"{shown(folder)} is in no dataset of the daemon's ({_listed(datasets)})"
    raise UsageError(message)


def _texts(name: str) -> tuple[str, ...]:
    r"""The name as it is, and as it is meant where it was copied from what was shown: `caf\xe9`."""
    return tuple(dict.fromkeys((name, parsed(name))))


def _inside(path: str, datasets: list[str]) -> FolderName | None:
    """Name what lies at a path below one of the datasets; by names first: the disk of a dataset may not answer."""
    for way in _WAYS:
        whole = way(path)
        for dataset in datasets:
            root = way(parsed(dataset))
            if whole == root or whole.startswith(os.path.join(root, "")):
                return FolderName(dataset, shown(os.path.relpath(whole, root)))
    return None


def _there(name: FolderName) -> FolderName | None:
    """Name the folder that is there, or that has the file that is; None where neither is, or its disk hangs."""
    root, path = parsed(name.dataset), parsed(name.folder)
    if not filesystems.answers(root):
        return None
    whole = Path(root, path)
    if is_directory(whole):
        return name
    try:
        is_file = stat.S_ISREG(whole.stat().st_mode)
    except (OSError, ValueError):
        return None
    return FolderName(name.dataset, shown(os.path.dirname(path)) or ".") if is_file else None


def _without_source_file(name: FolderName) -> FolderName:
    """Name the folder of what is called as a source file is, which may be gone; any other name stays as it is."""
    folder, file = os.path.split(name.folder)
    stem, _, extension = file.rpartition(".")
    is_source = stem in ROLES and extension.lower() in EXTENSIONS
    return FolderName(name.dataset, folder or ".") if is_source else name


def dataset_of(arguments: argparse.Namespace) -> tuple[Config, DatasetConfig]:
    """Find the configuration, and the dataset that a command names. Raises UsageError where that is no directory."""
    settings = chosen_config(arguments.config, os.environ)
    dataset = dataset_from_command_line(settings, arguments.dataset)
    if not is_directory(Path(dataset.path)):
        near = nearest_beside(arguments.dataset, [each.path for each in settings.dataset])
        message = f"no such dataset: {shown(dataset.path)}{near}"
        raise UsageError(message)
    return settings, msgspec.structs.replace(dataset, path=os.path.realpath(dataset.path))


def nearest_beside(path: str, others: Iterable[str] = ()) -> str:
    """Ask whether what lies where this `path` leads, and is called nearly so, was meant, or one of these `others`."""
    directory, name = os.path.split(path.rstrip("/"))
    known = list(others)
    try:
        with os.scandir(directory or ".") as entries:
            known += [os.path.join(directory, each.name) for each in islice(entries, _MOST_BESIDE)]
    except (OSError, ValueError):
        pass  # nor is the directory there
    return _asked_for(nearest_paths(name, known))


def _asked_for(names: list[str]) -> str:
    """Ask whether one of these was meant."""
    return f": {_QUESTION} {' or '.join(shown(each) for each in names)}?" if names else ""


def _listed(datasets: list[str]) -> str:
    if not datasets:
        return "it has none"
    more = f" and {len(datasets) - _MOST_LISTED} more" if len(datasets) > _MOST_LISTED else ""
    return ", ".join(datasets[:_MOST_LISTED]) + more


def refuse_inside(target: Path, dataset: str, settings: Config, client: ControlClient) -> None:
    """Raise UsageError where a file that is to be made lies inside of a dataset that is known here.

    That is this one, those configured, and those of the service.
    """
    try:
        served = [parsed(each) for each in datasets_of(client)]
    except AudiobatchError:
        served = []
    for each in (dataset, *(each.path for each in settings.dataset), *served):
        if Path(os.path.realpath(target)).is_relative_to(os.path.realpath(each)):
            message = f"cannot write {shown(str(target))}: it is inside of the dataset {shown(each)}"
            raise UsageError(message)


def is_directory(path: Path) -> bool:
    """Tell whether there is such a directory; `Path.is_dir` raises for a name that is too long for one."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name with a zero, which Python itself refuses
        return False
