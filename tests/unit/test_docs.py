"""The documentation tells all that is there, as it is: held against the code, key by key.

Links, data blocks and the documented analyzer are tried out as well. What a page says in prose is for people to judge.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import itertools
import json
import logging
import re
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from enum import IntEnum, StrEnum
from importlib.metadata import distribution, entry_points
from pathlib import Path
from string import Formatter

import msgspec
import numpy as np
import pytest

import audiobatchd
from audiobatch_analyzers.classifiers import analyzer as classifiers
from audiobatchd import BatchStats
from audiobatchd.audio.views import Decoded
from audiobatchd.cli import control, daemon
from audiobatchd.config import file
from audiobatchd.config.file import Config, DatasetConfig, InboxConfig
from audiobatchd.config.schedule import ScheduleConfig
from audiobatchd.config.web import WebConfig
from audiobatchd.control.operations import OPERATIONS
from audiobatchd.control.status import DatasetStatus, FolderReport, InboxStatus, Status, Trouble, WorkerStatus
from audiobatchd.core.assessment import Offer
from audiobatchd.core.lifecycle import DaemonState
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.core.provenance import Entry, Provenance
from audiobatchd.core.slot import SlotState
from audiobatchd.models.manifest import MODELS
from audiobatchd.plugin_api import (
    ENTRY_POINT_GROUP,
    LONGEST_LABEL,
    MOST_LABELS,
    NATIVE,
    Analyzer,
    AnyAnalyzer,
    BlockAnalyzer,
    Settings,
)
from audiobatchd.service import journal
from audiobatchd.vocabulary.analyzer_sets import chosen
from audiobatchd.vocabulary.exits import ControlExit, DaemonExit
from audiobatchd.vocabulary.files import ROLES, Fingerprint, NearMiss
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import Attempt, DatasetState, FolderState, InboxState, Outcome
from audiobatchd.worker.process.analyzers import make
from audiobatchd.worker.process.needs import check_needs
from support.feeding import measured

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
EXAMPLE = DOCS / "audiobatchd.example.toml"
PACKAGE = DOCS / "how-to" / "example-analyzer"
EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
SOURCE = ROOT / "daemon" / "audiobatchd"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "process" not in path.relative_to(SOURCE).parts)
"""Modules of the daemon and its client. What a worker writes reaches the log only as the reason of another event."""

WRITTEN_FOR_PEOPLE = {SOURCE / "vocabulary" / "summary.py", *(SOURCE / "library").glob("*.py")}
"""Log lines of people's own scripts are the batch guide's sentences, and no events."""
SHOWS_EVENTS = SOURCE / "cli" / "terminal" / "events.py"
"""Names events without logging any."""

PARSERS = {"audiobatchd": daemon._parser(), "audiobatchctl": control._parser()}
EXIT_CODES: dict[str, type[IntEnum]] = {"audiobatchd": DaemonExit, "audiobatchctl": ControlExit}
STATES: tuple[type[StrEnum], ...] = (FolderState, DatasetState, DaemonState, SlotState, InboxState, Outcome)
ROOMS = ("analyzers", "bench", "daemon", "demo", "docs", "systemd", "tests")
PAGES = sorted({*ROOT.glob("*.md"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.md"))})
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
COMMENTED_KEY = re.compile(r"^# (?=\w+ = )", re.MULTILINE)


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


def section(text: str, heading: str) -> str:
    """The text below the `##` heading, up to the next one of its kind; a heading's code marks do not count."""
    _, *parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    found: dict[str, str] = dict(zip((title.replace("`", "") for title in parts[::2]), parts[1::2], strict=True))
    assert heading in found, f"there is no section {heading!r}, but: {', '.join(found)}"
    return found[heading]


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row, heads and rules among them."""
    for row in ROW.finditer(text):
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", row[1])]


def first_cells(text: str) -> set[str]:
    """Return what stands as code in the first cells of the tables."""
    return {code for cells in rows(text) for code in CODE.findall(cells[0])}


# Configuration


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        (Config, "The whole"),
        (DatasetConfig, "[[dataset]]"),
        (InboxConfig, "[[inbox]]"),
        (WebConfig, "[web]"),
        (ScheduleConfig, "[schedule]"),
    ],
)
def test_every_configuration_key_is_documented_with_its_default(kind: type[msgspec.Struct], heading: str) -> None:
    text = section(page("configuration.md"), heading)
    table = {cells[0].strip("`"): cells for cells in rows(text) if len(cells) == 4}
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    assert table.keys() - {"Key", "---"} == fields.keys()
    for key, field in fields.items():
        assert table[key][2].strip("`") == default_in_words(field), key
        if key in file.BOUNDS:
            assert f", {file.BOUNDS[key]}" in table[key][1], key


def default_in_words(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(default, msgspec.Struct):
        return "{}"
    return "not set" if default is None else json.dumps(default)


def test_the_example_has_every_key_with_its_default() -> None:
    settings = file.load_config(EXAMPLE)
    assert msgspec.structs.replace(settings, dataset=()) == Config()
    assert len(settings.dataset) == 1
    assert settings.dataset[0] == DatasetConfig(path=settings.dataset[0].path)
    # A default of "not set" cannot be written in TOML: such a key stands there as a comment.
    told = tomllib.loads(COMMENTED_KEY.sub("", EXAMPLE.read_text()))
    assert told.keys() == set(Config.__struct_fields__)
    assert told["dataset"][0].keys() == set(DatasetConfig.__struct_fields__)
    assert told["inbox"][0].keys() == set(InboxConfig.__struct_fields__)
    assert told["web"].keys() == set(WebConfig.__struct_fields__)
    assert told["schedule"].keys() == told["dataset"][0]["schedule"].keys() == set(ScheduleConfig.__struct_fields__)


def test_the_example_s_commented_keys_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text(COMMENTED_KEY.sub("", EXAMPLE.read_text()))
    settings = file.load_config(tmp_path / "all.toml")
    assert settings.analyzers is not None
    assert chosen(settings.analyzers, {point.name for point in entry_points(group=ENTRY_POINT_GROUP)})


# Command line


def options_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield name
                yield from options_of(command)
        else:
            yield from action.option_strings or [action.dest.upper()]


@pytest.mark.parametrize("program", PARSERS)
def test_every_option_is_documented_and_no_other(program: str) -> None:
    table = section(page("command-line.md"), program).partition("\n#")[0].partition("| Exit code")[0]
    documented = {code.split(" ")[0] for code in first_cells(table)}
    assert documented == set(options_of(PARSERS[program]))


GROUP = re.compile(r"\[[^\]]*\](?: \.\.\.)?|\S+(?: [A-Z]\S*)?(?: \.\.\.)?")
"""An argument of a usage line, with its value and its dots, and with its brackets if it has any."""
EVERYWHERE = {"-h", "--socket", "--config"}
"""Options that usage lines leave out: the table tells where they serve."""


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Every command by its words, an action by those of its group before it; a parser without any by none."""
    found = {
        f"{name} {action}".strip(): made
        for each in parser._actions
        if isinstance(each, argparse._SubParsersAction)
        for name, command in each.choices.items()
        for action, made in commands_of(command).items()
    }
    return found or {"": parser}


