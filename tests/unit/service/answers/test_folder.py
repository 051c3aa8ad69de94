"""What is said to come next for a folder."""

from __future__ import annotations

from datetime import UTC, datetime

from audiobatchd.control.status import FolderReport
from audiobatchd.core import events as on
from audiobatchd.core.holds import NO_ANSWER
from audiobatchd.core.readings import Finding
from audiobatchd.service.answers.folder import Facts, explained
from audiobatchd.vocabulary.states import Cause, FolderState
from support.core_rig import DATASET, Rig, key, plan, reading


def report(rig: Rig, path: str) -> FolderReport:
    """Explain a folder that is complete, unless the core knows better."""
    facts = Facts(reading(path, Finding.COMPLETE), [], "", {})
    return explained(rig.core, key(path), facts, rig.now, datetime.now(UTC))


def test_nothing_is_promised_while_the_disk_does_not_answer() -> None:
    rig = Rig(plan(DATASET, workers=1, settle=0.0))
    rig.start(reading("Busy"), reading("Waits"), reading("Done", Finding.COMPLETE))
    before = report(rig, "Done")
    assert before.state is FolderState.COMPLETE
    assert before.next_in is not None
    rig.tell(on.WorkersMeasured({}, {rig.core.crew.slots[0].pid: 3.0}))
    rig.tell(on.Probed(DATASET, Cause.HANG, NO_ANSWER))
    after = report(rig, "Done")
    assert after.state is FolderState.COMPLETE
    told = f"nothing, neither job nor look: {DATASET} is paused: {NO_ANSWER}; it goes on by itself when that is over"
    assert [(each.next, each.next_in) for each in (after, report(rig, "Waits"))] == [(told, None)] * 2
    rig.tell(on.Probed(DATASET, Cause.HANG))
    assert report(rig, "Done").next == before.next
