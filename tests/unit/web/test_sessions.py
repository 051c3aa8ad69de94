"""Links that are good once, and the sessions that they open."""

from __future__ import annotations

import pytest

from audiobatchd.control.server.access import Peer
from audiobatchd.web import sessions as module
from audiobatchd.web.sessions import IDLE, Sessions

ANNE, BOB = Peer(10, 1000), Peer(20, 1001)


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def test_a_link_opens_one_session_of_its_asker(sessions: Sessions) -> None:
    token = sessions.link(ANNE, 600)
    opened = sessions.of(sessions.login(token))
    assert opened is not None
    assert opened.peer == ANNE
    assert sessions.login(token) == ""


def test_a_link_is_no_session(sessions: Sessions) -> None:
    assert sessions.of(sessions.link(ANNE, 600)) is None


def test_a_link_ends_with_its_time(sessions: Sessions, clock: Clock) -> None:
    token = sessions.link(ANNE, 600)
    clock.now += 600
    assert sessions.login(token) == ""


def test_a_session_ends_when_it_is_not_used(sessions: Sessions, clock: Clock) -> None:
    token = sessions.login(sessions.link(ANNE, 600))
    clock.now += IDLE - 1
    assert sessions.of(token) is not None
    clock.now += IDLE - 1
    assert sessions.of(token) is not None
    clock.now += IDLE
    assert sessions.of(token) is None


@pytest.mark.parametrize("token", ["", "x", "x" * 10_000, "\udcff", "é"])
def test_another_token_opens_nothing(sessions: Sessions, token: str) -> None:
    sessions.link(ANNE, 600)
    assert sessions.login(token) == ""
    assert sessions.of(token) is None


def test_tokens_are_not_kept(sessions: Sessions) -> None:
    link = sessions.link(ANNE, 600)
    session = sessions.login(sessions.link(ANNE, 600))
    kept = repr((sessions._links, sessions._open))
    assert link not in kept
    assert session not in kept


def test_csrf_is_of_one_session(sessions: Sessions) -> None:
    one, other = (sessions.of(sessions.login(sessions.link(ANNE, 600))) for _ in range(2))
    assert one is not None
    assert other is not None
    assert sessions.is_csrf(one, sessions.csrf(one))
    assert not sessions.is_csrf(one, sessions.csrf(other))
    assert not sessions.is_csrf(one, "")
    assert not sessions.is_csrf(one, "\udcff")


def test_a_users_oldest_link_goes_for_one_too_many(sessions: Sessions) -> None:
    other = sessions.link(BOB, 600)
    first, second, *_ = [sessions.link(ANNE, 600) for _ in range(module._LINKS + 1)]
    assert sessions.login(first) == ""
    assert sessions.login(second)
    assert sessions.login(other)


def test_many_users_are_bounded(sessions: Sessions) -> None:
    for uid in range(module._USERS * module._LINKS + 50):
        sessions.link(Peer(1, uid), 600)
    assert len(sessions._links) == module._USERS * module._LINKS
