"""A certificate of the page tried out, as a browser that trusts it would: whether it is read, fits, and is of today."""

from __future__ import annotations

import ssl
import time

from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import shown

_EXPIRED, _NOT_YET = 10, 9
"""X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID of OpenSSL."""
_ROUNDS = 10


def load(certificate: str, key: str, again: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """Load a certificate with its key, for a server, or `again` for one that serves already. Raises UsageError."""
    context = again or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=str)  # for a passphrase no terminal is asked
    except (OSError, ValueError) as error:
        why = "they do not fit, or are no PEM" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", error)
        message = f"cannot use the certificate {shown(certificate)} with the key {shown(key)}: {why}"
        raise UsageError(message) from error
    return context


def days_left(certificate: str, key: str) -> float:
    """Find for how many days it is good; less than 0 where it has expired. Raises UsageError where it is of no use."""
    served = load(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    try:
        told = _shaken(served, client)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            return -1.0
        why = "it is not valid yet" if error.verify_code == _NOT_YET else error.verify_message
        message = f"cannot use the certificate {shown(certificate)}: {why}"
        raise UsageError(message) from error
    except ssl.SSLError as error:
        message = f"cannot use the certificate {shown(certificate)}: {error.reason}"
        raise UsageError(message) from error
    return (ssl.cert_time_to_seconds(told) - time.time()) / 86_400


def _shaken(served: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """Have both ends shake hands in memory: until when the certificate is good. Raises SSLError."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(down, up), served.wrap_bio(up, down, server_side=True))
    done = [False, False]
    for _ in range(_ROUNDS):
        for place, end in enumerate(ends):
            try:
                end.do_handshake()
                done[place] = True
            except ssl.SSLWantReadError:
                pass
        if all(done):
            break
    return str((ends[0].getpeercert() or {}).get("notAfter", ""))
