"""Analyzers of the tests' own, installed as another package would install them: by an entry point on the path."""

from __future__ import annotations

import textwrap
from pathlib import Path

_HEAD = """
    import ctypes, os, pathlib, signal, sys, time
    from audiobatchd.plugin_api import NATIVE, Cost, Feature, Measurement, feature_name

    class Analyzer:
        name = {name!r}
        version = {version}
        models = {{}}
        cost = Cost.LIGHT

        def __init__(self, settings):
            settings.options.close()

        def views(self, role):
            return (NATIVE,)

        def features(self, role):
            return (Feature(feature_name({name!r}, role), "s", "a test"),)

        def load(self):
            pass

        def answer(self, audio):
            return Measurement({{feature_name({name!r}, audio.role): audio.duration}})

        def analyze(self, audio):
"""


def install_analyzer(directory: Path, name: str, body: str, version: int = 1) -> dict[str, str]:
    """Install an analyzer whose `analyze(self, audio)` is `body`; the environment in which it is found."""
    head = textwrap.dedent(_HEAD).format(name=name, version=version)
    return install_module(directory, name, head + textwrap.indent(textwrap.dedent(body), " " * 8), "Analyzer")


def install_module(directory: Path, name: str, text: str, made_by: str) -> dict[str, str]:
    """Install a module of this text, in which `made_by` makes analyzers; the environment in which it is found."""
    directory.mkdir(exist_ok=True)
    (directory / f"{name}_analyzer.py").write_text(textwrap.dedent(text))
    info = directory / f"audiobatch_{name}-1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: audiobatch-{name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[audiobatchd.analyzers]\n{name} = {name}_analyzer:{made_by}\n")
    return {"PYTHONPATH": str(directory)}


def install_gate(directory: Path) -> dict[str, str]:
    """An analyzer that says `at-ROLE`, by a file in `directory`, and stops until a file `go` appears there."""
    body = f"""
        gate = pathlib.Path({str(directory)!r})
        (gate / f"at-{{audio.role}}").touch()
        while not (gate / "go").exists():
            time.sleep(0.01)
        return self.answer(audio)
    """
    return install_analyzer(directory, "gate", body)


def install_killer(directory: Path, *endings: str) -> dict[str, str]:
    """Have a worker killed, once for each ending, as it is about to put a file of such a name in its place.

    In `directory` a file `killed at <ending>` tells of each. It is an analyzer `killer` that measures nothing.
    """
    text = f"""
        import os, pathlib, signal

        rename = os.rename

        def renamed(source, target, **where):
            for ending in {endings!r}:
                mark = pathlib.Path({str(directory)!r}) / f"killed at {{ending}}"
                if str(target).endswith(ending) and not mark.exists():
                    mark.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            rename(source, target, **where)

        os.rename = renamed

        def made(settings):
            return ()
    """
    return install_module(directory, "killer", text, "made")
