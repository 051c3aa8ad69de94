"""Datasets that the hosts share: folders with a tiny recording each, made on the server's own disk."""

from __future__ import annotations

import json
from typing import Any

from network.guest import Guest, Host
from network.kinds import Kind

_MAKE = """
import os, sys, wave
root, *folders = sys.argv[1:]
os.makedirs(root, exist_ok=True)
for folder in folders:
    frames, _, name = folder.partition(" ")
    os.makedirs(f"{root}/{name}")
    with wave.open(f"{root}/{name}/full_mix.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2) * int(frames))
"""
_frames: dict[str, int] = {}


def make(guest: Guest, kind: Kind, name: str, *folders: str, share: str = "music") -> str:
    """Make a dataset of this name; its path on the hosts."""
    make_folders(guest.server, on_server(name, share), *folders)
    return f"{kind.place(share)}/{name}"


def make_folders(host: Host, path: str, *folders: str) -> None:
    """Make folders in a directory of this host."""
    host.run("python3", "-I", "-c", _MAKE, path, *(f"{frames_of(folder)} {folder}" for folder in folders))


def frames_of(folder: str) -> int:
    """The number of frames of a folder's recording, by which measurements are told from each other."""
    return _frames.setdefault(folder, 4000 + len(_frames))


def folder_with(frames: int) -> str:
    """The folder whose recording has so many frames."""
    return next(folder for folder, number in _frames.items() if number == frames)


def on_server(name: str, share: str = "music") -> str:
    """The path of a dataset on the server's own disk."""
    return f"/srv/{share}/{name}"


def record(guest: Guest, name: str, folder: str, share: str = "music") -> dict[str, Any]:
    """The record of a folder, as it stands on the server's own disk; empty where there is none."""
    done = guest.server.run("cat", f"{on_server(name, share)}/{folder}/{folder}.INFO", check=False)
    return dict(json.loads(done.out)) if done.code == 0 else {}


def left_in(guest: Guest, name: str, share: str = "music") -> list[str]:
    """Files below a dataset that a finished process should not leave: temporary ones, and locks with a content."""
    found = guest.server.sh('find "$1" -name "*.tmp" -o -name "*.lock" -size +0', on_server(name, share))
    return found.out.splitlines()
