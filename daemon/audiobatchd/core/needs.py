"""Needs of analyzers: the files from which a feature is measured, and what tells one state of a result from another."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from audiobatchd.core.provenance import Entry
from audiobatchd.plugin_api import FULL_MIX, Needs
from audiobatchd.vocabulary.files import ROLES

NO_NEEDS = Needs()
ADOPTED = "adopted"
"""State of a result that another tool left: the record has no entry of it."""


def files_read(needs: Needs, role: str, files: Collection[str]) -> tuple[str, ...]:
    """Name the files that are read for the features of `role`, by their roles, of the `files` that are there.

    Of a sum: the stems that are there, in the order of `ROLES`; the full mix where none is, and the file of `role`
    itself where there is no full mix either, as of a single file without a folder.
    """
    if not needs.sum_of:
        return (role,)
    stems = tuple(each for each in ROLES if each in needs.sum_of and each in files)
    return stems or ((FULL_MIX,) if FULL_MIX in files else (role,))


def state_of(entry: Entry | None) -> str:
    """Tell the state of an analyzer's results for a file: the version, and a digest of all that they depend on.

    Two states are equal where version, models, contents of files, results that were read and unmeasurable features are
    the same. When, where and under which name a file was measured does not count.
    """
    if entry is None:
        return ADOPTED
    parts = [
        *(f"model {name}={digest}" for name, digest in sorted(entry.models.items())),
        f"file {entry.fingerprint.digest}",
        *(f"file {role} {other.digest}" for role, other in sorted(entry.others.items())),
        *(
            f"result {name} {role} {was}"
            for name, by in sorted(entry.results.items())
            for role, was in sorted(by.items())
        ),
        *(f"without {name}" for name in sorted(entry.unmeasurable)),
    ]
    digest = hashlib.blake2b("\n".join(parts).encode(errors="surrogatepass"), digest_size=8)
    return f"{entry.version} {digest.hexdigest()}"
