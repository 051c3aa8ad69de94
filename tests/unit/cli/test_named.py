"""Names on the command line, by any path and by what `status` shows."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.named import dataset_named, dataset_of, folder_named, folder_of, is_directory, nearest_beside
from audiobatchd.control.client import ControlClient
from audiobatchd.control.requests import FolderName
from audiobatchd.control.status import FolderReport, Status
from audiobatchd.disk import filesystems
from audiobatchd.errors import AudiobatchError, UnknownFolderError, UsageError
from audiobatchd.vocabulary.names import shown
from support.control_rig import ToldService, report, serving


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


@pytest.mark.parametrize(
    ("directory", "way"),
    [
        ("music", "Broken"),
        ("music", "./Broken/"),
        ("music/Broken", "."),
        ("music/Broken", "full_mix.flac"),
        ("music/Broken", "../Broken/Broken.INFO"),
        ("music/Artist", "Broken"),
        ("link", "Broken/full_mix.flac"),
        (".", "link/Broken/full_mix.flac"),
        (".", "Broken/full_mix.flac"),
        (".", "Broken/"),
        (".", "{music}/Broken/full_mix.flac"),
        ("other", "Broken"),
    ],
)
def test_folder_goes_by_what_is_typed_where_one_stands(
    music: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str, way: str
) -> None:
    for name in ("Broken", "Artist/Else"):
        (Path(music) / name).mkdir(parents=True)
    for name in ("full_mix.flac", "Broken.INFO"):
        (Path(music) / "Broken" / name).touch()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / directory)
    assert folder_named(way.format(music=music), [music, str(tmp_path / "other")]) == FolderName(music, "Broken")


@pytest.mark.parametrize("name", ["Gone/full_mix.flac", "Gone/drums.WAV", "Gone"])
def test_source_file_that_is_gone_stands_for_its_folder(music: str, name: str) -> None:
    assert folder_named(f"{music}/{name}", [music]) == FolderName(music, "Gone")
    assert folder_named(name, [music]) == FolderName(music, "Gone")


def test_other_file_that_is_gone_is_taken_for_a_folder(music: str) -> None:
    assert folder_named(f"{music}/Gone.flac", [music]) == FolderName(music, "Gone.flac")


@pytest.mark.parametrize("name", ["caf\udce9", "A\nB", "\x1b[31m", "a\\b"])
@pytest.mark.parametrize("way", [r"{shown}", r"{music}/{shown}", "{music}/{name}/full_mix.flac"])
def test_odd_name_goes_as_it_is_and_as_it_is_shown(music: str, name: str, way: str) -> None:
    (Path(music) / name).mkdir()
    (Path(music) / name / "full_mix.flac").touch()
    given = way.format(music=music, name=name, shown=shown(name))
    assert folder_named(given, [music]) == FolderName(music, shown(name))


def test_disk_that_hangs_is_not_asked(music: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "answers", lambda _: False)
    monkeypatch.setattr(Path, "is_dir", lambda _: pytest.fail("it was asked"))
    monkeypatch.setattr(Path, "stat", lambda _: pytest.fail("it was asked"))
    assert folder_named(f"{music}/A - B/full_mix.flac", [music]) == FolderName(music, "A - B")


class Knowing(ToldService):
    """A service that knows these folders, by dataset."""

    def __init__(self, status: Status, known: dict[str, str]) -> None:
        datasets = [msgspec.structs.replace(status.datasets[0], path=path) for path in ("/one", "/two")]
        super().__init__(lambda: msgspec.structs.replace(status, datasets=datasets))
        self.known = known

    async def explain(self, name: FolderName) -> FolderReport:
        if name.dataset not in self.known:
            near = ': did you mean "A"?' if name.dataset == "/two" else ""
            raise UnknownFolderError(f"there is no track folder {name.folder} in {name.dataset}{near}")  # noqa: EM102
        return report(FolderName(name.dataset, self.known[name.dataset]))


def test_name_that_one_of_several_datasets_knows_is_found(tmp_path: Path, idle: Status) -> None:
    path = tmp_path / "c.sock"
    service = Knowing(idle, {"/two": "Artist/Broken"})
    with serving(path, service.status, service):
        assert folder_of("Broken", ControlClient(path)) == FolderName("/two", "Artist/Broken")
        service.known = {"/one": "A/Broken", "/two": "B/Broken"}
        with pytest.raises(UsageError, match=r"^Broken may be /one/A/Broken or /two/B/Broken: name it by its path$"):
            folder_of("Broken", ControlClient(path))
        service.known = {}
        with pytest.raises(AudiobatchError) as refused:
            folder_of("Broken", ControlClient(path))
        assert str(refused.value) == (
            'cannot look at Broken: there is no track folder Broken in /two: did you mean "A"?; '
            "cannot look at Broken: there is no track folder Broken in /one"
        )
        with pytest.raises(UsageError, match="is in no dataset of the daemon's"):
            folder_of("/elsewhere/Broken", ControlClient(path))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("musik", ": did you mean {music}?"),
        ("MUSIC/", ": did you mean {music}?"),
        ("nothing", ""),
    ],
)
def test_dataset_of_no_service_is_refused_with_the_nearest(music: str, given: str, said: str) -> None:
    others = [f"/{number}" for number in range(5)]
    with pytest.raises(UsageError) as refused:
        dataset_named(given, [music, *others])
    listed = f"({music}, /0, /1, /2, /3 and 1 more)"
    assert str(refused.value) == f"no dataset of the daemon's: {given}{said.format(music=music)} {listed}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("musc", ": did you mean music?"),
        ("./MUSIC/", ": did you mean ./music?"),
        ("music/a_b", ": did you mean music/A - B?"),
        ("nowhere/x", ""),
        ("xyzzy", ""),
    ],
)
def test_path_that_is_not_there_is_told_with_what_lies_beside(music: str, given: str, said: str) -> None:
    assert nearest_beside(given) == said


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
    with pytest.raises(UsageError, match=r"no such dataset: .*nowhere$"):
        dataset_of(Namespace(config=tmp_path / "c.toml", dataset="nowhere"))
    with pytest.raises(UsageError, match=r"no such dataset: .*/musik: did you mean .*music\?$"):
        dataset_of(Namespace(config=tmp_path / "c.toml", dataset="musik"))


def test_name_too_long_for_a_directory_is_none(tmp_path: Path) -> None:
    assert is_directory(tmp_path)
    assert not is_directory(tmp_path / ("x" * 5000))