def printed(command: argparse.ArgumentParser) -> set[str]:
    """The arguments of a command as its help prints them, those that serve everywhere left out.

    An argument without dashes goes by the name that it has in the table below the usage lines, and so does a choice.
    """
    text = command.format_usage().removeprefix(f"usage: {command.prog}")
    for action in command._actions:
        told = f"{{{','.join(map(str, action.choices))}}}" if action.choices and not action.metavar else action.metavar
        if not action.option_strings or action.choices:
            text = text.replace(str(told), action.dest.upper())
    text = re.sub(r"(\S+) \[\1 \.\.\.\]", r"\1 ...", " ".join(text.split()))  # "NAME [NAME ...]": one at least
    return {each for each in GROUP.findall(text) if each.strip("[]").split()[0] not in EVERYWHERE}


def plain(groups: set[str]) -> set[str]:
    """The arguments alone: of several usage lines, or of alternatives, none tells whether one may be left out."""
    return {part.strip("[]") for each in groups for part in each.split(" | ")} - {"|", ""}


def positional(groups: set[str]) -> set[str]:
    return {each for each in groups if not each.startswith(("-", "[-"))}


def test_usage_lines_are_those_that_the_commands_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command with several lines tells its ways apart, and may call there by name what is one list to the parser."""
    monkeypatch.setenv("COLUMNS", "1000")
    block = section(page("command-line.md"), "audiobatchctl").partition("```text\n")[2].partition("```")[0]
    commands = commands_of(PARSERS["audiobatchctl"])
    shown: dict[str, list[str]] = {}
    for line in block.splitlines():
        words = line.removeprefix("audiobatchctl ")
        name = max((each for each in commands if f"{words} ".startswith(f"{each} ")), key=len, default=words)
        shown.setdefault(name, []).append(words.removeprefix(name).strip())
    assert shown.keys() == commands.keys()
    for name, lines in shown.items():
        told, wanted = set(GROUP.findall(" ".join(lines))), printed(commands[name])
        if len(lines) > 1:
            told, wanted = plain(told) - positional(plain(told)), plain(wanted) - positional(plain(wanted))
        elif "|" in told:
            told, wanted = plain(told), plain(wanted)
        assert told == wanted, f"audiobatchctl {name}"


def test_usage_lines_of_the_service_name_its_own_options() -> None:
    lines = section(page("command-line.md"), "audiobatchd").partition("```text\n")[2].partition("```")[0]
    assert set(re.findall(r"--\w[\w-]*", lines)) <= set(options_of(PARSERS["audiobatchd"]))
    assert {line.split()[0] for line in lines.splitlines()} == {"audiobatchd"}


@pytest.mark.parametrize("program", PARSERS)
def test_every_exit_code_is_documented_and_no_other(program: str) -> None:
    table = section(page("command-line.md"), program).partition("| Exit code")[2]
    documented = {int(code) for code in first_cells(table) if code.isdecimal()}
    assert documented == set(EXIT_CODES[program])
    told = {int(code) for code in re.findall(r"(?:codes:|;) (\d+)", PARSERS[program].epilog or "")}
    assert {0, 1, 2, 3, 130} <= told <= documented


def test_every_environment_variable_is_documented() -> None:
    documented = first_cells(section(page("command-line.md"), "Environment"))
    used = set()
    for module in MODULES:
        used |= set(re.findall(r"environ(?:\.get\(|\[)\"(\w+)\"", module.read_text()))
        used |= set(re.findall(r"\"(\w+)\" in os\.environ", module.read_text()))
    assert used <= documented


# The house


def architecture() -> str:
    return (DOCS / "explanation" / "architecture.md").read_text()


def test_the_guided_walk_has_the_layers_of_the_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    shown = section(architecture(), "The rooms").partition("```text\n")[2].partition("```")[0]
    assert shown.splitlines() == layers


def test_the_guided_walk_names_every_room() -> None:
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert first_cells(section(architecture(), "The rooms")) == rooms
    analyzers = {path.parent.name for path in (ROOT / "analyzers" / "audiobatch_analyzers").glob("*/__init__.py")}
    assert {f"`{room}`" for room in analyzers} <= set(re.findall(r"`\w+`", section(architecture(), "The rooms")))
    assert {path.name for path in SOURCE.glob("*.py")} == {"__init__.py", "errors.py", "plugin_api.py"}


def test_the_guided_walk_names_modules_that_are_there() -> None:
    named = {name for name in re.findall(r"`([\w./-]+/[\w./-]*)`", architecture()) if not name.startswith("..")}
    assert len(named) > 20
    bases = (SOURCE, ROOT)
    gone = {
        name for name in named if not any((base / name).exists() or (base / f"{name}.py").exists() for base in bases)
    }
    assert gone == set()


def test_every_room_tells_in_its_first_lines_what_it_owns() -> None:
    packages = [path for tree in (SOURCE, ROOT / "analyzers") for path in tree.glob("**/*/__init__.py")]
    silent = [
        str(path.relative_to(ROOT))
        for path in packages
        if path.parent not in (SOURCE, ROOT / "analyzers" / "audiobatch_analyzers")
        and "It owns" not in path.read_text()
    ]
    assert silent == []


# Models


def test_every_known_model_is_documented_as_the_manifest_has_it() -> None:
    documented = [cells for cells in rows(page("models.md")) if cells[0].startswith("`")]
    known = [
        [f"`{each.name}`", each.what, f"`{each.needs or ''}`", each.licence, f"`{each.sha256 or 'not known'}`"]
        for each in MODELS
    ]
    assert [[cell.strip("`") for cell in cells] for cells in documented] == [
        [cell.strip("`") for cell in cells] for cells in known
    ]


# HTTP


def test_every_route_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^## `(\w+ /\S+)`$", page("http-api.md"), re.MULTILINE))
    routes = {f"{each.method} {each.path}" for each in OPERATIONS}
    assert documented == routes


@pytest.mark.parametrize("kind", [Status, DatasetStatus, InboxStatus, WorkerStatus, Trouble, NearMiss])
def test_every_key_of_the_status_is_documented(kind: type[msgspec.Struct]) -> None:
    assert set(kind.__struct_fields__) <= first_cells(page("http-api.md"))


@pytest.mark.parametrize("kind", [FolderReport, Attempt])
def test_every_key_of_a_folder_is_documented(kind: type[msgspec.Struct]) -> None:
    assert set(kind.__struct_fields__) <= first_cells(section(page("http-api.md"), "GET /v1/folder"))


def test_the_status_on_the_page_is_one() -> None:
    example = next(body for language, body in blocks(REFERENCE / "http-api.md") if language == "json")
    status = msgspec.json.decode(example, type=Status, strict=True)
    assert json.loads(example).keys() == set(Status.__struct_fields__)
    assert status.datasets[0].folders.keys() == set(FolderState)


# Features, records, states, events


def test_every_feature_is_documented_with_its_unit() -> None:
    ours = tuple(point.name for point in distribution("audiobatchd").entry_points.select(group=ENTRY_POINT_GROUP))
    heads = [*classifiers.HEADS, "genre_discogs400", "mtg_jamendo_moodtheme", "mtg_jamendo_instrument"]
    settings = WorkerSettings(ours, {"classifiers": {"heads": heads}, "quality": {"heavy": True}})
    analyzers = [made for made in make(settings) if not isinstance(made, Offer)]
    assert len(analyzers) > len(ours)
    for analyzer in analyzers:
        text = section(page("features.md"), f"{analyzer.name}, version {analyzer.version}")
        table = {cells[0].strip("`"): cells[1] for cells in rows(text) if len(cells) == 3}
        for role in ROLES:
            for feature in analyzer.features(role):
                assert table.get(feature.name) == feature.unit, (
                    f"features.md, {analyzer.name}: {feature.name} with its unit"
                )


def test_defaults_of_the_classifiers_are_documented() -> None:
    table = {cells[1].strip("`"): cells[2] for cells in rows(page("configuration.md")) if "classifiers" in cells[0]}
    for option, default in (("heads", classifiers.HEADS), ("families", classifiers.FAMILIES)):
        assert table[option] == f"`{json.dumps(list(default))}`"


def test_bounds_of_mappings_are_documented() -> None:
    labels, characters = f"1 to {MOST_LABELS} labels", f"of 1 to {LONGEST_LABEL} characters"
    for text in (page("record-format.md"), (DOCS / "how-to" / "write-an-analyzer.md").read_text()):
        assert labels in text
        assert characters in text


def test_every_key_of_the_provenance_is_documented() -> None:
    documented = first_cells(page("record-format.md"))
    for kind in (Provenance, Entry, Fingerprint):
        assert set(kind.__struct_fields__) <= documented


def test_the_record_on_the_page_is_one() -> None:
    (example,) = (body for language, body in blocks(REFERENCE / "record-format.md") if language == "json")
    provenance = msgspec.json.decode(json.dumps(json.loads(example)["_audiobatch"]), type=Provenance)
    assert provenance.entry("loudness", "full_mix") is not None


@pytest.mark.parametrize("kind", STATES)
def test_every_state_is_documented(kind: type[StrEnum]) -> None:
    assert {state.value for state in kind} <= first_cells(page("states.md"))


def test_log_events_are_documented_as_in_the_table() -> None:
    text = page("log-events.md")
    documented = {cells[0].strip("`"): cells for cells in rows(text) if len(cells) == 4 and CODE.match(cells[0])}
    assert documented.keys() == set(LogEvent)
    of_folders = first_cells(section(text, "Folders"))
    for event in LogEvent:
        _, level, fields, _ = documented[event]
        assert level == logging.getLevelName(event.level).lower(), event
        told = {*CODE.findall(fields), *(("dataset", "folder") if event in of_folders else ())}
        assert {name for _, name, *_ in Formatter().parse(event.sentence) if name} <= told, event


def test_every_log_event_has_its_message_id_documented() -> None:
    table = section(page("log-events.md"), "In the journal")
    ids = {cells[0].strip("`"): cells[1].strip("`") for cells in rows(table) if CODE.match(cells[0])}
    assert ids == {event: journal.message_id(event) for event in LogEvent}


def test_every_log_event_of_the_table_is_logged() -> None:
    modules = [module for module in MODULES if module not in {*WRITTEN_FOR_PEOPLE, SHOWS_EVENTS}]
    reported: set[str] = set().union(*(events_in(module) for module in modules))
    assert reported == set(LogEvent)


def events_in(path: Path) -> set[str]:
    """The events that a module names. None logs another: `write` and `Report` take no text, and no module a logger."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name("LogEvent"), name) if name in LogEvent.__members__:
                found.add(LogEvent[name])
            case ast.Call(func=ast.Attribute(ast.Name("_LOG"), name)):
                assert path.name == "log_events.py", f"{path.name}:{node.lineno}: an event past the table"
    return found


