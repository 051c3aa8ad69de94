"""Belief in walks of a dataset: a lost mount must not be taken for folders that were removed."""

from __future__ import annotations

from dataclasses import dataclass

from audiobatchd.core.events import Walked
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import counted
from audiobatchd.vocabulary.states import DatasetState, WalkKind


@dataclass(slots=True)
class Belief:
    """Facts held for true of a dataset's root, by which walks are judged."""

    known: int = 0
    """Number of folders that were known when the service started."""
    root: FileId | None = None
    """The root directory of the last walk that was believed."""
    place: str = ""
    """Target of the path at that time, without links; empty where that is not known."""
    leads_to: str = ""
    """Target of the path now, as far as was looked."""
    is_confirmed: bool = False
    """A walk was believed since the service started."""
    accepts: bool = False
    """The next full walk is right, whatever it finds: an operator said so."""
    accepting: bool = False
    """The full walk under way is right, whatever it finds."""
    round_open: bool = False
    """The last full walk was not believed, so what it came by counts for the next one too."""
    known_at_start: int = 0
    """Number of folders that were known when the round of full walks began."""

    def begin_full(self) -> None:
        """Let the full walk that begins have the operator's word, if there is one."""
        self.accepting, self.accepts = self.accepts, False

    def is_another(self, root: FileId | None, place: str) -> bool:
        """Tell whether this root, which the path leads to now, is another one than that of the last walk believed."""
        return root != self.root or self._leads_elsewhere(place)

    def doubt(self, walk: Walked, known: int, seen: int) -> tuple[DatasetState, str] | None:
        """Judge a walk that saw `seen` of `known` folders; why it is not to be believed, None where it is."""
        doubt = self._doubt(walk, known, seen)
        if walk.kind is WalkKind.FULL:
            self.round_open = doubt is not None
        if doubt is None:
            self.root, self.place, self.is_confirmed = walk.root, walk.place, True
        return doubt

    def _doubt(self, walk: Walked, known: int, seen: int) -> tuple[DatasetState, str] | None:
        if walk.refusal:
            return DatasetState.PAUSED, walk.refusal
        if walk.root is None:
            return DatasetState.MISSING, walk.remark or "there is no such directory"
        if self.accepting and walk.kind is WalkKind.FULL:
            self.accepting = False
            return None
        switched = self._leads_elsewhere(walk.place)
        where = f"it leads to {shown(walk.place)} now" if switched else ""
        if walk.empty and known:
            what = f"{where}, which is empty, where" if where else "empty, where"
            return DatasetState.PAUSED, f"{what} {_known(known)} known: is a mount lost?"
        moved = switched or (self.root is not None and self.root[0] != walk.root[0])
        if walk.is_strange or (moved and known and not seen):
            what = where or "another file system"
            return DatasetState.PAUSED, f"{what}, {_without(known)}"
        return None

    def _leads_elsewhere(self, place: str) -> bool:
        """Tell whether the path leads through links, and led to another directory than it does now."""
        return bool(self.place and place) and self.place != place


def _known(number: int) -> str:
    return f"{counted(number, 'folder')} {'was' if number == 1 else 'were'}"


def _without(number: int) -> str:
    none = f"with none of the {counted(number, 'folder')} that were known"
    return "without the one folder that was known" if number == 1 else none
