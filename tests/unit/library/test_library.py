"""The names that `from audiobatchd import ...` gives: all of the batch guide's, called as there, and at no cost."""

from __future__ import annotations

import importlib
import importlib.resources
import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import audiobatchd

ASKED_FOR = {
    "FileLock", "BatchProcessor", "should_process_folder", "has_features", "get_missing_features",
    "filter_folders_to_process", "print_batch_summary", "find_organized_folders", "get_full_mix", "get_stem_files",
    "read_info", "save_to_info", "analyze_folder_loudness", "EssentiaAnalyzer",
}  # fmt: skip

SIGNATURES = {
    "FileLock": "folder, timeout=3600.0",
    "FileLock.acquire": "self, wait=False, poll_interval=1.0",
    "FileLock.release": "self",
    "BatchProcessor": "required_features=None, lock_timeout=3600.0",
    "BatchProcessor.process_batch": "self, folders, process_func, overwrite=False, skip_errors=True",
    "should_process_folder": "folder, required_features=None, overwrite=False, check_lock=True",
    "has_features": "folder, required_features",
    "get_missing_features": "folder, required_features",
    "filter_folders_to_process": "folders, required_features=None, overwrite=False, check_lock=True",
    "print_batch_summary": "stats, operation_name='Batch'",
    "find_organized_folders": "root_directory, ignore=()",
    "get_full_mix": "folder",
    "get_stem_files": "folder",
    "read_info": "folder",
    "save_to_info": "folder, results",
    "analyze_folder_loudness": "folder",
    "EssentiaAnalyzer": "model_directory=None, heads=None, families=None, trusted_models=()",
    "EssentiaAnalyzer.analyze_file": "self, path",
}

GUIDES_CALLS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("FileLock", ("folder",), ()),
    ("FileLock", ("folder",), ("timeout",)),
    ("should_process_folder", ("folder",), ("required_features", "overwrite")),
    ("has_features", ("folder", "required_features"), ()),
    ("print_batch_summary", ("stats", "Loudness Analysis"), ()),
    ("find_organized_folders", ("root_directory",), ()),
    ("get_full_mix", ("folder",), ()),
    ("save_to_info", ("folder", "results"), ()),
    ("analyze_folder_loudness", ("folder",), ()),
    ("EssentiaAnalyzer", (), ()),
    ("EssentiaAnalyzer.analyze_file", ("self", "full_mix"), ()),
    ("BatchProcessor", (), ("required_features", "lock_timeout")),
    ("BatchProcessor.process_batch", ("self",), ("folders", "process_func", "overwrite", "skip_errors")),
    ("filter_folders_to_process", ("folders",), ("required_features", "overwrite", "check_lock")),
)

HEAVY = {"aiohttp", "asyncio", "av", "numpy", "rich", "scipy", "watchdog"}


def found(path: str) -> Callable[..., Any]:
    """The public thing of this name, or a method of one."""
    name, _, method = path.partition(".")
    thing = getattr(audiobatchd, name)
    return getattr(thing, method) if method else thing  # type: ignore[no-any-return]  # it is looked up by its name


def modules_after(program: str) -> set[str]:
    """The modules that a fresh interpreter has after `program`."""
    code = f"import json, sys; {program}; print(json.dumps(sorted(sys.modules)))"
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


def test_everything_that_was_asked_for_is_there() -> None:
    assert set(audiobatchd.__all__) >= ASKED_FOR
    assert sorted(set(audiobatchd.__all__)) == audiobatchd.__all__, "in order, and none twice"
    assert set(dir(audiobatchd)) >= set(audiobatchd.__all__)


@pytest.mark.parametrize("name", audiobatchd.__all__)
def test_every_name_can_be_imported(name: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"from audiobatchd import {name}", namespace)  # noqa: S102  # a name of ours
    assert namespace[name] is getattr(audiobatchd, name)


@pytest.mark.parametrize("name", ["FileLocks", "processor", "_LOG"])
def test_no_other_name_can(name: str) -> None:
    with pytest.raises(AttributeError, match=f"^module 'audiobatchd' has no attribute '{name}'$"):
        getattr(audiobatchd, name)
    with pytest.raises(ImportError, match=name):
        exec(f"from audiobatchd import {name}", {})  # noqa: S102


def test_each_name_can_be_the_first_one() -> None:
    """Import each name first: nothing leans on what another name happened to load."""
    program = """
import sys
for name in sys.argv[1:]:
    for module in [each for each in sys.modules if each.partition(".")[0] == "audiobatchd"]:
        del sys.modules[module]
    exec(f"from audiobatchd import {name}")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program, *audiobatchd.__all__], check=True)


def test_importing_the_package_loads_nothing() -> None:
    modules = modules_after("import audiobatchd")
    assert {name for name in modules if name.startswith("audiobatchd")} == {"audiobatchd"}
    assert modules & HEAVY == set()


def test_only_the_measuring_loads_what_measures() -> None:
    light = [name for name in audiobatchd.__all__ if name not in {"analyze_folder_loudness", "EssentiaAnalyzer"}]
    assert modules_after(f"from audiobatchd import {', '.join(light)}") & HEAVY == set()
    assert modules_after("from audiobatchd import analyze_folder_loudness") >= {"av", "numpy"}


@pytest.mark.parametrize(("path", "expected"), SIGNATURES.items())
def test_signatures_are_the_guide_s(path: str, expected: str) -> None:
    parameters = inspect.signature(found(path)).parameters.values()
    told = [each.name if each.default is each.empty else f"{each.name}={each.default!r}" for each in parameters]
    assert ", ".join(told) == expected
    assert {each.kind for each in parameters} <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}


def test_every_function_has_its_row() -> None:
    assert {path for path in SIGNATURES if "." not in path} == set(audiobatchd.__all__) - {"BatchStats"}


@pytest.mark.parametrize(("path", "positional", "keywords"), GUIDES_CALLS)
def test_the_guide_s_calls_fit(path: str, positional: tuple[str, ...], keywords: tuple[str, ...]) -> None:
    inspect.signature(found(path)).bind(*positional, **dict.fromkeys(keywords))


@pytest.mark.parametrize("path", SIGNATURES)
def test_everything_is_typed_and_documented(path: str) -> None:
    thing = found(path)
    assert thing.__doc__
    signature = inspect.signature(thing)
    typed = {name for name, each in signature.parameters.items() if each.annotation is not each.empty}
    assert signature.parameters.keys() - {"self"} == typed
    assert inspect.isclass(thing) or signature.return_annotation is not signature.empty


def test_type_checkers_are_told_that_it_is_typed() -> None:
    assert importlib.resources.files("audiobatchd").joinpath("py.typed").is_file()
