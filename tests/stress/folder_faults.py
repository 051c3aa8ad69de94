"""Faults of folders: what people and their programs do to them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stress.deeds import Deed, Say, patiently, pick, remove_bogus
from stress.ground import Ground, Track, remove_tree
from stress.witness import Witness

_TEMPORARY_NAMES = ("{}", "{}", "{}.part", ".{}.a1B2c3")


@dataclass
class Folders:
    """Replaces, renames, deletes and copies."""

    ground: Ground
    witness: Witness

    def deeds(self) -> dict[str, tuple[int, Deed]]:
        """Deeds by name, with the weight of each."""
        return {
            "file replaced": (40, self.replace),
            "folder renamed": (10, self.rename),
            "album renamed": (1, self.rename_album),
            "folder deleted, another copied in": (10, self.delete),
        }

    def replace(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Put other audio in the place of a source file, by a rename or in the file itself."""
        track = pick(self.ground, dice)
        file = track.source(dice.choice(track.roles))
        content = dice.choice(self.ground.pool)
        in_place = dice.random() < 0.3
        target = file if in_place else file.with_name(file.name + ".part")
        say(f"{track.path.name}/{file.name}{' in place' if in_place else ''}")
        track.is_busy = True
        self.witness.cause(track.path)
        yield from patiently(lambda: target.write_bytes(content))
        if not in_place:
            yield dice.uniform(0.0, 0.5)
            target.rename(file)
        track.is_busy = False

    def rename(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Give a folder another name; its record keeps the old one and belongs to no folder any more."""
        track = pick(self.ground, dice)
        track.names += 1
        new = track.path.with_name(f"Track {track.number:03d} ({track.names})")
        say(f"{track.path.name} -> {new.name}")
        with self.witness.moving({track.path: new}):
            remove_bogus(track.lock)
            track.path.rename(new)
        track.path, track.foreign, track.garbage = new, {}, None
        return ()

    def rename_album(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Give the directory of many folders another name; their records stay theirs."""
        place = dice.randrange(len(self.ground.albums))
        album = self.ground.albums[place]
        tracks = [track for track in self.ground.tracks if track.path.parent == album]
        if any(track.is_busy for track in tracks):
            say(f"{album.name} is in use")
            return ()
        new = album.with_name(album.name + "b")
        say(f"{album.name} -> {new.name}")
        with self.witness.moving({track.path: new / track.path.name for track in tracks}):
            album.rename(new)
        for track in tracks:
            track.path = new / track.path.name
        self.ground.albums[place] = new
        return ()

    def delete(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Delete a folder; a while later another one is copied in, sometimes with the same name."""
        track = pick(self.ground, dice)
        say(track.path.name)
        with self.witness.moving({track.path: None}):
            remove_tree(track.path)
            remove_bogus(track.lock)
        self.ground.tracks.remove(track)
        track.garbage = None
        copy = self.ground.new(dice)
        copy.is_busy = True
        if dice.random() < 0.5 and track.path.parent in self.ground.albums:
            copy.number, copy.names, copy.path = track.number, track.names, track.path
        yield dice.uniform(0.0, 2.0)
        yield from self._copy(copy, dice, say)

    def _copy(self, track: Track, dice: random.Random, say: Say) -> Iterator[float]:
        naming = dice.choice(_TEMPORARY_NAMES)
        if track.path.parent not in self.ground.albums:  # it got another name meanwhile
            track.path = dice.choice(self.ground.albums) / track.path.name
        say(f"{track.path.name} comes as {naming.format('full_mix.flac')}")
        yield from patiently(track.path.mkdir)
        self.witness.watch(track.path)
        for role in dice.sample(track.roles, len(track.roles)):
            file = track.source(role)
            target = file.with_name(naming.format(file.name))
            content = dice.choice(self.ground.pool)
            step = len(content) // dice.randint(1, 5) + 1
            for end in range(step, len(content) + step, step):
                if target == file:
                    self.witness.cause(track.path)
                yield from patiently(lambda: _grow(target, content[:end]))  # noqa: B023  # done before the next turn
                yield dice.uniform(0.05, 0.9)
            if target != file:
                self.witness.cause(track.path)
                target.rename(file)
        say(f"{track.path.name} is whole")
        track.is_busy = False


def _grow(file: Path, content: bytes) -> None:
    """Have the beginning of the file be `content`, most of which is there already."""
    with file.open("ab") as stream:
        stream.write(content[stream.tell() :])
