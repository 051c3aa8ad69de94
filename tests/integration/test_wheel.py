"""The wheel: what it carries beside the code, and that the source archive makes the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.cli.completion.scripts import script

ROOT = Path(__file__).parents[2]
DATA = re.compile(r"[^/]+\.data/data/share/(.*)")


def build(source: Path, target: str, out: Path) -> Path:
    """Build a wheel or a source archive of what lies at `source`."""
    environ = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(out)]
    subprocess.run(command, cwd=source, env=environ, check=True, capture_output=True)
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of these sources."""
    with zipfile.ZipFile(build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))) as file:
        yield file


def shared(wheel: zipfile.ZipFile) -> dict[str, str]:
    """What is installed below `share`, by its path there."""
    found = {match[1]: wheel.read(name).decode() for name in wheel.namelist() if (match := DATA.fullmatch(name))}
    assert found
    return found


def test_it_carries_pages_completions_and_units(wheel: zipfile.ZipFile) -> None:
    files = shared(wheel)
    units = {
        f"audiobatchd/systemd/{each.relative_to(ROOT / 'systemd')}"
        for each in (ROOT / "systemd").rglob("*")
        if each.is_file()
    }
    assert files.keys() == units | {
        "audiobatchd/audiobatchd.example.toml",
        "bash-completion/completions/audiobatchctl",
        "bash-completion/completions/audiobatchd",
        "fish/vendor_completions.d/audiobatchctl.fish",
        "fish/vendor_completions.d/audiobatchd.fish",
        "man/man1/audiobatchctl.1",
        "man/man1/audiobatchd.1",
        "man/man5/audiobatchd.toml.5",
        "zsh/site-functions/_audiobatchctl",
        "zsh/site-functions/_audiobatchd",
    }
    assert files["zsh/site-functions/_audiobatchd"] == script("zsh", "audiobatchd")
    assert "--dry-run" in files["man/man1/audiobatchd.1"].replace("\\-", "-")


def test_it_carries_the_user_s_unit_as_a_file(wheel: zipfile.ZipFile) -> None:
    """In the sources it is a link out of the package."""
    unit = wheel.read("audiobatchd/cli/rights/user.service").decode()
    assert unit == (ROOT / "systemd" / "user" / "audiobatchd.service").read_text()


def test_the_source_archive_makes_the_same_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    archive = build(ROOT, "sdist", tmp_path / "sdist")
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    again = build(tmp_path / archive.name.removesuffix(".tar.gz"), "wheel", tmp_path / "again")
    assert wheel.filename is not None
    assert again.read_bytes() == Path(wheel.filename).read_bytes()
