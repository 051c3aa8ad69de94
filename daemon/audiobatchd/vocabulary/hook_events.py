"""The events that a hook may be told of, by the names that the configuration, the messages and the page of them use."""

from __future__ import annotations

from enum import StrEnum


class HookEvent(StrEnum):
    """What happened."""

    FOLDER_DONE = "folder-done"
    """A job completed a folder, or one that a job had begun was found to be complete."""
    FOLDER_FAILED = "folder-failed"
    """A folder failed: its files are damaged, or it was given up."""
    DATASET_COMPLETE = "dataset-complete"
    """Nothing is left to do in a dataset where something was done."""
    DATASET_PAUSED = "dataset-paused"
    """A dataset is held up: by an operator, its disk, or what a walk found."""


TEST = "test"
"""The event of a message that an operator asked for, to see whether a hook works."""
OF_JOBS = frozenset({HookEvent.FOLDER_DONE, HookEvent.FOLDER_FAILED, HookEvent.DATASET_COMPLETE})
"""The events that follow from jobs."""
