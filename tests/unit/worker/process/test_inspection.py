"""Analyzers of the file itself in a job: what is read and decoded for them, and when their results are stale."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mutagen.flac import FLAC

from audiobatch_analyzers.file import FormAnalyzer
from audiobatch_analyzers.tags import TagAnalyzer
from audiobatchd.core.assessment import Offer, Policy
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.messages import Job, Result, WorkerSettings
from audiobatchd.disk.listing import read_folder
from audiobatchd.plugin_api import (
    FULL_MIX,
    NATIVE,
    AnyAnalyzer,
    Audio,
    Cost,
    Feature,
    File,
    FileAnalyzer,
    Measurement,
    Settings,
    View,
)
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.vocabulary.states import Outcome
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.job import run
from support.audio_files import tone, write_audio

RATE = 8000
TAGS = {"artist": "Björk", "title": "Jóga", "album": "Homogenic", "date": "1997", "genre": "Art"}
FORM = {"duration": 0.25, "sample_rate": RATE, "channels": 1, "codec": "flac", "bit_depth": 16}


class Length:
    """An analyzer of what is decoded."""

    name = "length"
    version = 1
    models: dict[str, str] = {}  # noqa: RUF012  # as the contract names it, and never changed
    cost = Cost.LIGHT

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature("length", "s", ""),) if role == FULL_MIX else ()

    def views(self, role: str) -> tuple[View, ...]:
        return (NATIVE,) if self.features(role) else ()

    def load(self) -> None:
        pass

    def analyze(self, audio: Audio) -> Measurement:
        return Measurement({"length": audio.duration})


@dataclass
class Odd:
    """An analyzer of the file that does something of its own."""

    inspect: Callable[[File], Measurement]
    name: str = "odd"
    version: int = 1
    models: dict[str, str] = field(default_factory=dict)
    cost: Cost = Cost.LIGHT

    def features(self, role: str) -> tuple[Feature, ...]:
        return (Feature("odd", "", ""),) if role == FULL_MIX else ()

    def load(self) -> None:
        pass


def tags() -> TagAnalyzer:
    made = TagAnalyzer(Settings())
    made.load()
    return made


@dataclass
class Room:
    """The track folder `Song` with a tagged full mix, and analyzers that stand ready for it."""

    root: Path
    analyzers: list[AnyAnalyzer] = field(default_factory=lambda: [Length(), FormAnalyzer(Settings()), tags()])
    max_duration: float = 60.0
    stages: list[str] = field(default_factory=list)
    memory: dict[str, FileMemory] = field(default_factory=dict)
    """What the catalog would remember."""

    @property
    def mix(self) -> Path:
        return self.root / "Song" / "full_mix.flac"

    @property
    def record(self) -> Path:
        return self.root / "Song" / "Song.INFO"

    def run(self, policy: Policy | None = None) -> Result:
        """Do a job."""
        offers = tuple(
            Offer(
                each.name,
                each.version,
                {role: tuple(feature.name for feature in each.features(role)) for role in ROLES},
                whole_file=isinstance(each, FileAnalyzer),
            )
            for each in self.analyzers
        )
        bench = Bench(
            WorkerSettings(max_duration=self.max_duration), {each.name: each for each in self.analyzers}, offers
        )
        signature = read_folder(str(self.root / "Song")).signature
        job = Job(1, os.fsencode(self.root), b"Song", signature, policy or Policy(), self.memory, 60.0)
        self.stages.clear()
        result = run(job, bench, lambda doing, _: self.stages.append(doing))
        self.memory = dict(result.memory)
        return result

    def told(self) -> dict[str, Any]:
        """The record."""
        return dict(json.loads(self.record.read_bytes())) if self.record.exists() else {}

    def digests(self) -> dict[str, str]:
        """The digest that each analyzer's results go by."""
        entries = self.told()["_audiobatch"]["analyzers"]
        return {name: entry[FULL_MIX]["fingerprint"]["digest"] for name, entry in entries.items()}

    def whole(self) -> str:
        """The digest of all bytes, by hand."""
        return "blake2b:" + hashlib.blake2b(self.mix.read_bytes(), digest_size=16).hexdigest()

    def edit(self, **changed: str) -> None:
        """Write other tags, as a tag editor does."""
        file = FLAC(self.mix)
        for key, value in changed.items():
            file[key] = value
        file.save(padding=lambda _: 100 * len(changed))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    made = Room(tmp_path)
    made.mix.parent.mkdir()
    write_audio(made.mix, tone(0.25, RATE, channels=1), RATE, metadata=TAGS)
    return made


