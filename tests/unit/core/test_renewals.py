"""Folders that were complete until an analyzer came along: they go last, and are told of before they begin."""

from __future__ import annotations

import msgspec
import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.assessment import Assessment, Due, Offer, Policy, renewed
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.messages import Ready
from audiobatchd.core.plan import Memory
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.renewals import DECODING, Pace
from audiobatchd.plugin_api import FULL_MIX, Cost
from audiobatchd.vocabulary.states import WalkKind
from support.core_rig import DATASET, Rig, came_by, jobs, offer, only, plan, reading, reports, walked

LOUDNESS = offer()
TIMBRE = msgspec.structs.replace(offer("timbre", bases=("brightness",)), cost=int(Cost.HEAVY))
EVENT = "folders-due-again"
UNKNOWN = "not known before some are measured"


def again(path: str, *analyzers: str) -> Reading:
    """A folder that was complete without these analyzers."""
    return msgspec.structs.replace(reading(path), renewed=analyzers or ("timbre",))


def told(actions: list[do.Action]) -> list[do.Report]:
    return [each for each in only(do.Report, actions) if each.event == EVENT]


def rig(spent: dict[str, tuple[float, int]] | None = None, *, workers: int = 1, once: bool = False) -> Rig:
    """A rig whose machine has this history."""
    made = Rig(plan(workers=workers, settle=0.0, once=once))
    made.core = Dispatcher(made.core.plan, made.now, Memory(pace=spent or {}))
    return made


# Before they begin


def test_nothing_is_begun_again_before_it_was_told() -> None:
    a_rig = rig()
    a_rig.boot(LOUDNESS, TIMBRE)
    actions = a_rig.tell(on.WalkRead((again("A"), again("B"), again("C")), DATASET))
    assert (jobs(actions), told(actions)) == ([], [])
    actions = a_rig.tell(walked("A", "B", "C"))
    (report,) = told(actions)
    assert report.fields == {
        "dataset": DATASET,
        "analyzers": "timbre",
        "folders": 3,
        "cpu_hours": UNKNOWN,
        "leave_out": "name the wanted ones in analyzers, or use --features",
    }
    assert [job.path for job in jobs(actions)] == [b"A"]
    assert actions.index(report) < actions.index(only(do.SendJob, actions)[0])


def test_new_folders_begin_while_the_walk_goes_on() -> None:
    a_rig = rig()
    a_rig.boot(LOUDNESS, TIMBRE)
    actions = a_rig.tell(on.WalkRead((again("A"), reading("New")), DATASET))
    assert [job.path for job in jobs(actions)] == [b"New"]


def test_new_folders_go_first() -> None:
    a_rig = rig()
    a_rig.boot(LOUDNESS, TIMBRE)
    found = (again("A"), reading("New"), again("B"), reading("Newer"))
    order = [job.path for job in jobs(a_rig.tell(on.WalkRead(found, DATASET), walked("A", "New", "B", "Newer")))]
    for _ in range(3):
        order += [job.path for job in jobs(a_rig.end())]
    assert order == [b"New", b"Newer", b"A", b"B"]


@pytest.mark.parametrize("once", [False, True])
def test_a_dataset_without_such_folders_has_nothing_told(once: bool) -> None:
    a_rig = rig(once=once)
    assert told(a_rig.boot(LOUDNESS, TIMBRE) + a_rig.tell(on.WalkRead((reading("A"),), DATASET), walked("A"))) == []


def ready(a_rig: Rig, slot: int, *offers: Offer) -> list[do.Action]:
    """The worker in `slot` says that it is there."""
    return a_rig.tell(on.WorkerSaid(slot, a_rig.core.crew.slots[slot].pid, Ready(offers)))


def test_it_is_told_once_until_analyzers_change() -> None:
    a_rig = rig({DECODING: (10.0, 10)}, workers=2)
    a_rig.tick()
    ready(a_rig, 0, LOUDNESS, TIMBRE)
    assert len(told(a_rig.tell(on.WalkRead((again("A"), again("B")), DATASET), walked("A", "B")))) == 1
    assert told(a_rig.tick(3600.0) + a_rig.tell(on.WalkRead((again("A"), again("B")), DATASET), walked("A", "B"))) == []
    changed = ready(a_rig, 1, LOUDNESS, TIMBRE, offer("key", bases=("key",)))
    assert told(changed) == [], "it is not known yet how many there are"
    a_rig.tick(60.0)
    found = (again("A", "key", "timbre"), again("B"))
    assert len(told(a_rig.tell(on.WalkRead(found, DATASET), walked("A", "B", kind=WalkKind.PASS)))) == 1


