"""Names on the command line, by any path and by what `status` shows."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from audiobatchd.cli.named import dataset_named, dataset_of, folder_named, is_directory
from audiobatchd.control.requests import FolderName
from audiobatchd.errors import UsageError


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset with one folder, beside it a link to it; the working directory is above both."""
    (tmp_path / "music" / "A - B").mkdir(parents=True)
    (tmp_path / "link").symlink_to("music")
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "music")


@pytest.mark.parametrize("way", ["music", "./music/", "link", "music/../music", "{music}"])
def test_dataset_goes_by_any_path(music: str, way: str) -> None:
    assert dataset_named(way.format(music=music), ["/other", music]) == music


@pytest.mark.parametrize(("datasets", "told"), [([], "it has none"), (["/other"], "/other")])
def test_dataset_of_no_service_is_refused_with_those_there_are(music: str, datasets: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=f"no dataset of the daemon's: .*{told}"):
        dataset_named(music, datasets)


@pytest.mark.parametrize("way", ["music/A - B", "link/A - B", "{music}/A - B", "A - B", "{music}/A - B/"])
def test_folder_goes_by_any_path_or_its_shown_name(music: str, way: str) -> None:
    assert folder_named(way.format(music=music), [music]) == FolderName(music, "A - B")


def test_folder_that_is_gone_is_named_all_the_same(music: str) -> None:
    assert folder_named(f"{music}/Gone", [music]) == FolderName(music, "Gone")
    assert folder_named("Gone", [music]) == FolderName(music, "Gone")


def test_dataset_itself_may_be_the_folder(music: str) -> None:
    assert folder_named(music, [music]) == FolderName(music, ".")


def test_bytes_that_are_no_text_are_found_by_their_shown_name(music: str) -> None:
    (Path(music) / "caf\udce9").mkdir()
    assert folder_named(r"caf\xe9", [music, "/other"]) == FolderName(music, r"caf\xe9")


def test_folder_that_may_be_in_several_is_refused(music: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is in no dataset of the daemon's"):
        folder_named("Gone", [music, "/other"])
    with pytest.raises(UsageError, match="is in no dataset of the daemon's"):
        folder_named("/elsewhere/Song", [music])


def test_dataset_of_a_command_has_to_be_a_directory(music: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(f'[[dataset]]\npath = "{music}"\nsettle = 7\n')
    arguments = Namespace(config=tmp_path / "c.toml", dataset="link")
    _, dataset = dataset_of(arguments)
    assert (dataset.path, dataset.settle) == (music, 7.0)
    with pytest.raises(UsageError, match=r"no such dataset: .*nowhere"):
        dataset_of(Namespace(config=tmp_path / "c.toml", dataset="nowhere"))


def test_name_too_long_for_a_directory_is_none(tmp_path: Path) -> None:
    assert is_directory(tmp_path)
    assert not is_directory(tmp_path / ("x" * 5000))
