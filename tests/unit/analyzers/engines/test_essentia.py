"""The library Essentia: imported once, silently, and told of where it cannot be."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from audiobatch_analyzers.engines import essentia
from audiobatchd.plugin_api import AnalyzerUnavailableError


@pytest.fixture
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As in a process that has not imported it yet; the environment is given back."""
    for name in ("TF_CPP_MIN_LOG_LEVEL", "TF_NUM_INTRAOP_THREADS", "TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
        monkeypatch.delenv(name)
    essentia.standard.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    essentia.standard.cache_clear()


def test_missing_library_is_told_with_its_name(afresh: pytest.MonkeyPatch) -> None:
    afresh.setitem(sys.modules, "essentia", None)
    with pytest.raises(AnalyzerUnavailableError, match="cannot import essentia: it is not installed: "):
        essentia.standard()


@pytest.mark.parametrize("forbidden", [True, False])
def test_kernels_are_compiled_ahead_where_code_is_forbidden(afresh: pytest.MonkeyPatch, forbidden: bool) -> None:
    def refuse(*_arguments: object, **_named: object) -> mmap.mmap:
        raise PermissionError

    if forbidden:
        afresh.setattr(mmap, "mmap", refuse)
    essentia.standard()
    assert os.environ.get("TENSORFLOW_USE_CUSTOM_CONTRACTION_KERNEL") == ("false" if forbidden else None)


def test_caps_of_a_worker_are_kept_and_a_script_gets_its_own(afresh: pytest.MonkeyPatch) -> None:
    afresh.setenv("TF_NUM_INTRAOP_THREADS", "3")
    essentia.standard()
    assert (os.environ["TF_NUM_INTRAOP_THREADS"], os.environ["TF_CPP_MIN_LOG_LEVEL"]) == ("3", "3")


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    program = "import sys; from audiobatch_analyzers.engines import essentia; sys.exit('essentia' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
