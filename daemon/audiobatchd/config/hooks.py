"""The `[[hook]]` tables: who is told of what, by a command of this machine or at a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Meta, Struct

from audiobatchd.disk import filesystems
from audiobatchd.errors import ConfigError
from audiobatchd.vocabulary.hook_events import HookEvent

MOST_HOOKS = 16
"""Each may have a process of its own under way, and a queue of its own."""
_MOST_ARGUMENTS, _LONGEST = 100, 4096
# What is neither printed nor part of a name; a URL with one of them would be read otherwise by others.
_ODD = re.compile(r"[\x00-\x20\x7f\\]")

HookName = Annotated[
    str,
    Meta(
        pattern=r"\A[a-z][a-z0-9-]{0,31}\Z",
        description="a name of small letters, digits and dashes that begins with a letter",
    ),
]
Argument = Annotated[str, Meta(max_length=_LONGEST, pattern=r"\A[^\0]*\Z", description="text")]
# Without bounds: what is refused by them is repeated, and a URL may be secret.
Url = Annotated[str, Meta(description="a URL")]
Path = Annotated[str, Meta(min_length=1, pattern=r"\A[^\0]*\Z", description="a path")]


class HookConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of a `[[hook]]`. Each key is described in docs/reference/configuration.md."""

    on: tuple[HookEvent, ...]
    name: HookName | None = None
    command: tuple[Argument, ...] | None = None
    url: Url | None = None
    secret_file: Path | None = None
    dataset: tuple[Path, ...] = ()
    timeout: float = 30.0

    @property
    def target(self) -> str:
        """What is told, fit to be shown: of a URL neither the path nor a password, which may be all its protection."""
        return place_of(self.url) if self.url is not None else (self.command or ("",))[0]

    def wants(self, event: HookEvent, dataset: str) -> bool:
        """Tell whether the hook is told of this event in this dataset."""
        return event in self.on and (not self.dataset or dataset in self.dataset)


def names_of(hooks: Sequence[HookConfig]) -> dict[str, HookConfig]:
    """Name each hook: as its table does, else by its number, from 1."""
    return {each.name or str(number): each for number, each in enumerate(hooks, 1)}


def place_of(url: str) -> str:
    """Write the scheme, the host and the port of a URL, and nothing else of it."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def fitted(hooks: Sequence[HookConfig], places: Mapping[str, str]) -> tuple[HookConfig, ...]:
    """Name the datasets of each hook as the configuration does; `places` are its datasets, by where they lead.

    Raises ConfigError, with the key, for a hook that could not be told, and for a dataset that is not configured.
    """
    if len(hooks) > MOST_HOOKS:
        message = f"cannot tell {len(hooks)} hooks: one service takes {MOST_HOOKS}"
        raise ConfigError(message)
    made = []
    for number, each in enumerate(hooks):
        where = f" - at `hook[{number}]"
        if not each.on:
            message = f"name the events that it is told of{where}.on`"
            raise ConfigError(message)
        if (each.command is None) is (each.url is None):
            message = f"set either `command` or `url`{where}`"
            raise ConfigError(message)
        if each.command is not None and (trouble := _trouble_of_command(each.command)):
            message = f"{trouble}{where}.command`"
            raise ConfigError(message)
        if each.url is not None and (trouble := _trouble_of_url(each.url)):
            message = f"{trouble}{where}.url`"
            raise ConfigError(message)
        if each.secret_file and each.url is None:
            message = f"a secret signs what is sent to a `url`{where}.secret_file`"
            raise ConfigError(message)
        datasets = []
        for path in each.dataset:
            dataset = places.get(filesystems.without_links(path))
            if dataset is None:
                message = f"{path} is no dataset of this configuration{where}.dataset`"
                raise ConfigError(message)
            datasets.append(dataset)
        made.append(msgspec.structs.replace(each, dataset=tuple(datasets)))
    named = [each.name for each in made if each.name is not None]
    if twice := next((name for name in named if named.count(name) > 1), None):
        message = f"two hooks have the name {twice}"
        raise ConfigError(message)
    return tuple(made)


def _trouble_of_command(command: Sequence[str]) -> str:
    if not command or not command[0]:
        return "name a program"
    if len(command) > _MOST_ARGUMENTS:
        return f"a command has {_MOST_ARGUMENTS} arguments at most"
    if "/" in command[0] and not command[0].startswith("/"):
        return "write the whole path of the program, or its name alone"
    return ""


def _trouble_of_url(url: str) -> str:
    """Say what is wrong with a URL, and nothing of what stands in it."""
    try:
        parts: SplitResult = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    return (
        ""
        if usable and len(url) <= _LONGEST and not _ODD.search(url)
        else 'expected "https://HOST/PATH" or "http://HOST/PATH"'
    )
