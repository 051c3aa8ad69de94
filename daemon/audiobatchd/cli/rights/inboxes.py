"""The inboxes of a dataset in a configuration: where they are, and the configuration without them.

The service needs the same rights there as in the dataset, for it takes files away.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from audiobatchd.cli.rights.unsuitable import unsuitable, unwritable
from audiobatchd.errors import ConfigError, UsageError
from audiobatchd.vocabulary.names import shown

TABLE = "[[inbox]]"


def inboxes_of(dataset: str, text: str, path: Path) -> list[str]:
    """List the real paths of the inboxes that a configuration, which lies at `path`, has for a dataset's real path.

    Raises ConfigError where the configuration is none.
    """
    base = path.parent
    try:
        tables = tomllib.loads(text).get("inbox", [])
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: not TOML: {error}"
        raise ConfigError(message) from error
    return [
        os.path.realpath(base / str(each.get("path", "")))
        for each in tables
        if os.path.realpath(base / str(each.get("dataset", ""))) == dataset
    ]


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
