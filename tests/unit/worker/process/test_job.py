"""One job from the lock to the record: every way in which it can end, and what is on disk and remembered then."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audiobatchd.core.assessment import Offer, Policy, judges
from audiobatchd.core.file_memory import FileMemory, disowning
from audiobatchd.core.messages import Job, Result, WorkerSettings, decode_from_worker, encode
from audiobatchd.disk import record
from audiobatchd.disk.listing import read_folder
from audiobatchd.locks.lock_file import of_this_process
from audiobatchd.plugin_api import NATIVE, Audio, Cost, Feature, File, Measurement, View, feature_name
from audiobatchd.vocabulary.files import ROLES, FileStamp
from audiobatchd.vocabulary.states import Cause, Outcome
from audiobatchd.worker.process import phase as phase_module
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.job import hindered, run
from audiobatchd.worker.process.measure import Place, measure
from support.audio_files import make_track, tone, write_audio
from support.shortage import LEAST, descriptors

ROOT = os.geteuid() == 0
RATE = 8000
SECONDS = {"full_mix": 0.25, "drums": 0.5, "bass": 0.75}
Answer = Callable[[Audio], Measurement]


@dataclass
class Probe:
    """An analyzer that gives `length` and, where it finds one, `pitch`; `meanwhile` happens while it is at work."""

    name: str = "probe"
    version: int = 1
    models: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = Cost.LIGHT
    has_pitch: bool = True
    meanwhile: Callable[[str], object] = bool

    def features(self, role: str) -> tuple[Feature, ...]:
        bases = ("length", "pitch") if self.name == "probe" else (self.name,)
        return tuple(Feature(feature_name(base, role), "", "") for base in bases)

    def views(self, role: str) -> tuple[View, ...]:
        return (NATIVE,) if self.features(role) else ()

    def load(self) -> None:
        pass

    def analyze(self, audio: Audio) -> Measurement:
        self.meanwhile(audio.role)
        length, *more = (feature.name for feature in self.features(audio.role))
        if self.has_pitch:
            return Measurement({length: audio.duration, **dict.fromkeys(more, "C")})
        return Measurement({length: audio.duration}, dict.fromkeys(more, "no pitch"))

    def offer(self, unavailable: str | None = None) -> Offer:
        features = {role: tuple(feature.name for feature in self.features(role)) for role in ROLES}
        return Offer(self.name, self.version, features, dict(self.models), unavailable)


@dataclass
class Room:
    """A dataset with the track folder `Song`, and a worker's bench that stands ready for it."""

    root: Path
    probes: list[Probe] = field(default_factory=lambda: [Probe()])
    lacking: list[Probe] = field(default_factory=list)
    max_duration: float = 60.0
    worker_memory: int | None = None
    stages: list[str] = field(default_factory=list)

    @property
    def song(self) -> Path:
        return self.root / "Song"

    @property
    def probe(self) -> Probe:
        return self.probes[0]

    @property
    def bench(self) -> Bench:
        offers = [probe.offer() for probe in self.probes] + [probe.offer("no model") for probe in self.lacking]
        return Bench(
            WorkerSettings(max_duration=self.max_duration, worker_memory=self.worker_memory),
            {probe.name: probe for probe in self.probes},
            tuple(offers),
        )

    def fill(self, *roles: str) -> None:
        """Put sound into the folder."""
        self.song.mkdir(exist_ok=True)
        for role in roles:
            write_audio(self.song / f"{role}.wav", tone(SECONDS[role], RATE, channels=1), RATE)

    def run(
        self,
        path: str = "Song",
        *,
        policy: Policy | None = None,
        memory: dict[str, FileMemory] | None = None,
        signature: str | None = None,
        alone: bool = True,
    ) -> Result:
        """Do a job. Whatever comes of it can be told, and nothing of it is left lying about."""
        folder = self.root / path if path else self.root
        if signature is None:
            signature = read_folder(str(folder)).signature if folder.is_dir() else "v1"
        names = os.fsencode(self.root), os.fsencode(path)
        job = Job(7, *names, signature, policy or Policy(), memory or {}, 60.0, alone=alone)
        before = len(list(Path("/proc/self/fd").iterdir()))
        self.stages.clear()
        result = run(job, self.bench, lambda doing, seconds: self.stages.append(doing))
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        assert result.job == 7
        assert decode_from_worker(encode(result)) == result
        return result

    def told(self, folder: Path | None = None) -> dict[str, Any]:
        """The record without its provenance."""
        folder = folder or self.song
        path = folder / f"{folder.name}.INFO"
        values = dict(json.loads(path.read_bytes())) if path.exists() else {}
        return {key: value for key, value in values.items() if key != "_audiobatch"}

    def entries(self) -> dict[str, dict[str, Any]]:
        """The provenance's entries, by analyzer and role."""
        path = self.song / "Song.INFO"
        found = json.loads(path.read_bytes()).get("_audiobatch", {}) if path.exists() else {}
        return dict(found.get("analyzers", {}))

    def stood(self) -> tuple[int, int, int]:
        """What tells whether the record was replaced or written to; not when it was read."""
        status = (self.song / "Song.INFO").stat()
        return status.st_ino, status.st_mtime_ns, status.st_ctime_ns

    def left(self) -> list[str]:
        """Locks and temporary files."""
        return [str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.suffix in (".lock", ".tmp")]

    def stamp(self, role: str) -> FileStamp:
        status = (self.song / f"{role}.wav").stat()
        return FileStamp(f"{role}.wav".encode(), status.st_size, status.st_mtime_ns)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    made = Room(tmp_path / "music")
    made.root.mkdir()
    made.fill("full_mix", "drums")
    return made


