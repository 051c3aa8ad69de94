"""A release is whole, can be checked by sha256sum and gpg, and is refused where something speaks against it.

The project that is released here is a small one with a `./dev` of its own; everything else is the real thing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.apt_rig import KEY, Keys, needs_apt

pytestmark = [needs_apt, pytest.mark.skipif(shutil.which("git") is None, reason="git is not there")]
ROOT = Path(__file__).parents[3]
DEV = r"""#!/bin/sh
set -eu
mkdir -p dist
case "$1" in
help) echo "  dist" ;;
dist) echo wheel >dist/audiobatchd-1.0.0-py3-none-any.whl ;;
deb)
    stage=$(mktemp -d)
    mkdir "$stage/DEBIAN"
    printf '%s\n' 'Package: audiobatchd' 'Version: 1.0.0-1+deb12' 'Architecture: amd64' 'Depends: acl' \
        'Maintainer: A <a@example.org>' 'Description: small' >"$stage/DEBIAN/control"
    cp CHANGELOG.md "$stage/file"
    #MORE
    chmod -R u=rwX,go=rX "$stage"
    dpkg-deb --root-owner-group -Zgzip -b "$stage" dist/audiobatchd_1.0.0-1+deb12_amd64.deb >&2
    echo '{"environment": {}, "install": []}' >dist/audiobatchd_1.0.0-1+deb12_amd64.environment.json
    rm -r "$stage" ;;
