"""Guests for tests: Debian's kernel, booted by qemu without KVM, and the disks that it starts from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parents[2]
RELEASE = "bookworm"
PYTHON = "3.11"
"""Version of this release's Python."""
NEEDED = ("busybox-static", "cpio")
"""Packages of which the first moments of a guest are made."""

_KERNEL = "linux-image-cloud-amd64"
_MODULES = ("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk")
"""Modules that Debian's kernel needs to see its disks, in the order of their dependencies; ext4 is built in."""

_FETCH_KERNEL = """
mkdir /kernel
cd /kernel
apt-get -qq update
name=$(apt-cache depends "$1" | awk '/Depends: linux-image/ { print $2; exit }')
apt-get -qq -o APT::Sandbox::User=root download "$name"
dpkg -x ./*.deb .
"""

_BEFORE_INIT = """#!/bin/busybox sh
set -e
for module in MODULES; do /bin/busybox insmod "/modules/$module.ko"; done
/bin/busybox mount -t devtmpfs dev /dev
"""


def fetch_kernel(root: Path) -> None:
    """Unpack Debian's kernel for guests in the directory `kernel` of this root, which itself is never booted."""
    subprocess.run(["chroot", root, "sh", "-euc", _FETCH_KERNEL, "sh", _KERNEL], check=True)


def kernel_of(root: Path) -> Path:
    """The kernel that was unpacked there."""
    return next((root / "kernel/boot").glob("vmlinuz-*"))


def begin_initramfs(root: Path, init: str) -> Path:
    """Make the tree of a first file system in which `init`, lines of shell, runs when the disks are to be seen."""
    tree = root / "initramfs"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "dev", "root", "modules"):
        (tree / name).mkdir(parents=True)
    shutil.copy2(root / "bin/busybox", tree / "bin")
    for name in _MODULES:
        shutil.copy2(next((root / "kernel").rglob(f"{name}.ko")), tree / "modules")
    script = tree / "init"
    script.write_text(_BEFORE_INIT.replace("MODULES", " ".join(_MODULES)) + init)
    script.chmod(0o755)
    return tree


def pack_initramfs(root: Path, initramfs: Path) -> None:
    """Pack the tree that was begun there."""
    archive = "cd /initramfs && find . | cpio --quiet -o -H newc"
    with initramfs.open("wb") as output:
        subprocess.run(["chroot", root, "sh", "-c", archive], stdout=output, check=True)


def install(directory: Path, *packages: str) -> None:
    """Install what requirements/ locks of these and of what they need, for this release's Python."""
    pip = [str(SOURCE / ".venv/bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
    fit = ["--target", str(directory), "--python-version", PYTHON, "--only-binary", ":all:"]
    locked = ["--require-hashes", "--constraint", str(SOURCE / "requirements/run.txt")]
    subprocess.run([*pip, "install", *fit, *locked, *packages], check=True)


def compile_python(root: Path, tree: Path) -> None:
    """Compile the modules below `tree`, a directory in `root`: the emulated processor would spend seconds on it."""
    compiling = ["python3", "-m", "compileall", "-q", f"/{tree.relative_to(root)}"]
    subprocess.run(["chroot", root, *compiling], check=True)


def make_image(image: Path, tree: Path | None, megabytes: int) -> None:
    """A fresh ext4 file system, with a copy of `tree`."""
    copied = [] if tree is None else ["-d", str(tree)]
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", *copied, str(image), f"{megabytes}M"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def machine(root: Path, initramfs: Path, words: str, *, processors: int, megabytes: int) -> list[str]:
    """The command line of qemu for a guest without disks; `words` are appended to the kernel's command line."""
    # Nothing of the kernel's between the lines of programs, and nothing that lets an emulated processor boot slower.
    # Its timer would be found not to work where this machine is busy.
    quiet = "console=ttyS0 quiet loglevel=3 panic=-1 random.trust_cpu=on mitigations=off no_timer_check"
    return [
        *("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", str(processors), "-m", str(megabytes)),
        *("-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-net", "none", "-serial", "stdio"),
        *("-kernel", str(kernel_of(root)), "-initrd", str(initramfs), "-append", f"{quiet} {words}"),
    ]