def calls(path: Path) -> Iterator[ast.Call]:
    for module in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call):
                yield node


# The library and the examples


def public_functions() -> Iterator[tuple[str, Callable[..., object]]]:
    """Yield what `from audiobatchd import ...` gives to call, by name; methods and properties as `Class.name`."""
    for name in audiobatchd.__all__:
        thing = getattr(audiobatchd, name)
        if not inspect.isclass(thing):
            yield name, thing
            continue
        for inner, member in vars(thing).items():
            function = member.fget if isinstance(member, property) else member
            if inspect.isfunction(function) and (inner == "__init__" or not inner.startswith("_")):
                yield f"{name}.{inner}", function


def in_words(function: Callable[..., object]) -> tuple[list[tuple[str, str, str]], str]:
    """Name, type and default of every parameter, and what is returned, as the source has them."""
    signature = inspect.signature(function)
    parameters = [
        (each.name, type_in_words(each.annotation), "" if each.default is each.empty else repr(each.default))
        for each in signature.parameters.values()
    ]
    return parameters, type_in_words(signature.return_annotation)


def type_in_words(annotation: str | type) -> str:
    if not isinstance(annotation, str):
        return ""
    return annotation.replace("str | os.PathLike[str]", "Folder")


def documented_functions(text: str) -> Iterator[tuple[str, tuple[list[tuple[str, str, str]], str]]]:
    """The same of what stands in the page's Python blocks."""
    for node in ast.parse(text).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for each in inner:
            if isinstance(each, ast.FunctionDef):
                arguments = each.args.args
                defaults = ["" for _ in arguments[len(each.args.defaults) :]] + list(
                    map(ast.unparse, each.args.defaults)
                )
                types = [ast.unparse(one.annotation) if one.annotation else "" for one in arguments]
                parameters = list(zip([one.arg for one in arguments], types, defaults, strict=True))
                yield prefix + each.name, (parameters, ast.unparse(each.returns) if each.returns else "")