BOTH = {"length": 0.25, "pitch": "C", "length_drums": 0.5, "pitch_drums": "C"}
MIX_ONLY = {"length": 0.25, "pitch": "C"}
DRUMS_ONLY = {"length_drums": 0.5, "pitch_drums": "C"}


# Done


def test_done(room: Room) -> None:
    (room.song / "Song.INFO").write_text('{"brightness": 51.20}')
    result = room.run()
    assert (result.outcome, result.values, result.reasons) == (Outcome.DONE, BOTH, {})
    assert (result.unmeasurable, result.memory, result.unavailable, result.charge) == ({}, {}, 0, False)
    assert result.audio_seconds == 0.75
    assert result.access
    assert room.told() == {"brightness": 51.2, **BOTH}
    assert b'"brightness": 51.20' in (room.song / "Song.INFO").read_bytes()
    assert room.entries()["probe"].keys() == {"full_mix", "drums"}
    assert room.left() == []


def test_every_stage_is_told(room: Room) -> None:
    room.run()
    assert room.stages == [
        "reading full_mix.wav",
        "decoding full_mix.wav",
        "probe of full_mix.wav",
        "reading drums.wav",
        "decoding drums.wav",
        "probe of drums.wav",
        "writing the record",
    ]


def test_what_is_complete_is_left_alone(room: Room) -> None:
    room.run()
    before = room.stood()
    result = room.run()
    assert (result.outcome, result.values, result.memory) == (Outcome.DONE, {}, {})
    assert room.stages == []
    assert room.stood() == before


def test_only_what_is_due_is_measured(room: Room) -> None:
    room.run()
    room.fill("bass")
    result = room.run()
    assert result.values == {"length_bass": 0.75, "pitch_bass": "C"}
    assert room.told() == BOTH | result.values


def test_unmeasurable_feature_loses_its_old_value(room: Room) -> None:
    room.run()
    room.probe.version, room.probe.has_pitch = 2, False
    result = room.run()
    assert (result.outcome, result.unmeasurable) == (Outcome.DONE, {"pitch": "no pitch", "pitch_drums": "no pitch"})
    assert room.told() == {"length": 0.25, "length_drums": 0.5}
    assert room.entries()["probe"]["drums"]["unmeasurable"] == {"pitch_drums": "no pitch"}
    assert room.run().values == {}
    assert room.stages == []


def test_what_is_unavailable_is_counted_and_leaves_no_trace(room: Room) -> None:
    room.lacking = [Probe("mood")]
    result = room.run()
    assert (result.outcome, result.unavailable, result.values) == (Outcome.DONE, 2, BOTH)
    assert room.entries().keys() == {"probe"}


def test_nothing_at_all_to_measure_with(room: Room) -> None:
    room.probes, room.lacking = [], [Probe()]
    result = room.run()
    assert (result.outcome, result.unavailable) == (Outcome.DONE, 4)
    assert not (room.song / "Song.INFO").exists()


@pytest.mark.parametrize("path", ["caf\udce9/Song", "line\nfeed", "A.B. Song"])
def test_folders_may_be_called_anything(room: Room, path: str) -> None:
    (room.root / path).parent.mkdir(exist_ok=True)
    shutil.move(room.song, room.root / path)
    result = room.run(path)
    assert (result.outcome, result.values) == (Outcome.DONE, BOTH)
    assert room.told(room.root / path) == BOTH
    assert room.left() == []


def test_the_dataset_itself_may_be_the_folder(room: Room) -> None:
    for path in room.song.iterdir():
        shutil.move(path, room.root)
    assert room.run("").outcome is Outcome.DONE
    assert room.told(room.root) == BOTH
    assert not room.root.with_name("music.lock").exists()


@pytest.mark.parametrize(("mode", "expected"), [(0o640, 0o640), (0o644, 0o644), (0o600, 0o600), (0o775, 0o644)])
def test_who_may_read_the_mix_may_read_a_first_record(room: Room, mode: int, expected: int) -> None:
    (room.song / "full_mix.wav").chmod(mode)
    room.run()
    assert stat.S_IMODE((room.song / "Song.INFO").stat().st_mode) == expected


@pytest.mark.parametrize(
    ("policy", "values"),
    [
        (Policy(), DRUMS_ONLY),
        (Policy(adopt=False), BOTH),
        (Policy(overwrite=True), BOTH),
        (Policy(only=("length",)), {}),
        (Policy(only=("length_drums",)), DRUMS_ONLY),
    ],
)
def test_a_record_of_another_tool_is_judged_by_the_policy(
    room: Room, policy: Policy, values: dict[str, object]
) -> None:
    (room.song / "Song.INFO").write_text('{"length": 1, "pitch": 2}')
    assert room.run(policy=policy).values == values


# Files that did not change


