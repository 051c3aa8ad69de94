"""Whether a walk of a dataset is believed."""

from __future__ import annotations

import dataclasses

from audiobatchd.core.belief import Belief
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.states import DatasetState, WalkKind
from support.core_rig import MISSING_ROOT, walked


def believing(place: str = "/one") -> Belief:
    """The belief after a walk of the device 1 that was believed."""
    belief = Belief()
    assert belief.doubt(dataclasses.replace(walked("Song"), place=place), 0, 1) is None
    return belief


def test_walk_that_is_believed_tells_which_root_is_known() -> None:
    belief = believing()
    assert (belief.root, belief.place, belief.is_confirmed, belief.round_open) == ((1, 2), "/one", True, False)
    assert not belief.is_another(FileId(1, 2), "/one")
    assert belief.is_another(FileId(1, 3), "/one")
    assert belief.is_another(FileId(1, 2), "/two")


def test_refusal_goes_before_every_other_doubt() -> None:
    refused = dataclasses.replace(walked(root=MISSING_ROOT), refusal="locks are not shared")
    assert Belief().doubt(refused, 3, 0) == (DatasetState.PAUSED, "locks are not shared")


def test_other_device_with_none_of_the_known_folders_is_doubted() -> None:
    belief = believing()
    doubt = belief.doubt(walked("Other", device=9), 3, 0)
    assert doubt == (DatasetState.PAUSED, "another file system, with none of the 3 folders that were known")
    assert belief.root == (1, 2)
    doubt = belief.doubt(walked("Other", device=9), 1, 0)
    assert doubt == (DatasetState.PAUSED, "another file system, without the one folder that was known")
    assert belief.doubt(walked("Song", device=9), 3, 1) is None
    assert belief.root == (9, 2)


def test_link_that_leads_to_an_empty_directory_is_doubted() -> None:
    belief = believing()
    doubt = belief.doubt(dataclasses.replace(walked(), place="/two"), 3, 0)
    assert doubt is not None
    assert doubt[1] == "it leads to /two now, which is empty, where 3 folders were known: is a mount lost?"


def test_accepted_walk_is_believed_once() -> None:
    belief = believing()
    belief.accepts = True
    belief.begin_full()
    assert (belief.accepting, belief.accepts) == (True, False)
    assert belief.doubt(walked(kind=WalkKind.PASS), 3, 0) is not None, "the word was given for a full walk"
    assert belief.doubt(walked(), 3, 0) is None
    assert belief.doubt(walked(), 3, 0) is not None


def test_doubted_full_walk_leaves_its_round_open() -> None:
    belief = believing()
    belief.doubt(walked(), 3, 0)
    assert belief.round_open
    belief.doubt(walked(kind=WalkKind.PASS, empty=False), 3, 3)
    assert belief.round_open
    belief.doubt(walked("Song"), 3, 3)
    assert not belief.round_open
