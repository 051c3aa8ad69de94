"""The states of the folders of one dataset as the core has them, told folder by folder to threads that ask for values.

Nothing is copied: of a million folders most are not asked for. What changes meanwhile may be seen or not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import TROUBLED, FolderState

_TOLD = (*TROUBLED, FolderState.BACKOFF, FolderState.LOCKED)
"""The states that need a reason; in others a folder may still have that of an earlier one."""


class FolderStates:
    """The states of the folders of one dataset. Made in the event loop, asked in threads."""

    def __init__(self, core: Dispatcher, dataset: str) -> None:
        self._core = core
        self._dataset = dataset
        self._troubled = list(core.troubled)  # one may have gone by the time that a thread asks

    def state(self, path: bytes) -> str | None:
        """Tell the state of a folder; None where there is none, as far as is known."""
        return self._core.state_of(FolderKey(self._dataset, os.fsdecode(path)))

    def why(self, path: bytes) -> str:
        """Tell why a folder failed, is blocked, or waits; empty in other states."""
        folder = self._core.folders.get(FolderKey(self._dataset, os.fsdecode(path)))
        return folder.reason if folder is not None and folder.state in _TOLD else ""

    def unlisted(self) -> Iterator[bytes]:
        """Yield the folders whose directory could not be read, so that no look noted them."""
        for key in self._troubled:
            if key.dataset == self._dataset and self._core.is_unreadable(key):
                yield os.fsencode(key.path)
