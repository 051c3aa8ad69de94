"""A small Debian without anything of ours, and commands in it that reach the package index as this machine does."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from system.machine import CACHE, copy_of, make_root

ROOT = Path(__file__).parents[2]
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_OF_USERS = (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf")
_PIP = re.compile(r"PIP_\w+|\w+_proxy|\w+_PROXY")


@contextmanager
def bare_root(name: str, release: str, source: str, packages: str = "") -> Iterator[Path]:
    """A copy of a root with these packages; at `source` in it lies what has been committed, as in a clone."""
    base = CACHE / f"{name}-{release}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one run at a time; the next one waits
        if not base.is_dir():
            fresh = base.with_suffix(".new")
            subprocess.run(["rm", "-rf", "--one-file-system", fresh], check=True)
            make_root(fresh, release, packages)
            fresh.rename(base)
        with copy_of(base, f"{name}-running") as root:
            _lay_source(root / source)
            yield root


def _lay_source(place: Path) -> None:
    """Lay there what has been committed, as a clone would bring it."""
    place.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-xC", place], input=archive, check=True)


def in_root(
    root: Path, source: str, *command: str, env: Mapping[str, str], binds: Mapping[Path, str] | None = None
) -> list[str]:
    """A command in the source there, with certificates, pip's settings and proxies of this machine."""
    environment = {name: value for name, value in os.environ.items() if _PIP.fullmatch(name)}
    places = {Path("/etc/pip.conf"): "/etc/pip.conf"}
    # Not into the home there: directories that are made for a mount are root's.
    if own := [each for each in _OF_USERS if each.exists()]:
        places[own[0]] = environment["PIP_CONFIG_FILE"] = "/etc/pip-of-the-host.conf"
    if _CERTIFICATES.exists():
        # Under another name: the package ca-certificates is installed there, and writes its own.
        places[_CERTIFICATES] = environment["PIP_CERT"] = "/etc/host-certificates.crt"
    return [
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe", f"--directory={root}"),
        *(f"--bind-ro={outside}:{inside}" for outside, inside in places.items() if outside.exists()),
        *(f"--bind={outside}:{inside}" for outside, inside in (binds or {}).items()),
        *(f"--setenv={name}={value}" for name, value in {**environment, **env}.items()),
        *(f"--chdir=/{source}", "--", *command),
    ]
