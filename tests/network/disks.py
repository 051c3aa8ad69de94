"""What the guest starts from: its root, which is kept for the next run, and the disk with the project as it is now."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from support import qemu
from support.qemu import SOURCE
from system.machine import CACHE, make_root

PACKAGES = (
    *("python3", "python3-systemd", "kmod", "iproute2", "procps"),
    *("rpcbind", "nfs-kernel-server", "samba", "cifs-utils"),
    *qemu.NEEDED,
)
LIBRARIES = "opt/libraries"
PROJECT = "opt/project"

_HOME = CACHE / "network"
_ROOT = _HOME / "root"
_INIT = f"""
/bin/busybox mount -t ext4 -o noatime /dev/vda /root
/bin/busybox mount -t ext4 -o noatime /dev/vdb /root/{PROJECT}
/bin/busybox mount -o move /dev /root/dev
exec /bin/busybox switch_root /root /{PROJECT}/inside/init
"""
_COMMANDS = {"audiobatchd": "audiobatchd.cli.daemon", "audiobatchctl": "audiobatchd.cli.control"}
_COMMAND = """#!/bin/sh
exec /usr/bin/python3 -P -c 'import sys; from {module} import main; sys.exit(main())' "$@"
"""


def command(directory: Path, agent: Path) -> list[str]:
    """The command line of qemu, with everything that it needs made ready; the agent's port is the socket `agent`."""
    initramfs, project, music, small = (directory / name for name in ("initramfs", "project", "music", "small"))
    with _kept_for_us():
        root = _made_root()
        qemu.begin_initramfs(_ROOT, _INIT)
        qemu.pack_initramfs(_ROOT, initramfs)
        qemu.make_image(project, _laid_out_project(), 64)
    qemu.make_image(music, None, 512)
    qemu.make_image(small, None, 8)
    disks = [f"file={root},snapshot=on", *(f"file={image},cache=unsafe" for image in (project, music, small))]
    return [
        *qemu.machine(_ROOT, initramfs, "", processors=2, megabytes=1024),
        *(each for disk in disks for each in ("-drive", f"{disk},format=raw,if=virtio")),
        *("-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={agent}"),
        *("-device", "virtserialport,chardev=agent,name=agent"),
    ]


def packed_project() -> bytes:
    """The project's modules as they are now, as a compressed archive."""
    with _kept_for_us():
        archiving = ["tar", "-cz", "-C", str(_laid_out_project()), "."]
        return subprocess.run(archiving, stdout=subprocess.PIPE, check=True).stdout


@contextlib.contextmanager
def _kept_for_us() -> Iterator[None]:
    """Have what is kept for the next run to ourselves: another run waits meanwhile."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "network.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _made_root() -> Path:
    """The image of the root, with the libraries that requirements/ locks."""
    image, stamp = _HOME / "root.ext4", _HOME / "recipe"
    locked = sha256((SOURCE / "requirements/run.txt").read_bytes()).hexdigest()
    recipe = f"{PACKAGES} {_libraries()} {locked}\n"
    if image.exists() and stamp.exists() and stamp.read_text() == recipe:
        return image
    subprocess.run(["rm", "-rf", "--one-file-system", _HOME], check=True)
    _HOME.mkdir(parents=True)
    make_root(_ROOT, qemu.RELEASE, ",".join(PACKAGES))
    qemu.fetch_kernel(_ROOT)
    _add_libraries()
    qemu.make_image(image, _ROOT, 2048)
    stamp.write_text(recipe)
    return image


def _libraries() -> list[str]:
    """What the project needs in any case, without its extras."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())["project"]
    return [str(each) for each in project["dependencies"]]


def _add_libraries() -> None:
    """Add modules of the kernel, libraries, and both programs, whose modules the disk with the project brings."""
    modules = next((_ROOT / "kernel/lib/modules").iterdir())
    shutil.copytree(modules, _ROOT / "lib/modules" / modules.name)
    subprocess.run(["chroot", _ROOT, "depmod", modules.name], check=True)
    (_ROOT / LIBRARIES).mkdir()
    qemu.install(_ROOT / LIBRARIES, *_libraries())
    qemu.compile_python(_ROOT, _ROOT / LIBRARIES)
    (_ROOT / "usr/lib/python3/dist-packages/audiobatchd.pth").write_text(f"/{PROJECT}\n/{LIBRARIES}\n")
    for name, module in _COMMANDS.items():
        command = _ROOT / "usr/local/bin" / name
        command.write_text(_COMMAND.format(module=module))
        command.chmod(0o755)
    (_ROOT / PROJECT).mkdir()


def _laid_out_project() -> Path:
    """The project's modules, compiled, with its entry points, and what sets the guest up."""
    tree = _ROOT / "project"
    shutil.rmtree(tree, ignore_errors=True)
    leave_out = shutil.ignore_patterns("__pycache__")
    for package in ("daemon/audiobatchd", "analyzers/audiobatch_analyzers", "tests/support", "tests/stress"):
        shutil.copytree(SOURCE / package, tree / Path(package).name, ignore=leave_out)
    metadata = importlib.metadata.distribution("audiobatchd").locate_file("")
    for found in Path(str(metadata)).glob("audiobatchd-*.dist-info"):
        shutil.copytree(found, tree / found.name)
    qemu.compile_python(_ROOT, tree)
    shutil.copytree(SOURCE / "tests/network/inside", tree / "inside", ignore=leave_out)
    return tree
