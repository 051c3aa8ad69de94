"""Provenance of a record, under its key `_audiobatch`: what measured which file, and what could not be measured.

One entry per analyzer and source file. Entries of analyzers that are unknown here stay as they are, byte for byte.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from audiobatchd.errors import RecordError
from audiobatchd.vocabulary.expectations import why_not_json
from audiobatchd.vocabulary.files import Fingerprint
from audiobatchd.vocabulary.quantities import exact_size

KEY = "_audiobatch"
FORMAT = 1

_LARGEST = 1 << 20
_CURE = "mend it or move the record away"
_NOT_OURS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_Version = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]  # what catalogs and messages can carry

_Bytes = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]


class Entry(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Account of one source file by one analyzer."""

    fingerprint: Fingerprint
    """The file that was read; of a sum of several the first one, in the order of `ROLES`."""
    version: _Version
    models: dict[str, str] = {}
    """Digests of the models, by name."""
    unmeasurable: dict[str, str] = {}
    """Reasons why it has no value, by feature."""
    files: tuple[str, ...] = ()
    """Features that are files beside the record and were written: an option may have kept others from being."""
    others: dict[str, Fingerprint] = {}
    """Further files that were read, of a sum, by role."""
    results: dict[str, dict[str, str]] = {}
    """States of the results that were read, see `needs.state_of`, by analyzer and role."""
    beyond_limit: float | None = None
    """Seconds of audio of a file that was left out because it is longer than `max_duration`; else None."""
    beyond_memory: _Bytes | None = None
    """Bytes of memory that measuring would have taken, of a file left out as that is more than `worker_memory`."""
    measured: str = ""
    """Time in UTC, for people."""
    host: str = ""
    """Machine where it was measured."""


class Provenance(Struct):
    """Value of `_audiobatch`."""

    format: int = FORMAT
    analyzers: dict[str, dict[str, Raw]] = {}
    """Entries, by analyzer and role, not yet decoded."""

    def entry(self, analyzer: str, role: str) -> Entry | None:
        """Decode the entry of `analyzer` for the file of `role`; None where there is none. Raises RecordError."""
        raw = self.analyzers.get(analyzer, {}).get(role)
        if raw is None:
            return None
        try:
            return _ENTRY.decode(raw)
        except _NOT_OURS as error:
            why = why_not_json(Entry, bytes(raw), error)
            message = f"cannot understand {KEY} of {analyzer} for {role}: {why}; {_CURE}"
            raise RecordError(message) from error

    def unmeasurable(self) -> dict[str, str]:
        """Collect the reasons why features have no value. Raises RecordError."""
        entries = (self.entry(name, role) for name, by_role in self.analyzers.items() for role in by_role)
        return {feature: why for entry in entries if entry is not None for feature, why in entry.unmeasurable.items()}

    def measured(self) -> dict[str, dict[str, str]]:
        """Collect when each analyzer measured, by the role of the file; where that is told. Raises RecordError."""
        found: dict[str, dict[str, str]] = {}
        for name, by_role in self.analyzers.items():
            for role in by_role:
                if (entry := self.entry(name, role)) is not None and entry.measured:
                    found.setdefault(name, {})[role] = entry.measured
        return found


_ENTRY = msgspec.json.Decoder(Entry)
_PROVENANCE = msgspec.json.Decoder(Provenance)


def decode(raw: bytes | Raw | None) -> Provenance:
    """Decode the provenance in a record, empty where it has none.

    Raises RecordError where it is not ours to understand: malformed, or written by a later audiobatchd.
    """
    if raw is None or bytes(raw) == b"null":
        return Provenance()
    size = len(bytes(raw))
    if size > _LARGEST:
        message = (
            f"cannot understand {KEY}: its {size:,} bytes are more than the {exact_size(_LARGEST)} allowed; {_CURE}"
        )
        raise RecordError(message)
    try:
        provenance = _PROVENANCE.decode(raw)
    except _NOT_OURS as error:
        message = f"cannot understand {KEY}: {why_not_json(Provenance, bytes(raw), error)}; {_CURE}"
        raise RecordError(message) from error
    if provenance.format > FORMAT:
        message = (
            f"cannot understand {KEY}: format {provenance.format} was written by a later audiobatchd; update this one"
        )
        raise RecordError(message)
    return provenance


def merged(old: Provenance, entries: dict[str, dict[str, Entry]]) -> Raw:
    """Put `entries` (by analyzer, then role) in place of those that `old` had."""
    analyzers = dict(old.analyzers)
    for analyzer, by_role in entries.items():
        encoded = {role: Raw(msgspec.json.encode(entry)) for role, entry in by_role.items()}
        analyzers[analyzer] = {**analyzers.get(analyzer, {}), **encoded}
    return Raw(msgspec.json.encode(Provenance(format=FORMAT, analyzers=analyzers)))
