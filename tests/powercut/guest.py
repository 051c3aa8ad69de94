"""The guest: the smallest Debian with Python, Debian's kernel, and an init that runs nothing but the writer."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from system.machine import CACHE, make_root

SOURCE = Path(__file__).parents[2]
RELEASE = "bookworm"
PACKAGES = "python3,busybox-static,cpio"
KERNEL = "linux-image-cloud-amd64"
PYTHON = "3.11"

_HOME = CACHE / "powercut"
_MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk")
"""Modules that Debian's kernel needs to see its disks, in the order of their dependencies; ext4 is built in."""

_FETCH_KERNEL = """
cd /kernel
apt-get -qq update
name=$(apt-cache depends "$1" | awk '/Depends: linux-image/ { print $2; exit }')
apt-get -qq -o APT::Sandbox::User=root download "$name"
dpkg -x ./*.deb .
"""

_INIT = """#!/bin/busybox sh
set -e
for module in MODULES; do /bin/busybox insmod "/modules/$module.ko"; done
/bin/busybox mount -t devtmpfs dev /dev
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

    kernel: Path
    initramfs: Path
    root: Path

    def command(self, disk: Path, *arguments: str) -> list[str]:
        """The command line of qemu; `arguments` are the writer's."""
        # Nothing of the kernel's between the writer's lines, and nothing that lets an emulated processor boot slower.
        quiet = "console=ttyS0 quiet loglevel=3 panic=-1 random.trust_cpu=on mitigations=off"
        return [
            *("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "256"),
            *("-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-net", "none", "-serial", "stdio"),
            *("-kernel", str(self.kernel), "-initrd", str(self.initramfs)),
            *("-append", f"{quiet} -- {' '.join(arguments)}"),
            *("-drive", f"file={self.root},format=raw,if=virtio,readonly=on"),
            *("-drive", f"file=nbd+unix:///?socket={disk},format=raw,if=virtio,cache=writeback"),
        ]

    @property
    def version(self) -> str:
        """The kernel's."""
        return self.kernel.name.removeprefix("vmlinuz-")


def make_guest(directory: Path) -> Guest:
    """The guest with the project as it is now. The root and the kernel are made once, and kept for the next run."""
    if not (_HOME / "root.ext4").exists():
        _make_root()
    kernel = next((_HOME / "root/kernel/boot").glob("vmlinuz-*"))
    initramfs = directory / "initramfs"
    tree = _HOME / "root/initramfs"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    _fill(tree, _HOME / "root/kernel")
    archive = "cd /initramfs && find . | cpio --quiet -o -H newc"
    with initramfs.open("wb") as output:
        subprocess.run(["chroot", _HOME / "root", "sh", "-c", archive], stdout=output, check=True)
    return Guest(kernel, initramfs, _HOME / "root.ext4")


def _make_root() -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", _HOME], check=True)
    _HOME.mkdir(parents=True)
    root = _HOME / "root"
    make_root(root, RELEASE, PACKAGES)
    make_image(_HOME / "root.new", root, 1024)
    (root / "kernel").mkdir()
    subprocess.run(["chroot", root, "sh", "-euc", _FETCH_KERNEL, "sh", KERNEL], check=True)
    (_HOME / "root.new").rename(_HOME / "root.ext4")


def _fill(tree: Path, kernel: Path) -> None:
    for name in ("bin", "dev", "root", "modules", "project"):
        (tree / name).mkdir()
    shutil.copy2(_HOME / "root/bin/busybox", tree / "bin")
    for name in _MODULES:
        shutil.copy2(next(kernel.rglob(f"{name}.ko")), tree / "modules")
    init = tree / "init"
    init.write_text(_INIT.replace("MODULES", " ".join(_MODULES)))
    init.chmod(0o755)
    project = tree / "project"
    shutil.copy2(Path(__file__).with_name("writer.py"), project)
    (project / "support").mkdir()
    shutil.copy2(SOURCE / "tests/support/at_work.py", project / "support")
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCE / "daemon/audiobatchd", project / "audiobatchd", ignore=leave_out)
    pip = [str(SOURCE / ".venv/bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    fit = ["--target", str(project), "--python-version", PYTHON, "--only-binary", ":all:"]
    locked = ["--require-hashes", "--constraint", str(SOURCE / "requirements/run.txt")]
    subprocess.run([*pip, "install", *fit, *locked, "msgspec"], check=True)
    # The emulated processor would spend seconds on it at every boot.
    compiling = ["python3", "-m", "compileall", "-q", f"/{tree.name}/project"]
    subprocess.run(["chroot", _HOME / "root", *compiling], check=True)


def make_image(image: Path, tree: Path, megabytes: int) -> None:
    """A fresh ext4 file system with a copy of `tree`."""
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", str(tree), str(image), f"{megabytes}M"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
