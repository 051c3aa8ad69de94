"""Signatures, held against the example of Standard Webhooks, and secrets that others may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from audiobatchd.errors import UsageError
from audiobatchd.hooks.signature import headers, secret_in

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "secret"
    made.write_text(f"{KEY}\n")
    made.chmod(0o640)
    return made


def test_the_example_of_the_specification_has_its_signature(path: Path) -> None:
    signed = headers(secret_in(str(path)), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_without_a_secret_a_message_is_only_named() -> None:
    assert headers(None, "id", 7, b"{}") == {"Idempotency-Key": "id", "webhook-id": "id", "webhook-timestamp": "7"}


def test_a_secret_that_is_no_base64_is_taken_as_it_is(path: Path) -> None:
    path.write_bytes(b"  correct horse battery staple \n")
    assert secret_in(str(path)) == b"correct horse battery staple"


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o641, 0o602])
def test_a_secret_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(UsageError, match=r"cannot use the secret .*chmod 0640"):
        secret_in(str(path))


@pytest.mark.parametrize("content", ["", "short", "whsec_***********************", "x" * 5000])
def test_an_unfit_secret_is_refused_and_not_repeated(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(UsageError) as refused:
        secret_in(str(path))
    assert not content or content not in str(refused.value)


def test_a_secret_that_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    for place in (tmp_path / "nothing", tmp_path):
        with pytest.raises(UsageError, match="secret"):
            secret_in(str(place))
