"""An analyzer that bears witness on the guest's own disk: every measurement is written down when it begins.

What is not known to an analyzer is the folder; its recording's length tells. See `holding` for how long it may take.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from network import dataset
from network.guest import Guest, Host

PATIENCE = 900
"""Seconds for programs that load a lot, on a machine that is busy with other things."""
ENVIRONMENT = {"PYTHONPATH": "/run/witness"}
_INSTALL = """
import pathlib
from support.plugins import install_analyzer
install_analyzer(pathlib.Path("/run/witness"), "witness", '''
    host = os.uname().nodename
    with open("/tmp/measured", "a") as file:
        file.write(f"{host} {round(audio.duration * audio.rate)}\\\\n")
    while os.path.exists(f"/tmp/hold {host} {round(audio.duration * audio.rate)}"):
        time.sleep(0.05)
    return self.answer(audio)
''')
"""


def install(host: Host, *paths: str, **keys: object) -> str:
    """Install it on a host; the configuration with which a service measures these datasets by it alone."""
    host.run("python3", "-c", _INSTALL)
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"analyzers": ["witness"], **keys}.items()]
    for path in paths:
        lines += ["[[dataset]]", f"path = {json.dumps(path)}", "settle = 0.0", "rescan = 2.0"]
    host.sh('printf "%s\\n" "$@" >/run/witness.toml', *lines)
    return "/run/witness.toml"


def measured(guest: Guest) -> list[tuple[str, str]]:
    """Every measurement that was begun, by its host and its folder."""
    lines = guest.server.sh("cat /tmp/measured").out.splitlines()
    return [(host, dataset.folder_with(int(frames))) for host, frames in (line.split() for line in lines)]


def begins(guest: Guest, host: str, folder: str) -> None:
    """Wait until this host measures this folder."""
    line = f"{host} {dataset.frames_of(folder)}"
    guest.server.sh('until grep -qx "$1" /tmp/measured; do sleep 0.2; done', line, timeout=PATIENCE)


@contextmanager
def holding(guest: Guest, host: str, folder: str) -> Iterator[None]:
    """Have the measurement of a folder on this host last for as long as this does."""
    mark = f"/tmp/hold {host} {dataset.frames_of(folder)}"  # noqa: S108  # the guest's, which is nobody else's
    guest.server.run("touch", mark)
    try:
        yield
    finally:
        guest.server.run("rm", "-f", mark)