def test_same_content_with_another_time_is_only_read(room: Room) -> None:
    room.run()
    before = room.stood()
    digest = room.entries()["probe"]["drums"]["fingerprint"]["digest"]
    os.utime(room.song / "drums.wav", (1, 1))
    result = room.run()
    assert (result.outcome, result.values) == (Outcome.DONE, {})
    assert result.memory == {"drums": FileMemory(room.stamp("drums"), digest=digest)}
    assert room.stages == ["reading drums.wav"]
    assert room.stood() == before
    assert room.run(memory=result.memory).memory == result.memory
    assert room.stages == []


def test_known_content_is_measured_by_new_analyzers_only(room: Room) -> None:
    room.run()
    os.utime(room.song / "drums.wav", (1, 1))
    room.probes.append(Probe("mood"))
    result = room.run()
    assert result.values == {"mood": 0.25, "mood_drums": 0.5}
    assert result.memory.keys() == {"drums"}
    assert room.entries()["mood"].keys() == {"full_mix", "drums"}
    assert room.entries()["probe"]["drums"]["fingerprint"]["mtime_ns"] != 10**9


def test_adopted_keys_stay_remembered_beside_a_measurement(room: Room) -> None:
    (room.song / "Song.INFO").write_text('{"length": 1, "pitch": 2, "length_drums": 1, "pitch_drums": 2}')
    room.probes.append(Probe("mood"))
    result = room.run()
    assert result.values == {"mood": 0.25, "mood_drums": 0.5}
    assert result.memory == {role: FileMemory(room.stamp(role), adopted=("probe",)) for role in ("full_mix", "drums")}


def test_adopted_keys_of_a_damaged_file_stay_remembered(room: Room) -> None:
    (room.song / "Song.INFO").write_text('{"length": 1, "pitch": 2, "length_drums": 1, "pitch_drums": 2}')
    room.probes.append(Probe("mood"))
    spoil(room.song / "drums.wav")
    result = room.run()
    assert result.outcome is Outcome.FAILED
    assert result.memory["drums"].adopted == ("probe",)
    assert result.memory["drums"].failure == result.reasons["drums.wav"]


def test_memory_of_measured_and_missing_files_is_dropped(room: Room) -> None:
    room.run()
    room.probe.version = 2
    old = FileMemory(room.stamp("full_mix"), digest="blake2b:00")
    result = room.run(memory={"full_mix": old, "vocals": old}, policy=Policy(only=("length_drums",)))
    assert result.values == DRUMS_ONLY
    assert result.memory == {"full_mix": old}
    assert room.run(memory={"full_mix": old}).memory == {}


REPLACED = FileMemory(FileStamp(b"full_mix.wav", 9, 9), adopted=("probe", "mood"))
"""Memory of a full mix before this one, whose keys were taken over."""


def test_adopted_values_of_a_replaced_file_are_due_after_a_fault(room: Room) -> None:
    (room.song / "Song.INFO").write_text(
        '{"length": 9, "pitch": "A", "mood": 9, "length_drums": 9, "pitch_drums": "A"}'
    )
    room.probes.append(Probe("mood"))
    room.probe.meanwhile = lambda _role: 1 / 0
    result = room.run(memory={"full_mix": REPLACED})
    assert (result.outcome, result.values) == (Outcome.ERROR, {"mood": 0.25, "mood_drums": 0.5})
    assert result.memory["full_mix"] == FileMemory(room.stamp("full_mix"), outdated=("probe",))
    room.probe.meanwhile = bool
    result = room.run(memory=result.memory)
    assert (result.outcome, result.values) == (Outcome.DONE, MIX_ONLY)
    assert result.memory == {"drums": FileMemory(room.stamp("drums"), adopted=("probe",))}


def test_adopted_values_of_a_file_replaced_by_damage_are_failed(room: Room) -> None:
    (room.song / "Song.INFO").write_text('{"length": 9, "pitch": "A", "length_drums": 9, "pitch_drums": "A"}')
    spoil(room.song / "full_mix.wav")
    result = room.run(memory={"full_mix": REPLACED})
    assert result.outcome is Outcome.FAILED
    assert room.run(memory=result.memory).outcome is Outcome.FAILED
    room.fill("full_mix")
    assert room.run(memory=result.memory).values == MIX_ONLY


def test_adopted_values_of_a_replaced_file_wait_until_asked_for(room: Room) -> None:
    (room.song / "Song.INFO").write_text(
        '{"length": 9, "pitch": "A", "mood": 9, "length_drums": 9, "pitch_drums": "A"}'
    )
    room.probes.append(Probe("mood"))
    result = room.run(memory={"full_mix": REPLACED}, policy=Policy(only=("mood",)))
    assert result.values == {"mood": 0.25}
    assert room.run(memory=result.memory).values == {**MIX_ONLY, "mood_drums": 0.5}


def test_adopted_values_of_a_replaced_file_wait_for_their_analyzer(room: Room) -> None:
    (room.song / "Song.INFO").write_text('{"length": 9, "pitch": "A", "mood": 9}')
    off, room.probes = room.probes, [Probe("mood")]
    result = room.run(memory={"full_mix": REPLACED})
    assert result.values == {"mood": 0.25, "mood_drums": 0.5}
    room.probes += off
    assert room.run(memory=result.memory).values == BOTH