def test_file_and_tags_are_measured_beside_what_is_decoded(room: Room) -> None:
    result = room.run()
    assert result.outcome is Outcome.DONE
    assert {**FORM, "length": 0.25, "track_metadata_artist": "Björk", "track_metadata_year": 1997}.items() <= (
        room.told().items()
    )
    assert room.told()["bit_rate"] == round(room.mix.stat().st_size * 8 / 0.25)
    assert room.stages[:2] == ["reading full_mix.flac", "decoding full_mix.flac"]
    assert sorted(room.stages[2:]) == [
        "file of full_mix.flac",
        "length of full_mix.flac",
        "tags of full_mix.flac",
        "writing the record",
    ]
    digests = room.digests()
    assert digests["length"].startswith("flac:")
    assert digests["file"] == digests["tags"] == room.whole()
    assert result.costs.keys() == {"decoding", "length", "file", "tags"}
    assert room.run().values == {}
    assert room.stages == []


def test_edit_of_tags_alone_decodes_nothing(room: Room) -> None:
    room.run()
    before = room.told()
    room.edit(title="Other", genre="Pop")
    result = room.run()
    assert (result.outcome, result.audio_seconds) == (Outcome.DONE, 0.0)
    assert room.stages == [
        "reading full_mix.flac",
        "file of full_mix.flac",
        "tags of full_mix.flac",
        "writing the record",
    ]
    told = room.told()
    assert (told["track_metadata_title"], told["track_metadata_genre"]) == ("Other", "Pop")
    assert {name: told[name] for name in FORM} == FORM
    assert told["bit_rate"] != before["bit_rate"]
    assert told["_audiobatch"]["analyzers"]["length"] == before["_audiobatch"]["analyzers"]["length"]
    old = before["_audiobatch"]["analyzers"]["tags"][FULL_MIX]["fingerprint"]
    assert room.digests()["tags"] == room.whole() != old["digest"]
    # The record does not tell that the audio is as before: the catalog does, and nothing is read again.
    assert room.memory[FULL_MIX].digest == room.digests()["length"]
    assert room.run().values == {}
    assert room.stages == []


def test_touched_file_is_read_once_and_nothing_rewritten(room: Room) -> None:
    room.run()
    stood = room.record.stat()
    os.utime(room.mix, (1, 1))
    result = room.run()
    assert (result.outcome, result.values, room.stages) == (Outcome.DONE, {}, ["reading full_mix.flac"])
    memory = room.memory[FULL_MIX]
    assert (memory.digest, memory.whole) == (room.digests()["length"], room.whole())
    assert room.run().values == {}
    assert room.stages == []
    assert room.record.stat().st_mtime_ns == stood.st_mtime_ns


def test_same_size_and_other_bytes_of_tags_are_noticed(room: Room) -> None:
    room.run()
    content = room.mix.read_bytes()
    room.mix.write_bytes(content.replace("Jóga".encode(), b"Hyper"))
    os.utime(room.mix, (1, 1))
    assert room.run().values.keys() == {*FORM, "bit_rate", *(each for each in room.told() if "track" in each)}
    assert room.told()["track_metadata_title"] == "Hyper"
    assert "decoding full_mix.flac" not in room.stages
    assert room.run().values == {}


def test_what_is_remembered_outlasts_another_version(room: Room) -> None:
    room.run()
    os.utime(room.mix, (1, 1))
    room.run()
    remembered = room.memory[FULL_MIX]
    room.analyzers[2].version = 2
    assert room.run().values.keys() == {each for each in room.told() if "track" in each}
    assert room.memory[FULL_MIX] == remembered
    assert room.run().values == {}
    assert room.stages == []


def test_catalog_of_before_has_all_read_once(room: Room) -> None:
    room.run()
    os.utime(room.mix, (1, 1))
    room.run()
    # An older version remembered the digest of the content alone.
    old = room.memory[FULL_MIX]
    room.memory = {FULL_MIX: FileMemory(old.stamp, digest=old.digest)}
    assert room.run().values == {}
    assert room.stages == ["reading full_mix.flac"]
    assert room.memory[FULL_MIX] == old


