"""A server of the tests' own with a certificate that is trusted, and a digest of a model that is there."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from audiobatchd.models import manifest
from audiobatchd.models.manifest import BY_NAME
from support.model_fetch import Fetch
from support.model_files import BODY, KNOWN, digest
from support.model_server import Script, Server, serving


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Script], Server]]:
    """Makes a server with a certificate of its own, which is trusted as long as SSL_CERT_FILE is set."""
    if not shutil.which("openssl"):
        pytest.skip("making a certificate takes openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    places = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *places], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with ExitStack() as stack:

        def make(script: Script) -> Server:
            return stack.enter_context(serving(script, context))

        yield make


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the digest of BODY for the backbone in the manifest: its real graph is not here."""
    monkeypatch.setitem(manifest.BY_NAME, KNOWN, replace(BY_NAME[KNOWN], sha256=digest(BODY)))


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    directory = tmp_path / "models"
    directory.mkdir()
    return Fetch(directory)
