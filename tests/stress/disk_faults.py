"""Faults of what a dataset lies on: a mount that answers no more, a link that is pointed elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stress.deeds import ANSWER, Deed, Say, patiently, until_it_answers
from stress.ground import Ground, Track, size_of
from stress.keeper import Keeper
from stress.witness import Witness
from support.hanging_mount import HangingMount

_LOOKS, _BETWEEN_LOOKS = 160, 0.05
"""Number of looks for a job in the dataset in which walks alone find what changed, and the seconds between them."""

_HANGS = ((1.0, 6.0), (14.0, 25.0))
"""Seconds. A worker that sleeps so is killed after some eleven, and lost after ten more."""

_SWITCHES = (3.0, 12.0)
_FEW = 3


@dataclass
class Disks:
    """Faults of disks: hangs and switches."""

    keeper: Keeper
    ground: Ground
    witness: Witness
    mount: HangingMount | None
    """Mount that can hang; None: there are only switches."""
    _is_hanging: bool = False
    _is_switched: bool = False

    def deeds(self) -> dict[str, tuple[int, Deed]]:
        """Deeds by name, with the weight of each."""
        return {
            "link switched": (2, self.switch),
            **({"mount hangs": (2, self.hang)} if self.mount is not None else {}),
        }

    def heal(self) -> None:
        """Have the mount answer again, whatever was under way."""
        if self.mount is not None:
            self.mount.heal()

    def hang(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Answer nothing for a while, best from the middle of a job on."""
        mount = self.mount
        if mount is None or self._is_hanging:
            say("it hangs already")
            return
        self._is_hanging = True
        yield from self._give_work(self.ground.mounted, dice)
        for _ in range(_LOOKS):
            if self._at_work():
                break
            yield _BETWEEN_LOOKS
        yield from patiently(mount.hang)
        with self.keeper.held_by_a_disk():
            say(f"{self._at_work()} at work")
            yield dice.uniform(*dice.choice(_HANGS))
            # A daemon that was killed in the mount's hands is gone, and followed by another one, when this is over.
            yield from until_it_answers(self.keeper, "while a mount hung", ANSWER + 1.0)
            mount.heal()
        say("it answers again")
        self._is_hanging = False

    def _at_work(self) -> list[str]:
        """The folders at which there is a job: locks of a network file system stay, without a text."""
        return [track.path.name for track in self.ground.mounted if size_of(track.lock)]

    def switch(self, dice: random.Random, say: Say) -> Iterable[float]:
        """Have the link lead to the other place for a while, or nowhere."""
        if self._is_switched:
            say("it is already")
            return
        self._is_switched = True
        first, second = self.ground.places
        target = dice.choice((second, second, first.with_name("nowhere")))
        yield from self._give_work([*self.ground.linked, *self.ground.elsewhere], dice)
        yield dice.uniform(0.0, 1.0)
        say(f"to {target.name}")
        yield from patiently(lambda: self.ground.lead(target))
        yield dice.uniform(*_SWITCHES)
        yield from patiently(lambda: self.ground.lead(first))
        say("back")
        self._is_switched = False

    def _give_work(self, tracks: list[Track], dice: random.Random) -> Iterator[float]:
        """Put other audio into some folders."""
        for track in dice.sample(tracks, _FEW):
            file = track.source(dice.choice(track.roles))
            beside = file.with_name(file.name + ".part")
            self.witness.cause(track.path)
            yield from patiently(_written(beside, dice.choice(self.ground.pool)))
            beside.rename(file)


def _written(file: Path, content: bytes) -> Callable[[], object]:
    return lambda: file.write_bytes(content)
