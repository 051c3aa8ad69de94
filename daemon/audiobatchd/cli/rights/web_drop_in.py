"""The drop-in of the page: what lets the service's unit, which has no network, listen at an address."""

from __future__ import annotations

import re
from pathlib import Path

from audiobatchd.cli.rights import network_drop_in
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
    if network_drop_in.differs(drop_ins / NAME, new := content(listen)):
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
    allowed = network_drop_in.LOCALHOST if address.is_loopback else network_drop_in.ANY
    return network_drop_in.content("--web", f"The page at {address}", [allowed])
