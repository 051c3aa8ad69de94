"""Track folders that a request names and that are not there: found by the end of their path, or refused with others.

The catalog is asked, in a thread and for a bounded time: a dataset may have a million folders.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from audiobatchd.errors import UnknownFolderError
from audiobatchd.scan.catalog.sightings import Sightings
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.names import folder_shown, shown
from audiobatchd.vocabulary.suggestions import nearest_paths, pieces


def no_folder(folder: str, dataset: str, meant: str = "") -> UnknownFolderError:
    """Make the refusal of a folder, by its name as it is shown, with what was perhaps `meant`."""
    return UnknownFolderError(f"there is no track folder {folder} in {dataset}{': ' if meant else ''}{meant}")


async def found_by_end(key: FolderKey, sightings: Sightings, is_known: Callable[[FolderKey], bool]) -> FolderKey:
    """Find the only folder of the dataset whose path ends with that of `key`.

    Raises UnknownFolderError, with the nearest names, where there is none or several.
    """
    ending = [FolderKey(key.dataset, path) for path in await in_a_thread(partial(_ending, key, sightings))]
    if len(ending) == 1 and is_known(ending[0]):
        return ending[0]
    near = [each.path for each in ending] or await in_a_thread(partial(_near, key, sightings))
    names = " or ".join(f'"{shown(path)}"' for path in near)
    raise no_folder(folder_shown(key.path), shown(key.dataset), f"did you mean {names}?" if names else "")


def _ending(key: FolderKey, sightings: Sightings) -> list[str]:
    return sightings.ending(key.dataset, key.path) if key.path else []


def _near(key: FolderKey, sightings: Sightings) -> list[str]:
    return nearest_paths(key.path, sightings.alike(key.dataset, pieces(key.path)))