def test_offers_that_change_during_a_walk_wait_for_the_next() -> None:
    a_rig = rig(workers=2)
    a_rig.tick()
    ready(a_rig, 0, LOUDNESS)
    a_rig.tell(came_by("A", "B"))
    ready(a_rig, 1, LOUDNESS, TIMBRE)
    actions = a_rig.tell(on.WalkRead((again("C"),), DATASET), walked("A", "B", "C"))
    assert told(actions) == [], "A and B are judged by a pass that is to come"
    assert jobs(actions) == []
    found = (again("A"), again("B"), again("C"))
    actions = a_rig.tell(on.WalkRead(found, DATASET), walked("A", "B", "C", kind=WalkKind.PASS))
    (report,) = told(actions)
    assert report.fields["folders"] == 3


# What it will take


def test_hours_follow_from_what_the_analyzer_has_cost_here() -> None:
    a_rig = rig({DECODING: (20.0, 20), "timbre": (200.0, 20), "loudness": (4.0, 20)})
    a_rig.boot(LOUDNESS, TIMBRE)
    names = [f"{number}" for number in range(1000)]
    (report,) = told(a_rig.tell(on.WalkRead(tuple(again(name) for name in names), DATASET), walked(*names)))
    assert report.fields["cpu_hours"] == pytest.approx(1000 * (1.0 + 10.0) / 3600, abs=0.05)


def test_hours_of_one_that_never_ran_follow_from_decoding() -> None:
    a_rig = rig({DECODING: (10.0, 100), "loudness": (4.0, 100)})
    a_rig.boot(LOUDNESS, TIMBRE)
    names = [f"{number}" for number in range(10000)]
    (report,) = told(a_rig.tell(on.WalkRead(tuple(again(name) for name in names), DATASET), walked(*names)))
    assert report.fields["cpu_hours"] == pytest.approx(10000 * 0.1 * (1 + 25) / 3600, rel=0.1)


def test_without_a_history_the_hours_follow_some_jobs_later() -> None:
    a_rig = rig()
    a_rig.boot(LOUDNESS, TIMBRE)
    names = [f"{number}" for number in range(300)]
    first = told(a_rig.tell(on.WalkRead(tuple(again(name) for name in names), DATASET), walked(*names)))
    assert [each.fields["cpu_hours"] for each in first] == [UNKNOWN]
    later = [each for _ in range(20) for each in told(a_rig.end(costs={DECODING: 2.0, "timbre": 34.0}))]
    assert [each.fields["cpu_hours"] for each in later] == [3.0]


def test_what_jobs_cost_is_kept() -> None:
    a_rig = rig({DECODING: (1.0, 1)})
    actions = a_rig.start(reading("A"))
    actions += a_rig.end(costs={DECODING: 2.0, "loudness": 0.5})
    assert only(do.KeepPace, actions) == [do.KeepPace({DECODING: (3.0, 2), "loudness": (0.5, 1)})]


def test_a_long_history_is_kept_now_and_then_and_forgets() -> None:
    pace = Pace({DECODING: (4000.0, 2000)})
    kept = [action for _ in range(100) for action in pace.add({DECODING: 1.0})]
    assert len(kept) == 5
    assert pace.spent[DECODING] == (2100.0, 1100)
    assert pace.add({}) == []


# Which they are


def assessed(**due: tuple[str, ...]) -> Assessment:
    return Assessment({role: tuple(Due(name) for name in names) for role, names in due.items()}, {}, {}, ())


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ({"full_mix": ("timbre",)}, ("timbre",)),
        ({"full_mix": ("loudness", "timbre")}, ()),
        ({"full_mix": ("timbre",), "drums": ("loudness", "timbre")}, ()),
        ({"full_mix": ("timbre",), "drums": ("timbre",)}, ("timbre",)),
    ],
)
def test_folders_are_renewed_where_another_has_measured(
    due: dict[str, tuple[str, ...]], expected: tuple[str, ...]
) -> None:
    assert renewed(assessed(**due), (LOUDNESS, TIMBRE), Policy()) == expected


