"""`audiobatchctl config check` and `show`: what the configuration says, read as the service reads it; without one."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from audiobatchd.cli.local import checked_config, ended_first, worker_settings_here
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json, cells
from audiobatchd.config.checks import installed_analyzers, not_installed
from audiobatchd.config.file import Config, DatasetConfig, find_config
from audiobatchd.config.hooks import HookConfig
from audiobatchd.config.places import default_socket, model_directories, state_directory
from audiobatchd.control.client import ControlClient
from audiobatchd.core.assessment import Offer
from audiobatchd.disk import bounded, filesystems, shares
from audiobatchd.disk.filesystems import Kind
from audiobatchd.errors import AudiobatchError, ConfigError
from audiobatchd.vocabulary.analyzer_sets import chosen
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.worker import questions

DEFAULT, COMMAND_LINE = "default", "command line"
_COLUMN = 50


class Setting(Struct, frozen=True):
    """A key with its value."""

    key: str
    value: object
    source: str
    """Origin of that: a file, the environment, the command line, or nowhere."""


class Table(Struct, frozen=True):
    """Settings below their heading in TOML."""

    heading: str
    """Empty for the whole."""
    settings: list[Setting]


def check(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Tell whether the service would take a configuration. Exit code 1, with the reason, where it would not."""
    path = arguments.file or arguments.config or find_config(os.environ)
    trouble, noted = "", []
    try:
        settings = checked_config(path)
        noted = remarks(settings)
    except ConfigError as error:
        trouble = str(error)
    name = shown(str(path)) if path else None
    if arguments.json:
        told = {"file": name, "valid": not trouble, "trouble": trouble, "remarks": noted}
        say(as_json(told))
    elif trouble:
        say(printable(trouble))
    else:
        say(f"{name}: valid" if name else "There is no configuration file: everything has its default.")
        for remark in noted:
            say(printable(f"  ! {remark}"))
    return 1 if trouble else 0


def show(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Show every key with its value, and where that comes from."""
    path = arguments.config or find_config(os.environ)
    settings = checked_config(path)
    written = tomllib.loads(bounded.text(path)) if path else {}
    tables = [*tables_of(settings, written, str(path)), places(settings, arguments.socket, os.environ, os.getuid())]
    name = shown(str(path)) if path else None
    if arguments.json:
        say(as_json({"file": name, "tables": tables}))
        return 0
    how = "as the command line says" if arguments.config else "the first that was found"
    say(f"# {name}, {how}" if name else "# no configuration file was found")
    for line in in_words(tables):
        say(line)
    return 0


def remarks(settings: Config) -> list[str]:
    """List what is valid and may yet surprise: datasets and analyzers that could not work now."""
    told = [remark for dataset in settings.dataset if (remark := _remark(dataset))]
    told += [
        f"[analyzer.{shown(name)}] has options of an analyzer that is not installed here: they are not looked at"
        for name in not_installed(settings)
    ]
    told += [
        f"{shown(inbox.path)} is not there: the inbox is empty until it appears"
        for inbox in settings.inbox
        if not Path(inbox.path).is_dir()
    ]
    if remark := ended_first(settings):
        told.append(remark)
    if settings.analyzers is not None and not chosen(settings.analyzers, installed_analyzers()):
        return [*told, "`analyzers` leaves nothing to measure with"]
    if settings.analyzer or settings.analyzers is not None:
        try:
            offers = questions.offers(worker_settings_here(settings))
        except AudiobatchError as error:
            return [*told, str(error)]
        told += [
            f"analyzer {offer.name} is unavailable: {offer.unavailable}"
            for offer in offers
            if offer.unavailable and (settings.analyzers is not None or _has_options(offer, settings))
        ]
    return told


def _has_options(offer: Offer, settings: Config) -> bool:
    return not settings.analyzer.keys().isdisjoint((offer.name, *offer.groups))


def _remark(dataset: DatasetConfig) -> str:
    path = shown(dataset.path)
    if not Path(dataset.path).is_dir():
        return f"{path} is not there: it is missing until it appears"
    kind, filesystem = shares.of(dataset.path)
    if kind is Kind.WEAK and not dataset.alone:
        return f"{path} is not worked on: {filesystems.refusal(filesystem)}"
    return ""


def tables_of(settings: Config, written: Mapping[str, Any], file: str) -> Iterable[Table]:
    """Give every key of the whole, of each analyzer, dataset, inbox and hook; `written` is what stands in the `file`.

    A URL may be secret: of that only the machine is given.
    """
    yield Table("", list(_settings(settings, written, file, without=("dataset", "inbox", "hook", "analyzer"))))
    for name, options in settings.analyzer.items():
        yield Table(f"[analyzer.{name}]", [Setting(key, value, file) for key, value in options.items()])
    for name, structs in (("dataset", settings.dataset), ("inbox", settings.inbox), ("hook", settings.hook)):
        for each, its_own in zip(structs, written.get(name, ()), strict=True):
            shown_as = (
                msgspec.structs.replace(each, url=each.target) if isinstance(each, HookConfig) and each.url else each
            )
            yield Table(f"[[{name}]]", list(_settings(shown_as, its_own, file)))


def _settings(
    struct: Struct, written: Mapping[str, Any], file: str, without: tuple[str, ...] = ()
) -> Iterable[Setting]:
    for key in struct.__struct_fields__:
        if key not in without:
            value = getattr(struct, key)
            # A path may hold what JSON cannot.
            yield Setting(key, shown(value) if isinstance(value, str) else value, file if key in written else DEFAULT)


def places(settings: Config, socket: Path | None, environ: Mapping[str, str], uid: int) -> Table:
    """Tell where things are that the environment, or the command line, has a say in."""
    state = state_directory(environ, uid)
    models = model_directories(settings.model_directory, environ, state)
    by_environment = {
        "socket": "AUDIOBATCHD_SOCKET",
        "state directory": "STATE_DIRECTORY",
        "models": "ESSENTIA_MODELS_DIR",
    }
    sources = {name: f"environment, {variable}" for name, variable in by_environment.items() if environ.get(variable)}
    if socket:
        sources["socket"] = COMMAND_LINE
    values: dict[str, object] = {
        "socket": shown(str(socket or default_socket(environ, uid))),
        "state directory": shown(str(state)),
        "models": [shown(str(each)) for each in models],
    }
    return Table("# places", [Setting(key, value, sources.get(key, DEFAULT)) for key, value in values.items()])


def in_words(tables: Iterable[Table]) -> list[str]:
    """Lines that are nearly TOML, with where each value is from behind it."""
    lines: list[tuple[str, str]] = []
    for table in tables:
        if table.heading:
            lines += [("", ""), (table.heading, "")]
        for setting in table.settings:
            value = "not set" if setting.value is None else msgspec.json.encode(setting.value).decode()
            lines.append((printable(f"{setting.key} = {value}"), f"# {shown(setting.source)}"))
    # A list of directories shall not push all other sources to the right.
    width = max((cells(text) for text, source in lines if source and cells(text) <= _COLUMN), default=0)
    return [f"{text}{' ' * (width - cells(text))}  {source}".rstrip() for text, source in lines]
