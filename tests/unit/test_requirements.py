"""The lock in requirements/ is whole: it answers pyproject.toml, by digests alone, and names no place to fetch from."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements"
LISTS = sorted(LOCK.glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
PIN = re.compile(
    r"^(?P<name>\S+)==(?P<version>\S+)(?: ; [^\\]*)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", re.MULTILINE
)

EXTRAS = PROJECT["project"]["optional-dependencies"]
HOOK = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]

# Which lists answer for which requirements.
ANSWERED = [
    *((line, ("run.txt",)) for line in PROJECT["project"]["dependencies"]),
    *(
        (line, ("systemd.txt" if extra == "systemd" else "run.txt",))
        for extra, lines in EXTRAS.items()
        for line in lines
        if extra != "all"
    ),
    *((line, ("build.txt",)) for line in PROJECT["build-system"]["requires"]),
    *((line, ("documents.txt", "run.txt")) for line in HOOK["dependencies"]),
    *((line, (f"{group}.txt",)) for group, lines in GROUPS.items() for line in lines),
]  # fmt: skip


def pins(*lists: str) -> dict[str, str]:
    """The locked version of each package in these lists."""
    return {found["name"]: found["version"] for name in lists for found in PIN.finditer((LOCK / name).read_text())}


@pytest.mark.parametrize(("requirement", "lists"), ANSWERED, ids=[line for line, _ in ANSWERED])
def test_the_lock_answers_each_requirement(requirement: str, lists: tuple[str, ...]) -> None:
    wanted = Requirement(requirement)
    assert wanted.specifier.contains(pins(*lists)[canonicalize_name(wanted.name)], prereleases=True)


@pytest.mark.parametrize("requirement", [line for line, _ in ANSWERED])
def test_each_requirement_has_a_lower_and_an_upper_bound(requirement: str) -> None:
    operators = {each.operator for each in Requirement(requirement).specifier}
    assert operators in ({">=", "<"}, {"=="})


def test_all_is_every_extra_that_needs_no_compiler() -> None:
    (line,) = EXTRAS["all"]
    assert Requirement(line).extras == EXTRAS.keys() - {"all", "systemd"}


def test_the_build_takes_what_the_package_takes() -> None:
    known = {*PROJECT["project"]["dependencies"], *GROUPS["documents"]}
    assert [line for line in HOOK["dependencies"] if line not in known] == []


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_a_list_is_pins_with_digests_and_nothing_else(path: Path) -> None:
    rest = PIN.sub("", path.read_text())
    assert [line for line in rest.splitlines() if line and not line.lstrip().startswith("#")] == []
    assert "/" not in path.read_text().replace("./dev update", "")


def test_a_package_has_one_version_in_all_lists() -> None:
    everything = pins(*(path.name for path in LISTS))
    assert all(pins(path.name).items() <= everything.items() for path in LISTS)


def test_all_that_is_installed_stands_in_the_lock() -> None:
    """`pip install` of what no list names would give each day's newest; what is newest is asked for in one place."""
    installing = re.compile(r"pip\b[^\n|&]*\binstall\b[^\n]*")
    for script in (ROOT / "dev", ROOT / "packaging/make-environment", ROOT / "tests/powercut/guest.py"):
        text = re.sub(r"^install_newest\(\) \{.*?^\}", "", script.read_text(), flags=re.MULTILINE | re.DOTALL)
        text = text.replace("\\\n", " ")
        for command in installing.findall(text):
            assert "require-hashes" in command or "--no-deps" in command or "*locked" in command, (script, command)


def test_stale_tells_what_an_older_lock_left(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.mkdir()
    (lock / "installed.py").write_text((LOCK / "installed.py").read_text())
    text = (LOCK / "build.txt").read_text()
    (lock / "run.txt").write_text(text.replace("pip==", "pap=="))

    def answer(question: str, *more: str) -> list[str]:
        command = [sys.executable, str(lock / "installed.py"), question, *more]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    stale = answer("stale")
    assert "pip" in stale
    assert "hatchling" not in stale
    assert "audiobatchd" not in stale
    (lock / "run.txt").write_text(re.sub(r"^pip==\S+", "pip==1.0", text, flags=re.MULTILINE))
    assert [line.split()[0] for line in answer("other") if "locked: 1.0" in line] == ["pip"]
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(
        '[project]\ndependencies = ["av>=15,<19", "dask[distributed]>=2; os_name == \'posix\'"]\n'
        '[project.optional-dependencies]\ntable = ["pyarrow>=20"]\nall = ["audiobatchd[table]"]\n'
        '[dependency-groups]\nbuild = ["pip>=25"]\ndev = []\n'
    )
    assert answer("wanted", str(pyproject)) == ["av", "dask[distributed]; os_name == 'posix'", "pyarrow", "pip"]
