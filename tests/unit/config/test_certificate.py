"""Certificates tried out, real ones of openssl's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from audiobatchd.config.certificate import days_left
from audiobatchd.errors import UsageError
from support.certificates import made_certificate


def test_the_days_that_are_left(tmp_path: Path) -> None:
    certificate, key = made_certificate(tmp_path, days=30)
    assert 29 < days_left(str(certificate), str(key)) <= 30


def test_one_that_has_expired(tmp_path: Path) -> None:
    certificate, key = made_certificate(tmp_path)
    expired = tmp_path / "expired.pem"
    request = tmp_path / "request.pem"
    subprocess.run(
        ["openssl", "req", "-new", "-key", str(key), "-subj", "/CN=localhost", "-out", str(request)], check=True
    )
    # `openssl x509` takes no date in the past before 3.4; a CA's command does.
    (tmp_path / "index").touch()
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "ca.cnf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "[p]\ncommonName=supplied\n"
    )
    command = ["openssl", "ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", str(key), "-in", str(request)]
    command += ["-out", str(expired), "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-notext"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert days_left(str(expired), str(key)) < 0
    assert certificate.exists()


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    certificate, key = made_certificate(tmp_path)
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(locked)],
        check=True,
        capture_output=True,
    )
    with pytest.raises(UsageError, match="cannot use the certificate"):
        days_left(str(certificate), str(locked))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        days_left(str(tmp_path / "a"), str(tmp_path / "b"))
