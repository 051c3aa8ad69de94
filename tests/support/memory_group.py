"""A control group with a limit of memory, for programs that the kernel is to end when they take more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.service import eventually

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryGroup:
    """The group in `directory`."""

    directory: Path

    @property
    def entering(self) -> tuple[str, ...]:
        """A command in front of another that puts it into the group."""
        return ("sh", "-c", f'echo $$ >{self.directory}/cgroup.procs; exec "$@"', "sh")

    def may_have(self, size: int) -> None:
        """Let its processes have so many bytes in all."""
        name = "memory.max" if (self.directory / "memory.max").exists() else "memory.limit_in_bytes"
        (self.directory / name).write_text(str(size))


@contextmanager
def memory_group(name: str, size: int) -> Iterator[MemoryGroup]:
    """A group of this size; the test is skipped where none can be made. Its processes are to have ended."""
    top = _V1 if (_V1 / "memory.limit_in_bytes").exists() else _V2
    group = MemoryGroup(top / name)
    try:
        group.directory.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        try:
            group.may_have(size)
        except OSError as error:
            pytest.skip(f"no limit of memory can be set here: {error}")
        yield group
    finally:
        eventually(lambda: _removed(group.directory))


def _removed(directory: Path) -> bool:
    with suppress(OSError):  # its last process is still ending
        directory.rmdir()
    return not directory.exists()