class Label(Probe):
    """An analyzer of the file itself, which finds nothing in it but its name."""

    def features(self, role: str) -> tuple[Feature, ...]:
        return tuple(Feature(each, "", "") for each in ("file_name", "title")) if role == "full_mix" else ()

    def inspect(self, file: File) -> Measurement:
        titled = not file.open().read().endswith(b"no title")
        return Measurement({"file_name": file.name, **({"title": "?"} if titled else {})}, {} if titled else NO_TITLE)

    def offer(self, unavailable: str | None = None) -> Offer:
        return msgspec.structs.replace(super().offer(unavailable), whole_file=True)


NO_TITLE = {"title": "has no such tag"}


@pytest.fixture
def labelled(room: Room) -> Room:
    """A folder whose full mix has no title."""
    room.probes = [Label("label")]
    with (room.song / "full_mix.wav").open("ab") as file:
        file.write(b"no title")
    return room


@pytest.mark.parametrize("record", ['{"title": "Ours"}', '{"title": "Ours", "file_name": "x"}'])
def test_what_others_say_of_a_file_stays_where_it_says_nothing(labelled: Room, record: str) -> None:
    (labelled.song / "Song.INFO").write_text(record)
    memory = {"full_mix": FileMemory(FileStamp(b"full_mix.wav", 9, 9), adopted=("label",))}  # as after a `touch`
    result = labelled.run(memory=memory)
    assert (result.values, result.unmeasurable) == ({"file_name": "full_mix.wav"}, NO_TITLE)
    labelled.probe.version = 2
    assert labelled.run().unmeasurable == NO_TITLE
    assert labelled.told() == {"title": "Ours", "file_name": "full_mix.wav"}


@pytest.mark.parametrize("policy", [Policy(adopt=False), Policy(overwrite=True), Policy()])
def test_what_others_say_of_a_file_goes_where_it_is_not_wanted(labelled: Room, policy: Policy) -> None:
    (labelled.song / "Song.INFO").write_text('{"title": "Ours"}')
    disowned = disowning({}, {"full_mix": ("title",)}) if policy == Policy() else {}
    assert labelled.run(policy=policy, memory=disowned).unmeasurable == NO_TITLE
    assert labelled.told() == {"file_name": "full_mix.wav"}


def test_what_we_said_of_a_file_goes_with_the_tag(labelled: Room) -> None:
    path = labelled.song / "full_mix.wav"
    content = path.read_bytes()
    path.write_bytes(content + b", or one")
    assert labelled.run().values == {"file_name": "full_mix.wav", "title": "?"}
    path.write_bytes(content)
    labelled.run()
    assert labelled.told() == {"file_name": "full_mix.wav"}


# Failed


def spoil(path: Path) -> None:
    path.write_bytes(b"no sound at all" * 100)


def test_a_damaged_file_holds_up_no_other(room: Room) -> None:
    spoil(room.song / "drums.wav")
    result = room.run()
    assert (result.outcome, result.values, result.charge) == (Outcome.FAILED, MIX_ONLY, False)
    assert result.reasons.keys() == {"drums.wav"}
    assert room.told() == MIX_ONLY
    known = FileMemory(room.stamp("drums"), failure=result.reasons["drums.wav"], judges=judges((room.probe.offer(),)))
    assert result.memory == {"drums": known}


def test_a_damaged_mix_holds_up_no_stem(room: Room) -> None:
    (room.song / "full_mix.wav").unlink()
    (room.song / "full_mix.wav").symlink_to("nowhere")
    result = room.run()
    assert (result.outcome, result.reasons) == (Outcome.FAILED, {"full_mix.wav": "is a dangling link"})
    assert room.told() == DRUMS_ONLY


def test_known_failure_waits_for_another_file(room: Room) -> None:
    spoil(room.song / "drums.wav")
    first = room.run()
    again = room.run(memory=first.memory)
    assert (again.outcome, again.reasons, again.memory) == (Outcome.FAILED, first.reasons, first.memory)
    assert room.stages == []
    room.fill("drums")
    mended = room.run(memory=first.memory)
    assert (mended.outcome, mended.values, mended.memory) == (Outcome.DONE, DRUMS_ONLY, {})


def test_nothing_is_written_where_nothing_is_good(room: Room) -> None:
    spoil(room.song / "drums.wav")
    spoil(room.song / "full_mix.wav")
    assert room.run().outcome is Outcome.FAILED
    assert not (room.song / "Song.INFO").exists()
    assert "writing the record" not in room.stages


# Blocked


def _record(text: str) -> Callable[[Room], None]:
    def make(room: Room) -> None:
        (room.song / "Song.INFO").write_text(text)

    return make


def _record_is_a_directory(room: Room) -> None:
    (room.song / "Song.INFO").mkdir()


def _record_dangles(room: Room) -> None:
    (room.song / "Song.INFO").symlink_to("nowhere")


def _record_is_protected(room: Room) -> None:
    _record("{}")(room)
    (room.song / "Song.INFO").chmod(0o444)


def _lock_is_a_directory(room: Room) -> None:
    (room.root / "Song.lock").mkdir()


def _lock_is_a_link(room: Room) -> None:
    (room.root / "Song.lock").symlink_to("/dev/null")


def _files(room: Room) -> dict[Path, tuple[int, ...]]:
    """Every file, by what changes when it is written to; when it was read does not count."""
    found = {path: path.lstat() for path in room.root.rglob("*") if not path.is_dir()}
    return {path: (each.st_ino, each.st_mode, each.st_size, each.st_mtime_ns) for path, each in found.items()}