def test_one_analyzer_alone_or_asked_for_alone_is_no_renewal() -> None:
    assert renewed(assessed(full_mix=("timbre",)), (TIMBRE,), Policy()) == ()
    assert renewed(assessed(full_mix=("timbre",)), (LOUDNESS, TIMBRE), Policy(only=("brightness",))) == ()
    replaced = msgspec.structs.replace(assessed(full_mix=("timbre",)), is_of_other_files=True)
    assert renewed(replaced, (LOUDNESS, TIMBRE), Policy()) == ()
    lacking = msgspec.structs.replace(LOUDNESS, unavailable="no library")
    assert renewed(assessed(full_mix=("timbre",)), (lacking, TIMBRE), Policy()) == ()


def test_a_complete_folder_is_none() -> None:
    assert renewed(assessed(), (LOUDNESS, TIMBRE), Policy()) == ()
    a_rig = rig()
    a_rig.boot(LOUDNESS, TIMBRE)
    assert reports(a_rig.tell(on.WalkRead((reading("A", Finding.COMPLETE),), DATASET), walked("A"))).count(EVENT) == 0
    assert FULL_MIX in TIMBRE.features


def test_pass_whose_workers_offer_something_else_ends() -> None:
    """Another worker has a model by then: a pass walks once, and does not wait for another walk."""
    a_rig = rig(workers=2, once=True)
    a_rig.boot(LOUDNESS, TIMBRE)
    a_rig.tell(on.WalkRead((again("A"), again("B"), again("C"), again("D")), DATASET), walked("A", "B", "C", "D"))
    other = a_rig.core.slots[1]  # started when there was more than one folder
    ready = Ready((LOUDNESS, msgspec.structs.replace(TIMBRE, version=2)))
    assert [job.path for job in jobs(a_rig.tell(on.WorkerSaid(other.index, other.pid, ready)))] == [b"B"]


def test_untold_renewals_are_not_next_in_line() -> None:
    a_rig = rig()
    a_rig.boot(LOUDNESS, TIMBRE)
    a_rig.tell(on.WalkRead((again("A"),), DATASET))
    ledger = a_rig.core.ledger
    assert ledger.first_in_line(DATASET) is not None
    assert ledger.first_in_line(DATASET, renewals=False) is None


def test_class_of_cost_of_a_later_version_is_no_error() -> None:
    later = msgspec.structs.replace(TIMBRE, cost=9)
    assert Pace({DECODING: (50.0, 50)}).hours([later], {"timbre": 3600}) == 1.0


# What a minute costs


def test_a_minute_s_cost_is_by_what_was_heard() -> None:
    pace = Pace()
    pace.add({DECODING: 1.0, "loudness": 0.2, "old": 1.0}, {DECODING: 120.0, "loudness": 60.0})
    pace.add({DECODING: 1.0, "short": 0.1}, {DECODING: 120.0, "short": 9.9})
    assert pace.per_minute() == {DECODING: pytest.approx(0.5), "loudness": pytest.approx(0.2)}


def test_a_long_history_of_audio_counts_less_and_less() -> None:
    pace = Pace(rates={"loudness": (1000.0, 600_000.0)})
    pace.add({"loudness": 1000.0}, {"loudness": 100_000.0})
    assert pace.rates == {"loudness": (1500.0, 400_000.0)}


def test_what_a_minute_costs_is_kept_over_a_restart() -> None:
    a_rig = rig()
    actions = a_rig.start(reading("A"))
    actions += a_rig.end(costs={DECODING: 2.0}, heard={DECODING: 60.0})
    (kept,) = only(do.KeepPace, actions)
    assert kept.rates == {DECODING: (2.0, 60.0)}
    later = Dispatcher(a_rig.core.plan, a_rig.now, Memory(rates=kept.rates))
    assert later.costs() == {DECODING: 2.0}
