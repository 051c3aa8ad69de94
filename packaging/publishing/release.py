"""A release: `./dev release [VERSION] [--tag]`, and `./dev release --check`.

Everything is built from one commit in a directory of its own, summed, signed where there is a key, and renamed into
dist/audiobatchd-VERSION as a whole. Nothing is published. `--check` builds twice and compares.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from publishing.build import ELSEWHERE, RELEASES, build, git, scratch, tasks_of
from publishing.changelog import section
from publishing.comparison import differences, digest_of
from publishing.packages import read_package
from publishing.signing import KEY, PublishingError, Signer, signer, without_key

PROJECT = Path(__file__).resolve().parents[2]
SUMS = "SHA256SUMS"
NOTES = "RELEASE-NOTES.md"
VERSION = re.compile(r"^__version__ = \"(.+)\"$", re.MULTILINE)


def version_of(project: Path) -> str:
    """The version of the project, which its two places agree on. Raises PublishingError where they do not."""
    version: str = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    module = VERSION.search((project / "daemon/audiobatchd/__init__.py").read_text(encoding="utf-8"))
    if module is None or module[1] != version:
        message = f"cannot release: pyproject.toml says {version}, audiobatchd.__version__ {module and module[1]}"
        raise PublishingError(message)
    return version


def obstacles(project: Path, asked: str | None, output: Path) -> list[str]:
    """List all that keeps the project, as it is, from being released as the version that is asked for."""
    version = version_of(project)
    found = changed(project)
    if asked not in (None, version):
        found.append(f"the version is {version} and not {asked}; change pyproject.toml and audiobatchd.__version__")
    try:
        section((project / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    except PublishingError as error:
        found.append(str(error))
    if git(project, "tag", "--list", f"v{version}").strip():
        found.append(f"the tag v{version} is there: this version has been released")
    if output.exists():
        found.append(f"{output} is there; remove it to build it again")
    return found


def changed(project: Path) -> list[str]:
    """Tell what is not committed, for it would not be built."""
    lines = git(project, "status", "--porcelain").splitlines()
    more = f" and {len(lines) - 1} more" if lines[1:] else ""
    return [f"not committed, so not to be built: {lines[0][3:]}{more}"] if lines else []


def assemble(built: Path, version: str, key: Signer | None, output: Path) -> None:
    """Put what was built into a directory, check its versions, sum it, and rename it into its place."""
    for package in map(read_package, sorted(built.glob("*.deb"))):
        if not re.fullmatch(rf"{re.escape(version)}-\d+\+deb\d+", package.version):
            message = f"cannot release: {package.path.name} has the version {package.version}"
            raise PublishingError(message)
    place = output.with_name(f"{output.name}.new")
    shutil.rmtree(place, ignore_errors=True)  # of a release that was killed
    place.mkdir(parents=True)
    try:
        for path in sorted(built.iterdir()):
            shutil.move(path, place / path.name)
        text = sums(place).encode()
        (place / SUMS).write_bytes(text)
        if key is not None:
            (place / f"{SUMS}.asc").write_bytes(key.detached(text))
            (place / "signing-key.gpg").write_bytes(key.public_key())
        os.sync()
        place.rename(output)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def sums(place: Path) -> str:
    """Lines as sha256sum writes them."""
    return "".join(f"{digest_of(path)}  {path.name}\n" for path in sorted(place.iterdir()) if path.is_file())


def tag(project: Path, commit: str, version: str, notes: str, key: Signer | None) -> None:
    """Tag a commit; with a key the tag is signed."""
    how = ["--sign", "--local-user", key.fingerprint] if key else ["--annotate"]
    message = f"audiobatchd {version}\n\n{notes}"
    environment = key.environment() if key else without_key()
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(message)
        file.flush()
        what = ["--cleanup=whitespace", "--file", file.name, f"v{version}", commit]
        git(project, "tag", *how, *what, environment=environment)


def release(arguments: argparse.Namespace) -> None:
    """Build and assemble, as the command line says."""
    output: Path = arguments.output or PROJECT / "dist" / f"audiobatchd-{version_of(PROJECT)}"
    refuse(obstacles(PROJECT, arguments.version, output))
    version = version_of(PROJECT)
    with signer() as key, scratch(PROJECT / "dist") as place:
        commit = git(PROJECT, "rev-parse", "HEAD").strip()
        built = build(PROJECT, commit, tasks_of(PROJECT, arguments.releases), place, {})
        (built / NOTES).write_text(section((place / "CHANGELOG.md").read_text(encoding="utf-8"), version))
        assemble(built, version, key, output)
        if arguments.tag:
            tag(PROJECT, commit, version, (output / NOTES).read_text(encoding="utf-8"), key)
    say(f"{output}, {'signed' if key else f'NOT SIGNED: {KEY} is not set'}; nothing has been published")


def check(arguments: argparse.Namespace) -> None:
    """Build twice, in other places and environments, and compare."""
    refuse(changed(PROJECT))
    with scratch(PROJECT / "dist") as place:
        first, second = place / "one", place / "another place" / "deeper"
        first.mkdir()
        second.mkdir(parents=True)
        commit = git(PROJECT, "rev-parse", "HEAD").strip()
        one = build(PROJECT, commit, tasks_of(PROJECT, arguments.releases), first, {})
        os.umask(0o077)
        other = build(PROJECT, commit, tasks_of(PROJECT, arguments.releases), second, ELSEWHERE)
        found = differences(one, other)
        for line in sums(one).splitlines():
            say(line)
    if found:
        message = "two builds of the same commit differ:\n  " + "\n  ".join(found)
        raise PublishingError(message)
    say("two builds of this commit are the same, byte for byte")


def refuse(found: list[str]) -> None:
    """Raise PublishingError where there is an obstacle."""
    if found:
        message = "cannot release: " + "\n  and: ".join(found)
        raise PublishingError(message)


def say(text: str) -> None:
    """Tell the caller what has been done."""
    sys.stderr.write(f"./dev release: {text}\n")


def main() -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="./dev release", description="Build a release of what is committed.")
    parser.add_argument("version", nargs="?", metavar="VERSION", help="refused where the project's is another one")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: dist/audiobatchd-VERSION")
    parser.add_argument("--tag", action="store_true", help="also tag the commit, signed where there is a key")
    parser.add_argument("--check", action="store_true", help="only build twice, and compare")
    parser.add_argument(
        "--release", action="append", dest="releases", choices=RELEASES, help="of Debian; may be repeated; default: all"
    )
    arguments = parser.parse_args()
    arguments.releases = arguments.releases or RELEASES
    os.umask(0o022)
    try:
        (check if arguments.check else release)(arguments)
    except (PublishingError, OSError) as error:
        say(str(error) if isinstance(error, PublishingError) else f"cannot release: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
