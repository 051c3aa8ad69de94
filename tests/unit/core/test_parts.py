"""The parts of a core that begins: with what is remembered of the last one, or with nothing."""

from __future__ import annotations

from audiobatchd.core.parts import Parts
from audiobatchd.core.plan import NO_MEMORY, Memory
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.states import Cause
from support.core_rig import offer, plan

NOW = 1000.0


def test_memory_goes_to_the_datasets_that_are_configured() -> None:
    memory = Memory(
        offers=(offer(),),
        datasets={"/a": (3, FileId(1, 2)), "/gone": (9, FileId(7, 7))},
        pauses={"/a": 60.0, "/b": None},
        places={"/a": "/disk/a"},
    )
    parts = Parts.made(plan("/a", "/b"), NOW, memory)
    assert parts.datasets.keys() == {"/a", "/b"}
    belief = parts.datasets["/a"].belief
    assert (belief.known, belief.root, belief.place) == (3, (1, 2), "/disk/a")
    ends = {path: each.holds.by_cause[Cause.OPERATOR].probe_at for path, each in parts.datasets.items()}
    assert ends == {"/a": NOW + 60.0, "/b": None}
    assert parts.offers == (offer(),)


def test_one_pass_goes_by_no_offers_of_before() -> None:
    assert Parts.made(plan(once=True), NOW, Memory(offers=(offer(),))).offers is None
    assert Parts.made(plan(), NOW, NO_MEMORY).offers is None
