"""Which schedulers may be named, and that an open one beyond this machine is none of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from audiobatchd.cluster.contact import Contact, refuse_open
from audiobatchd.errors import UsageError


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "127.0.0.1:8786", "tcp://[::1]:8786", "tcp://localhost:8786", "tls://10.0.0.1:1"],
)
def test_encrypted_or_own_scheduler_is_taken(address: str) -> None:
    refuse_open(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://10.0.0.1:8786", "its connections are open"),
        ("10.0.0.1:8786", "its connections are open"),
        ("tcp://no.such.host.invalid:8786", "its connections are open"),
        ("tcp://0.0.0.0:8786", "its connections are open"),
        ("ucx://127.0.0.1:8786", "expected tls://HOST:PORT"),
        ("tls://127.0.0.1", "expected tls://HOST:PORT"),
        ("tls://127.0.0.1:99999999", "expected tls://HOST:PORT"),
        ("tls://:8786", "expected tls://HOST:PORT"),
        ("", "expected tls://HOST:PORT"),
        ("\x1b[2J", r"cannot use the scheduler \x1b[2J: expected"),
    ],
)
def test_other_address_is_refused(address: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        refuse_open(address)
    assert why in str(refused.value)


def test_address_is_read_from_the_schedulers_file(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    contact = Contact(file=file)
    with pytest.raises(FileNotFoundError):
        contact.found()
    for half in ("", "{", "[]", '{"address": 7}', "{}"):
        file.write_text(half)
        with pytest.raises(OSError, match="it names no scheduler"):
            contact.found()
    file.write_text(json.dumps({"address": "tls://10.0.0.1:8786", "workers": {}}))
    assert contact.found() == "tls://10.0.0.1:8786"
    file.write_text(json.dumps({"address": "tcp://10.0.0.1:8786"}))
    with pytest.raises(UsageError, match="its connections are open"):
        contact.found()


def test_schedulers_file_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scheduler.json")
    with pytest.raises(OSError, match="not a regular file"):
        Contact(file=tmp_path / "scheduler.json").found()


def test_only_given_certificates_are_handed_to_dask(tmp_path: Path) -> None:
    assert Contact("tls://a:1").tls() == {}, "Dask's own configuration counts"
    contact = Contact("tls://a:1", ca_file=tmp_path / "ca", certificate=tmp_path / "c", key=tmp_path / "k")
    assert contact.tls() == {
        "tls_ca_file": f"{tmp_path}/ca",
        "tls_client_cert": f"{tmp_path}/c",
        "tls_client_key": f"{tmp_path}/k",
    }