def _lock_is_somebody_s_file(room: Room) -> None:
    (room.root / "Song.lock").write_text("[[package]]\nname = 'precious'\n")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_record("{'length': 1}"), "cannot understand the record: "),
        (_record("[]"), "cannot understand the record: "),
        (_record("{"), "cannot understand the record: "),
        (_record('{"_audiobatch": {"format": 2}}'), "cannot understand _audiobatch: format 2"),
        (_record('{"_audiobatch": {"analyzers": {"probe": {"drums": 5}}}}'), "cannot understand _audiobatch of probe"),
        (_record_is_a_directory, "cannot read the record: it is a directory"),
        (_record_dangles, "cannot read the record: it is a dangling link"),
        (_record_is_protected, "cannot replace the record: it is read-only"),
        (_lock_is_a_directory, "cannot lock the folder: "),
        (_lock_is_a_link, "cannot lock the folder: "),
        (_lock_is_somebody_s_file, "cannot lock the folder: "),
    ],
)
def test_blocked_and_left_as_it_was(room: Room, make: Callable[[Room], None], why: str) -> None:
    make(room)
    before = _files(room)
    result = room.run()
    assert (result.outcome, result.values, result.charge) == (Outcome.BLOCKED, {}, False)
    assert list(result.reasons) == [""]
    assert result.reasons[""].startswith(why)
    assert _files(room) == before
    assert room.stages == []


@pytest.mark.skipif(not ROOT, reason="becoming somebody else takes root")
@pytest.mark.parametrize(
    ("folder", "mix", "outcome", "reasons"),
    [
        (0o755, 0o644, Outcome.BLOCKED, {"": "cannot write the record: the folder is read-only"}),
        (0o777, 0o600, Outcome.BLOCKED, {"full_mix.wav": "cannot read it: Permission denied"}),
        (0o711, 0o644, Outcome.BLOCKED, {"": "cannot read the folder: Permission denied"}),
        (0o777, 0o644, Outcome.DONE, {}),
    ],
)
def test_permissions(folder: int, mix: int, outcome: Outcome, reasons: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o777)
        room = Room(Path(place))
        room.fill("full_mix", "drums")
        (room.song / "full_mix.wav").chmod(mix)
        room.song.chmod(folder)
        signature = read_folder(str(room.song)).signature
        os.seteuid(65534)
        try:
            result = room.run(signature=signature)
        finally:
            os.seteuid(0)
        assert (result.outcome, result.reasons) == (outcome, reasons)
        assert room.told() == ({} if "" in reasons else DRUMS_ONLY if reasons else BOTH)
        assert room.left() == []


def _failing(number: int) -> Callable[..., None]:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EISDIR])
def test_a_record_that_cannot_be_written_blocks(room: Room, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    spoil(room.song / "drums.wav")
    monkeypatch.setattr(record, "publish", _failing(number))
    result = room.run()
    assert (result.outcome, result.values, result.audio_seconds) == (Outcome.BLOCKED, {}, 0.0)
    assert result.reasons[""] == f"cannot write the record: {os.strerror(number)}"
    assert result.memory.keys() == {"drums"}
    full = number in (errno.ENOSPC, errno.EDQUOT)
    assert (result.cause, bool(result.where)) == (Cause.SPACE if full else Cause.NONE, full)
    assert room.left() == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOMEM])
def test_a_disk_that_fails_under_the_record_is_no_answer(
    room: Room, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(record, "publish", _failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        room.run()
    assert room.left() == []


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.EACCES, Outcome.BLOCKED),
        (errno.EPERM, Outcome.BLOCKED),
        (errno.EIO, Outcome.ERROR),
        (errno.ESTALE, Outcome.ERROR),
        (errno.ENOENT, Outcome.CHANGED),
    ],
)
def test_a_file_that_cannot_be_read_holds_up_no_other(
    room: Room, monkeypatch: pytest.MonkeyPatch, number: int, outcome: Outcome
) -> None:
    def measuring(folder: int, role: str, *others: Any, place: Place) -> object:  # noqa: ANN401  # passed on
        if role == "full_mix":
            _failing(number)()
        return measure(folder, role, *others, place=place)

    monkeypatch.setattr(phase_module, "measure", measuring)
    result = room.run()
    assert (result.outcome, result.charge) == (outcome, False)
    assert result.cause is (Cause.IO if outcome is Outcome.ERROR else Cause.NONE)
    assert result.reasons.keys() == {"full_mix.wav"}
    assert room.told() == DRUMS_ONLY


# Locked


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file in the manner of scripts, which remove it in the end."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        path.unlink()
        os.close(descriptor)


def test_locked(room: Room) -> None:
    with held(room.root / "Song.lock"):
        result = room.run()
    assert (result.outcome, result.values) == (Outcome.LOCKED, {})
    assert result.reasons == {"": "locked by another process"}
    assert not (room.song / "Song.INFO").exists()
    assert room.run().outcome is Outcome.DONE


