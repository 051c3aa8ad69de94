"""States of folders as a running service has them, for questions about values: they outrank what was found last."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Protocol

from audiobatchd.scan.values import in_utf_8, shown_at

STATE_NOW, WHY_NOW = "state_now", "why_now"
"""Functions of SQL that ask the service, by a folder's path."""
UNLISTED = "unlisted"
"""The temporary table of folders that the values' table lacks."""
_CREATE = "CREATE TEMP TABLE unlisted AS SELECT * FROM main.{} WHERE 0"
_PUT = (
    "INSERT INTO unlisted (id, path, shown, state, why) "
    "SELECT ?, ?, ?, '', '' WHERE NOT EXISTS (SELECT 1 FROM main.{} WHERE path = ?)"
)
_BOTH = "(SELECT * FROM main.{} UNION ALL SELECT * FROM temp.unlisted)"


class States(Protocol):
    """The states of the folders of one dataset. Asked in threads, folder by folder, while the service works on."""

    def state(self, path: bytes) -> str | None:
        """Tell the state of the folder at `path` below the dataset; None where it is not known."""

    def why(self, path: bytes) -> str:
        """Tell why it is in that state, in words; empty where that needs none."""

    def unlisted(self) -> Iterable[bytes]:
        """Give the paths of folders that no look was able to list, so that nothing else has them."""


def install(connection: sqlite3.Connection, states: States, number: int | None) -> str:
    """Have a connection know the states; the name or subquery of the table `values_<number>` with all folders in it.

    Called before a connection is kept from writing. Raises sqlite3.Error.
    """
    connection.create_function(STATE_NOW, 1, states.state)
    connection.create_function(WHY_NOW, 1, lambda path: in_utf_8(states.why(path)))
    table = f"values_{number}"
    if number is None or not (paths := list(states.unlisted())):
        return table
    connection.execute(_CREATE.format(table))
    # Rows of the table have numbers above 0.
    rows = [(-number, path, shown_at(path), path) for number, path in enumerate(paths, 1)]
    connection.executemany(_PUT.format(table), rows)
    connection.commit()
    return _BOTH.format(table)
