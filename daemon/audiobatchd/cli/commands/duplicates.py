"""`audiobatchctl duplicates`: which folders of a dataset hold the same full mix. Reported, never merged."""

from __future__ import annotations

import argparse
from functools import partial

from audiobatchd.cli.named import dataset_of
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.progress import ProgressLine
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import AudiobatchError
from audiobatchd.scan.duplicates import Duplicates, find
from audiobatchd.scan.likeness import MOST_DIFFERENT
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import counted, size_in_bytes

MAKES_THEM = 'analyzers = ["default", "fingerprint"]'
"""Setting by which fingerprints are made: they are off by default."""


def duplicates(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Show which folders are duplicates of each other.

    Exit code 1 where there are any, or nothing could be compared.
    """
    settings, dataset = dataset_of(arguments)
    limit = size_in_bytes(settings.record_limit)
    line = ProgressLine()
    try:
        found = find(dataset.path, dataset.ignore, limit, alike=arguments.near, told=partial(_tell, line))
    except OSError as error:
        message = f"cannot look for duplicates in {shown(dataset.path)}: {error.strerror}"
        raise AudiobatchError(message) from error
    finally:
        line.clear()
    if arguments.json:
        say(as_json({"dataset": shown(arguments.dataset), **_as_told(found, near=arguments.near)}))
    else:
        _say_groups(found, say)
        _say_counts(found, say, near=arguments.near)
    return 1 if found.exact or found.near or not _compared(found, near=arguments.near) else 0


def _tell(line: ProgressLine, what: str, count: int) -> None:
    line.show(f"{count:,} {what}")


def _compared(found: Duplicates, *, near: bool) -> int:
    """Count the folders that could be held against others, by their digests or their fingerprints."""
    by_sound = found.total - found.without_fingerprint if near else 0
    return max(found.total - found.without_digest, by_sound)


def _as_told(found: Duplicates, *, near: bool) -> dict[str, object]:
    told: dict[str, object] = {
        "total": found.total,
        "without_digest": found.without_digest,
        "unread": found.unread,
        "exact": found.exact,
        "troubles": found.troubles,
    }
    if near:
        told["without_fingerprint"] = found.without_fingerprint
        told["near"] = [
            [{"folder": folder, "differs": round(share, 4)} for folder, share in each] for each in found.near
        ]
    return told


def _say_groups(found: Duplicates, say: Say) -> None:
    for group in found.exact:
        say("The same file:")
        for folder in group:
            say(f"  {folder}")
    for alike in found.near:
        say("Alike in sound:")
        for folder, share in alike:
            say(f"  {folder} ({100 * share:.1f} %)")


def _say_counts(found: Duplicates, say: Say, *, near: bool) -> None:
    """Say what was looked at, and what could not be compared: that nothing was found may mean that."""
    if not (found.total or found.unread):
        say("No track folder was found: there is nothing to compare.")
        return
    counts = f"{counted(len(found.exact), 'group')} of exact duplicates"
    if near:
        counts += (
            f", {counted(len(found.near), 'group')} of near ones (up to {100 * MOST_DIFFERENT:.0f} % of bits differ)"
        )
    say(f"{counts} in {counted(found.total, 'folder')}")
    if found.without_digest:
        say(f"! {counted(found.without_digest, 'folder')} not compared: not measured since the full mix was put there")
    if found.without_fingerprint:
        without = counted(found.without_fingerprint, "folder")
        say(f"! {without} not compared by sound: no fingerprint. In the configuration, {MAKES_THEM} makes them")
    for folder, why in found.troubles.items():
        say(printable(f"! {folder}: {why}"))
    if found.unread > len(found.troubles):
        say(f"! {found.unread - len(found.troubles):,} more that cannot be read")
