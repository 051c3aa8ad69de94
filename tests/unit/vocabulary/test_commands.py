"""Commands that texts name can be pasted into a shell."""

from __future__ import annotations

import os
import subprocess

import pytest

from audiobatchd.vocabulary.commands import import_command, quoted

PATHS = [
    b"/music",
    b"/my music",
    b"/it's",
    b'/$HOME `x` "y" \\z',
    b"/caf\xe9",
    b"/two\nlines\x1b",
    "/caf\u00e9".encode(),
    b"/-\xe9'a0",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_shell_reads_the_path_that_was_quoted(path: bytes) -> None:
    text = quoted(os.fsdecode(path))
    assert text.isprintable()
    read = subprocess.run(["bash", "-c", f"printf %s {text}"], capture_output=True, check=True).stdout
    assert read == path


@pytest.mark.parametrize(
    ("directory", "has_music", "command"),
    [
        ("/srv/my music", True, "audiobatchctl import '/srv/my music' '/srv/my music-tracks'"),
        ("/srv/music/", True, "audiobatchctl import /srv/music/ /srv/music-tracks"),
        ("/srv/music", False, "audiobatchctl import YOUR_MUSIC /srv/music"),
    ],
)
def test_the_import_of_a_directory_is_named(directory: str, has_music: bool, command: str) -> None:
    assert import_command(directory, has_music=has_music) == command
