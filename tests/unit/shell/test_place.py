"""Where the daemon keeps its own files."""

from __future__ import annotations

import pytest

from audiobatchd.place import state_directory


@pytest.mark.parametrize(
    ("environ", "uid", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/given"}, 0, "/var/lib/given"),
        ({"STATE_DIRECTORY": "/var/lib/given", "XDG_STATE_HOME": "/x"}, 7, "/var/lib/given"),
        ({"STATE_DIRECTORY": "/var/lib/first:/var/lib/second"}, 7, "/var/lib/first"),
        ({"STATE_DIRECTORY": ""}, 0, "/var/lib/audiobatchd"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/root"}, 0, "/var/lib/audiobatchd"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/home/me"}, 7, "/x/audiobatchd"),
        ({"XDG_STATE_HOME": "", "HOME": "/home/me"}, 7, "/home/me/.local/state/audiobatchd"),
        ({"HOME": "/home/me"}, 7, "/home/me/.local/state/audiobatchd"),
        ({}, 7, "/.local/state/audiobatchd"),
    ],
)
def test_state_directory(environ: dict[str, str], uid: int, expected: str) -> None:
    assert str(state_directory(environ, uid)) == expected
