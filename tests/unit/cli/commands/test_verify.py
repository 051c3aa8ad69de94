"""`audiobatchctl verify`: what it tells of what it found, in lines and in JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.commands import verify
from audiobatchd.cli.commands.verify import Total
from audiobatchd.cli.control import main
from audiobatchd.cli.parser import parser
from audiobatchd.errors import AudiobatchError
from audiobatchd.vocabulary.names import parsed, printable
from audiobatchd.worker.verification import Differing, Noted, Verification, Verified

DIFFERING = Differing("full_mix.wav", 7, 1, "blake2b:1", (Noted("blake2b:0", ("loudness", "rhythm"), "then", "nas"),))


def total(*folders: Verified) -> Total:
    found = Total()
    for each in folders:
        found.add(each)
    return found


def test_nothing_compared_is_no_success() -> None:
    assert not Total().is_clean
    assert list(Total().told()) == ["No track folder was found: there is nothing to verify."]
    assert not total(Verified("A", unknown=("a", "b"))).is_clean
    assert total(Verified("A", intact=1, unknown=("a",), changed=("b",))).is_clean


def test_all_is_counted_and_the_first_named() -> None:
    folders = [Verified(f"F{number}", differing=(DIFFERING,)) for number in range(30)]
    found = total(*folders, Verified("G", troubles={"": "cannot read it: I/O", "drums.wav": "is a FIFO"}))
    assert (found.differing, found.unread, found.is_clean) == (30, 2, False)
    lines = list(found.told())
    assert "  F0/full_mix.wav" in lines
    assert "    not as measured then on nas (loudness, rhythm)" in lines
    assert "  and 10 more" in lines
    assert "! G: cannot read it: I/O" in lines
    assert "! G/drums.wav: is a FIFO" in lines
    assert lines[-1] == "Not all of it was read. To go on: --after=G"
    told = msgspec.json.decode(msgspec.json.encode(found.as_keys()))
    assert (told["differing"], len(told["examples"]), told["after"]) == (30, 20, "G")
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("folder", ["Guns N' Roses - Two", 'Say "$HOME"', r"caf\xe9 \x5c", "-12dB", "a\u202eb"])
def test_place_to_go_on_can_be_pasted(folder: str) -> None:
    line = printable(list(total(Verified(folder)).told())[-1])
    words = shlex.split(line.partition("To go on: ")[2])
    arguments = parser("audiobatchctl").parse_args(["verify", "/music", *words])
    assert parsed(arguments.after) == parsed(folder)


def test_files_that_were_not_compared_are_named() -> None:
    found = total(*(Verified(f"F{number}", unknown=("full_mix.wav",)) for number in range(21)))
    assert next(line for line in found.told() if "F1" in line or "more" in line) == "  F1/full_mix.wav"
    assert list(found.told())[-2:] == ["  and 1 more", "Not all of it was read. To go on: --after=F20"]
    assert found.as_keys()["unknown"] == 21


def test_folders_beyond_the_first_are_counted_alone() -> None:
    found = total(*(Verified(f"F{number}", troubles={"": "gone"}) for number in range(25)))
    assert [line for line in found.told() if "more" in line] == ["! 5 more that cannot be read"]


def test_death_before_the_first_folder_leaves_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def died(_: Verification) -> Iterator[Verified]:
        yield from ()
        raise AudiobatchError("cannot verify it: killed")

    monkeypatch.setattr(verify, "verified", died)
    monkeypatch.setattr("audiobatchd.worker.questions.names", lambda *_, **__: ())
    (tmp_path / "music").mkdir()
    assert main(["verify", str(tmp_path / "music"), "-o", str(tmp_path / "report.jsonl")]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "audiobatchctl: cannot verify it: killed\n")
    assert [each.name for each in tmp_path.iterdir()] == ["music"]