def test_damaged_audio_leaves_nothing_where_it_is_decoded(room: Room) -> None:
    content = bytearray(room.mix.read_bytes())
    content[-200] ^= 0xFF
    room.mix.write_bytes(content)
    result = room.run()
    assert result.outcome is Outcome.FAILED
    assert room.told() == {}
    assert room.run().outcome is Outcome.FAILED
    assert room.stages == []


def test_undecoded_file_is_judged_by_its_container(room: Room) -> None:
    room.analyzers.pop(0)
    content = bytearray(room.mix.read_bytes())
    content[-200] ^= 0xFF
    room.mix.write_bytes(content)
    assert room.run().outcome is Outcome.DONE
    assert room.told()["track_metadata_title"] == "Jóga"
    assert "decoding full_mix.flac" not in room.stages
    (room.mix).write_bytes(
        b"RIFF\x00\x10\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\x10\0\0cut"
    )
    result = room.run()
    assert result.outcome is Outcome.FAILED
    assert "ends too early" in result.reasons["full_mix.flac"]
    assert room.told()["track_metadata_title"] == "Jóga", "of before"


def test_file_beyond_the_limit_is_inspected_all_the_same(room: Room) -> None:
    room.max_duration = 0.1
    result = room.run()
    assert result.outcome is Outcome.DONE
    assert result.unmeasurable == {"length": "longer than 0.1 s"}
    assert room.told()["duration"] == 0.25
    entries = room.told()["_audiobatch"]["analyzers"]
    assert entries["length"][FULL_MIX]["beyond_limit"] > 0.1
    assert "beyond_limit" not in entries["file"][FULL_MIX]
    assert room.run(Policy(max_duration=0.1)).values == {}


def test_file_that_is_not_gone_through_has_no_digest(room: Room) -> None:
    # FLAC without a count of samples, and a hole as large as years of audio.
    content = room.mix.read_bytes()
    room.mix.write_bytes(content[:21] + bytes([content[21] & 0xF0]) + bytes(20) + content[42:])
    with room.mix.open("r+b") as file:
        file.seek(1 << 40)
        file.write(b"x")
    result = room.run()
    assert result.outcome is Outcome.DONE
    assert result.values == {}
    assert set(result.unmeasurable.values()) == {"longer than 1 min, by its size"}
    entries = room.told()["_audiobatch"]["analyzers"]
    assert entries["tags"][FULL_MIX]["fingerprint"]["digest"] == ""
    assert entries["tags"][FULL_MIX]["beyond_limit"] > 60


def raising(_: File) -> Measurement:
    raise RuntimeError("a bug")


def nothing(_: File) -> Measurement:
    return Measurement({})


@pytest.mark.parametrize(
    ("inspect", "why"),
    [(raising, "analyzer odd failed: RuntimeError: a bug"), (nothing, "analyzer odd promised ['odd'] and gave []")],
)
def test_faulty_one_is_charged_and_others_written(room: Room, inspect: Callable[[File], Measurement], why: str) -> None:
    room.analyzers.append(Odd(inspect))
    result = room.run()
    assert (result.outcome, result.charge) == (Outcome.ERROR, True)
    assert result.reasons == {"full_mix.flac": why}
    assert {"length", "duration", "track_metadata_artist"} <= room.told().keys()


def test_fault_of_the_disk_is_nobodys_measurement(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def swallowing(file: File) -> Measurement:
        def broken(*_: object) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patch, suppress(OSError):
            patch.setattr(os, "pread", broken)
            file.open().read(1)
        return Measurement({"odd": 1})

    room.analyzers = [Odd(swallowing)]
    result = room.run()
    assert (result.outcome, result.charge) == (Outcome.ERROR, False)
    assert result.reasons == {"full_mix.flac": "cannot read it: Input/output error"}
    assert room.told() == {}


def test_whole_file_is_there_to_be_read(room: Room) -> None:
    def summed(file: File) -> Measurement:
        assert (file.role, file.name, file.size) == (FULL_MIX, "full_mix.flac", room.mix.stat().st_size)
        return Measurement({"odd": sum(file.open().read())})

    room.analyzers = [Odd(summed)]
    assert room.run().values == {"odd": sum(room.mix.read_bytes())}
    assert room.stages[1] == "odd of full_mix.flac"


def test_replacement_meanwhile_leaves_nothing(room: Room) -> None:
    def meanwhile(file: File) -> Measurement:
        os.utime(room.mix, (1, 1))
        return Measurement({"odd": 1})

    room.analyzers = [Odd(meanwhile)]
    assert room.run().outcome is Outcome.CHANGED
    assert room.told() == {}
