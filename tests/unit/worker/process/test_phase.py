"""Features of several files and of earlier results: what is read for them, when they are due, what damage does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soxr

from audiobatchd.core.assessment import Policy, renewed
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.shapes import Account, Shape, accounts_of, assess_shape
from audiobatchd.disk import record
from audiobatchd.disk.listing import read_folder
from audiobatchd.errors import LockLostError
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.plugin_api import FULL_MIX, LARGEST_RESULT, Audio, Cost, Feature, Measurement, View
from audiobatchd.vocabulary.states import Outcome
from support.audio_files import tone, write_audio
from support.phase_rig import RATE, Chord, Part, PhaseRoom, Pulse, Swing

STEMS = ("bass", "drums", "other")


@pytest.fixture
def room(tmp_path: Path) -> PhaseRoom:
    made = PhaseRoom(tmp_path / "music")
    made.fill("full_mix", seconds=1.0)
    return made


@pytest.fixture
def full(room: PhaseRoom) -> PhaseRoom:
    """A folder with stems, all measured."""
    for number, role in enumerate(STEMS):
        room.fill(role, frequency=200.0 * (number + 1))
    assert room.run().outcome is Outcome.DONE
    assert room.due() == {}
    return room


@dataclass
class Filed(Part):
    """An analyzer that gives a file of bytes."""

    name: str = "filed"
    content: bytes = b""

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature(".FILED", "", ""),) if role in self.roles else ()

    def measured(self, audio: Audio) -> Measurement:  # noqa: ARG002  # whatever it is
        return Measurement({}, files={".FILED": self.content})


# What is read


def test_sum_and_results_are_read_with_one_decode_per_file(full: PhaseRoom) -> None:
    assert full.told() == {
        "pulse": 1.0,
        "swing": "1.00 with 1.00 v1 1.0",
        "swing_drums": "0.50 with 1.00 v1 1.0",
        "swing_bass": "0.50 with 1.00 v1 1.0",
        "chord": pytest.approx(10 ** (-20 / 20), abs=1e-4),
    }
    assert (full.song / "Song.PULSES").read_text() == "1.00 v1"


def test_mix_goes_before_stems_and_each_file_is_decoded_once(room: PhaseRoom) -> None:
    for role in STEMS:
        room.fill(role)
    room.run()
    assert room.decoded() == ["full_mix.wav", "drums.wav", "bass.wav", "other.wav"]


def test_sum_equals_numpy_and_soxr(room: PhaseRoom) -> None:
    quiet, other_rate = tone(0.4, RATE, 1, 300.0), tone(0.7, 11025, 2, 700.0)
    other_rate[:, 1] *= 0.5
    write_audio(room.song / "bass.wav", quiet, RATE, codec="pcm_f32le")
    write_audio(room.song / "other.wav", other_rate, 11025, codec="pcm_f32le")
    room.run()
    ((role, seen),) = room.part("chord").seen
    expected = soxr.resample(other_rate.mean(axis=1), 11025, RATE, "HQ")
    expected[: len(quiet)] += quiet[:, 0]
    assert role == "full_mix"
    assert len(seen) == len(expected)
    np.testing.assert_allclose(seen, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("stems", "seconds", "files"),
    [((), 1.0, "full_mix.wav"), (("other",), 0.25, "other.wav"), (("drums", "vocals"), 1.0, "full_mix.wav")],
)
def test_absent_stems_are_left_out_and_mix_stands_in(
    room: PhaseRoom, stems: tuple[str, ...], seconds: float, files: str
) -> None:
    for role in stems:
        room.fill(role, seconds=0.25)
    room.run()
    ((_, seen),) = room.part("chord").seen
    assert len(seen) == round(seconds * RATE)
    assert room.entry("chord")["fingerprint"]["file"] == files
    assert "others" not in room.entry("chord")


def test_silent_stem_adds_nothing(room: PhaseRoom) -> None:
    room.fill("bass")
    room.fill("other", seconds=0.75, dbfs=-300)
    room.run()
    ((_, seen),) = room.part("chord").seen
    assert len(seen) == 0.75 * RATE
    assert seen[: RATE // 2].any()
    assert not seen[RATE // 2 :].any()


def test_sum_tells_of_itself(room: PhaseRoom) -> None:
    told: list[tuple[object, ...]] = []

    def note(audio: Audio) -> None:
        told.append((audio.role, audio.rate, audio.channels, audio.duration, audio.shared("a", lambda: 5)))
        told.append(audio.powers)
        for wrong in (View(), View(mono=True), View(16000, mono=True)):
            with pytest.raises(LookupError, match="has not declared that it reads"):
                audio.view(wrong)
        with pytest.raises(LookupError, match="has not declared that it needs pulse"):
            audio.result("pulse")

    room.fill("bass")
    room.fill("other", rate=16000, seconds=0.6)
    room.part("chord").meanwhile = note
    assert room.run().outcome is Outcome.DONE
    assert told[0] == ("full_mix", 16000, ("FC",), 0.6, 5)
    assert told[1] == (pytest.approx(0.02, rel=0.1),)  # two equal tones: twice the amplitude


def test_result_of_silence_is_none(room: PhaseRoom) -> None:
    room.fill("full_mix", dbfs=-300)
    result = room.run()
    assert result.unmeasurable["swing"] == "no pulse"
    assert room.due() == {}


def test_results_are_read_from_disk_when_they_are_not_due(full: PhaseRoom) -> None:
    full.part("swing").version = 2
    result = full.run()
    assert result.values.keys() == {"swing", "swing_bass", "swing_drums"}
    assert result.values["swing_bass"] == "0.50 with 1.00 v1 1.0"
    assert full.part("pulse").seen == []


def test_companion_of_bytes_is_read_alike_from_job_and_disk(room: PhaseRoom) -> None:
    raw = b"\x93NUMPY\xff\x00"
    read: list[object] = []
    room.parts = [
        Filed(content=raw),
        Swing(results=(".FILED",), meanwhile=lambda audio: read.append(audio.result(".FILED"))),
    ]
    room.run(Policy(only=("swing",)))
    room.part("swing").version = 2
    room.run()
    assert read == [raw, raw]
    assert (room.song / "Song.FILED").read_bytes() == raw


def test_dependents_go_behind_their_providers_whatever_they_cost(room: PhaseRoom) -> None:
    room.parts = [Swing(name="a_swing", wanted=(View(),)), Pulse(cost=Cost.HEAVY)]
    assert room.run().values["a_swing"] == "1.00 with 1.00 v1 1.0"


def test_feature_of_no_folder_is_none(room: PhaseRoom) -> None:
    room.parts = [Swing(roles=("full_mix",), results=("part_bass",)), Part(roles=("bass",))]
    assert room.run().unmeasurable == {"swing": "no pulse"}
    assert room.due() == {}
    room.fill("bass")
    assert room.due() == {"full_mix": {"swing"}, "bass": {"part"}}
    room.run(Policy(only=("part_bass",)))
    assert room.due() == {"full_mix": {"swing"}}
    room.run()
    assert room.told()["swing"] == "1.00 with 0.5"
    (room.song / "bass.wav").unlink()
    assert room.due() == {"full_mix": {"swing"}}


# Provenance


def test_provenance_names_all_files_and_results(full: PhaseRoom) -> None:
    chord, swing = full.entry("chord"), full.entry("swing", "bass")
    assert chord["fingerprint"]["file"] == "bass.wav"
    assert {role: other["file"] for role, other in chord["others"].items()} == {"other": "other.wav"}
    assert swing["fingerprint"]["file"] == "bass.wav"
    ((analyzer, states),) = swing["results"].items()
    assert (analyzer, states.keys()) == ("pulse", {"full_mix"})
    assert states["full_mix"].startswith("1 ")
    assert not {"others", "results"} & full.entry("pulse").keys()


# When it is due


@pytest.mark.parametrize(
    ("change", "due"),
    [
        ("bass", {"full_mix": {"chord"}, "bass": {"swing"}}),
        ("other", {"full_mix": {"chord"}}),
        ("drums", {"drums": {"swing"}}),
        ("full_mix", {"full_mix": {"pulse", "swing"}, "drums": {"swing"}, "bass": {"swing"}}),
    ],
)
def test_a_changed_file_makes_all_that_read_it_due(full: PhaseRoom, change: str, due: dict[str, set[str]]) -> None:
    full.fill(change, seconds=0.8)
    assert full.due() == due
    assert full.run().outcome is Outcome.DONE
    assert full.due() == {}
    again = full.told()
    full.memory = {}
    full.run(Policy(overwrite=True))
    assert full.told() == again


@pytest.mark.parametrize("change", ["bass", "other", "full_mix"])
def test_a_touched_file_is_compared_and_nothing_written(full: PhaseRoom, change: str) -> None:
    before = full.stood()
    full.touch(change)
    assert "chord" in full.due().get("full_mix", set()) or change == "full_mix"
    result = full.run()
    assert (result.outcome, result.values, full.decoded()) == (Outcome.DONE, {}, [])
    assert full.stood() == before
    assert full.due() == {}


def test_touched_mix_that_stands_in_for_a_sum_is_compared(room: PhaseRoom) -> None:
    room.parts = [Chord()]
    room.run()
    before = room.stood()
    room.touch("full_mix")
    assert room.run().values == {}
    assert (room.stood(), room.due()) == (before, {})


def test_results_of_a_touched_file_are_read_from_disk(full: PhaseRoom) -> None:
    full.touch("full_mix")
    full.part("swing").version = 2
    result = full.run()
    assert result.values.keys() == {"swing", "swing_bass", "swing_drums"}
    assert result.values["swing_bass"] == "0.50 with 1.00 v1 1.0"
    assert full.due() == {}


def test_what_is_known_of_a_stem_stays_when_others_measure_it_again(room: PhaseRoom) -> None:
    room.parts = [Chord(), Part(roles=("bass",))]
    room.fill("bass")
    room.run()
    room.touch("bass")
    room.run()
    room.part("part").version = 2
    assert room.run().values.keys() == {"part_bass"}
    assert room.due() == {}


def test_one_touched_and_one_changed_file(full: PhaseRoom) -> None:
    full.touch("bass")
    full.fill("other", seconds=0.8)
    result = full.run()
    assert result.values.keys() == {"chord"}
    assert full.due() == {}


def test_a_stem_that_appears_or_goes_makes_its_sum_due(full: PhaseRoom) -> None:
    (full.song / "other.wav").unlink()
    assert full.due() == {"full_mix": {"chord"}}
    full.run()
    assert full.due() == {}
    (full.song / "bass.wav").unlink()
    assert full.due() == {"full_mix": {"chord"}}
    full.run()
    assert full.entry("chord")["fingerprint"]["file"] == "full_mix.wav"
    full.fill("bass")
    assert full.due() == {"full_mix": {"chord"}, "bass": {"swing"}}


@pytest.mark.parametrize("change", ["unlink", "rewrite", "renew"])
def test_only_another_version_renews_a_sum(full: PhaseRoom, change: str) -> None:
    if change == "renew":
        full.part("chord").version = 2
    elif change == "unlink":
        (full.song / "other.wav").unlink()
    else:
        full.fill("other", seconds=0.7)
    found = full.assess()
    assert {each.analyzer for each in found.due[FULL_MIX]} == {"chord"}
    assert renewed(found, full.bench.offers, Policy()) == (("chord",) if change == "renew" else ())


def test_a_second_stem_makes_a_sum_of_one_due(room: PhaseRoom) -> None:
    room.fill("bass")
    room.run()
    room.fill("other")
    assert room.due() == {"full_mix": {"chord"}}


def test_other_content_of_one_size_is_compared_and_measured(full: PhaseRoom) -> None:
    full.fill("other", frequency=1000.0, dbfs=-40)
    assert all(work.unless for work in full.assess().due["full_mix"])
    assert full.run().values.keys() == {"chord"}
    assert full.due() == {}


def test_a_stem_renamed_within_the_sum_changes_nothing(room: PhaseRoom) -> None:
    room.parts = [Chord()]
    room.fill("bass")
    room.run()
    (room.song / "bass.wav").rename(room.song / "other.wav")
    result = room.run()
    assert (result.outcome, result.values) == (Outcome.DONE, {})


def test_higher_provider_version_makes_dependents_due(full: PhaseRoom) -> None:
    full.part("pulse").version = 2
    assert full.due() == {"full_mix": {"pulse", "swing"}, "drums": {"swing"}, "bass": {"swing"}}
    full.run()
    assert full.told()["swing_bass"] == "0.50 with 1.00 v2 1.0"


def test_provider_renewed_without_its_dependents(full: PhaseRoom) -> None:
    full.part("pulse").version = 2
    full.run(Policy(only=("pulse",)))
    assert full.told()["swing"] == "1.00 with 1.00 v1 1.0"
    assert full.due() == {"full_mix": {"swing"}, "drums": {"swing"}, "bass": {"swing"}}


def test_provider_renewed_for_other_files_without_its_dependents(full: PhaseRoom) -> None:
    full.parts.append(Swing(name="step", roles=("drums",), results=("chord",)))
    full.run()
    full.fill("full_mix", seconds=0.8)
    full.fill("other", seconds=0.8)
    full.run(Policy(only=("pulse", "chord")))
    assert full.due() == {"full_mix": {"swing"}, "drums": {"swing", "step"}, "bass": {"swing"}}


def test_stale_provider_left_out_is_not_lost(full: PhaseRoom) -> None:
    full.fill("full_mix", seconds=0.8)
    full.run(Policy(only=("chord",)))
    assert full.due() == {"full_mix": {"pulse", "swing"}, "drums": {"swing"}, "bass": {"swing"}}


def test_only_a_dependent_takes_its_providers_along(room: PhaseRoom) -> None:
    policy = Policy(only=("swing",))
    assert room.due(policy) == {"full_mix": {"pulse", "swing"}}
    room.run(policy)
    assert room.told() == {"pulse": 1.0, "swing": "1.00 with 1.00 v1 1.0"}
    assert room.due(policy) == {}


def test_lost_key_or_companion_of_provider_is_measured_again(full: PhaseRoom) -> None:
    (full.song / "Song.PULSES").unlink()
    assert "pulse" in full.due()["full_mix"]
    full.run()
    assert (full.song / "Song.PULSES").exists()
    assert full.due() == {}


@pytest.mark.parametrize("by", ["us", "another tool"])
def test_a_file_that_an_option_left_out_is_due_when_it_is_on(full: PhaseRoom, by: str) -> None:
    full.parts[1:] = [Pulse(filed=False)]
    assert full.due() == {}
    full.fill("full_mix", seconds=1.5)
    assert full.run().values == {"pulse": 1.5}
    grid = full.song / "Song.PULSES"
    assert not grid.exists(), "it was of another sound"
    if by == "another tool":
        grid.write_text("by hand")
        full.touch("full_mix")
        full.run(Policy(overwrite=True))
        assert grid.read_text() == "by hand", "which is not ours to remove"
    full.parts[1:] = [Pulse(), Swing()]
    assert full.due() == {"full_mix": {"pulse", "swing"}, "bass": {"swing"}, "drums": {"swing"}}
    full.run()
    assert (grid.read_text(), full.told()["swing"]) == ("1.50 v1", "1.50 with 1.50 v1 1.5")


def test_a_file_stays_where_only_a_limit_keeps_it_from_being_written(full: PhaseRoom) -> None:
    full.part("pulse").version = 2
    full.max_duration = 0.8
    assert full.run(Policy(max_duration=0.8)).unmeasurable[".PULSES"].startswith("longer than")
    assert (full.song / "Song.PULSES").read_text() == "1.00 v1"
    full.max_duration = 60.0
    assert "pulse" in full.due()["full_mix"]


def test_provider_that_becomes_unmeasurable_takes_its_dependents_along(full: PhaseRoom) -> None:
    full.fill("full_mix", dbfs=-300)
    full.run()
    assert "swing" not in full.told()
    assert "swing_bass" not in full.told()
    assert not (full.song / "Song.PULSES").exists()
    assert full.due() == {}


# Other tools, other machines


def test_adopted_results_are_read_and_noticed_when_measured(room: PhaseRoom) -> None:
    (room.song / "Song.INFO").write_text('{"pulse": 7.5}')
    (room.song / "Song.PULSES").write_text("theirs")
    room.run()
    assert room.told()["swing"] == "1.00 with theirs 7.5"
    assert room.entry("swing")["results"] == {"pulse": {"full_mix": "adopted"}}
    assert room.due() == {}
    room.run(Policy(adopt=False))
    assert room.told()["swing"] == "1.00 with 1.00 v1 1.0"


@pytest.mark.parametrize("value", ["[1, 2]", '{"a": {"b": 1}}', '{"a": "b"}'])
def test_adopted_value_of_no_kind_of_ours_is_none(room: PhaseRoom, value: str) -> None:
    (room.song / "Song.INFO").write_text(f'{{"pulse": {value}}}')
    (room.song / "Song.PULSES").write_text("theirs")
    assert room.run().unmeasurable["swing"] == "no pulse"
    assert room.due() == {}


def test_adopted_sum_is_stale_when_a_stem_is_replaced(room: PhaseRoom) -> None:
    room.fill("bass")
    room.parts = [Chord()]
    (room.song / "Song.INFO").write_text('{"chord": 0.5}')
    first = room.assess(memory={})
    assert (first.due, first.adopted) == ({}, {"bass": ("chord",)})
    room.memory = {"bass": FileMemory(read_folder(str(room.song)).stamps["bass"], adopted=("chord",))}
    assert room.due() == {}
    room.fill("bass", seconds=0.75)
    assert room.due() == {"full_mix": {"chord"}}


def test_two_machines_with_other_versions_do_not_undo_each_other(full: PhaseRoom) -> None:
    ours = full.parts
    theirs: list[Part] = [Chord(version=2, sum_of=("drums", "bass", "other")), Pulse(version=3), Swing()]
    full.parts = theirs
    full.run()
    assert full.due() == {}
    full.parts = ours
    assert full.due() == {}
    full.fill("full_mix", seconds=0.8)  # measured by us, all of it again by them, and there it ends
    full.run()
    full.parts = theirs
    full.run()
    full.parts = ours
    assert full.due() == {}


def test_their_sum_of_more_files_is_due_when_any_of_them_changed(full: PhaseRoom) -> None:
    ours = full.parts
    full.parts = [Chord(version=2, sum_of=("drums", "bass")), Pulse(), Swing()]
    full.run()
    full.parts = ours
    full.fill("drums", seconds=0.9)
    assert full.due() == {"full_mix": {"chord"}, "drums": {"swing"}}
    (full.song / "drums.wav").unlink()
    assert full.due() == {"full_mix": {"chord"}}


# Damage and faults


def _damage(room: PhaseRoom, role: str) -> None:
    path = room.song / f"{role}.wav"
    path.write_bytes(path.read_bytes()[:-1000])


def test_damaged_stem_fails_its_sum_and_nothing_else(room: PhaseRoom) -> None:
    for role in STEMS:
        room.fill(role)
    _damage(room, "other")
    result = room.run()
    assert result.outcome is Outcome.FAILED
    assert result.reasons.keys() == {"other.wav"}
    assert room.told().keys() == {"pulse", "swing", "swing_bass", "swing_drums"}
    assert (room.due(), list(room.assess().failed)) == ({}, ["other"])
    assert room.run().outcome is Outcome.FAILED
    assert room.decoded() == []
    room.fill("other")
    assert room.due() == {"full_mix": {"chord"}}
    assert room.run().outcome is Outcome.DONE


def test_damaged_mix_fails_the_dependents_of_its_results(room: PhaseRoom) -> None:
    for role in STEMS:
        room.fill(role)
    _damage(room, "full_mix")
    result = room.run()
    assert (result.outcome, list(result.reasons)) == (Outcome.FAILED, ["full_mix.wav"])
    assert room.told().keys() == {"chord"}
    assert (room.due(), list(room.assess().failed)) == ({}, ["full_mix"])


def test_stem_that_is_too_long_makes_the_sum_unmeasurable(room: PhaseRoom) -> None:
    room.fill("bass", seconds=3.0)
    room.fill("other")
    room.max_duration = 2.0
    result = room.run()
    assert result.outcome is Outcome.DONE
    assert result.unmeasurable["chord"] == "bass.wav: longer than 2 s"
    assert room.entry("chord")["beyond_limit"] == 3.0
    assert room.due() == {}
    room.max_duration = 4.0
    assert room.due() == {"full_mix": {"chord"}, "bass": {"swing"}}


def test_the_longest_file_tells_which_limit_would_do(room: PhaseRoom) -> None:
    room.parts = [Chord()]
    room.fill("bass", seconds=3.0)
    room.fill("other", seconds=2.5)
    room.max_duration = 2.0
    room.run()
    assert room.entry("chord")["beyond_limit"] == 3.0


def test_value_stays_where_only_a_limit_keeps_its_sum_from_being_measured(full: PhaseRoom) -> None:
    full.max_duration = 0.1
    full.run(Policy(overwrite=True, max_duration=0.1))
    assert "chord" in full.told()
    full.fill("other", seconds=0.6)
    full.run(Policy(max_duration=0.1))
    assert "chord" not in full.told()


def test_damaged_file_is_read_once_where_it_would_be_twice(room: PhaseRoom) -> None:
    room.fill("bass")
    room.parts = [
        Part(roles=("full_mix", "bass")),
        Swing(name="to", roles=("full_mix",), results=("part_bass",)),
        Swing(name="fro", roles=("bass",), results=("part",)),
    ]
    _damage(room, "full_mix")
    result = room.run()
    assert room.stages.count("reading full_mix.wav") == 1
    assert result.reasons.keys() == {"full_mix.wav"}
    assert room.told().keys() == {"part_bass"}


def test_fault_of_provider_leaves_its_dependents_for_later(room: PhaseRoom) -> None:
    room.fill("bass")
    room.part("pulse").meanwhile = lambda _audio: 1 / 0
    result = room.run()
    assert (result.outcome, result.charge) == (Outcome.ERROR, True)
    assert result.reasons == {"full_mix.wav": "analyzer pulse failed: ZeroDivisionError: division by zero"}
    assert result.unmeasurable == {}
    assert room.told().keys() == {"chord"}
    assert room.due() == {"full_mix": {"pulse", "swing"}, "bass": {"swing"}}
    room.part("pulse").meanwhile = bool
    assert room.run().outcome is Outcome.DONE


def test_fault_in_a_sum_names_its_files(room: PhaseRoom) -> None:
    room.fill("bass")
    room.fill("other")
    room.part("chord").meanwhile = lambda _audio: 1 / 0
    result = room.run()
    assert result.reasons == {"bass.wav + other.wav": "analyzer chord failed: ZeroDivisionError: division by zero"}
    assert "swing_bass" in room.told()


@pytest.mark.parametrize("kind", ["device", "large", "dangling"])
def test_companion_that_cannot_be_read_blocks_its_dependents(room: PhaseRoom, kind: str) -> None:
    (room.song / "Song.INFO").write_text('{"pulse": 7.5}')
    path = room.song / "Song.PULSES"
    path.write_bytes(b"x" * (LARGEST_RESULT + 1))
    if kind != "large":
        path.unlink()
        path.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    result = room.run()
    assert result.outcome is Outcome.BLOCKED
    assert result.reasons.keys() == {"Song.PULSES"}
    assert room.told().keys() == {"pulse", "chord"}


def test_companion_too_large_for_others_blocks_them(room: PhaseRoom) -> None:
    room.parts = [Filed(content=bytes(LARGEST_RESULT + 1)), Swing(results=(".FILED",))]
    first = room.run()
    assert (first.outcome, list(first.reasons), first.values) == (Outcome.BLOCKED, ["Song.FILED"], {})
    assert (room.song / "Song.FILED").stat().st_size == LARGEST_RESULT + 1
    second = room.run()
    assert (second.outcome, list(second.reasons)) == (Outcome.BLOCKED, ["Song.FILED"])
    room.parts[0] = Filed(content=b"x" * LARGEST_RESULT, version=2)
    assert room.run().outcome is Outcome.DONE


def test_stem_that_cannot_be_opened_spoils_its_sum_alone(room: PhaseRoom) -> None:
    room.fill("bass")
    os.mkfifo(room.song / "other.wav")
    result = room.run()
    assert (result.outcome, result.reasons) == (Outcome.FAILED, {"other.wav": "is a FIFO"})
    assert "swing_bass" in room.told()
    assert "chord" not in room.told()


def test_sum_that_does_not_fit_into_memory_is_unmeasurable(room: PhaseRoom) -> None:
    room.fill("bass")
    room.worker_memory = 1
    result = room.run()
    assert result.unmeasurable["chord"].startswith("takes ")
    assert room.entry("chord")["beyond_memory"] > 1
    assert room.due(Policy(worker_memory=1)) == {}
    room.worker_memory = None
    assert room.due() == {"full_mix": {"chord", "pulse", "swing"}, "bass": {"swing"}}


@pytest.mark.parametrize("allowed", range(4))
def test_publish_that_ends_on_the_way_is_made_up_for(
    full: PhaseRoom, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    full.parts.append(Filed(content=b"new"))
    full.part("pulse").version = 2
    with monkeypatch.context() as patch:
        left = iter(range(allowed))  # two companions, then the record

        def gate(_lock: FolderLock) -> None:
            if next(left, None) is None:
                raise LockLostError("as if it had ended here")

        patch.setattr(FolderLock, "gate", gate)
        assert full.run().outcome is (Outcome.DONE if allowed == 3 else Outcome.CHANGED)
    assert ("pulse" in full.due().get("full_mix", ())) == (allowed < 3)
    assert full.run().outcome is Outcome.DONE
    assert full.due() == {}
    assert full.told()["swing_bass"] == "0.50 with 1.00 v2 1.0"
    assert (full.song / "Song.PULSES").read_text() == "1.00 v2"


# Shapes


def test_shape_tells_what_the_record_tells(full: PhaseRoom) -> None:
    def by_shape() -> bool:
        found = record.read_in(str(full.song))
        roles = tuple(read_folder(str(full.song)).stamps)
        names = tuple(offer.name for offer in full.bench.offers)
        accounts = accounts_of(roles, names, found.provenance.entry)
        shape = Shape(roles, (*sorted(found.present()), ".PULSES"), accounts)
        shape = msgspec.msgpack.decode(msgspec.msgpack.encode(shape), type=Shape)
        assert [each.files for each in accounts if each.analyzer == "pulse"] == [(".PULSES",)]
        return bool(assess_shape(shape, full.bench.offers, Policy()).due)

    assert not by_shape()
    full.part("pulse").version = 2
    assert by_shape()
    full.run(Policy(only=("pulse",)))
    assert by_shape()
    full.run()
    assert not by_shape()
    (full.song / "other.wav").unlink()
    assert by_shape()


def test_account_of_a_catalog_of_before_decodes() -> None:
    old = msgspec.json.encode(["loudness", "full_mix", 1, [], [], None, None])
    account = msgspec.json.decode(old, type=Account)
    assert (account.others, account.outdated) == ((), False)
