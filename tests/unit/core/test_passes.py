"""The order of decoding: every piece of work once, behind what it needs, and each file once where that can be."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from audiobatchd.core.assessment import Due, Offer
from audiobatchd.core.needs import files_read
from audiobatchd.core.passes import Decoding, Summing, steps
from audiobatchd.plugin_api import FULL_MIX, STEMS, Needs
from audiobatchd.vocabulary.files import ROLES

NAMES = tuple("abcde")


def offers_of(needs: dict[tuple[str, str], Needs]) -> tuple[Offer, ...]:
    """Analyzers that give one feature for each role, called as they are with the role."""
    return tuple(
        Offer(
            name,
            1,
            {role: (f"{name}/{role}",) for role in ROLES},
            needs={role: needs[name, role] for role in ROLES if (name, role) in needs},
        )
        for name in NAMES
    )


@st.composite
def graphs(draw: st.DrawFn) -> dict[tuple[str, str], Needs]:
    """Needs without circles: of analyzers before, in an order of all pairs that is drawn too."""
    tasks = draw(st.permutations([(name, role) for name in NAMES for role in ROLES]))
    needs = {}
    for place, task in enumerate(tasks):
        results = draw(st.lists(st.sampled_from(tasks[:place]), max_size=2, unique=True)) if place else []
        sum_of = draw(st.sets(st.sampled_from(STEMS), max_size=3)) if draw(st.booleans()) else set()
        if results or sum_of:
            needs[task] = Needs(tuple(sorted(sum_of)), tuple(f"{name}/{role}" for name, role in results))
    return needs


@settings(deadline=None)
@given(graphs(), st.sets(st.sampled_from(STEMS)), st.sets(st.sampled_from([(n, r) for n in NAMES for r in ROLES])))
def test_all_work_is_done_once_and_behind_what_it_needs(
    needs: dict[tuple[str, str], Needs], stems: set[str], idle: set[tuple[str, str]]
) -> None:
    files = tuple(role for role in ROLES if role == FULL_MIX or role in stems)
    due = {role: tuple(Due(name) for name in NAMES if (name, role) not in idle) for role in files}
    done: list[tuple[str, str]] = []
    added: Counter[tuple[tuple[str, ...], str]] = Counter()
    for step in steps(due, offers_of(needs), files):
        done += [(each.analyzer, step.role) for each in step.work]
        if isinstance(step, Decoding):
            added.update((members, step.role) for members in step.sums)
        else:
            assert all(added[step.members, role] == 1 for role in step.members)
        for each in step.work:
            need = needs.get((each.analyzer, step.role), Needs())
            assert (step.members if isinstance(step, Summing) else (step.role,)) == files_read(need, step.role, files)
            before = {(name, role) for name, _, role in (result.partition("/") for result in need.results)}
            assert {task for task in before if task[1] in files} - idle <= set(done)
    assert sorted(done) == sorted((each.analyzer, role) for role, work in due.items() for each in work)
    assert all(count == 1 for count in added.values())


def test_files_are_decoded_again_only_for_what_is_needed_crosswise() -> None:
    needs = {("b", "full_mix"): Needs(results=("a/bass",)), ("b", "bass"): Needs(results=("a/full_mix",))}
    due = {role: (Due("a"), Due("b")) for role in ("full_mix", "bass")}
    found = steps(due, offers_of(needs), ("full_mix", "bass"))
    assert [(step.role, [each.analyzer for each in step.work]) for step in found] == [
        ("full_mix", ["a"]),
        ("bass", ["a", "b"]),
        ("full_mix", ["b"]),
    ]


def test_a_file_that_waits_for_a_sum_is_decoded_behind_it() -> None:
    needs = {
        ("a", "full_mix"): Needs(sum_of=("bass", "other")),
        ("b", "full_mix"): Needs(results=("a/full_mix",)),
    }
    due = {"full_mix": (Due("a"), Due("b"), Due("c"))}
    found = steps(due, offers_of(needs), ("full_mix", "bass", "other"))
    assert found == (
        Decoding("bass", (), (("bass", "other"),)),
        Decoding("other", (), (("bass", "other"),)),
        Summing(("bass", "other"), "full_mix", (Due("a"),)),
        Decoding("full_mix", (Due("b"), Due("c"))),
    )


def test_a_circle_ends_too() -> None:
    needs = {("a", "bass"): Needs(results=("b/bass",)), ("b", "bass"): Needs(results=("a/bass",))}
    found = steps({"bass": (Due("a"), Due("b"))}, offers_of(needs), ("bass",))
    assert [each.analyzer for step in found for each in step.work] == ["a", "b"]
