"""Signatures by gpg, with the key that the environment names in `AUDIOBATCHD_SIGNING_KEY`.

The variable holds the fingerprint of a key in the caller's GNUPGHOME, or an armoured secret key without a passphrase.
Such a key goes to gpg through a pipe and lies in a temporary GNUPGHOME, in memory where /dev/shm is there, until it has
signed.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY = "AUDIOBATCHD_SIGNING_KEY"
SECRET_KEY = "-----BEGIN PGP PRIVATE KEY BLOCK-----"  # noqa: S105  # how such a key begins
FINGERPRINT = re.compile(r"[0-9A-F]{40}(?:[0-9A-F]{24})?")
MEMORY = Path("/dev/shm")  # noqa: S108  # a directory of its own is made in it


class PublishingError(Exception):
    """Raised where nothing can be published; the message says why, and what to do."""


@dataclass(frozen=True)
class Signer:
    """A secret key that gpg can use."""

    fingerprint: str
    """Fingerprint of the primary key, in capitals."""
    home: Path | None
    """The temporary GNUPGHOME; None: the caller's."""

    def clearsign(self, text: bytes) -> bytes:
        """The text with its signature around it, as InRelease has it."""
        return self._sign("--clearsign", text)

    def detached(self, text: bytes) -> bytes:
        """The signature of the text alone, armoured."""
        return self._sign("--detach-sign", text)

    def public_key(self) -> bytes:
        """The public key without signatures of others, as `Signed-By` takes it."""
        return gpg(self.home, "--export-options", "export-minimal", "--export", self.fingerprint)

    def environment(self) -> dict[str, str]:
        """Environment for programs that call gpg themselves."""
        return without_key() | ({} if self.home is None else {"GNUPGHOME": str(self.home)})

    def _sign(self, how: str, text: bytes) -> bytes:
        return gpg(self.home, "--armor", "--digest-algo", "SHA512", "--local-user", self.fingerprint, how, text=text)


@contextmanager
def signer() -> Iterator[Signer | None]:
    """The key of the environment; None where it names none. Raises PublishingError."""
    value = os.environ.get(KEY, "").strip()
    if not value:
        yield None
    elif SECRET_KEY in value:
        with _temporary_home() as home:
            gpg(home, "--import", text=value.encode())
            yield Signer(_only_secret_key(home), home)
    else:
        fingerprint = re.sub(r"\s|^0x", "", value).upper()
        if not FINGERPRINT.fullmatch(fingerprint):
            # The value is not repeated: it may be most of a secret key.
            message = f"cannot sign: {KEY} is neither a whole fingerprint (40 digits) nor an armoured secret key"
            raise PublishingError(message)
        yield Signer(_in_callers_home(fingerprint), None)


def gpg(home: Path | None, *arguments: str, text: bytes = b"") -> bytes:
    """Output of gpg, which in a temporary home asks nothing. Raises PublishingError with what gpg said."""
    options = [] if home is None else ["--homedir", str(home), "--batch", "--pinentry-mode", "error"]
    try:
        done = subprocess.run(
            ["gpg", "--quiet", "--no-tty", *options, *arguments],
            input=text,
            capture_output=True,
            env=without_key(),
            check=False,
        )
    except FileNotFoundError:
        message = "cannot sign: gpg is not there; apt-get install gnupg"
        raise PublishingError(message) from None
    if done.returncode:
        told = " / ".join(done.stderr.decode(errors="replace").splitlines()[-3:])
        hint = f"; a key in {KEY} has to be without a passphrase" if home else ""
        message = f"cannot sign: {told or 'gpg failed'}{hint}"
        raise PublishingError(message)
    return done.stdout


def fingerprints(home: Path | None, *question: str, text: bytes = b"") -> list[str]:
    """Fingerprints of the primary keys that gpg lists in answer to the question."""
    lines = gpg(home, "--with-colons", *question, text=text).decode(errors="replace").splitlines()
    fields = [line.split(":") for line in lines]
    # The line below a primary key's has its fingerprint.
    return [after[9] for key, after in itertools.pairwise(fields) if key[0] in ("sec", "pub")]


def without_key() -> dict[str, str]:
    """Environment for programs that have no business with the secret key."""
    return {name: value for name, value in os.environ.items() if name != KEY} | {"LC_ALL": "C.UTF-8"}


def _only_secret_key(home: Path) -> str:
    found = fingerprints(home, "--list-secret-keys")
    if len(found) != 1:
        message = f"cannot sign: {KEY} holds {len(found)} secret keys; it takes one"
        raise PublishingError(message)
    return found[0]


def _in_callers_home(fingerprint: str) -> str:
    try:
        return fingerprints(None, "--list-secret-keys", fingerprint)[0]
    except (PublishingError, IndexError):
        message = f"cannot sign: no secret key {fingerprint} in {os.environ.get('GNUPGHOME', '~/.gnupg')}"
        raise PublishingError(message) from None


@contextmanager
def _temporary_home() -> Iterator[Path]:
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    home = Path(tempfile.mkdtemp(prefix="audiobatchd-gpg-", dir=place))
    try:
        yield home
    finally:
        for what in (["--kill", "all"], ["--remove-socketdir"]):
            command = ["gpgconf", "--homedir", str(home), *what]
            subprocess.run(command, capture_output=True, env=without_key(), check=False)
        shutil.rmtree(home, ignore_errors=True)
