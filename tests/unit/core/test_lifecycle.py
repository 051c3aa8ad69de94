"""The daemon's life: ready once, drain, and the end."""

from __future__ import annotations

from audiobatchd.core.lifecycle import DaemonState, Lifecycle


def running() -> Lifecycle:
    life = Lifecycle(stop_grace=30.0)
    assert life.walked()
    return life


def test_it_is_ready_once() -> None:
    life = Lifecycle(stop_grace=30.0)
    assert (life.state, life.works) == (DaemonState.STARTING, True)
    assert life.walked()
    assert (life.state, life.works) == (DaemonState.RUNNING, True)
    assert not life.walked()


def test_a_drain_has_patience_once() -> None:
    life = running()
    assert not life.patience_ended(1e9)
    assert life.asked_to_stop(0, 100.0, at_once=False)
    assert (life.state, life.works, life.kill_at) == (DaemonState.DRAINING, False, 130.0)
    assert not life.patience_ended(129.9)
    assert life.patience_ended(130.0)
    assert not life.patience_ended(131.0)


def test_second_wish_to_stop_ends_patience_and_keeps_the_code() -> None:
    life = running()
    assert life.asked_to_stop(130, 100.0, at_once=False)
    assert not life.asked_to_stop(0, 101.0, at_once=False)
    assert life.patience_ended(101.0)
    assert life.code == 130


def test_at_once_has_no_patience() -> None:
    life = running()
    life.asked_to_stop(70, 100.0, at_once=True)
    assert life.patience_ended(100.0)


def test_service_stopped_before_it_is_ready_is_never_ready() -> None:
    life = Lifecycle(stop_grace=30.0)
    assert life.asked_to_stop(0, 1.0, at_once=False)
    assert not life.walked()
    assert life.state is DaemonState.DRAINING


def test_it_stops_once_and_only_after_a_drain() -> None:
    life = running()
    assert not life.emptied()
    life.asked_to_stop(0, 1.0, at_once=False)
    assert life.emptied()
    assert life.state is DaemonState.STOPPED
    assert not life.emptied()
    assert not life.asked_to_stop(1, 2.0, at_once=True)
    assert life.state is DaemonState.STOPPED


def test_it_is_ready_again_after_other_walks() -> None:
    life = running()
    life.walks_again()
    assert (life.state, life.works) == (DaemonState.STARTING, True)
    assert life.walked()
