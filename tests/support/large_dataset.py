"""A dataset of any number of track folders, measured already, that fits anywhere: its files are hard links to a few.

Six names stand in each folder (a mix, four stems, a record), with 60,000 names to a file. The record is one that the
service itself wrote for such a folder, with the analyzer `loudness` and one that tells when it was called.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.audio_files import make_track
from support.plugins import install_analyzer
from support.service import Service, configuration, once, service

_NAMES_OF_A_FILE = 60_000
_WHEN = "pathlib.Path(os.environ['WHEN']).write_text(str(time.time())); return self.answer(audio)"


@dataclass
class LargeDataset:
    """A generated dataset, with what it takes to run the service on it."""

    place: Path
    folders: int
    env: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        """The dataset."""
        return self.place / "dataset"

    def make(self) -> None:
        """Make the template, measure it, and link it as often as there are folders."""
        template = make_track(self.place / "template" / "Track", seconds=0.5)
        self.env = install_analyzer(self.place / "plugins", "when", _WHEN) | {"WHEN": str(self.place / "when")}
        code, _, log = once(template.parent, plugins=["when"], env=self.env)
        assert code == 0, log
        names = sorted(template.iterdir())
        copies: dict[Path, Path] = {}
        for number in range(self.folders):
            if number % _NAMES_OF_A_FILE == 0:
                copies = {name: self._copy(name, number) for name in names}
            folder = self.root / f"Track {number:07d}"
            folder.mkdir(parents=number == 0)
            for name, copy in copies.items():
                os.link(copy, folder / (f"{folder.name}.INFO" if name.suffix == ".INFO" else name.name))

    def _copy(self, name: Path, number: int) -> Path:
        target = self.place / "files" / f"{number}{name.name}"
        target.parent.mkdir(exist_ok=True)
        shutil.copy2(name, target)
        return target

    def configuration(self, *others: Path) -> Path:
        """Write the configuration of a service on it, and on `others`."""
        return configuration(self.place / "c.toml", self.root, *others, settle=0.0, plugins=["when"], workers=2)

    @contextmanager
    def service(self, config: Path | None = None) -> Iterator[tuple[Service, float]]:
        """The service, with this configuration or its usual one, and when it was started."""
        config = config or self.configuration()
        started = time.monotonic()
        with service(self.place / "d", config, env=self.env) as daemon:
            yield daemon, started
            daemon.stop(timeout=120)

    def find(self) -> float:
        """Time `find -type d`."""
        started = time.monotonic()
        subprocess.run(["find", self.root, "-type", "d"], stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - started
