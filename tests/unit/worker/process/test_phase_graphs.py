"""Any needs without circles, any changes of a folder: nothing is due after a job, and all is as if made anew."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiobatchd.core.assessment import Policy
from audiobatchd.core.needs import files_read
from audiobatchd.plugin_api import FULL_MIX, Audio, Measurement, Needs, feature_name
from audiobatchd.vocabulary.states import Outcome
from support.audio_files import write_audio
from support.phase_rig import MONO, RATE, Part, PhaseRoom

NAMES = ("one", "two", "three")
TASKS = [(name, role) for name in NAMES for role in (FULL_MIX, "bass", "drums")]
KINDS = {0: (0.02, 1 / 64), 1: (0.02, 2 / 64), 2: (0.05, 4 / 64)}
"""Lengths in seconds and levels of files: two of one size, and levels of which every sum is exact."""


def _text(version: int, length: float, level: float, results: list[str]) -> str:
    return hashlib.blake2b(f"{version} {length:.3f} {level:.6f} {results}".encode(), digest_size=4).hexdigest()


@dataclass
class Node(Part):
    """An analyzer with any needs, whose value tells all that it was measured from."""

    needs_of: dict[str, Needs] = field(default_factory=dict)
    roles: tuple[str, ...] = (FULL_MIX, "bass", "drums")

    def needs(self, role: str) -> Needs:
        return self.needs_of.get(role, Needs())

    def measured(self, audio: Audio) -> Measurement:
        results = [str(audio.result(name)) for name in self.needs(audio.role).results]
        level = float(audio.view(MONO)[0])
        return Measurement({feature_name(self.name, audio.role): _text(self.version, audio.duration, level, results)})


@dataclass
class World:
    """The folder as it should be, beside the one that is."""

    room: PhaseRoom
    files: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lengths and levels of its files, by role."""
    times: int = 0

    def put(self, role: str, kind: int) -> None:
        seconds, level = self.files[role] = KINDS[kind]
        self.room.song.mkdir(exist_ok=True)
        samples = np.full((round(seconds * RATE), 1), level, np.float32)
        write_audio(self.room.song / f"{role}.wav", samples, RATE)
        self.times += 1
        os.utime(self.room.song / f"{role}.wav", ns=(0, self.times * 1_000_000_000))

    def value(self, name: str, role: str) -> str:
        """The value that a feature should have."""
        node = next(each for each in self.room.parts if each.name == name)
        needs = node.needs(role)
        read = [self.files[file] for file in files_read(needs, role, self.files)]
        length, level = max(length for length, _ in read), sum(level for _, level in read)
        return _text(node.version, length, level, [self.result(feature) for feature in needs.results])

    def result(self, feature: str) -> str:
        name, _, role = feature.partition("_")
        role = role or FULL_MIX
        return self.value(name, role) if role in self.files else "None"

    def check(self) -> None:
        told = self.room.told()
        for role in ("full_mix", "bass", "drums"):
            for name in NAMES if role in self.files else ():
                assert told[feature_name(name, role)] == self.value(name, role), (name, role)


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    """Three analyzers of three roles, each of which may need what comes before it in an order that is drawn too."""
    order = draw(st.permutations(TASKS))
    needs: dict[str, dict[str, Needs]] = {name: {} for name in NAMES}
    for place, (name, role) in enumerate(order):
        results = draw(st.lists(st.sampled_from(order[:place]), max_size=2, unique=True)) if place else []
        sum_of = draw(st.sampled_from([(), ("bass", "drums"), ("bass", "other"), ("other", "vocals")]))
        needs[name][role] = Needs(sum_of, tuple(feature_name(*each) for each in results))
    return [Node(name=name, needs_of=needs[name]) for name in NAMES]


ROLES = (FULL_MIX, "drums", "bass", "other")
CHANGES = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(ROLES), st.sampled_from(sorted(KINDS))),
    st.tuples(st.just("touch"), st.sampled_from(ROLES), st.just(0)),
    st.tuples(st.just("remove"), st.sampled_from(ROLES[1:]), st.just(0)),
    st.tuples(st.just("raise"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("only"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("forget"), st.just(""), st.just(0)),
)


def _change(world: World, what: str, which: str, kind: int) -> None:
    room, path = world.room, world.room.song / f"{which}.wav"
    match what:
        case "put":
            world.put(which, kind)
        case "touch" if which in world.files:
            room.touch(which)
        case "remove" if which in world.files:
            del world.files[which]
            path.unlink()
        case "raise":
            room.part(which).version += 1
        case "only":
            assert room.run(Policy(only=(which,))).outcome is Outcome.DONE
            assert room.due(Policy(only=(which,))) == {}
            assert room.told()[which] == world.value(which, FULL_MIX)
        case "forget":
            room.memory = {}


def test_a_file_touched_before_a_job_is_known_for_its_sum_too(tmp_path: Path) -> None:
    sums = {FULL_MIX: Needs(("bass", "drums"))}
    world = World(PhaseRoom(tmp_path, [Node(name=name, needs_of=sums if name == "three" else {}) for name in NAMES]))
    for role in (FULL_MIX, "bass"):
        world.put(role, 0)
    _change(world, "only", "three", 0)
    world.put("bass", 0)
    assert world.room.run().outcome is Outcome.DONE
    assert world.room.due() == {}
    world.check()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nodes(), st.lists(CHANGES, max_size=6), st.lists(CHANGES, max_size=3))
def test_after_a_job_nothing_is_due_and_all_is_as_if_made_anew(
    parts: list[Node], first: list[tuple[str, str, int]], then: list[tuple[str, str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(PhaseRoom(Path(directory), list(parts)))
        for role in (FULL_MIX, "bass"):
            world.put(role, 0)
        for changes in (first, then):
            for change in changes:
                _change(world, *change)
            assert world.room.run().outcome is Outcome.DONE
            assert world.room.due() == {}
            world.check()
        before = world.room.stood()
        assert world.room.run().values == {}
        assert world.room.stood() == before