@pytest.mark.parametrize(
    "left",
    [
        of_this_process(0.0, 60.0, "token"),
        b"Processing started: 2026-11-24 10:00:00\nPID: 4711\nFile: Song\n",
    ],
)
def test_folder_with_a_dead_holder_s_lock_is_tried_alone(room: Room, left: bytes) -> None:
    lock = room.root / "Song.lock"
    lock.write_bytes(left)
    result = room.run(alone=False)
    assert result.outcome is Outcome.SUSPECT
    assert result.reasons[""].startswith("the process that worked on it died: ")
    assert (room.stages, room.told(), room.left()) == ([], {}, [])
    lock.write_bytes(left)
    assert room.run(alone=True).outcome is Outcome.DONE


@pytest.mark.parametrize(
    ("number", "outcome", "cause"),
    [
        (errno.EIO, Outcome.ERROR, Cause.IO),
        (errno.ENOTCONN, Outcome.ERROR, Cause.IO),
        (errno.ENOSPC, Outcome.BLOCKED, Cause.SPACE),
        (errno.ENOMEM, Outcome.ERROR, Cause.SHORTAGE),
        (errno.EMFILE, Outcome.ERROR, Cause.SHORTAGE),
        (errno.EACCES, Outcome.BLOCKED, Cause.NONE),
    ],
)
def test_what_hinders_a_job_as_a_whole(room: Room, number: int, outcome: Outcome, cause: Cause) -> None:
    job = Job(7, os.fsencode(room.root), b"Song", "v1", Policy(), {}, 60.0)
    result = hindered(job, OSError(number, os.strerror(number)))
    assert (result.outcome, result.cause, result.reasons) == (outcome, cause, {"": os.strerror(number)})
    assert bool(result.where) == bool(cause)


# Changed


def test_files_that_are_not_the_job_s_are_left(room: Room) -> None:
    assert room.run(signature="another").outcome is Outcome.CHANGED
    assert room.stages == []
    assert room.left() == []


def _once(role: str, happens: Callable[[], object]) -> Callable[[str], None]:
    def meanwhile(at: str) -> None:
        if at == role:
            happens()

    return meanwhile


def test_file_replaced_as_it_is_measured_gives_nothing(room: Room) -> None:
    room.probe.meanwhile = _once("drums", lambda: room.fill("drums"))
    result = room.run()
    assert (result.outcome, result.values) == (Outcome.CHANGED, MIX_ONLY)
    assert result.reasons == {"drums.wav": "it changed while it was read"}
    assert room.told() == MIX_ONLY
    assert room.entries()["probe"].keys() == {"full_mix"}


def test_a_file_that_is_removed_before_its_turn(room: Room) -> None:
    room.probe.meanwhile = _once("full_mix", (room.song / "drums.wav").unlink)
    result = room.run()
    assert (result.outcome, room.told()) == (Outcome.CHANGED, MIX_ONLY)


def _moved(room: Room) -> None:
    room.song.rename(room.root / "Moved")


def _another_in_its_place(room: Room) -> None:
    _moved(room)
    shutil.copytree(room.root / "Moved", room.song)


def _lock_removed(room: Room) -> None:
    (room.root / "Song.lock").unlink()


def _lock_replaced(room: Room) -> None:
    _lock_removed(room)
    (room.root / "Song.lock").touch()


@pytest.mark.parametrize("happens", [_moved, _another_in_its_place, _lock_removed, _lock_replaced])
def test_nothing_is_published_once_folder_or_lock_is_lost(room: Room, happens: Callable[[Room], None]) -> None:
    room.probe.meanwhile = _once("drums", lambda: happens(room))
    result = room.run()
    assert (result.outcome, result.values) == (Outcome.CHANGED, {})
    assert list(room.root.rglob("*.INFO")) == []
    assert [name for name in room.left() if name.endswith(".tmp")] == []


def test_what_others_write_meanwhile_is_kept(room: Room) -> None:
    room.probe.meanwhile = _once("drums", lambda: _record('{"theirs": 1.10, "length": 9}')(room))
    assert room.run().outcome is Outcome.DONE
    assert room.told() == {"theirs": 1.1, **BOTH}


def test_record_spoilt_meanwhile_blocks_the_folder(room: Room) -> None:
    room.probe.meanwhile = _once("drums", lambda: _record("spoilt")(room))
    result = room.run()
    assert (result.outcome, result.values) == (Outcome.BLOCKED, {})
    assert (room.song / "Song.INFO").read_text() == "spoilt"
    assert room.left() == []


# Gone


def _folder_gone(room: Room) -> None:
    shutil.rmtree(room.song)


def _folder_is_a_file(room: Room) -> None:
    shutil.rmtree(room.song)
    room.song.touch()


def _dataset_gone(room: Room) -> None:
    shutil.rmtree(room.root)


def _mix_gone(room: Room) -> None:
    (room.song / "full_mix.wav").unlink()


@pytest.mark.parametrize("happens", [_folder_gone, _folder_is_a_file, _dataset_gone, _mix_gone])
def test_gone(room: Room, happens: Callable[[Room], None]) -> None:
    happens(room)
    assert room.run() == Result(7, Outcome.GONE, place=os.fsencode(room.root))
    assert room.left() == []


@pytest.mark.parametrize("happens", [_folder_gone, _dataset_gone])
def test_gone_meanwhile(room: Room, happens: Callable[[Room], None]) -> None:
    room.probe.meanwhile = _once("drums", lambda: happens(room))
    assert room.run() == Result(7, Outcome.GONE, place=os.fsencode(room.root))
    assert not room.root.exists() or room.left() == []


