"""The ground of the chaos: a small file system, the track folders on it, and the audio that they are made of.

The dataset `root` is the one that most faults meet. Beside it are one whose path is a link that leads to one of two
places with folders of the same names, and, where a mount can be had that hangs, one that is reached by that alone.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from audiobatchd.plugin_api import FULL_MIX, STEMS
from support.audio_files import music, write_audio

ALBUMS = 8
ASIDE = 12
"""Folders in each of the other places."""

_SIZE = "256m"
_POOL = 32
_RATE = 16000
_SECONDS = (0.5, 3.0)
_PAGE = 4096


@dataclass(eq=False)
class Track:
    """Track folder."""

    number: int
    """Number that stays when its name changes."""
    path: Path
    roles: tuple[str, ...]
    names: int = 1
    foreign: dict[str, bytes] = field(default_factory=dict)
    """Values, as they are written, of keys that other tools put into its record, unless they were spoiled since."""
    rivals: dict[str, float] = field(default_factory=dict)
    """Times at which those of them came whose tool asked for no lock."""
    garbage: bytes | None = None
    """Content of its record that cannot be understood."""
    spoiled_at: float = 0.0
    """Time since which `garbage` stands there."""
    is_busy: bool = False
    """A deed is done to it that is not over."""

    @property
    def record(self) -> Path:
        """Path of its record."""
        return self.path / f"{self.path.name}.INFO"

    @property
    def lock(self) -> Path:
        """Path of its lock."""
        return self.path.with_name(self.path.name + ".lock")

    def source(self, role: str) -> Path:
        """Path of a source file."""
        return self.path / f"{role}.flac"


class Ground:
    """The dataset `root` below `place`, and what else is on the same file system.

    `link` is the path of the second dataset: it leads to the first of `places`, but while a fault switches it, and to
    the second one at the very end. `mount` is where `behind` can be reached, the third one; the folders that are done
    to lie in `behind`, which never hangs.
    """

    def __init__(self, place: Path, *, is_small: bool, has_mount: bool) -> None:
        self.place = place
        self.root = place / "dataset"
        self.root.mkdir()
        self.state = place / "state"
        self.is_small = is_small
        self.has_mount = has_mount
        self.tracks: list[Track] = []
        self.link = place / "current"
        self.places = (place / "first", place / "second")
        self.mount, self.behind = place / "mount", place / "behind"
        self.linked: list[Track] = []
        """The folders in the first of `places`."""
        self.elsewhere: list[Track] = []
        """Those in the second, which are not looked at while the link leads elsewhere."""
        self.mounted: list[Track] = []
        """Those in `behind`."""
        self.albums = [self.root / f"Album {number}" for number in range(ALBUMS)]
        self.pool: list[bytes] = []
        self._filler = place / "filler"
        self._made = 0

    def make(self, folders: int, seed: int) -> None:
        """Make the audio, and the first folders out of it."""
        dice = random.Random(f"{seed} ground")
        for number in range(_POOL):
            seconds = _SECONDS[0] + (_SECONDS[1] - _SECONDS[0]) * number / (_POOL - 1)
            path = write_audio(self.state.with_name("sample.flac"), music(seconds, _RATE, seed * 1000 + number), _RATE)
            self.pool.append(path.read_bytes())
            path.unlink()
        for album in self.albums:
            album.mkdir()
        self.lead(self.places[0])
        for place, tracks in zip((*self.places, self.behind), (self.linked, self.elsewhere, self.mounted), strict=True):
            place.mkdir(exist_ok=True)
            number = 0 if place == self.behind and not self.has_mount else ASIDE
            tracks += [Track(each, place / f"Aside {each:03d}", (FULL_MIX,)) for each in range(number)]
        aside = [*self.linked, *self.elsewhere, *self.mounted]
        for track in [*(self.new(dice) for _ in range(folders)), *aside]:
            track.path.mkdir()
            for role in track.roles:
                track.source(role).write_bytes(dice.choice(self.pool))

    @property
    def datasets(self) -> list[Path]:
        """The paths of all datasets, that on the mount last."""
        return [self.root, self.link, *([self.mount] if self.has_mount else [])]

    @property
    def served(self) -> list[Track]:
        """The folders that have to be complete when the chaos is over."""
        return [*self.tracks, *self.linked, *self.mounted]

    @property
    def all_tracks(self) -> list[Track]:
        """List all folders, in every dataset."""
        return [*self.served, *self.elsewhere]

    def new(self, dice: random.Random) -> Track:
        """A track that is still to be made."""
        number, self._made = self._made, self._made + 1
        stems = tuple(dice.sample(STEMS, dice.choice((0, 0, 1, 2))))
        track = Track(number, dice.choice(self.albums) / f"Track {number:03d}", (FULL_MIX, *stems))
        self.tracks.append(track)
        return track

    def at_work(self) -> list[Track]:
        """The folders beside which there is a lock."""
        return [track for track in self.tracks if track.lock.exists()]

    def lead(self, target: Path) -> None:
        """Have the link lead there from now on, in one step. Raises OSError."""
        beside = self.link.with_name("next")
        beside.unlink(missing_ok=True)
        beside.symlink_to(target)
        beside.replace(self.link)

    def fill(self) -> None:
        """Leave no room."""
        descriptor = os.open(self._filler, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            step = 1 << 24
            while step >= _PAGE:
                end = os.fstat(descriptor).st_size
                try:
                    os.posix_fallocate(descriptor, end, step)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 4
        finally:
            os.close(descriptor)

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def copy_without_records(self, target: Path) -> None:
        """Copy all track folders as they are now, without what the service made."""
        for track in self.all_tracks:
            folder = target / track.path.relative_to(self.place)
            folder.mkdir(parents=True)
            for role in track.roles:
                shutil.copy2(track.source(role), folder)


@contextmanager
def small_file_system(place: Path) -> Iterator[bool]:
    """Mount a tmpfs on `place`, which is gone afterwards; False where that is not for us."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=700", "audiobatchd-chaos", os.fspath(place)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        yield False
        return
    try:
        yield True
    finally:
        # Whatever may still be open in it: it goes from the tree of names at once.
        for option in ([], ["--lazy"]):
            if subprocess.run(["umount", *option, place], check=False, capture_output=True).returncode == 0:
                break


def size_of(file: Path) -> int:
    """Size of a file in bytes; 0 where it is not there."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def remove_tree(path: Path) -> None:
    """Remove a folder, however busily other processes make files in it."""
    while path.exists():
        with suppress(OSError):
            shutil.rmtree(path)
