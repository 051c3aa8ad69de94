"""`audiobatchctl import`, `--list` and `--undo`, as they are run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from audiobatchd.cli.control import main
from support.music_library import folders, tree, write
from support.service import configuration

ONE, TWO = "Artist - Album - One", "Artist - Album - Two"


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return write(tmp_path / "my music", "Artist/Album/01 One.flac", "Artist/Album/02 Two.wav", "Artist/Album/cover.jpg")


def ctl(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run the command in this process: starting Python anew for each takes longer than all that it does."""
    code = main(["import", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def answer(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    return dict(json.loads(ctl(capsys, *arguments, "--json")[1]))


@pytest.fixture(autouse=True)
def _no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


def test_an_import_says_what_it_did_and_what_comes_next(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = tmp_path / "data set"
    code, out, err = ctl(capsys, music, dataset)
    assert (code, err) == (0, "")
    assert f"Imported: 2 tracks into {dataset} by auto, as import " in out
    assert "Passed over: 1 picture" in out
    assert f"audiobatchd --once '{dataset}'" in out
    undo = next(line for line in out.splitlines() if "--undo" in line)
    assert undo.endswith(f"'{dataset}'")
    assert folders(dataset).keys() == {ONE, TWO}
    code, out, _ = ctl(capsys, music, dataset)
    assert (code, "Imported before: 2" in out, "--undo" in out) == (0, True, False)


def test_a_dry_run_names_every_folder_and_makes_none(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(music, "Artist/Album/01 One (drums).flac")
    code, out, _ = ctl(capsys, music, tmp_path / "dataset", "--dry-run", "--name", "{title}")
    assert code == 0
    assert out.splitlines()[:2] == [
        f"  One  <-  {music}/Artist/Album/01 One.flac, with 1 stem",
        f"  Two  <-  {music}/Artist/Album/02 Two.wav",
    ]
    assert not (tmp_path / "dataset").exists()


def test_list_and_undo_tell_of_imports(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(music)
    done = answer(capsys, music, tmp_path / "dataset", "--mode", "move")
    assert sorted(done["imported"]) == [ONE, TWO]
    (told,) = answer(capsys, "--list", tmp_path / "dataset")["imports"]
    assert (told["id"], told["mode"], told["folders"], told["state"]) == (done["id"], "move", 2, "2 folders")
    (tmp_path / "dataset" / ONE / "notes.txt").touch()
    code, out, _ = ctl(capsys, "--undo", done["id"], tmp_path / "dataset")
    assert code == 1
    assert out.splitlines() == [
        "Taken out: 1 track folder",
        "Left as they are: 1",
        f"  {ONE}: it holds what was not imported: notes.txt",
    ]
    assert "1 folder, 1 undone" in ctl(capsys, "--list", tmp_path / "dataset")[1]
    (tmp_path / "dataset" / ONE / "notes.txt").unlink()
    assert answer(capsys, "--undo", done["id"], tmp_path / "dataset")["left"] == []
    assert tree(music) == before


def test_configured_datasets_need_no_name(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dataset").mkdir()
    config = configuration(tmp_path / "c.toml", tmp_path / "dataset")
    done = answer(capsys, music, tmp_path / "dataset")
    assert len(done["imported"]) == 2
    assert [each["id"] for each in answer(capsys, "--list", "--config", config)["imports"]] == [done["id"]]
    assert ctl(capsys, "--undo", done["id"], "--config", config)[:2] == (0, "Taken out: 2 track folders\n")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ((), 2, "audiobatchctl import SRC... DATASET"),
        (("SRC",), 2, "audiobatchctl import SRC... DATASET"),
        (("SRC", "missing/deep/dataset"), 2, "make it first"),
        (("SRC", "SRC/Artist/Album/cover.jpg"), 2, "it is no directory"),
        (("nowhere", "dataset"), 2, "No such file or directory"),
        (("SRC", "SRC"), 2, "it lies in the dataset"),
        (("SRC", "dataset", "--name", "{nothing}"), 2, "there is no {nothing}, but {artist}"),
        (("SRC", "dataset", "--stems", "("), 2, "cannot understand --stems"),
        (("--list",), 2, "no dataset is configured"),
        (("--list", "nowhere"), 2, "no such dataset"),
        (("--undo", "x"), 2, "no dataset is configured"),
        (("--undo", "x", "SRC"), 1, "there is no import x"),
        (("--undo", "x", "SRC", "--dry-run"), 2, "--dry-run goes with an import"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    music: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, err = ctl(capsys, *(each.replace("SRC", str(music)) for each in arguments))
    assert (found, reason in err) == (code, True), err
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(("content", "left"), [("", 0), ("theirs", 1)])
def test_a_dataset_with_a_ready_marker_gets_it(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, left: int
) -> None:
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    config = configuration(tmp_path / "c.toml", dataset)
    config.write_text(config.read_text() + 'ready_marker = ".ready"\n')
    done = answer(capsys, music, dataset, "--config", config)
    assert folders(dataset) == {ONE: [".ready", "full_mix.flac"], TWO: [".ready", "full_mix.wav"]}
    (dataset / ONE / ".ready").write_text(content)
    assert len(answer(capsys, "--undo", done["id"], dataset, "--config", config)["left"]) == left


def test_nothing_found_never_looks_like_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "music", "cover.jpg")
    code, out, _ = ctl(capsys, tmp_path / "music", tmp_path / "dataset")
    assert (code, "No track was found." in out) == (1, True)


def test_what_could_not_be_imported_is_named(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(25):
        (music / f"empty {number:02}.flac").touch()
    code, out, _ = ctl(capsys, music, tmp_path / "dataset")
    assert code == 1
    assert "Could not be imported: 25" in out
    assert f"  {music}/empty 00.flac: it is empty" in out
    assert "  and 5 more, which --json names" in out


@pytest.mark.parametrize(("mode", "warned"), [("hardlink", True), ("move", True), ("link", True), ("copy", False)])
def test_a_mode_with_a_price_is_warned_of(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str, warned: bool
) -> None:
    assert ctl(capsys, music, tmp_path / "dataset", "--mode", mode)[1].startswith("Note: ") is warned


def test_names_outside_utf8_are_shown_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    music = write(tmp_path / "music", b"caf\xe9\n.flac")
    done = answer(capsys, music, tmp_path / "dataset")
    assert done["imported"] == {"café": rf"{music}/caf\xe9\x0a.flac"}
    assert os.listdir(tmp_path / "dataset" / "café") == ["full_mix.flac"]
    assert answer(capsys, "--undo", done["id"], tmp_path / "dataset")["left"] == []
