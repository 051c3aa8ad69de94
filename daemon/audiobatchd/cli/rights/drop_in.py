"""The drop-in of a dataset, and of an inbox: what lets the service's unit write there.

The unit sees no directory as writable but its own (ProtectSystem=strict).
"""

from __future__ import annotations

import hashlib
import os
import string
from pathlib import Path

from audiobatchd.cli.rights.unsuitable import unsuitable
from audiobatchd.disk import filesystems
from audiobatchd.vocabulary.names import shown

_HIDDEN = ("/home", "/root", "/run/user")
_PLAIN = frozenset(f"{string.ascii_letters}{string.digits}:_.".encode())
_SLASH, _DOT = b"/."
# A file name has 255 bytes, of which "dataset-" and ".conf" are ours.
_LONGEST_NAME = 200
# systemd names the unit of a longer path by a digest of its own: it is not waited for.
_LONGEST_UNIT = 255


def file_name(dataset: str, inbox: str = "") -> str:
    """Name the drop-in of a dataset, or of an inbox of it."""
    return f"inbox-{escaped(inbox)}.conf" if inbox else f"dataset-{escaped(dataset)}.conf"


def escaped(dataset: str) -> str:
    """Escape a path as `systemd-escape --path` does; a long one is cut, with a digest that tells it from another."""
    whole = _escaped_whole(dataset)
    if len(whole) <= _LONGEST_NAME:
        return whole
    digest = hashlib.sha256(os.fsencode(dataset.strip("/"))).hexdigest()[:16]
    return f"{whole[: _LONGEST_NAME - len(digest) - 1]}.{digest}"


def _escaped_whole(path: str) -> str:
    """Escape a path as `systemd-escape --path` does: slashes become dashes, what is odd its hexadecimal number."""
    octets = os.fsencode(path.strip("/")) or b"/"
    return "".join(
        "-" if octet == _SLASH else chr(octet) if octet in _PLAIN and (place or octet != _DOT) else f"\\x{octet:02x}"
        for place, octet in enumerate(octets)
    )


def content(dataset: str, inbox: str = "") -> str:
    """Write the drop-in of a dataset, or of an inbox of it; both are real paths."""
    place = inbox or dataset
    lines = [
        f"# Written by `audiobatchctl setup {shown(dataset)}`; `--undo` removes it.",
        "[Unit]",
        "# Mounted first where that can be. Not RequiresMountsFor=: one mount that fails would stop every dataset.",
        *(f"{key}={' '.join(_mounts(place))}" for key in ("Wants", "After") if _mounts(place)),
        "",
        "[Service]",
        "# With a dash: without this directory the service starts all the same, and says that it is missing.",
        f'ReadWritePaths="-{_quoted(_writable(place))}"',
    ]
    if is_hidden(place):
        lines += ["# ProtectHome=yes would hide it: of all homes the unit sees this directory alone."]
        lines += ["ProtectHome=tmpfs", f'BindPaths="-{_quoted(place)}"']
    return "\n".join(lines) + "\n"


def _quoted(path: str) -> str:
    return path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def _writable(dataset: str) -> str:
    """Find what the unit may write in: the dataset, or the whole disk that is mounted for it.

    systemd binds a directory that is no mount onto itself. In the unit's own tree that would keep a disk that the
    machine has unmounted, and hide it when it is mounted again.
    """
    mounts = filesystems.mount_points()
    place = next(path for path in (dataset, *map(str, Path(dataset).parents)) if path in mounts or path == os.sep)
    return dataset if place == os.sep or is_hidden(dataset) or unsuitable(place, ()) else place


def _mounts(dataset: str) -> list[str]:
    """The units that would mount a dataset or a directory above it; those that there are not, systemd passes over."""
    above = [str(place) for place in reversed(Path(dataset).parents)][1:]
    units = (f"{_escaped_whole(place)}.mount" for place in (*above, dataset) if place != os.sep)
    return [unit for unit in units if len(unit) <= _LONGEST_UNIT]


def is_hidden(dataset: str) -> bool:
    """Tell whether the unit is kept from seeing what lies there (ProtectHome=yes)."""
    return any(dataset == place or dataset.startswith(f"{place}/") for place in _HIDDEN)
