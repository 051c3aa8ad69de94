"""The queue of one hook: a folder's order is kept, a message that waits holds up no other folder, and it is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.hooks.outbox import Entry
from audiobatchd.hooks.waiting import Waiting


def entry(number: int, folder: str = "a", size: int = 1) -> Entry:
    return Entry(number, "mail", ("/music", folder), size)


def filled(*entries: Entry, most: int = 100, most_bytes: int = 1000) -> Waiting:
    waiting = Waiting(most, most_bytes)
    for each in entries:
        waiting.add(each)
    return waiting


def test_a_failed_message_holds_up_its_folder_alone() -> None:
    waiting = filled(entry(1, "a"), entry(2, "a"), entry(3, "b"))
    first = waiting.take(0.0)
    assert first == entry(1, "a")
    waiting.failed(first, 10.0)
    second = waiting.take(0.0)
    assert second == entry(3, "b")
    waiting.done(second)
    waiting.add(entry(4, "a"))
    assert (waiting.take(9.0), waiting.next_moment()) == (None, 10.0)
    assert (waiting.take(10.0), waiting.tries(first)) == (first, 1)


def test_the_oldest_are_dropped_and_told_of() -> None:
    waiting = filled(entry(1), entry(2), entry(3), most=3)
    assert waiting.add(entry(4, "b")) == [1]
    assert [waiting.numbers(), waiting.bytes] == [[2, 3, 4], 3]


def test_bytes_are_bounded_too_but_one_message_always_fits() -> None:
    waiting = filled(entry(1, size=600), most_bytes=1000)
    assert waiting.add(entry(2, size=5000)) == [1]
    assert waiting.numbers() == [2]


def test_the_message_that_is_being_sent_is_not_dropped() -> None:
    waiting = filled(entry(1), most=1)
    assert waiting.take(0.0) == entry(1)
    assert waiting.add(entry(2)) == []
    assert waiting.add(entry(3)) == [2]
    waiting.done(entry(1))
    assert waiting.take(0.0) == entry(3)


def test_another_hook_tries_at_once_what_waits() -> None:
    waiting = filled(entry(1))
    waiting.take(0.0)
    waiting.failed(entry(1), 1000.0)
    waiting.all_at_once()
    assert waiting.take(0.0) == entry(1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "done", "fail", "wait"])), max_size=60))
def test_each_folder_s_messages_come_in_their_order(steps: list[tuple[str, str]]) -> None:
    waiting, now, under_way = Waiting(10, 1000), 0.0, None
    numbers = iter(range(1000))
    last = dict.fromkeys("abc", -1)
    for folder, step in steps:
        match step:
            case "add":
                waiting.add(entry(next(numbers), folder))
            case "wait":
                now += 5.0
            case _:
                under_way = waiting.take(now)
                if under_way is None:
                    continue
                name = str(under_way.subject[1])
                assert under_way.number >= last[name], "an earlier one was taken or dropped before"
                last[name] = under_way.number
                waiting.done(under_way) if step == "done" else waiting.failed(under_way, now + 5.0)
    left = []
    now += 100.0
    while (taken := waiting.take(now)) is not None:
        left.append(taken.number)
        waiting.done(taken)
    assert (sorted(left), len(waiting), waiting.bytes) == (sorted(set(left)), 0, 0)


def test_what_is_ready_waits_for_nothing_else() -> None:
    waiting = Waiting(100, 1 << 20)
    first, second = Entry(1, "hook", ("/d", "a"), 5), Entry(2, "hook", ("/d", None), 5)
    waiting.add(first)
    assert waiting.take(0.0) == first
    waiting.failed(first, 100.0)
    assert waiting.next_moment() == 100.0
    waiting.add(second)
    assert waiting.next_moment() == 0.0
    assert waiting.take(0.0) == second
    waiting.failed(second, 100.0)  # the same moment, and a subject that cannot be compared
    assert waiting.take(99.0) is None
    assert waiting.take(100.0) == first
