"""Certificates for localhost that sign themselves, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def made_certificate(directory: Path, name: str = "page", days: int = 30) -> tuple[Path, Path]:
    """Make a certificate and its key, with elliptic curves for speed; with less than 0 days it has expired."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", str(days), "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
