"""The commands of `audiobatchctl`, a module per subject; each is loaded when it is the one that was asked for.

A command is a function of its arguments, the daemon's client and `say`, which prints a line; it gives the exit code.
"""

from collections.abc import Callable

Say = Callable[[str], None]
