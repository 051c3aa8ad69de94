"""Faults of records and locks: what other programs do to them, or somebody with an editor."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from audiobatchd import save_to_info
from audiobatchd.errors import AudiobatchError
from stress.deeds import Deed, Say, pick
from stress.ground import Ground, Track
from stress.witness import GAP, Witness, identity_of, sites_of

_MENDED_EARLY = 0.8
_GARBAGE = (b"", b"[]", b"\x00\xff" * 300, b'{"lufs": -14.0', b'{"_audiobatch": 7}')


@dataclass
class Records:
    """Spoils, removes and adds; `troubles` has, by folder, what the service should not have done."""

    ground: Ground
    witness: Witness
    troubles: list[tuple[str, str]]

    def deeds(self) -> dict[str, tuple[int, Deed]]:
        """By name, with the weight of each."""
        return {
            "record spoiled": (10, self.spoil),
            "record cut": (5, self.cut),
            "record emptied": (5, self.empty),
            "record removed": (15, self.remove),
            "key added by a rename": (12, self.add_by_rename),
            "key added by the library": (8, self.add_by_library),
            "lock removed": (16, self.remove_lock),
            "bogus lock made": (8, self.make_lock),
        }

    def spoil(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Write over a record what nobody can understand."""
        return self._spoil(pick(self.ground, dice, whole=True), dice.choice(_GARBAGE), dice, say)

    def cut(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Leave half of a record."""
        track = pick(self.ground, dice, whole=True)
        content = track.record.read_bytes() if track.record.exists() else b""
        return self._spoil(track, content[: len(content) // 2], dice, say)

    def _spoil(self, track: Track, garbage: bytes, dice: random.Random, say: Say) -> Iterator[float]:
        say(f"{track.path.name}: {garbage[:20]!r}")
        with self.witness.spoiling(track.path):
            self._write(track, garbage)
        track.foreign = {}
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
        found = track.record.read_bytes() if track.record.exists() else None
        track.garbage = found if found is not None and sites_of(found) is None else None
        track.spoiled_at = time.monotonic()

    def mend(self, track: Track) -> None:
        """Remove what the service must not touch, as an operator does."""
        if track.garbage is None:
            return
        with self.witness.spoiling(track.path):
            found = track.record.read_bytes() if track.record.exists() else None
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
            self._write(track, b"{}\n")
        track.foreign = {}
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
        beside = track.path / ".tool"
        try:
            with self.witness.rewriting() as own:
                before = _identity(track.record)
                values = json.loads(track.record.read_bytes()) if before else {}
                beside.write_text(json.dumps({**values, key: value}))
                if _identity(track.record) == before:
                    own.add(identity_of(beside.stat()))
                    beside.rename(track.record)
                    track.foreign[key] = value
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
            track.foreign[key] = value
            say(f"{track.path.name}: {key}")
        except (AudiobatchError, OSError) as error:
            say(f"{track.path.name}: {error}")
        return ()

    def remove_lock(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Remove a lock by hand, while its holder lives or not."""
        locks = [track.lock for track in self.ground.at_work()]
        if not locks:
            say("nobody is at work")
            return ()
        lock = dice.choice(locks)
        lock.unlink(missing_ok=True)
        say(lock.name)
        return ()

    def make_lock(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Make an empty lock that nobody holds."""
        track = pick(self.ground, dice)
        try:
            os.close(os.open(track.lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
            say(track.lock.name)
        except OSError as error:
            say(f"{track.lock.name}: {error.strerror}")
        return ()

    def _key(self, dice: random.Random) -> tuple[str, int]:
        return f"chaos_{dice.randrange(1 << 32):08x}", dice.randrange(1000)


def _identity(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
