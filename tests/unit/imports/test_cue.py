"""Cue sheets tell which files are whole albums."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.imports import cue, library
from support.music_library import write

ALBUM = 'FILE "album.wav" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n  TRACK 02 AUDIO\n    INDEX 01 03:00:00\n'
SINGLES = 'FILE "1.wav" WAVE\n  TRACK 01 AUDIO\nFILE "2.wav" WAVE\n  TRACK 02 AUDIO\n'


@pytest.mark.parametrize(
    ("sheet", "names", "albums"),
    [
        (ALBUM, ("album.wav", "bonus.wav"), ["album.wav"]),
        (ALBUM, ("Album.flac",), ["Album.flac"]),
        (ALBUM.replace("album.wav", "C:\\rips\\gone.wav"), ("sheet.ape", "sheet.flac"), ["sheet.flac"]),
        (ALBUM.replace('"album.wav"', "album.wav").lower(), ("album.wav",), ["album.wav"]),
        (SINGLES, ("1.wav", "2.wav"), []),
        ("TRACK 01 AUDIO\nTRACK 02 AUDIO", ("sheet.flac",), []),
        ("", ("album.wav",), []),
        ("\0" * 100, ("album.wav",), []),
    ],
)
def test_a_file_of_several_tracks_is_an_album(
    tmp_path: Path, sheet: str, names: tuple[str, ...], albums: list[str]
) -> None:
    write(tmp_path / "music", *names)
    (tmp_path / "music" / "sheet.cue").write_text(sheet)
    found = library.read([str(tmp_path / "music")], "/nowhere")
    assert sorted(Path(path).name for path in cue.albums(found.cues, found.audio)) == albums


def test_a_sheet_that_cannot_be_read_divides_nothing(tmp_path: Path) -> None:
    write(tmp_path / "music", "album.wav")
    with (tmp_path / "music" / "sheet.cue").open("wb") as file:
        file.truncate(2 << 20)
    found = library.read([str(tmp_path / "music")], "/nowhere")
    assert cue.albums([*found.cues, "/nowhere/x.cue"], found.audio) == {}
