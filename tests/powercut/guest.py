"""The guest: the smallest Debian with Python, Debian's kernel, and an init that runs nothing but the writer."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support import qemu
from system.machine import CACHE, make_root

SOURCE = Path(__file__).parents[2]
PACKAGES = ",".join(("python3", *qemu.NEEDED))

_HOME = CACHE / "powercut"

_INIT = """
/bin/busybox mount -t ext4 -o ro,noload /dev/vda /root
/bin/busybox mount -t ext4 /dev/vdb /root/mnt
/bin/busybox mount -t proc proc /root/proc
/bin/busybox mount -t devtmpfs dev /root/dev
/bin/busybox mount -o bind /project /root/srv
exec /bin/busybox chroot /root /usr/bin/env PYTHONPATH=/srv /usr/bin/python3 -B /srv/writer.py "$@"
"""


@dataclass(frozen=True)
class Guest:
    """Machine that qemu boots, with the disk served at a socket as its second one."""

    home: Path
    initramfs: Path
    root: Path

    def command(self, disk: Path, *arguments: str) -> list[str]:
        """The command line of qemu; `arguments` are the writer's."""
        return [
            *qemu.machine(self.home, self.initramfs, f"-- {' '.join(arguments)}", processors=1, megabytes=256),
            *("-drive", f"file={self.root},format=raw,if=virtio,readonly=on"),
            *("-drive", f"file=nbd+unix:///?socket={disk},format=raw,if=virtio,cache=writeback"),
        ]

    @property
    def version(self) -> str:
        """The kernel's."""
        return qemu.kernel_of(self.home).name.removeprefix("vmlinuz-")


def make_guest(directory: Path) -> Guest:
    """The guest with the project as it is now. The root and the kernel are made once, and kept for the next run."""
    root = _HOME / "root"
    if not (_HOME / "root.ext4").exists():
        _make_root(root)
    initramfs = directory / "initramfs"
    tree = qemu.begin_initramfs(root, _INIT)
    _add_project(root, tree / "project")
    qemu.pack_initramfs(root, initramfs)
    return Guest(root, initramfs, _HOME / "root.ext4")


def _make_root(root: Path) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", _HOME], check=True)
    _HOME.mkdir(parents=True)
    make_root(root, qemu.RELEASE, PACKAGES)
    qemu.make_image(_HOME / "root.new", root, 1024)
    qemu.fetch_kernel(root)
    (_HOME / "root.new").rename(_HOME / "root.ext4")


def _add_project(root: Path, project: Path) -> None:
    project.mkdir()
    shutil.copy2(Path(__file__).with_name("writer.py"), project)
    (project / "support").mkdir()
    shutil.copy2(SOURCE / "tests/support/at_work.py", project / "support")
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE / "daemon/audiobatchd", project / "audiobatchd", ignore=leave_out)
    qemu.install(project, "msgspec")
    qemu.compile_python(root, project)