# Error


def test_fault_of_an_analyzer_holds_up_no_other_file(room: Room) -> None:
    def fault() -> None:
        raise ZeroDivisionError("at caf\udce9")

    room.probe.meanwhile = _once("full_mix", fault)
    result = room.run()
    assert (result.outcome, result.charge, result.values) == (Outcome.ERROR, True, DRUMS_ONLY)
    assert result.reasons == {"full_mix.wav": r"analyzer probe failed: ZeroDivisionError: at caf\xe9"}
    assert room.told() == DRUMS_ONLY
    assert room.left() == []


def test_an_answer_that_no_record_can_hold_is_charged_as_well(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def analyze(audio: Audio) -> Measurement:
        names = [feature.name for feature in room.probe.features(audio.role)]
        return Measurement(dict.fromkeys(names, float("nan") if audio.role == "drums" else 1.0))

    monkeypatch.setattr(room.probe, "analyze", analyze)
    result = room.run()
    assert (result.outcome, result.charge) == (Outcome.ERROR, True)
    why = "analyzer probe gave nan for length_drums: expected a finite number of at most 64 bits"
    assert result.reasons == {"drums.wav": why}
    assert room.told() == {"length": 1.0, "pitch": 1.0}


def test_mapping_reaches_the_record_and_the_service_in_its_order(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    moods = {"film": 0.61, "epic": 0.2, "dark": 0}

    def analyze(audio: Audio) -> Measurement:
        return Measurement({feature.name: moods for feature in room.probe.features(audio.role)})

    monkeypatch.setattr(room.probe, "analyze", analyze)
    result = decode_from_worker(encode(room.run()))
    assert isinstance(result, Result)
    assert (result.outcome, result.values["length_drums"]) == (Outcome.DONE, moods)
    for value in (result.values["length"], room.told()["length"]):
        assert isinstance(value, dict)
        assert list(value.items()) == list(moods.items())
    # What is there counts: nothing is measured a second time.
    monkeypatch.setattr(room.probe, "analyze", _raises_in_vain)
    assert room.run().outcome is Outcome.DONE


def _raises_in_vain(audio: Audio) -> Measurement:
    raise ZeroDivisionError


def test_the_worst_of_several_outcomes_is_told_with_every_reason(room: Room) -> None:
    def fault() -> None:
        raise ZeroDivisionError

    room.fill("bass")
    spoil(room.song / "bass.wav")
    room.probe.meanwhile = _once("drums", fault)
    result = room.run()
    assert (result.outcome, result.values) == (Outcome.ERROR, MIX_ONLY)
    assert result.reasons.keys() == {"drums.wav", "bass.wav"}


# What killed workers left


def test_what_a_killed_worker_left_is_removed(room: Room) -> None:
    (room.song / ".audiobatch-0123456789ab.tmp").write_text("half")
    assert room.run().outcome is Outcome.DONE
    assert room.left() == []


def test_what_cannot_be_removed_is_in_nobody_s_way(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    (room.song / ".audiobatch-mine.tmp").mkdir()
    assert room.run().outcome is Outcome.DONE
    monkeypatch.setattr(record, "sweep", _failing(errno.EPERM))
    room.probe.version = 2
    assert room.run().values == BOTH


def test_fault_of_one_analyzer_leaves_what_the_others_measured(room: Room) -> None:
    def fail(_role: str) -> None:
        message = "no luck"
        raise RuntimeError(message)

    room.probes = [Probe(), Probe("broken", meanwhile=fail)]
    result = room.run()
    assert (result.outcome, result.charge, result.values) == (Outcome.ERROR, True, BOTH)
    why = "analyzer broken failed: RuntimeError: no luck"
    assert result.reasons == {"full_mix.wav": why, "drums.wav": why}
    assert (room.told(), list(room.entries())) == (BOTH, ["probe"])

    before = room.stood()
    room.probes[0].meanwhile = lambda _role: pytest.fail("it has measured these files")
    assert room.run().outcome is Outcome.ERROR
    assert room.stood() == before
    room.probes[1].meanwhile = bool
    result = room.run()
    assert (result.outcome, result.values) == (Outcome.DONE, {"broken": 0.25, "broken_drums": 0.5})
    assert room.told() == {**BOTH, **result.values}


# What is longer than the configuration allows


def test_limit_leaves_values_and_tells_how_long_the_file_is(room: Room) -> None:
    room.run()
    room.max_duration = 0.3
    result = room.run(policy=Policy(overwrite=True, max_duration=0.3))
    assert result.outcome is Outcome.DONE
    assert set(result.unmeasurable) == {"length_drums", "pitch_drums"}
    assert room.told() == BOTH
    assert room.entries()["probe"]["drums"]["beyond_limit"] == 0.5
    assert room.run(policy=Policy(max_duration=0.3)).values == {}, "nothing is due"
    room.max_duration = 0.5
    assert room.run(policy=Policy(max_duration=0.5)).values == DRUMS_ONLY
    assert "beyond_limit" not in room.entries()["probe"]["drums"]


def test_limit_drops_values_of_another_content(room: Room) -> None:
    room.run()
    write_audio(room.song / "drums.wav", tone(0.7, RATE, channels=1), RATE)
    room.max_duration = 0.3
    assert set(room.run(policy=Policy(max_duration=0.3)).unmeasurable) == {"length_drums", "pitch_drums"}
    assert room.told() == MIX_ONLY


@pytest.mark.parametrize("replaced", [False, True])
def test_limit_and_values_of_other_tools(room: Room, replaced: bool) -> None:
    (room.song / "Song.INFO").write_text(json.dumps(BOTH))
    room.max_duration = 0.3
    seen = FileMemory(FileStamp(b"drums.wav", 1, 1), adopted=("probe",))
    memory = {"drums": seen} if replaced else {}
    room.run(policy=Policy(overwrite=not replaced, max_duration=0.3), memory=memory)
    assert room.told() == (MIX_ONLY if replaced else BOTH)


# What takes more memory than the configuration allows


def test_memory_limit_leaves_values_until_it_is_raised(room: Room) -> None:
    room.run()
    room.worker_memory = 1
    result = room.run(policy=Policy(overwrite=True, worker_memory=1))
    assert result.outcome is Outcome.DONE
    assert all(reason.startswith("takes ") for reason in result.unmeasurable.values())
    assert result.unmeasurable.keys() == BOTH.keys()
    assert room.told() == BOTH
    needs = room.entries()["probe"]["drums"]["beyond_memory"]
    assert room.run(policy=Policy(worker_memory=1)).values == {}, "nothing is due"
    room.worker_memory = 1 << 40
    assert room.run(policy=Policy(worker_memory=needs)).values == BOTH
    assert "beyond_memory" not in room.entries()["probe"]["drums"]


@pytest.mark.parametrize("soft", range(LEAST, LEAST + 40))
def test_job_without_descriptors_blames_no_folder(tmp_path: Path, soft: int) -> None:
    dataset = tmp_path / "music"
    make_track(dataset / "Song", seconds=0.2, stems=())
    bench = Bench(WorkerSettings(), {}, ())
    job = Job(1, os.fsencode(dataset), b"Song", read_folder(str(dataset / "Song")).signature, Policy(), {}, 60.0)
    with descriptors(soft):
        try:
            result = run(job, bench, lambda _doing, _seconds: None)
        except OSError as error:
            result = hindered(job, error)
    told = (result.outcome, result.cause, result.charge)
    assert told in ((Outcome.DONE, Cause.NONE, False), (Outcome.ERROR, Cause.SHORTAGE, False))
    assert not (dataset / "Song.lock").exists() or not (dataset / "Song.lock").read_bytes()


# What is not to be taken over from other tools


ADOPTED = '{"length": 9, "pitch": "A", "mine": 1.50, "length_bass": 0.0, "length_drums": 9, "pitch_drums": "A"}'
DISOWNED = disowning({}, {role: tuple(feature.name for feature in Probe().features(role)) for role in ROLES})


def test_disowned_values_are_measured_and_foreign_ones_stay(room: Room) -> None:
    (room.song / "Song.INFO").write_text(ADOPTED)
    result = room.run(memory={"full_mix": DISOWNED["full_mix"]})
    assert (result.outcome, result.values, result.memory) == (Outcome.DONE, MIX_ONLY, {})
    assert room.told() == {**json.loads(ADOPTED), **MIX_ONLY}
    assert b'"mine": 1.50' in (room.song / "Song.INFO").read_bytes()


def test_disowned_values_of_absent_files_are_struck_out(room: Room) -> None:
    (room.song / "Song.INFO").write_text(ADOPTED)
    result = room.run(memory=DISOWNED)
    assert (result.outcome, result.memory) == (Outcome.DONE, {})
    assert room.told() == {"mine": 1.5, **BOTH}
    before = room.stood()
    assert room.run(memory=DISOWNED).outcome is Outcome.DONE
    assert room.stood() == before, "nothing is left to do"


def test_striking_out_alone_is_published(room: Room) -> None:
    room.run()
    path = room.song / "Song.INFO"
    path.write_text(path.read_text().replace("{", '{"length_bass": 0.0,', 1))
    assert room.run(memory={"bass": DISOWNED["bass"]}).outcome is Outcome.DONE
    assert room.told() == BOTH
    assert room.entries()["probe"].keys() == {"full_mix", "drums"}


def test_values_of_a_damaged_file_stay_disowned(room: Room) -> None:
    (room.song / "Song.INFO").write_text(ADOPTED)
    (room.song / "full_mix.wav").write_bytes(b"no audio")
    result = room.run(memory=DISOWNED)
    assert result.outcome is Outcome.FAILED
    assert result.memory["full_mix"].disowned == ("length", "pitch")
    assert room.run(memory=result.memory).outcome is Outcome.FAILED
    assert room.told()["length"] == 9


def test_values_of_an_analyzer_at_fault_stay_disowned(room: Room) -> None:
    (room.song / "Song.INFO").write_text(ADOPTED)
    room.probe.meanwhile = lambda _role: 1 / 0
    result = room.run(memory=DISOWNED)
    assert result.outcome is Outcome.ERROR
    assert {role: each.disowned for role, each in result.memory.items()} == {
        role: DISOWNED[role].disowned for role in ("full_mix", "drums")
    }
    room.probe.meanwhile = bool
    assert room.run(memory=result.memory).outcome is Outcome.DONE
    assert room.told()["length"] == 0.25
