"""Comparison of a Dask worker with this machine before it is used: its datasets, the locks there, its versions.

The pass makes a file in each dataset and locks it. The Dask worker has to read the same bytes under the same path, and
must not get the lock.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
from collections.abc import Iterator, Sequence
from importlib import metadata

from audiobatchd import __version__
from audiobatchd.cluster.wire import Sign
from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.errors import AudiobatchError
from audiobatchd.locks import kernel
from audiobatchd.locks.trial.between_machines import clear_leftovers, own_name
from audiobatchd.vocabulary.names import shown

_MEASURE = ("av", "essentia-tensorflow", "msgspec", "numpy", "onnxruntime", "scipy", "soxr")
"""Distributions whose versions may show in values."""
_LENGTH = 32


@contextlib.contextmanager
def signs(datasets: Sequence[str]) -> Iterator[tuple[Sign, ...]]:
    """Have a file in each dataset, and a lock on it, for as long as a Dask worker looks. Raises AudiobatchError."""
    with contextlib.ExitStack() as stack:
        try:
            made = tuple(stack.enter_context(_sign(each)) for each in datasets)
        except OSError as error:
            message = f"cannot make a file in a dataset, which it would have to see: {error.filename}: {error.strerror}"
            raise AudiobatchError(message) from error
        yield made


@contextlib.contextmanager
def _sign(dataset: str) -> Iterator[Sign]:
    clear_leftovers(dataset)
    name, content = f"{own_name()}.file", secrets.token_bytes(_LENGTH)
    path = os.path.join(dataset, name)
    descriptor = kernel.open_lock(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
        if not kernel.take(descriptor, local=filesystems.of(dataset)[0] is Kind.LOCAL):
            message = f"cannot lock {shown(path)}: another process holds it"
            raise AudiobatchError(message)
        yield Sign(os.fsencode(dataset), os.fsencode(name), content)
    finally:
        kernel.close_lock(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(path)


def look(sign: Sign) -> None:
    """Look for the file of a pass, in a Dask worker. Raises AudiobatchError where dataset or locks are others."""
    dataset = os.fsdecode(sign.dataset)
    path = os.path.join(dataset, os.fsdecode(sign.name))
    try:
        os.scandir(dataset).close()  # on NFS a new file is seen after that
        descriptor = kernel.open_lock(path, os.O_RDWR)
    except OSError as error:
        message = f"it does not see the dataset {shown(dataset)} as this machine does: {error.strerror}"
        raise AudiobatchError(message) from error
    try:
        if os.pread(descriptor, _LENGTH + 1, 0) != sign.content:
            message = f"it sees another dataset at {shown(dataset)}"
            raise AudiobatchError(message)
        if kernel.take(descriptor, local=filesystems.of(dataset)[0] is Kind.LOCAL):
            message = f"locks in {shown(dataset)} do not hold between it and this machine"
            raise AudiobatchError(message)
    except OSError as error:
        message = f"it cannot lock files in {shown(dataset)}: {error.strerror}"
        raise AudiobatchError(message) from error
    finally:
        kernel.close_lock(descriptor)


def versions() -> dict[str, str]:
    """Return the versions of what measures in this process's environment."""
    found = {"audiobatchd": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for name in _MEASURE:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def differences(here: dict[str, str], there: dict[str, str], where: str = "{} here") -> str:
    """Say in what two environments differ, `where` the first one is; empty where they do not."""
    names = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
    told = {name: where.format(here.get(name, "not")) for name in names}
    return ", ".join(f"{name} {there.get(name, 'is not there')} ({told[name]})" for name in names)
