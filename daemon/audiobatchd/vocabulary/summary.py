"""The summary of a pass over many folders, in the words of the batch guide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from audiobatchd.vocabulary.commands import import_command
from audiobatchd.vocabulary.files import NearMiss
from audiobatchd.vocabulary.names import parsed
from audiobatchd.vocabulary.quantities import counted
from audiobatchd.vocabulary.shard import Shard


class BatchStats(TypedDict):
    """The counts of a pass."""

    total: int
    success: int
    skipped_complete: int
    skipped_locked: int
    failed: int
    errors: list[str]


def new_stats(total: int) -> BatchStats:
    """Make the statistics of a pass over `total` folders that has just begun."""
    return BatchStats(total=total, success=0, skipped_complete=0, skipped_locked=0, failed=0, errors=[])


def batch_summary(stats: Mapping[str, Any], operation: str) -> str:
    """Sum up a pass in several lines. A count that `stats` lacks is 0."""
    title = f"{operation} Summary"
    lines = [
        title,
        "=" * len(title),
        f"  Total folders:  {stats.get('total', 0)}",
        f"  Success:        {stats.get('success', 0)}",
        f"  Skipped (done): {stats.get('skipped_complete', 0)}",
        f"  Skipped (lock): {stats.get('skipped_locked', 0)}",
        f"  Failed:         {stats.get('failed', 0)}",
    ]
    if errors := stats.get("errors"):
        lines += ["", "Errors:", *(f"  {error}" for error in errors)]
    return "\n".join(lines)


def left_out(dataset: str, total: int, near_misses: Iterable[NearMiss]) -> list[str]:
    """Say of a dataset with `total` track folders what was left out, so that nothing found never looks like success.

    `dataset` is its path as it is shown.
    """
    near_misses = list(near_misses)
    lines = []
    if not total:
        lines.append(f"No track folder was found in {dataset}: each track needs a folder with a full_mix")
        lines.append(f"Make them of your music: {import_command(parsed(dataset), has_music=bool(near_misses))}")
    misses = [f"  {miss.line}" for miss in near_misses]
    return [*lines, *([f"Left out in {dataset}:", *misses] if misses else [])]


def shard_line(shard: Shard, dataset: str, own: int, of_others: int) -> str:
    """Say how the track folders of a dataset are divided; `dataset` is its path, empty where it is the only one.

    A shard that has none of the folders is fine, and not to be taken for a dataset that has none.
    """
    name = f"Shard {shard}" + (f" of {dataset}" if dataset else "")
    if not own:
        return f"{name}: no track folder, {counted(of_others, 'folder')} of other shards"
    return f"{name}: {counted(own, 'track folder')}, and {of_others:,} of other shards"


def print_batch_summary(stats: Mapping[str, Any], operation_name: str = "Batch") -> None:
    r"""Print what a pass came to; a name outside UTF-8 that stands in an error is shown with `\xNN`."""
    text = batch_summary(stats, operation_name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    print(text)  # noqa: T201  # that is what it is for
