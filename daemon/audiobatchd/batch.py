"""One pass over many folders: its statistics and its summary, in the words of the batch guide."""

from __future__ import annotations

from typing import TypedDict


class BatchStats(TypedDict):
    """The counts of a pass. `errors` are `name: reason`, one per failed or blocked folder."""

    total: int
    success: int
    skipped_complete: int
    skipped_locked: int
    failed: int
    errors: list[str]


def batch_summary(stats: BatchStats, operation: str) -> str:
    """What a pass came to, as several lines."""
    title = f"{operation} Summary"
    lines = [
        title,
        "=" * len(title),
        f"  Total folders:  {stats['total']}",
        f"  Success:        {stats['success']}",
        f"  Skipped (done): {stats['skipped_complete']}",
        f"  Skipped (lock): {stats['skipped_locked']}",
        f"  Failed:         {stats['failed']}",
    ]
    if stats["errors"]:
        lines += ["", "Errors:", *(f"  {error}" for error in stats["errors"])]
    return "\n".join(lines)
