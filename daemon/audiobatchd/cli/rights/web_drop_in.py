"""The drop-in of the page: what lets the service's unit, which has no network, listen at an address."""

from __future__ import annotations

import re
from pathlib import Path

from audiobatchd.config.file import load_config
from audiobatchd.config.web import address_of
from audiobatchd.errors import ConfigError, UsageError

NAME = "web.conf"
LISTEN = "127.0.0.1:8787"
"""The address where `setup` puts the page that no configuration asks for yet."""
_TABLE = f'[web]\nlisten = "{LISTEN}"\n'
_WEB = re.compile(r"^\s*(\[\s*web\s*\]|web\s*[.=])", re.MULTILINE)


def changes(drop_ins: Path, configuration: Path, text: str, *, undo: bool) -> dict[Path, str | None]:
    """Return the files that are to be written, None for what is to be removed, for the page or for its end.

    `text` is the configuration's: where it has no `[web]`, that is added; what was added is taken out again. Raises
    UsageError where the unit need not be changed.
    """
    files: dict[Path, str | None] = {}
    if undo:
        if text.endswith(_TABLE):
            files[configuration] = text.removesuffix(_TABLE).rstrip() + "\n"
        if (drop_ins / NAME).exists():
            files[drop_ins / NAME] = None
        return files
    listen = LISTEN
    if _WEB.search(text):
        listen = load_config(configuration).web.listen or ""
        if not listen:
            message = f'[web] has no `listen`: set listen = "{LISTEN}" in {configuration}'
            raise UsageError(message)
    else:
        files[configuration] = f"{text.rstrip()}\n\n{_TABLE}".lstrip()
    if (new := content(listen)) != _read(drop_ins / NAME):
        files[drop_ins / NAME] = new
    return files


def content(listen: str) -> str:
    """Write the drop-in for a page at this address. Raises UsageError for a socket, which needs none."""
    try:
        address = address_of(listen)
    except ConfigError as error:
        raise UsageError(str(error)) from error
    if address.socket:
        message = f"the page at the socket {listen} needs no network: nothing is to be set up"
        raise UsageError(message)
    return "\n".join(
        [
            "# Written by `audiobatchctl setup --web`; `setup --web --undo` removes it.",
            "[Service]",
            f"# The page at {address}. The workers, which decode audio, get the same network.",
            "PrivateNetwork=no",
            "RestrictAddressFamilies=AF_INET AF_INET6",
            "# All else stays denied (IPAddressDeny=any).",
            f"IPAddressAllow={'localhost' if address.is_loopback else 'any'}",
            "",
        ]
    )


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
