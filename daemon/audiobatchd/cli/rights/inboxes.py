"""Inboxes that the service may be let into: it needs the same rights there as in the dataset, to take files away."""

from __future__ import annotations

from pathlib import Path

from audiobatchd.cli.rights.unsuitable import unsuitable, unwritable
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import shown


def refuse_unfit(inbox: str) -> None:
    """Raise UsageError for a directory that is not there, or in which the service should have no rights."""
    if why := unwritable(inbox):
        message = f"cannot set up the inbox {shown(inbox)}: {why}"
        raise UsageError(message)
    if not Path(inbox).is_dir():
        message = f"there is no inbox {shown(inbox)}: make the directory, and repeat this"
        raise UsageError(message)
    if why := unsuitable(inbox, ()):
        message = f"cannot set up the inbox {shown(inbox)}: {why}"
        raise UsageError(message)
