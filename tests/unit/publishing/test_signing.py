"""The key of the environment signs, whichever form it has, and is seen by no other program and on no command line."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from publishing.signing import KEY, PublishingError, signer, without_key
from support.apt_rig import Keys, needs_apt

pytestmark = needs_apt
TEXT = b"Suite: bookworm\n"


def verifies(signature: bytes, public_key: bytes, place: Path, text: bytes | None = None) -> bool:
    """Tell whether gpgv takes it, as a file or with the text that it is of."""
    (place / "keyring.gpg").write_bytes(public_key)
    (place / "signature").write_bytes(signature)
    (place / "text").write_bytes(text or b"")
    what = ["signature", "text"] if text is not None else ["signature"]
    command = ["gpgv", "--quiet", "--keyring", str(place / "keyring.gpg"), *what]
    return subprocess.run(command, cwd=place, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("spelled", ["{}", "0x{}", "fingerprint in words", "itself"])
def test_each_form_of_the_key_signs(
    spelled: str, keys: Keys, key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = " ".join(key[at : at + 4] for at in range(0, 40, 4)).lower()
    value = {"fingerprint in words": words, "itself": keys.secret(key)}.get(spelled, spelled.format(key))
    monkeypatch.setenv(KEY, value)
    monkeypatch.setenv("GNUPGHOME", str(keys.home) if spelled != "itself" else str(tmp_path / "nothing-here"))
    with signer() as found:
        assert found is not None
        public_key = found.public_key()
        assert found.fingerprint == key
        assert verifies(found.clearsign(TEXT), public_key, tmp_path)
        assert verifies(found.detached(TEXT), public_key, tmp_path, TEXT)
        assert not verifies(found.detached(TEXT), public_key, tmp_path, TEXT + b"x")
    assert not (tmp_path / "nothing-here").exists()


def test_secret_key_is_in_no_argument_and_goes_with_its_home(
    keys: Keys, key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A gpg before the real one writes down what every call could be seen with."""
    secret = keys.secret(key)
    programs, seen = tmp_path / "bin", tmp_path / "seen"
    programs.mkdir()
    (programs / "gpg").write_text(f'#!/bin/sh\n{{ printf "%s\\n" "$@"; env; }} >>{seen}\nexec /usr/bin/gpg "$@"\n')
    (programs / "gpg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv(KEY, secret)
    with signer() as found:
        assert found is not None
        assert found.home is not None
        assert found.home.stat().st_mode & 0o777 == 0o700
        assert found.environment()["GNUPGHOME"] == str(found.home)
        found.clearsign(TEXT)
    assert not found.home.exists()
    assert "--clearsign" in seen.read_text()
    assert not any(line in seen.read_text() for line in secret.splitlines() if len(line) > 20)
    assert KEY not in without_key()


def test_home_goes_when_signing_fails(keys: Keys, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, keys.secret(key))
    homes = []
    with suppress(KeyError), signer() as found:
        assert found is not None
        homes.append(found.home)
        raise KeyError
    assert [home is not None and home.exists() for home in homes] == [False]


def test_without_a_key_there_is_no_signer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, " \n")
    with signer() as found:
        assert found is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("62C6113A", "neither a whole fingerprint"),
        ("A" * 40, "no secret key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----", "cannot sign"),
    ],
)
def test_what_is_no_key_is_refused(value: str, said: str, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, value)
    monkeypatch.setenv("GNUPGHOME", str(keys.home))
    with pytest.raises(PublishingError, match=said) as caught, signer():
        pass
    assert "62C6113A" not in str(caught.value)


def test_two_keys_are_one_too_many(keys: Keys, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, keys.secret(key) + keys.secret(keys.make("Another <a@example.org>")))
    with pytest.raises(PublishingError, match="holds 2 secret keys"), signer():
        pass


def test_passphrase_is_not_asked_for(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "three plain words"
    locked = keys.make("Locked <l@example.org>", words)
    monkeypatch.setenv(KEY, keys.secret(locked, words))
    with signer() as found:
        assert found is not None
        with pytest.raises(PublishingError, match="has to be without a passphrase"):
            found.clearsign(TEXT)


def test_missing_gpg_is_told(key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(KEY, key)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PublishingError, match="cannot sign"), signer():
        pass