esac
"""
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.0.0] - 2026-01-02\n\n### Added\n\n- The first.\n"
MADE = {
    "RELEASE-NOTES.md",
    "SHA256SUMS",
    "audiobatchd-1.0.0-docs.tar.gz",
    "audiobatchd-1.0.0-py3-none-any.whl",
    "audiobatchd_1.0.0-1+deb12_amd64.cdx.json",
    "audiobatchd_1.0.0-1+deb12_amd64.deb",
}


@dataclass(frozen=True)
class Project:
    """A small project in a git repository."""

    root: Path

    @property
    def output(self) -> Path:
        """Directory of the release."""
        return self.root / "dist/audiobatchd-1.0.0"

    def git(self, *arguments: str) -> str:
        """Output of git."""
        people = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **people, "GIT_CONFIG_GLOBAL": "/dev/null"}
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=self.root, env=environment, check=True, capture_output=True, text=True
        ).stdout

    def change(self, name: str, before: str, after: str) -> None:
        """Change a file and commit it."""
        text = (self.root / name).read_text()
        assert before in text
        (self.root / name).write_text(text.replace(before, after))
        self.git("commit", "-qam", "Change")

    def release(self, *arguments: str, key: str = "", home: Path | None = None) -> tuple[int, str]:
        """Run `./dev release` past what it sets up; returns its exit code and what it told."""
        people = {f"GIT_COMMITTER_{what}": "a@example.org" for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            [sys.executable, "-m", "publishing.release", "--release", "bookworm", *arguments],
            cwd=self.root,
            env={
                **{name: value for name, value in os.environ.items() if name != KEY},
                **people,
                "PYTHONPATH": str(self.root / "packaging"),
                "PYTHONDONTWRITEBYTECODE": "1",
                **({KEY: key, "GNUPGHOME": str(home)} if key else {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    shutil.copytree(
        ROOT / "packaging/publishing", root / "packaging/publishing", ignore=shutil.ignore_patterns("__py*")
    )
    (root / "docs").mkdir()
    (root / "daemon/audiobatchd").mkdir(parents=True)
    for name, text in {
        "dev": DEV,
        "CHANGELOG.md": CHANGELOG,
        "README.md": "A project.\n",
        "LICENSE": "All of it.\n",
        "docs/page.md": "A page.\n",
        "pyproject.toml": '[project]\nname = "audiobatchd"\nversion = "1.0.0"\n',
        "daemon/audiobatchd/__init__.py": '__version__ = "1.0.0"\n',
        ".gitignore": "/dist/\n",
    }.items():
        (root / name).write_text(text)
    (root / "dev").chmod(0o755)
    project = Project(root)
    project.git("init", "-q")
    project.git("add", "-A")
    project.git("commit", "-qm", "Begin")
    return project


def test_release_is_whole_and_summed(project: Project) -> None:
    code, told = project.release("1.0.0")
    assert (code, "NOT SIGNED" in told) == (0, True), told
    assert {path.name for path in project.output.iterdir()} == MADE
    assert (project.output / "RELEASE-NOTES.md").read_text() == "### Added\n\n- The first.\n"
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=project.output,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(checked.stdout.splitlines()) == len(MADE) - 1
    assert [path.name for path in (project.root / "dist").iterdir()] == [project.output.name]
    assert project.git("tag") == ""


def test_release_with_a_key_is_signed_and_tagged(project: Project, keys: Keys) -> None:
    key = keys.make("Releaser <r@example.org>")
    code, told = project.release("--tag", key=key, home=keys.home)
    assert code == 0, told
    command = ["gpgv", "--quiet", "--keyring", "./signing-key.gpg", "SHA256SUMS.asc", "SHA256SUMS"]
    subprocess.run(command, cwd=project.output, check=True, capture_output=True)
    assert "BEGIN PGP SIGNATURE" in project.git("cat-file", "tag", "v1.0.0")
    assert "### Added" in project.git("tag", "-l", "--format=%(contents)", "v1.0.0")
    command = ["git", "verify-tag", "v1.0.0"]
    home = {**os.environ, "GNUPGHOME": str(keys.home)}
    subprocess.run(command, cwd=project.root, env=home, check=True, capture_output=True)


def test_tag_without_a_key_is_annotated(project: Project) -> None:
    assert project.release("--tag")[0] == 0
    assert project.git("cat-file", "-t", "v1.0.0") == "tag\n"
    assert "SIGNATURE" not in project.git("cat-file", "tag", "v1.0.0")


def test_all_obstacles_are_told_at_once(project: Project) -> None:
    project.change("CHANGELOG.md", "## [1.0.0] - 2026-01-02", "## [0.9.0] - 2026-01-02")
    project.git("tag", "v1.0.0")
    (project.root / "new-file").touch()
    project.output.mkdir(parents=True)
    code, told = project.release("1.0.1")
    assert code == 1
    for obstacle in (
        "not committed, so not to be built: new-file",
        "the version is 1.0.0 and not 1.0.1",
        "no section [1.0.0]",
        "the tag v1.0.0 is there",
        "dist/audiobatchd-1.0.0 is there",
    ):
        assert obstacle in told
    assert list(project.output.iterdir()) == []


def test_versions_that_disagree_are_refused(project: Project) -> None:
    project.change("daemon/audiobatchd/__init__.py", "1.0.0", "1.0.1")
    code, told = project.release()
    assert (code, "audiobatchd.__version__ 1.0.1" in told) == (1, True)


def test_package_of_another_version_is_refused(project: Project) -> None:
    project.change("dev", "Version: 1.0.0-1", "Version: 1.0.1-1")
    code, told = project.release()
    assert (code, "has the version 1.0.1-1+deb12" in told) == (1, True)
    assert list((project.root / "dist").iterdir()) == []


def test_failed_build_leaves_nothing(project: Project) -> None:
    project.change("dev", "#MORE", "exit 3")
    code, told = project.release("--tag")
    assert (code, "./dev deb --release bookworm failed" in told) == (1, True)
    assert list((project.root / "dist").iterdir()) == []
    assert project.git("tag") == ""


def test_check_finds_builds_to_be_the_same(project: Project) -> None:
    code, told = project.release("--check")
    assert (code, "the same, byte for byte" in told) == (0, True), told
    assert list((project.root / "dist").iterdir()) == []


@pytest.mark.parametrize("varying", ["date +%N", "pwd", "umask", "date -d @0", "date +%N >dist/x; echo"])
def test_check_names_what_differs(varying: str, project: Project) -> None:
    project.change("dev", "#MORE", f'{{ {varying}; }} >"$stage/told"')
    code, told = project.release("--check")
    assert code == 1
    assert ("x differs" if "dist/x" in varying else "deb differs: fsys:./told") in told
