"""The signature of what is sent to a URL, by Standard Webhooks 1.0: HMAC-SHA256 over the id, the time and the body.

https://www.standardwebhooks.com has libraries that check it in a dozen languages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import stat

from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import shown

_LONGEST, _SHORTEST = 1024, 16
_PREFIX = b"whsec_"


def secret_in(path: str) -> bytes:
    """Read a secret: what follows `whsec_` is base64, anything else is taken as it is, but for white space around it.

    Raises UsageError, which says nothing of what is in the file, where it cannot be read, or others may read it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            content = os.read(descriptor, _LONGEST + 1) if stat.S_ISREG(status.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        message = f"cannot read the secret {shown(path)}: {error.strerror}"
        raise UsageError(message) from error
    if not stat.S_ISREG(status.st_mode):
        message = f"cannot use the secret {shown(path)}: it is no file"
        raise UsageError(message)
    if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
        message = f"cannot use the secret {shown(path)}: others than its owner and group may use it: chmod 0640"
        raise UsageError(message)
    secret = content.strip()
    try:
        secret = base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else secret
    except binascii.Error:
        secret = b""
    if not _SHORTEST <= len(secret) <= _LONGEST:
        message = (
            f"cannot use the secret {shown(path)}: expected {_SHORTEST} to {_LONGEST:,} bytes, or whsec_ and base64"
        )
        raise UsageError(message)
    return secret


def headers(secret: bytes | None, identity: str, time: int, body: bytes) -> dict[str, str]:
    """Make the headers that name a message and, where there is a secret, sign it. `time` is in seconds since 1970."""
    named = {"Idempotency-Key": identity, "webhook-id": identity, "webhook-timestamp": str(time)}
    if secret is None:
        return named
    digest = hmac.digest(secret, f"{identity}.{time}.".encode() + body, hashlib.sha256)
    return {**named, "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}
