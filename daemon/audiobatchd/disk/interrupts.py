"""Signals that are held back or ignored: in a step that Ctrl-C would cut in two, and in a whole service.

Python runs a signal's handler between any two steps of the main thread, and KeyboardInterrupt leaves from there: say,
between the making of a lock file and the note that it was made. A `try` comes too late for that.

`systemctl kill` sends a signal to every process of a service. The supervisor alone decides when a worker ends, so a
worker goes on; a signal that has no meaning for the service ends neither.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_FAULTS = {
    signal.SIGILL,
    signal.SIGTRAP,
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGKILL,  # also what the kernel does where memory is short
}
_NOT_DEADLY = {
    signal.SIGSTOP,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCONT,
    signal.SIGCHLD,
    signal.SIGURG,
    signal.SIGWINCH,
}

SENT = frozenset(signal.valid_signals() - _FAULTS - _NOT_DEADLY)
"""The signals that end a process by default and come from outside: no file that it works on causes them."""

ASKING = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
"""The signals among them that ask the service for something, or a program for its end."""

ORPHANED = 3
"""Exit code of a process of the service that has outlived it."""

_PR_SET_PDEATHSIG = 1
_ENOUGH = 3
"""Presses of Ctrl-C that are held back at most: the disk that is waited for may never answer."""
_kept: list[int] = []
"""Every SIGHUP that came since `keep_hang_up`."""


class _Recorder:
    """A handler that takes the place of `handler`, and keeps the signals for it."""

    def __init__(self, handler: Callable[[int, FrameType | None], object]) -> None:
        self.handler = handler
        self.thread = threading.get_ident()
        self._came: list[FrameType | None] = []

    def __call__(self, _: int, frame: FrameType | None) -> None:
        """Keep a signal."""
        self._came.append(frame)
        if len(self._came) >= _ENOUGH:
            self.deliver()

    def deliver(self) -> None:
        """Call `handler`, once, if a signal came."""
        came, self._came = self._came, []
        if came:
            self.handler(signal.SIGINT, came[0])

    def give_place(self) -> None:
        """Put `handler` back."""
        try:
            signal.signal(signal.SIGINT, self.handler)
        finally:
            # Other signals are handled before anything is set, and what their handlers raise leaves from there.
            if isinstance(still := signal.getsignal(signal.SIGINT), _Recorder):
                still.give_place()


@contextmanager
def meaningless_ignored() -> Iterator[None]:
    """Ignore, within, every signal that ends a process by default but faults, SIGKILL, and those of `ASKING`."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SENT - ASKING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def kept_pending() -> Iterator[None]:
    """Have the signals of `SENT` wait, within; a process that is started within keeps them waiting until `stand`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its `parent`, whose main thread started it, ends. Raises OSError."""
    import ctypes  # noqa: PLC0415  # which clients, that load this module too, do without

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot arrange to die with the service")
    if os.getppid() != parent:
        os._exit(ORPHANED)  # it died before we asked


def stand() -> None:
    """Let none of the signals of `SENT`, nor a SIGABRT from outside, end this process any more.

    Signals that `kept_pending` kept waiting count as well.
    """
    for number in SENT - {signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)
    # Ignored would be inherited, and a program that an analyzer starts could not be told to end.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    signal.siginterrupt(signal.SIGTERM, False)
    # One that is sent ends nothing then; abort() still does, for it raises the signal again without a handler.
    signal.signal(signal.SIGABRT, lambda _number, _frame: None)
    signal.siginterrupt(signal.SIGABRT, False)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SENT)


@contextmanager
def held_back() -> Iterator[None]:
    """Delay, within, what Python code does on Ctrl-C; it is done, and may raise, at the end."""
    handler = signal.getsignal(signal.SIGINT)
    # Only the main thread runs handlers, and only it may set them.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(handler) or isinstance(handler, _Recorder):
        yield
        return
    recorder = _Recorder(handler)
    try:
        signal.signal(signal.SIGINT, recorder)
        yield
    finally:
        recorder.give_place()
        recorder.deliver()


def _in_a_child() -> None:
    """Put the handler back in a child that another thread forked: there nothing else would."""
    handler = signal.getsignal(signal.SIGINT)
    if isinstance(handler, _Recorder) and handler.thread != threading.get_ident():
        handler.give_place()


os.register_at_fork(after_in_child=_in_a_child)


def has_terminal() -> bool:
    """Tell whether this process has a controlling terminal, and is told of its end by SIGHUP (see tty(4))."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def keep_hang_up() -> None:
    """Keep SIGHUP, unless it is ignored, until `let_hang_up` or another handler: what it asks for is not known yet."""
    if not hang_up_is_ignored():
        # Ignored would be inherited, and lost.
        signal.signal(signal.SIGHUP, _keep)
        signal.siginterrupt(signal.SIGHUP, False)


def _keep(number: int, _: FrameType | None) -> None:
    _kept.append(number)


def let_hang_up() -> None:
    """Let SIGHUP end this process again, also by one that was kept."""
    if signal.getsignal(signal.SIGHUP) is _keep:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        if hang_up_was_kept():
            os.kill(os.getpid(), signal.SIGHUP)


def hang_up_was_kept() -> bool:
    """Tell, once, whether SIGHUP came while it was kept."""
    came = bool(_kept)
    _kept.clear()
    return came


def hang_up_is_ignored() -> bool:
    """Tell whether the program was started so that it outlives its terminal, as `nohup` does."""
    return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
