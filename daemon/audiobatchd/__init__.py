"""audiobatchd: gives every folder of a music dataset its numbers, exactly once.

As a library it has the parts of the batch guide, for people's own scripts. They are imported when they are first used,
so that `import audiobatchd` costs a command or a worker nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audiobatchd.library.essentia import EssentiaAnalyzer
    from audiobatchd.library.file_lock import FileLock
    from audiobatchd.library.info import read_info, save_to_info
    from audiobatchd.library.loudness import analyze_folder_loudness
    from audiobatchd.library.processor import BatchProcessor
    from audiobatchd.library.resume import (
        filter_folders_to_process,
        get_missing_features,
        has_features,
        should_process_folder,
    )
    from audiobatchd.library.tracks import find_organized_folders, get_full_mix, get_stem_files
    from audiobatchd.vocabulary.summary import BatchStats, print_batch_summary

__version__ = "0.1.0"

_HOMES = {
    "BatchProcessor": "library.processor",
    "BatchStats": "vocabulary.summary",
    "EssentiaAnalyzer": "library.essentia",
    "FileLock": "library.file_lock",
    "analyze_folder_loudness": "library.loudness",
    "filter_folders_to_process": "library.resume",
    "find_organized_folders": "library.tracks",
    "get_full_mix": "library.tracks",
    "get_missing_features": "library.resume",
    "get_stem_files": "library.tracks",
    "has_features": "library.resume",
    "print_batch_summary": "vocabulary.summary",
    "read_info": "library.info",
    "save_to_info": "library.info",
    "should_process_folder": "library.resume",
}

__all__ = [
    "BatchProcessor",
    "BatchStats",
    "EssentiaAnalyzer",
    "FileLock",
    "analyze_folder_loudness",
    "filter_folders_to_process",
    "find_organized_folders",
    "get_full_mix",
    "get_missing_features",
    "get_stem_files",
    "has_features",
    "print_batch_summary",
    "read_info",
    "save_to_info",
    "should_process_folder",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