def test_every_name_of_the_library_is_documented_and_no_other() -> None:
    headings = set(re.findall(r"^## `(\w+)`$", page("library.md"), re.MULTILINE))
    assert headings == set(audiobatchd.__all__)
    assert set(BatchStats.__annotations__) <= first_cells(section(page("library.md"), "BatchStats"))


def test_the_library_s_signatures_are_documented_as_they_are() -> None:
    code = [content for language, content in blocks(REFERENCE / "library.md") if language == "python"]
    documented = dict(documented_functions("\n".join(code)))
    assert documented == {name: in_words(function) for name, function in public_functions()}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.name))
def test_an_example_uses_what_is_public(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module="audiobatchd", names=names):
                assert {alias.name for alias in names} <= set(audiobatchd.__all__)
            case ast.ImportFrom(module=str(module)):
                assert not module.startswith("audiobatch")
            case ast.Import(names=names):
                assert not any(alias.name.startswith("audiobatch") for alias in names)


def test_every_example_is_shown_on_its_page_as_it_is() -> None:
    guide = DOCS / "how-to" / "write-a-batch-script.md"
    linked = {(guide.parent / target).resolve() for target in LINK.findall(guide.read_text()) if ".py" in target}
    assert linked == set(EXAMPLES)
    sources = [path.read_text() for path in EXAMPLES]
    shown = [content for language, content in blocks(guide) if language == "python"]
    assert shown
    assert [code for code in shown if not any(code in source for source in sources)] == []


