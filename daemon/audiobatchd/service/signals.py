"""The signals of the service: each becomes an event, or a reload.

asyncio's handlers run in the event loop, between two of its turns, and not in the middle of any statement.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from audiobatchd.core.events import Event, StopAsked
from audiobatchd.disk import interrupts
from audiobatchd.vocabulary.exits import DaemonExit


class Signals:
    """The handlers of all signals of a service, or of one pass (`once`)."""

    def __init__(
        self, put: Callable[[Event], None], reload: Callable[[], None], works: Callable[[], bool], *, once: bool
    ) -> None:
        self._put = put
        self._reload = reload
        self._works = works
        """True while the service has not been told to end."""
        self._once = once
        # A service that is told to end has done what it should; a pass has not.
        self._terminated = DaemonExit.INTERRUPTED if once else DaemonExit.FINE
        self._hung_up = False
        """True once a hang-up of the terminal has been handled."""

    def catch(self) -> None:
        """Handle signals in the running loop from now on."""
        loop = asyncio.get_running_loop()
        asked = {
            signal.SIGTERM: self._terminated,
            signal.SIGINT: DaemonExit.INTERRUPTED,
            signal.SIGQUIT: DaemonExit.INTERRUPTED,
        }
        for number, code in asked.items():
            loop.add_signal_handler(number, self._put, StopAsked(code))
        # What it would leave behind as it is would be taken for the work of a folder.
        loop.add_signal_handler(signal.SIGABRT, self._put, StopAsked(DaemonExit.ABORTED, at_once=True))
        if not interrupts.hang_up_is_ignored() and (self._once or interrupts.has_terminal()):
            loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        elif not self._once:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
            if interrupts.hang_up_was_kept():
                self._reload()

    def _hang_up(self) -> None:
        """Drain, as after SIGTERM, for the terminal has gone; but only once.

        A shell tells its jobs when it is told itself, and the kernel tells them when the shell has ended: the second
        does not mean that running jobs are to be ended at once.
        """
        if not self._hung_up and self._works():
            self._put(StopAsked(self._terminated))
        self._hung_up = True
