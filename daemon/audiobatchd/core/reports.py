"""Lines of the log about folders in trouble: one per event, and none twice."""

from __future__ import annotations

from audiobatchd.core import actions as do
from audiobatchd.core.folder import Folder
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import FolderState

_EVENTS = {
    FolderState.BACKOFF: LogEvent.FOLDER_BACKOFF,
    FolderState.FAILED: LogEvent.FOLDER_FAILED,
    FolderState.BLOCKED: LogEvent.FOLDER_BLOCKED,
    FolderState.LOCKED: LogEvent.FOLDER_LOCKED,
}
"""Names in the log of a folder in trouble, by its state."""


class News:
    """The news of folders in trouble, held against what was told of them last."""

    def __init__(self) -> None:
        self._told: dict[FolderKey, tuple[FolderState, str]] = {}

    def of(self, key: FolderKey, folder: Folder) -> list[do.Action]:
        """The line about a folder; none where it is as it was when it was last told."""
        if self._told.get(key) == (folder.state, folder.reason):
            return []
        self._told[key] = (folder.state, folder.reason)
        return [do.Report(_EVENTS[folder.state], {"reason": folder.reason}, key)]

    def is_over(self, key: FolderKey) -> None:
        """Forget what was told of a folder that is in no trouble any more: the next trouble is news again."""
        self._told.pop(key, None)

    def drop(self, dataset: str) -> None:
        """Forget a dataset."""
        for key in [key for key in self._told if key.dataset == dataset]:
            del self._told[key]