# Pages


def blocks(path: Path) -> Iterator[tuple[str, str]]:
    """The language and the content of every fenced block."""
    for found in FENCE.finditer(path.read_text()):
        yield found[2], re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return what a link can point at in a page: its headings, as the hosting sites name them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(FENCE.sub("", path.read_text())):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        page_linked = (path.parent / name).resolve() if name else path
        assert page_linked.exists(), target
        assert not anchor or anchor in anchors(page_linked), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_data_blocks_parse(path: Path) -> None:
    for language, content in blocks(path):
        match language:
            case "toml":
                tomllib.loads(content)
            case "json":
                json.loads(content)
            case "python":
                ast.parse(textwrap.dedent(content))


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text())}
    assert {*DOCS.rglob("*.md"), EXAMPLE} - linked == {index}


def test_the_documented_analyzer_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PACKAGE)
    made = importlib.import_module("my_crest")
    crest, clipped = made.CrestAnalyzer(Settings()), made.ClippedAnalyzer(Settings())
    harmony = made.HarmonyAnalyzer(Settings())
    assert isinstance(crest, Analyzer)
    assert isinstance(clipped, BlockAnalyzer)
    check_needs(harmony)
    all_of_them: tuple[AnyAnalyzer, ...] = (crest, clipped, harmony)
    for analyzer, role, level in itertools.product(all_of_them, ROLES, (0.0, 0.5, 1.0)):
        analyzer.load()
        audio = Decoded(role, np.full((4800, 2), level, np.float32), 48000, ("FL", "FR"))
        audio.turn((made.MONO, NATIVE), (), {"crest": 3.0 if level else None})
        if not analyzer.features(role):
            continue
        for block in (1000, 4800):
            given = measured(analyzer, audio, block)
            promised = {feature.name for feature in analyzer.features(role)}
            assert given.values.keys() | given.unmeasurable.keys() | given.files.keys() == promised


@pytest.mark.parametrize(("language", "name"), [("python", "my_crest.py"), ("toml", "pyproject.toml")])
def test_the_documented_analyzer_is_the_package_beside_it(language: str, name: str) -> None:
    (code,) = (content for each, content in blocks(DOCS / "how-to" / "write-an-analyzer.md") if each == language)
    assert code == (PACKAGE / name).read_text()


def test_unit_gives_stop_grace_and_no_vain_restart() -> None:
    unit = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "systemd" / "audiobatchd.service").read_text(), re.MULTILINE))
    assert float(unit["TimeoutStopSec"]) > Config().stop_grace
    assert unit["RestartPreventExitStatus"] == str(int(DaemonExit.CONFIG))
