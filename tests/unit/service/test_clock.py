"""The service's monotonic clock: it stands still when the service does."""

from __future__ import annotations

from dataclasses import dataclass

from audiobatchd.service.clock import SystemClock


@dataclass
class Kernel:
    """A monotonic clock in one's hand."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_regular_beats_leave_nothing_out() -> None:
    kernel = Kernel()
    clock = SystemClock(kernel)
    for _ in range(10):
        assert clock.beat(0.5) == 0.0
        kernel.now += 0.5
    assert clock.monotonic() == 105.0


def test_before_the_first_beat_nothing_is_left_out() -> None:
    kernel = Kernel()
    clock = SystemClock(kernel)
    kernel.now += 14.0
    assert clock.monotonic() == 114.0
    assert clock.beat(0.5) == 0.0


def test_standstill_between_beats_is_left_out_whoever_asks_first() -> None:
    kernel = Kernel()
    clock = SystemClock(kernel)
    clock.beat(0.5)
    kernel.now += 14.0
    assert clock.monotonic() == 100.5, "as it will be after the next beat"
    assert clock.beat(1.25) == 13.5
    assert clock.monotonic() == 100.5
    kernel.now += 1.0
    assert clock.monotonic() == 101.5


def test_many_short_standstills_add_up() -> None:
    kernel = Kernel()
    clock = SystemClock(kernel)
    clock.beat(0.5)
    for _ in range(8):
        kernel.now += 2.0
        clock.beat(0.5)
    assert clock.monotonic() == 104.0
