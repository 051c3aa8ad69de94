"""States for questions about values are those of the core, whatever a thread asks for and when."""

from __future__ import annotations

from audiobatchd.core.readings import Finding
from audiobatchd.service.answers.states import FolderStates
from audiobatchd.vocabulary.states import Outcome
from support.core_rig import DATASET, Rig, plan, reading


def test_states_and_reasons_are_those_of_the_core() -> None:
    rig = Rig(plan(settle=0.0))
    rig.start(*map(reading, ("caf\udce9", "B", "C")), reading("D", Finding.COMPLETE))
    rig.end(outcome=Outcome.DONE)
    rig.end(outcome=Outcome.FAILED, reasons={"drums.wav": "its end is missing"})
    states = FolderStates(rig.core, DATASET)
    told = {name: (states.state(name), states.why(name)) for name in (b"caf\xe9", b"B", b"C", b"D", b"nowhere")}
    assert told == {
        b"caf\xe9": ("complete", ""),
        b"B": ("failed", "drums.wav: its end is missing"),
        b"C": ("running", ""),
        b"D": ("complete", ""),
        b"nowhere": (None, ""),
    }
    assert FolderStates(rig.core, "/other").state(b"B") is None


def test_unlisted_are_those_whose_directory_was_never_read() -> None:
    rig = Rig(plan(settle=0.0))
    spoiled = reading("A", Finding.BLOCKED, reasons={"": "not JSON"})
    shut = reading("caf\udce9", Finding.BLOCKED, signature="", reasons={"": "Permission denied"})
    rig.start(spoiled, shut)
    assert list(FolderStates(rig.core, DATASET).unlisted()) == [b"caf\xe9"]
    assert list(FolderStates(rig.core, "/other").unlisted()) == []
