"""Where the daemon keeps its own files, and where models are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.config import places
from audiobatchd.config.places import default_socket, model_directories, model_target, state_directory


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


@pytest.mark.parametrize(
    ("configured", "environ", "expected", "for_root", "for_others"),
    [
        (None, {"HOME": "/h"}, ["/s/models", "/h/.local/share/audiobatchd/models"], 0, 1),
        (None, {"HOME": "/h", "XDG_DATA_HOME": "/x"}, ["/s/models", "/x/audiobatchd/models"], 0, 1),
        (None, {}, ["/s/models"], 0, 0),
        (None, {"ESSENTIA_MODELS_DIR": "", "XDG_DATA_HOME": ""}, ["/s/models"], 0, 0),
        (None, {"ESSENTIA_MODELS_DIR": "/e"}, ["/e", "/s/models"], 0, 0),
        ("/c", {"ESSENTIA_MODELS_DIR": "/e"}, ["/c", "/e", "/s/models"], 0, 0),
        ("/s/models", {"ESSENTIA_MODELS_DIR": "/e"}, ["/s/models", "/e"], 0, 0),
    ],
)
def test_model_directories(
    configured: str | None, environ: dict[str, str], expected: list[str], for_root: int, for_others: int
) -> None:
    found = list(map(str, model_directories(configured, environ, Path("/s"))))
    assert found == [*expected, "/usr/share/audiobatchd/models"]
    assert str(model_target(configured, environ, Path("/s"), 0)) == expected[for_root]
    assert str(model_target(configured, environ, Path("/s"), 7)) == expected[for_others]


@pytest.mark.parametrize(
    ("environ", "uid", "service", "expected"),
    [
        ({"AUDIOBATCHD_SOCKET": "/a/b.sock"}, 0, True, "/a/b.sock"),
        ({"AUDIOBATCHD_SOCKET": "", "XDG_RUNTIME_DIR": "/x"}, 7, False, "/x/audiobatchd/control.sock"),
        ({}, 0, False, "SERVICE"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, 7, True, "SERVICE"),
        ({}, 7, False, "/run/user/7/audiobatchd/control.sock"),
    ],
)
def test_default_place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    uid: int,
    service: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(places, "SERVICE_SOCKET", tmp_path / "service.sock")
    if service:
        (tmp_path / "service.sock").touch()
    where = str(tmp_path / "service.sock") if expected == "SERVICE" else expected
    assert str(default_socket(environ, uid)) == where
