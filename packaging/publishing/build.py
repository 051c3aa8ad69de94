"""A build of one commit in a directory of its own: by the tasks of `./dev`, from what is committed alone."""

from __future__ import annotations

import fcntl
import gzip
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from publishing.packages import read_package
from publishing.placing import held
from publishing.sbom import bill
from publishing.signing import PublishingError, without_key

RELEASES = ("bookworm", "trixie")
DOCUMENTATION = ("docs", "README.md", "CHANGELOG.md", "LICENSE")
REPORT = ".environment.json"
ELSEWHERE = {"TZ": "Pacific/Chatham", "LC_ALL": "C", "LANG": "C", "COLUMNS": "33", "PYTHONHASHSEED": "7"}
"""Environment of a second build, which must not show in what is built."""


def tasks_of(project: Path, releases: Iterable[str]) -> list[list[str]]:
    """Tasks of `./dev` that build everything, with their arguments."""
    tasks = [["dist"], *(["deb", "--release", release] for release in releases)]
    helped = subprocess.run(["./dev", "help"], cwd=project, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [*tasks, ["image"], ["image", "--slim"]] if re.search(r"^  image ", helped, re.MULTILINE) else tasks


def build(project: Path, commit: str, tasks: list[list[str]], place: Path, environment: Mapping[str, str]) -> Path:
    """Build a commit by these tasks; returns the directory with what was built. `place` is an empty directory."""
    epoch = git(project, "log", "-1", "--format=%ct", commit).strip()
    # With its history: tasks ask git which commit it is.
    git(project, "clone", "--quiet", "--shared", "--no-checkout", str(project), str(place))
    git(place, "checkout", "--quiet", "--detach", commit)
    # The tools are those of the project; what they build is the copy.
    (place / ".venv").symlink_to(project / ".venv")
    told = {**without_key(), **environment, "SOURCE_DATE_EPOCH": epoch}
    for task in tasks:
        if subprocess.run(["./dev", *task], cwd=place, env=told, stdin=subprocess.DEVNULL, check=False).returncode:
            message = f"cannot build: ./dev {' '.join(task)} failed, see above"
            raise PublishingError(message)
    built = place / "dist"
    version = tomllib.loads((place / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    name = f"audiobatchd-{version}-docs"
    (built / f"{name}.tar.gz").write_bytes(documentation(project, commit, name))
    for package in sorted(built.glob("*.deb")):
        report = package.with_suffix(REPORT)
        materials = bill(read_package(package), json.loads(report.read_bytes()), place / "pyproject.toml")
        report.unlink()
        package.with_suffix(".cdx.json").write_text(json.dumps(materials, indent=1) + "\n")
    return built


def documentation(project: Path, commit: str, name: str) -> bytes:
    """The documentation as an archive, whose files lie below `name`."""
    command = ["git", "archive", "--format=tar", f"--prefix={name}/", commit, "--", *DOCUMENTATION]
    return gzip.compress(subprocess.run(command, cwd=project, stdout=subprocess.PIPE, check=True).stdout, mtime=0)


def git(project: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Output of git in this project. Raises PublishingError with what git said."""
    told = environment or without_key()
    done = subprocess.run(["git", *arguments], cwd=project, env=told, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"cannot ask git: {done.stderr.strip()}"
        raise PublishingError(message)
    return done.stdout


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """An empty directory in `beside`, which one release at a time has; what lies in it goes at the end."""
    beside.mkdir(parents=True, exist_ok=True)
    with held(beside) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = beside / ".build"
        shutil.rmtree(place, ignore_errors=True)  # of a release that was killed
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
