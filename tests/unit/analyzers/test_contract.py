"""The plugin contract: all that an analyzer package may know of the service."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import audiobatch_analyzers

MODULES = sorted(Path(audiobatch_analyzers.__file__).parent.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=found):
                names |= {each.name for each in found}
            case ast.ImportFrom(module=str(module), names=found):
                names |= {f"{module}.{each.name}" for each in found}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_analyzer_imports_only_the_contract(path: Path) -> None:
    ours = {name for name in imported(path) if name.split(".")[0] == "audiobatchd"}
    assert all(name.startswith("audiobatchd.plugin_api.") for name in ours), ours
