"""Events of the file system, as hints: which folder, or which tree, should be looked at.

Directories that hold directories are watched, and of the track folders as many as the budget has. Events may be lost,
doubled or late (docs/explanation/watching); walks make up for that.
"""

from audiobatchd.scan.watch.guard import GUARD_INTERVAL
from audiobatchd.scan.watch.watches import Watches

__all__ = ["GUARD_INTERVAL", "Watches"]
