"""A small Debian without anything of ours, and commands in it that reach the package index as this machine does."""

from __future__ import annotations

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
    if not base.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        make_root(base.with_suffix(".new"), release, packages)
        base.with_suffix(".new").rename(base)
    with copy_of(base, f"{name}-running") as root:
        (root / source).mkdir(parents=True)
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-xC", root / source], input=archive, check=True)
        yield root


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
