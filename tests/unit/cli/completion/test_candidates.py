"""Candidates for the end of a command line, by the grammar alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from audiobatchd.cli.completion.candidates import MOST, Kind, Place, candidates
from audiobatchd.cli.parser import parser

NAMES = {
    Kind.FOLDERS: ["Artist/One", "Artist/Two", "Other", "-dash"],
    Kind.DATASETS: ["/srv/music"],
    Kind.FEATURES: ["lufs", "lra"],
    Kind.EVENTS: ["folder-done"],
    Kind.MODELS: ["msd-musicnn-1"],
}


def offered(*words: str) -> tuple[list[str], Place]:
    def names(kind: Kind, _prefix: str, _before: Mapping[str, str]) -> Iterable[str]:
        return NAMES[kind]

    offer = candidates(parser("audiobatchctl"), words, names)
    return [each.value for each in offer.candidates], offer.place


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("st", ["status"]),
        ("models f", ["fetch"]),
        ("--socket /a --json mod", ["models"]),
        ("--socket=/a mod", ["models"]),
        ("retry ", ["Artist/One", "Artist/Two", "Other"]),
        ("retry Artist/One Artist/", ["Artist/One", "Artist/Two"]),
        ("retry --all Oth", ["Other"]),
        ("retry -- Oth", ["Other"]),
        ("retry --features lufs l", ["lufs", "lra"]),
        ("retry --features lufs --da", ["--dataset"]),
        ("retry --dataset ", ["/srv/music"]),
        ("retry --dataset=/srv", ["--dataset=/srv/music"]),
        ("retry --data /srv/m", ["/srv/music"]),
        ("bump Other ", []),
        ("rescan /s", ["/srv/music"]),
        ("follow --event ", ["folder-done"]),
        ("features l", ["lufs", "lra"]),
        ("models fetch ", ["msd-musicnn-1"]),
        ("import --mode re", ["reflink"]),
        ("import --name ", []),
        ("pause --for ", []),
        ("help mod", ["models"]),
        ("help models ve", ["verify"]),
        ("help nothing ", []),
        ("locks cleanup --fr", ["--free"]),
        ("nothing st", []),
        ("status --con", []),
    ],
)
def test_what_may_follow(line: str, expected: list[str]) -> None:
    assert offered(*line.split(" ")) == (expected, Place.NOTHING)


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("--config ", Place.FILES),
        ("status --config ", Place.FILES),
        ("models add ", Place.FILES),
        ("models fetch --to ", Place.DIRECTORIES),
        ("bump /srv/music/O", Place.DIRECTORIES),
        ("bump ./O", Place.DIRECTORIES),
        ("bump elsewhere", Place.DIRECTORIES),
        ("check /nowhere", Place.DIRECTORIES),
    ],
)
def test_where_the_shell_offers_files(line: str, place: Place) -> None:
    assert offered(*line.split(" ")) == ([], place)


def test_a_person_is_offered_no_more_than_can_be_read() -> None:
    offer = candidates(parser("p"), ["bump", ""], lambda *_: (f"Song {number}" for number in range(10_000)))
    assert len(offer.candidates) == MOST
