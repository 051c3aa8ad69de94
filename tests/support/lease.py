"""A lease on a file, as a server of NFS or SMB on this machine has it for a client that keeps the file to itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVER = """
import fcntl, os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print(flush=True)
if sys.argv[2] == "hands it back":
    signal.sigwait([signal.SIGIO])
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
sys.stdin.read()
"""


@contextmanager
def lent(path: Path, then: str) -> Iterator[None]:
    """Let another process have a lease on the file, as a file server has for a client."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _SERVER, str(path), then], stdin=pipe, stdout=pipe) as server:
        assert server.stdout is not None
        try:
            assert server.stdout.readline() == b"\n"
            yield
        finally:
            server.kill()
