"""The program that becomes a hook's command: it has the kernel end it with the service, and takes its signals back.

It is started as a file, without the package and without site-packages: it has to be there in a moment.
"""

from __future__ import annotations

import os
import signal
import sys

CANNOT_START = 127
"""Exit code where there is no such program, or it cannot be executed; a shell's."""
_PR_SET_PDEATHSIG = 1


def command(*arguments: str) -> list[str]:
    """Build the command that starts this program, a child of this process, to become another one."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *arguments]


def main() -> None:
    """Start here: with the parent's PID, the program, and its arguments."""
    import ctypes  # noqa: PLC0415  # which the service, that loads this module too, does without

    parent, *arguments = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(CANNOT_START)
    # Python ignores some, and the service was perhaps started with others ignored: a program inherits that.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvp(arguments[0], arguments)  # noqa: S606  # a shell is what hooks are to do without
    except OSError as error:
        print(f"cannot start {arguments[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201  # what it is read for
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
