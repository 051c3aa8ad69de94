"""The commands of `audiobatchctl`, a module per subject; each is loaded when it is the one that was asked for.

It owns what each command asks and says. A command is a function of its arguments, the service's client and `say`, which
prints a line; it gives the exit code.
"""

from collections.abc import Callable

Say = Callable[[str], None]
