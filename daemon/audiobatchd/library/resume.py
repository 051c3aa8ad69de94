"""The choice of folders that still need work, for people's own batch scripts: by the keys that their records have."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from audiobatchd.core.discovery import is_companion
from audiobatchd.errors import RecordError
from audiobatchd.library.info import companions_of, present_in
from audiobatchd.library.tracks import Folder, absolute
from audiobatchd.locks.observer import is_locked
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.summary import BatchStats, new_stats

_LOG = logging.getLogger(__name__)


def get_missing_features(folder: Folder, required_features: Iterable[str]) -> list[str]:
    """List those of `required_features` that the record of `folder` lacks, in their order.

    `null` counts as missing, and so does what is no finite number. Any key will do, also one that no analyzer of
    audiobatchd gives; one like ".BEATS_GRID" is a file beside the record. A record that cannot be read lacks
    everything, and a warning says why: it must not end a pass over all other folders.
    """
    try:
        present = present_in(folder)
    except (RecordError, OSError) as error:
        _LOG.warning("%s: %s", shown(os.path.basename(absolute(folder))), error)
        return list(required_features)
    missing = [feature for feature in required_features if feature not in present]
    beside = companions_of(folder) if any(map(is_companion, missing)) else frozenset()
    return [feature for feature in missing if feature not in beside]


def has_features(folder: Folder, required_features: Iterable[str]) -> bool:
    """Tell whether the record of `folder` has all of `required_features`."""
    return not get_missing_features(folder, required_features)


def should_process_folder(
    folder: Folder,
    required_features: Sequence[str] | None = None,
    overwrite: bool = False,  # noqa: FBT001, FBT002  # the guide's signature
    check_lock: bool = True,  # noqa: FBT001, FBT002
) -> bool:
    """Tell whether `folder` is to be processed: it lacks a required feature, or `overwrite`, or none is required.

    With `check_lock` its lock must be free as well. That is a glance, not a promise: acquire the lock, and ask again.
    """
    if check_lock and is_locked(absolute(folder)):
        return False
    return overwrite or required_features is None or not has_features(folder, required_features)


def filter_folders_to_process(
    folders: Iterable[Folder],
    required_features: Sequence[str] | None = None,
    overwrite: bool = False,  # noqa: FBT001, FBT002  # the guide's signature
    check_lock: bool = True,  # noqa: FBT001, FBT002
) -> tuple[list[Path], BatchStats]:
    """The folders that are to be processed, in their order, and the statistics of a pass that begins with them.

    The complete are counted as `skipped_complete` and, with `check_lock`, those whose lock is held as
    `skipped_locked`; every other count is there, and 0.
    """
    stats = new_stats(0)
    chosen = []
    for folder in folders:
        stats["total"] += 1
        if not should_process_folder(folder, required_features, overwrite, check_lock=False):
            stats["skipped_complete"] += 1
        elif check_lock and is_locked(absolute(folder)):
            stats["skipped_locked"] += 1
        else:
            chosen.append(Path(folder))
    return chosen, stats
