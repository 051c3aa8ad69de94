"""Real file systems in the place of each other at a dataset's root: nothing is done in one that knows no folder."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audiobatchd.vocabulary.states import DatasetState
from support.audio_files import tone, write_audio
from support.service import Service, configuration, eventually, service

RATE = 8000
STRANGE = "another file system, with none of the 2 folders that were known"
ENTER = ("nsenter", "--preserve-credentials", "--user", "--mount", "--target")


class Mounts:
    """A mount namespace with two file systems in memory, of which one is the dataset's at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "music"
        for name in ("music", "known", "other"):
            (directory / name).mkdir()
        # It ends with the tests, whose pipe it reads.
        self.holder = subprocess.Popen(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "echo there && exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.holder.stdout is not None
        if not self.holder.stdout.readline():
            self.end()
            pytest.skip("user namespaces are not allowed here")
        for name, tracks in (("known", ("One", "Two")), ("other", ("Other",))):
            self.sh(f"mount -t tmpfs none '{directory / name}'")
            for track in tracks:
                folder = self.inside / name / track
                folder.mkdir()
                write_audio(folder / "full_mix.wav", tone(1.0, RATE, 1), RATE)
        self.sh("mount --bind known music")

    @property
    def inside(self) -> Path:
        """The directory as it is in the namespace."""
        return Path(f"/proc/{self.holder.pid}/root{self.directory}")

    @property
    def prefix(self) -> tuple[str, ...]:
        """Command that starts a program in the namespace."""
        return (*ENTER, str(self.holder.pid))

    def sh(self, script: str) -> None:
        """Run a script in the namespace, in the directory."""
        subprocess.run([*self.prefix, "sh", "-ec", f"cd '{self.directory}'\n{script}"], check=True)

    def end(self) -> None:
        """End the namespace."""
        self.holder.communicate(timeout=60)


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    made = Mounts(tmp_path)
    yield made
    made.end()


def stands(daemon: Service, state: DatasetState, remark: str = "") -> None:
    """Wait until the dataset stands so."""

    def stood() -> tuple[DatasetState, str] | None:
        status = daemon.status()
        return (status.datasets[0].state, status.datasets[0].remark) if status else None

    eventually(
        lambda: (each := stood()) and each[0] is state and remark in each[1], what=lambda: (stood(), daemon.log())
    )


def directly(mounts: Mounts, daemon: Service) -> None:
    """Mount one file system over the other, with nothing to be seen between."""
    mounts.sh("mount --bind other music")


def through_nothing(mounts: Mounts, daemon: Service) -> None:
    """Unmount one, let the empty directory below it be seen, and mount the other one."""
    mounts.sh("umount -l music")
    stands(daemon, DatasetState.PAUSED, "is a mount lost?")
    mounts.sh("mount --bind other music")


@pytest.mark.parametrize("mode", ["events", "walk"])
@pytest.mark.parametrize("swap", [directly, through_nothing])
def test_swap_of_file_systems_pauses(mounts: Mounts, swap: Callable[[Mounts, Service], None], mode: str) -> None:
    config = configuration(mounts.directory / "c.toml", mounts.root, rescan=1.0)
    config.write_text(config.read_text() + f'mode = "{mode}"\n')
    with service(mounts.directory / "d", config, prefix=mounts.prefix) as daemon:
        daemon.becomes(complete=2)
        swap(mounts, daemon)
        stands(daemon, DatasetState.PAUSED, STRANGE)
        mounts.sh("umount -l music\nmountpoint -q music || mount --bind known music")
        stands(daemon, DatasetState.ACTIVE)
        daemon.becomes(complete=2)
        assert daemon.stop() == 0
    assert [each.name for each in (mounts.inside / "other" / "Other").iterdir()] == ["full_mix.wav"]


def test_swap_of_file_systems_over_a_restart_pauses(mounts: Mounts) -> None:
    config = configuration(mounts.directory / "c.toml", mounts.root, rescan=1.0)
    with service(mounts.directory / "d", config, prefix=mounts.prefix) as daemon:
        daemon.becomes(complete=2)
        assert daemon.stop() == 0
    mounts.sh("umount music\nmount --bind other music")
    with service(mounts.directory / "d", config, prefix=mounts.prefix) as daemon:
        stands(daemon, DatasetState.PAUSED, STRANGE)
        assert "complete" not in daemon.states()
        mounts.sh("umount -l music\nmount --bind known music")
        daemon.becomes(complete=2)
        assert daemon.stop() == 0
    assert [each.name for each in (mounts.inside / "other" / "Other").iterdir()] == ["full_mix.wav"]
