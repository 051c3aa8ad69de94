"""What is told of folders in the log: one line per event, and none twice."""

from __future__ import annotations

from audiobatchd.core import actions as do
from audiobatchd.core.folder import Folder
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import FolderState


class News:
    """What was last told of every folder that is in trouble."""

    def __init__(self) -> None:
        self._told: dict[FolderKey, tuple[FolderState, str]] = {}

    def of(self, key: FolderKey, folder: Folder) -> list[do.Action]:
        """The line about a folder; none where it is as it was when it was last told."""
        if self._told.get(key) == (folder.state, folder.reason):
            return []
        self._told[key] = (folder.state, folder.reason)
        return [do.Report(f"folder-{folder.state.value}", {"reason": folder.reason}, key)]

    def is_over(self, key: FolderKey) -> None:
        """A folder is in no trouble any more: the next one is news again."""
        self._told.pop(key, None)

    def drop(self, dataset: str) -> None:
        """Forget a dataset."""
        for key in [key for key in self._told if key.dataset == dataset]:
            del self._told[key]
