"""Holds what is installed in the environment that runs it against the lock beside it. Needs nothing but Python.

installed.py stale: the packages that no list of the lock names, one a line: what an older lock has left behind.
installed.py wanted PYPROJECT: what that file asks for without its bounds, which is the newest of everything.
installed.py other: each package whose version is not the locked one.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

LOCK = sorted(Path(__file__).parent.glob("*.txt"))
PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)", re.MULTILINE)
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+(?:\[[^]]*\])?)[^;]*(;.*)?")
GROUPS = ("build", "documents", "dev")
OURS = "audiobatchd"


def main() -> None:
    """Answer the question that the command line asks, a line for each package."""
    question, *rest = sys.argv[1:]
    locked = {name: version for path in LOCK for name, version in PIN.findall(path.read_text(encoding="utf-8"))}
    if question == "stale":
        lines = sorted(installed() - locked.keys() - {OURS})
    elif question == "wanted":
        lines = unbounded(Path(*rest))
    else:
        lines = [
            f"{name} {installed()[name]} (locked: {version})"
            for name, version in sorted(locked.items())
            if installed().get(name, version) != version
        ]
    sys.stdout.writelines(f"{line}\n" for line in lines)


def installed() -> dict[str, str]:
    """The version of each package in this environment alone, not in the system that it may look through to."""
    here = [place for place in sys.path if Path(place).is_relative_to(sys.prefix)]
    return {normal(found.name): found.version for found in distributions(path=here)}


def normal(name: str) -> str:
    """The one way to write a package's name, as the packaging specification has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def unbounded(pyproject: Path) -> list[str]:
    """List the requirements of the package, of its extras and of its groups by name and marker alone."""
    told = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    project, groups = told["project"], told["dependency-groups"]
    extras = project.get("optional-dependencies", {})
    wanted = [
        *project["dependencies"],
        *(line for lines in extras.values() for line in lines if not line.startswith(f"{OURS}[")),
        *(line for group in GROUPS for line in groups.get(group, ())),
    ]
    return [REQUIREMENT.sub(r"\1\2", line, count=1) for line in wanted]


if __name__ == "__main__":
    main()
