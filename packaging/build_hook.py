"""The hook by which hatchling puts man pages and completions into the wheel: made anew for each, by `documents.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.utils import get_reproducible_timestamp


class DocumentsHook(BuildHookInterface):
    """Adds the documents to what the wheel lays below `share`; an editable installation has none."""

    PLUGIN_NAME = "documents"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the documents. Raises CalledProcessError where a library for that is missing, which is shown before."""
        if version == "editable":
            return
        root = Path(self.root)
        self._made = tempfile.TemporaryDirectory()
        out = Path(self._made.name)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(root / "daemon"), os.environ.get("PYTHONPATH", "")]),
            "SOURCE_DATE_EPOCH": str(get_reproducible_timestamp()),
        }
        example = root / "docs" / "audiobatchd.example.toml"
        subprocess.run(
            [sys.executable, str(root / "packaging" / "documents.py"), str(example), str(out)],
            env=environment,
            check=True,
        )
        for path in sorted(each for each in out.rglob("*") if each.is_file()):
            build_data["shared_data"][str(path)] = f"share/{path.relative_to(out).as_posix()}"

    def finalize(self, version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Remove them again: the wheel has them."""
        if version != "editable":
            self._made.cleanup()
