"""Faults of records and locks: what other programs do to them, or a person with an editor."""

from __future__ import annotations

import codecs
import json
import os
import random
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from audiobatchd import save_to_info
from audiobatchd.errors import AudiobatchError
from stress.deeds import Deed, Say, pick, until_it_answers
from stress.ground import Ground, Track
from stress.keeper import Keeper
from stress.witness import GAP, Witness, identity_of, sites_of
from support.raw_records import tight

_MENDED_EARLY = 0.8
_GARBAGE = (b"[]", b"\x00\xff" * 300, b'{"lufs": -14.0', b'{"_audiobatch": 7}', b'{"lufs": -14.0, "tags": [1,}')
_NOTHING = (b"{}\n", b"", bytes(300), codecs.BOM_UTF8 + b"{}", b" \n")
_ODD = (float("nan"), float("-inf"), float("inf"), "\ud800 and more", {"a": [float("nan"), "\udfff"]}, "\u00e4")
"""Values that Python's `json` writes and reads, and JSON does not know, most of them."""

_LOUDNESS = (float("-inf"), float("nan"), None)
_LARGEST = 16 << 20
_SPARSE = 50 * 10**9
_KEYS = 500_000


@dataclass
class Records:
    """Faults of records: spoilt, removed and foreign content."""

    keeper: Keeper
    ground: Ground
    witness: Witness
    troubles: list[tuple[str, str]]
    """Folders, and what the service should not have done there."""

    def deeds(self) -> dict[str, tuple[int, Deed]]:
        """Deeds by name, with the weight of each."""
        return {
            "record spoiled": (10, self.spoil),
            "record cut": (5, self.cut),
            "record emptied": (5, self.empty),
            "record of a script": (8, self.write_script),
            "record bomb": (5, self.bomb),
            "record of many keys": (1, self.bury),
            "record removed": (15, self.remove),
            "key added by a rename": (12, self.add_by_rename),
            "key added by the library": (8, self.add_by_library),
            "lock removed": (16, self.remove_lock),
            "bogus lock made": (8, self.make_lock),
        }

    def spoil(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Write over a record what cannot be understood."""
        return self._spoil(pick(self.ground, dice, whole=True), dice.choice(_GARBAGE), dice, say)

    def cut(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Leave half of a record."""
        track = pick(self.ground, dice, whole=True)
        content = track.record.read_bytes() if track.record.exists() else b""
        return self._spoil(track, content[: len(content) // 2], dice, say)

    def bomb(self, dice: random.Random, say: Say) -> Iterator[float]:
        """Put in a record's place what no reader may read to its end, or wait for."""
        make, kind = dice.choice(((_make_sparse, "sparse"), (os.mkfifo, "FIFO"), (_link_to_zero, "link")))
        track = pick(self.ground, dice, whole=True)
        say(f"{track.path.name}: {kind}")
        with self.witness.spoiling(track.path):
            track.record.unlink(missing_ok=True)
            with suppress(OSError):  # no room, not even for a name
                make(track.record)
            track.garbage = _standing(track.record)
            track.spoiled_at = time.monotonic()
        track.foreign = {}
        yield from self._mend_later(track, dice, say)
        yield from until_it_answers(self.keeper, "after a record that cannot be read")

    def bury(self, dice: random.Random, say: Say) -> Iterator[float]:
        """Write a record of so many keys for a while, which is a valid one."""
        track = pick(self.ground, dice, whole=True)
        say(track.path.name)
        content = b"{%s}" % b", ".join(b'"chaos_%06d": 1' % number for number in range(_KEYS))
        with self.witness.spoiling(track.path):
            self._write(track, content)
        track.foreign = {}
        name = track.record.name
        yield dice.uniform(4.0, 10.0)
        yield from until_it_answers(self.keeper, "after a record of many keys")
        if track not in self.ground.tracks:
            return
        say(f"{track.path.name} removed")
        if track.record.name != name:
            (track.path / name).unlink(missing_ok=True)  # of a folder that has another name by now
        elif track.garbage is None:
            with self.witness.spoiling(track.path):
                track.record.unlink(missing_ok=True)
            track.foreign = {}

    def _spoil(self, track: Track, garbage: bytes, dice: random.Random, say: Say) -> Iterator[float]:
        say(f"{track.path.name}: {garbage[:20]!r}")
        with self.witness.spoiling(track.path):
            self._write(track, garbage)
        track.foreign = {}
        yield from self._mend_later(track, dice, say)

    def _mend_later(self, track: Track, dice: random.Random, say: Say) -> Iterator[float]:
        early, after = dice.random() < _MENDED_EARLY, dice.uniform(0.5, 8.0)
        spoiled = track.record
        yield after
        if early and track.garbage is not None and track.record == spoiled and not track.is_busy:
            say(f"{track.path.name} mended")
            self.mend(track)

    def _write(self, track: Track, content: bytes) -> None:
        """Write over the record; on a full disk it is empty then, or there is none."""
        with suppress(OSError):
            track.record.write_bytes(content)
        found = _standing(track.record)
        track.garbage = found if found is not None and sites_of(found) is None else None
        track.spoiled_at = time.monotonic()

    def mend(self, track: Track) -> None:
        """Remove what the service must not touch, as an operator does."""
        if track.garbage is None:
            return
        with self.witness.spoiling(track.path):
            found = _standing(track.record)
            in_gap = self.witness.published_within(track.path, track.spoiled_at - GAP, 2 * GAP)
            if found != track.garbage and not in_gap:
                trouble = f"{track.record.name} could not be understood, and was written over: {found!r:.80}"
                self.troubles.append((track.path.name, trouble))
            track.record.unlink(missing_ok=True)
        track.garbage = None

    def empty(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Leave a record in which nothing stands."""
        track = pick(self.ground, dice, whole=True)
        say(track.path.name)
        with self.witness.spoiling(track.path):
            self._write(track, dice.choice(_NOTHING))
        track.foreign = {}
        return ()

    def write_script(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Write a record as a script does that knows neither us nor JSON well: in place, by Python's `json.dump`."""
        track = pick(self.ground, dice, whole=True)
        value = dice.choice(_ODD)
        key = self._key(dice)[0]
        loudness = {name: dice.choice(_LOUDNESS) for name in dice.sample(("lufs", "lra", "pause"), dice.randrange(4))}
        content = json.dumps({**loudness, key: value}).encode()
        say(f"{track.path.name}: {content!r}")
        with self.witness.spoiling(track.path):
            self._write(track, dice.choice((b"", codecs.BOM_UTF8)) + content)
            written = _standing(track.record)
        track.foreign = {}
        if written is not None and written.endswith(content):
            track.foreign[key] = tight(json.dumps(value).encode())
            track.rivals[key] = track.spoiled_at
        return ()

    def remove(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Remove a record."""
        track = pick(self.ground, dice, whole=True)
        say(track.path.name)
        with self.witness.spoiling(track.path):
            track.record.unlink(missing_ok=True)
        track.foreign = {}
        return ()

    def add_by_rename(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Add a key as a tool does that knows no lock: read, write beside, look again, rename."""
        track = pick(self.ground, dice, whole=True)
        key, value = self._key(dice)
        value = dice.choice((value, dice.choice(_ODD)))
        beside = track.path / ".tool"
        try:
            with self.witness.rewriting() as own:
                before = _identity(track.record)
                content = track.record.read_bytes().removeprefix(codecs.BOM_UTF8) if before else b""
                values = json.loads(content) if content.strip(b"\0 \n") else {}
                beside.write_text(json.dumps({**values, key: value}))
                if _identity(track.record) == before:
                    own.add(identity_of(beside.stat()))
                    beside.rename(track.record)
                    track.foreign[key] = tight(json.dumps(value).encode())
                    track.rivals[key] = time.monotonic()
            say(f"{track.path.name}: {key}")
        except OSError as error:
            say(f"{track.path.name}: {error.strerror}")
        beside.unlink(missing_ok=True)
        return ()

    def add_by_library(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Add a key as a script does that imports our library."""
        track = pick(self.ground, dice, whole=True)
        key, value = self._key(dice)
        try:
            with self.witness.rewriting() as own:
                save_to_info(track.path, {key: value})
                own.add(identity_of(track.record.stat()))
            track.foreign[key] = str(value).encode()
            say(f"{track.path.name}: {key}")
        except (AudiobatchError, OSError) as error:
            say(f"{track.path.name}: {error}")
        return ()

    def remove_lock(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Remove a lock by hand, while its holder lives or not."""
        locks = [track.lock for track in self.ground.at_work()]
        if not locks:
            say("no process is at work")
            return ()
        lock = dice.choice(locks)
        lock.unlink(missing_ok=True)
        say(lock.name)
        return ()

    def make_lock(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Make an empty lock that is not held."""
        track = pick(self.ground, dice)
        try:
            os.close(os.open(track.lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            say(track.lock.name)
        except OSError as error:
            say(f"{track.lock.name}: {error.strerror}")
        return ()

    def _key(self, dice: random.Random) -> tuple[str, object]:
        return f"chaos_{dice.randrange(1 << 32):08x}", dice.randrange(1000)


def _make_sparse(record: Path) -> None:
    with record.open("wb") as file:
        file.truncate(_SPARSE)


def _link_to_zero(record: Path) -> None:
    record.symlink_to("/dev/zero")


def _standing(record: Path) -> bytes | None:
    """Read what stands in a record, in few words for a large file or no file at all; None where it is not there."""
    try:
        status = record.lstat()
        if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST:
            return record.read_bytes()
    except FileNotFoundError:
        return None
    return f"mode {status.st_mode:o}, {status.st_size} bytes".encode()


def _identity(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
