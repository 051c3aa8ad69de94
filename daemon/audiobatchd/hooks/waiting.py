"""The messages for one hook in memory, without their bodies: which comes next, and which are dropped."""

from __future__ import annotations

import bisect
import heapq
from collections import deque

from audiobatchd.hooks.outbox import Entry, Subject

MOST, MOST_BYTES = 10_000, 32 << 20
"""Messages for one hook, and bytes of their bodies, beyond which the oldest are dropped."""


class Waiting:
    """A queue in which the messages about one folder keep their order, while those about others pass one that waits."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._entries: dict[int, Entry] = {}
        """All messages, by number and in their order."""
        self._tries: dict[int, int] = {}
        """How often each was tried in vain, of those that were."""
        self._subjects: dict[Subject, list[int]] = {}
        """The messages about each folder, which are few: a deque takes seven times the memory."""
        self._ready: deque[Subject] = deque()
        """Those of which the first message may be sent."""
        self._later: list[tuple[float, int, Subject]] = []
        """A heap of those of which it waits, by the moment until when."""
        self._lined_up: set[Subject] = set()
        """Those that stand in one of these two; some may have no message any more."""
        self._under_way: int | None = None
        """The message that is being sent."""
        self.bytes = 0
        """Bytes of all bodies."""

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> list[int]:
        """Put a message where its number belongs; the numbers of those that are dropped for it, the oldest first."""
        self._entries[entry.number] = entry
        self.bytes += entry.size
        bisect.insort(self._subjects.setdefault(entry.subject, []), entry.number)
        if self._subjects[entry.subject][0] != self._under_way:
            self._line_up(entry.subject)
        dropped: list[int] = []
        while len(self._entries) > self._most or self.bytes > self._most_bytes:
            oldest = next((each for each in self._entries if each not in (self._under_way, entry.number)), None)
            if oldest is None:
                break  # the one that is being sent, and the newest, stay whatever their sizes are
            self._remove(oldest)
            dropped.append(oldest)
        return dropped

    def take(self, now: float) -> Entry | None:
        """Give the message that is to be sent now; `done` or `failed` has to follow."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        while self._ready:
            subject = self._ready.popleft()
            self._lined_up.discard(subject)
            if numbers := self._subjects.get(subject):
                self._under_way = numbers[0]
                return self._entries[numbers[0]]
        return None

    def next_moment(self) -> float | None:
        """Moment when `take` has something to give again; None: not by itself."""
        if self._ready:
            return 0.0
        return self._later[0][0] if self._later else None

    def tries(self, entry: Entry) -> int:
        """Count how often a message was tried in vain."""
        return self._tries.get(entry.number, 0)

    def done(self, entry: Entry) -> None:
        """Take out the message that was sent, or given up."""
        self._under_way = None
        self._remove(entry.number)
        if entry.subject in self._subjects:
            self._line_up(entry.subject)

    def failed(self, entry: Entry, again: float) -> None:
        """Have the message that could not be sent wait until this moment, and with it all about its folder."""
        self._tries[entry.number] = self.tries(entry) + 1
        self.later(entry, again)

    def later(self, entry: Entry, again: float) -> None:
        """Have the message that was not sent wait as `failed` does, without counting that as a try."""
        self._under_way = None
        self._lined_up.add(entry.subject)
        heapq.heappush(self._later, (again, entry.number, entry.subject))

    def all_at_once(self) -> None:
        """Let nothing wait any longer: the hook is another one."""
        self._ready.extend(subject for _, _, subject in self._later)
        self._later.clear()

    def numbers(self) -> list[int]:
        """List all messages."""
        return list(self._entries)

    def _line_up(self, subject: Subject) -> None:
        if subject not in self._lined_up:
            self._lined_up.add(subject)
            self._ready.append(subject)

    def _remove(self, number: int) -> None:
        entry = self._entries.pop(number)
        self._tries.pop(number, None)
        self.bytes -= entry.size
        numbers = self._subjects[entry.subject]
        numbers.remove(number)
        if not numbers:
            del self._subjects[entry.subject]
