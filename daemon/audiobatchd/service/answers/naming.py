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


class Naming:
    """Finds folders by names that are not theirs. One search for near names at a time: others offer none meanwhile."""

    def __init__(self, sightings: Sightings, is_known: Callable[[FolderKey], bool]) -> None:
        self._sightings = sightings
        self._is_known = is_known
        self._searches = False

    async def found_by_end(self, key: FolderKey) -> FolderKey:
        """Find the only folder of the dataset whose path ends with that of `key`.

        Raises UnknownFolderError, with the nearest names, where there is none or several.
        """
        ending: list[str] = []
        if key.path:
            ending = await in_a_thread(partial(self._sightings.ending, key.dataset, key.path))
        if len(ending) == 1 and self._is_known(found := FolderKey(key.dataset, ending[0])):
            return found
        names = " or ".join(f'"{shown(path)}"' for path in ending or await self._near(key))
        raise no_folder(folder_shown(key.path), shown(key.dataset), f"did you mean {names}?" if names else "")

    async def _near(self, key: FolderKey) -> list[str]:
        if self._searches:
            return []
        self._searches = True
        try:
            return await in_a_thread(partial(self._nearest, key))
        finally:
            self._searches = False

    def _nearest(self, key: FolderKey) -> list[str]:
        return nearest_paths(key.path, self._sightings.alike(key.dataset, pieces(key.path)))
