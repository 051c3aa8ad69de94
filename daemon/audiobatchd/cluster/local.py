"""A cluster of this machine's own, to try it or to see it at work: a scheduler and Dask workers with TLS between them.

On loopback too, since other users of the machine reach that as well.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import dask
from distributed import LocalCluster, Security

from audiobatchd.cluster.contact import Contact
from audiobatchd.errors import UsageError

_DAYS = "30"
_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
"""Dask's configuration with which it serves nothing by HTTP, which all users of this machine could ask."""
_START, _END = 120.0, 10.0
"""Seconds that it has to start, and to end."""


@asynccontextmanager
async def cluster(workers: int) -> AsyncIterator[Contact]:
    """Start a cluster, which ends with the context; how it is reached. Raises UsageError without openssl."""
    with tempfile.TemporaryDirectory(prefix="audiobatchd-cluster-") as directory:
        certificate, key = _made_certificate(Path(directory))
        options: dict[str, Any] = {"tls_ca_file": str(certificate)}
        for role in ("scheduler", "worker", "client"):
            options |= {f"tls_{role}_cert": str(certificate), f"tls_{role}_key": str(key)}
        dask.config.set(_NO_PAGES)
        made = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            host="127.0.0.1",
            protocol="tls",
            dashboard_address="127.0.0.1:0",
            security=Security(require_encryption=True, **options),
            local_directory=directory,
            silence_logs=logging.CRITICAL,
            asynchronous=True,
        )
        async with asyncio.timeout(_START):
            await made
        try:
            yield Contact(made.scheduler_address, None, 0, certificate, certificate, key)
        finally:
            with suppress(Exception):  # what does not end in time ends with this process
                if (closing := made.close()) is not None:
                    await asyncio.wait_for(closing, _END)


def _made_certificate(directory: Path) -> tuple[Path, Path]:
    """Make a certificate that signs itself, and its key. Only this user can read the directory."""
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", _DAYS, "-subj", "/CN=audiobatchd"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError as error:
        message = "cannot start a cluster of this machine's own: openssl is not installed, which makes its certificates"
        raise UsageError(message) from error
    return certificate, key
