"""`audiobatchctl analyze` and `features`: what a file or a folder measures, and what can be measured at all."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from audiobatchd.cli.local import config_here, worker_settings_here
from audiobatchd.cli.named import nearest_beside
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json, wrapped
from audiobatchd.control.client import ControlClient
from audiobatchd.core.asked import unknown_among, why_unknown
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.core.renewals import DECODING
from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.analyzer_sets import OPTIONAL_FEATURES
from audiobatchd.vocabulary.names import parsed, printable, shown
from audiobatchd.worker import questions
from audiobatchd.worker.questions import Answer, KnownAnalyzer, KnownFeature, Request

_COLUMNS, _LEAST, _LINES = 80, 20, 12
_OWN = frozenset({"units", "refused", "is_wrong"})
"""Fields of an answer that are for the lines of text."""
_NO_COST = "cost not measured yet"


def analyze(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Measure files and track folders. Exit code 1 where something failed, or nothing was measured of one."""
    several = len(arguments.path) > 1
    paths = _paths(arguments.path, save=arguments.save)
    settings = worker_settings_here(config_here(arguments.config))
    words = tuple(dict.fromkeys(arguments.features or ()))
    told: list[object] = []
    good = True
    with questions.Measuring(settings, words) as measuring:
        for number, path in enumerate(paths):
            answer = _measured(measuring, Request(path, words, arguments.save), several=several)
            good = good and not answer.failures and bool(answer.values or answer.unmeasurable)
            if arguments.json:
                told.append(_answer_as_keys(path, answer))
                continue
            if several:
                say(f"{chr(10) * bool(number)}{printable(shown(path))}")
            _tell(answer, say)
            if arguments.save and answer.values:
                say(f"Saved in the record of {shown(os.path.basename(path))}")
    if arguments.json:
        say(as_json(told if several else told[0]))
    return 0 if good else 1


def _paths(given: Iterable[str], *, save: bool) -> list[str]:
    """Find the files and folders that are to be measured, each once; to `save`, a file stands for its folder.

    Raises UsageError where one is not there: then nothing has been begun.
    """
    found: list[str] = []
    for text in given:
        # A link stays a link; a name may have been copied from what was shown.
        ways = [os.path.abspath(each) for each in dict.fromkeys((text, parsed(text)))]  # noqa: PTH100  # see above
        path = next((each for each in ways if Path(each).exists()), None)
        if path is None:
            message = f"no such file or folder: {shown(text)}{nearest_beside(text)}"
            raise UsageError(message)
        found.append(path if not save or Path(path).is_dir() else os.path.dirname(path))
    return list(dict.fromkeys(found))


def _measured(measuring: questions.Measuring, request: Request, *, several: bool) -> Answer:
    """Measure one of `several`, of which none stops the others, or the only one.

    Raises UsageError for what can be measured of no file, AudiobatchError where there is no process for it.
    """
    measuring.start()
    try:
        answer = measuring.ask(request)
    except AudiobatchError as error:
        if not several:
            raise
        return Answer(failures={"": str(error)})
    if answer.refused and (answer.is_wrong or not several):
        raise UsageError(answer.refused)
    return Answer(failures={"": answer.refused}) if answer.refused else answer


def _answer_as_keys(path: str, answer: Answer) -> dict[str, object]:
    told: dict[str, object] = msgspec.to_builtins(answer)
    return {"path": shown(path)} | {key: told[key] for key in told if key not in _OWN}


def features(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show every feature, or those that are named, by analyzer: whether it is on, and what it costs here."""
    words = tuple(dict.fromkeys(arguments.name))
    settings = worker_settings_here(config_here(arguments.config))
    known = questions.features(settings, words)
    if words:
        _refuse_unknown(words, known, settings)
    costs: dict[str, float] = {}
    with suppress(AudiobatchError):  # what nothing has measured can be told without
        costs = client.status().costs
    if arguments.json:
        say(as_json({"features": [_as_keys(each, one, costs) for each in known for one in each.features]}))
        return 0
    if not words and DECODING in costs:
        say(f"Decoding costs {costs[DECODING]:.3g} s of processor time a minute of audio.\n")
    for number, each in enumerate(known):
        if number:
            say("")
        for line in _described(each, costs):
            say(printable(line))
    given = {one.name for each in known for one in each.features}
    for name, option in OPTIONAL_FEATURES.items():
        if not words and name not in given:
            say("")
            say(f"{name}, off; what turns it on in the configuration:")
            for line in option.split(" ", 1):  # the table, and the key: to be copied as they are
                say(f"  {line}")
    return 0


def _refuse_unknown(words: tuple[str, ...], known: Iterable[KnownAnalyzer], settings: WorkerSettings) -> None:
    """Raise UsageError for a word that asked for nothing."""
    told = {name for each in known for name in (each.name, each.entry, *(one.name for one in each.features))}
    if told.issuperset(words):
        return
    offers = questions.names(settings, installed=True)
    if unknown := unknown_among(words, offers):
        raise UsageError(why_unknown(unknown, offers))


def _as_keys(analyzer: KnownAnalyzer, feature: KnownFeature, costs: Mapping[str, float]) -> dict[str, object]:
    of_analyzer = {"analyzer": analyzer.name, "version": analyzer.version, "on": analyzer.on}
    more = {"unavailable": analyzer.unavailable, "remark": analyzer.remark}
    cost = {"seconds_per_minute": costs.get(analyzer.name)}
    return of_analyzer | cost | msgspec.structs.asdict(feature) | more


def _described(analyzer: KnownAnalyzer, costs: Mapping[str, float]) -> Iterator[str]:
    """Yield what is known of an analyzer and its features, in lines that a terminal of 80 columns shows whole."""
    cost = _NO_COST
    if analyzer.name in costs:
        cost = f"costs {costs[analyzer.name]:.3g} s of processor time a minute of audio"
    state = "on" if analyzer.on else "off"
    yield from _folded(", ".join(filter(None, (analyzer.name, f"version {analyzer.version}", state, analyzer.remark))))
    yield from _folded(cost, 2)
    if not analyzer.on:
        left_out = f"`analyzers` in the configuration leaves it out: add '{analyzer.entry}' to turn it on"
        yield from _folded(f"{left_out}, beside 'default' where there is no such list yet", 2)
    if analyzer.unavailable is not None:
        yield f"  ! unavailable here: {analyzer.unavailable}"  # whole: it may end in a command, or have a path
    width = max((len(each.name) for each in analyzer.features), default=0)
    for each in analyzer.features:
        known_of_it = "; ".join(filter(None, (each.description, each.unit, each.bounds, each.source)))
        first, *others = wrapped(known_of_it, max(_COLUMNS - width - 4, _LEAST), _LINES) or [""]
        yield f"  {each.name:<{width}}  {first}".rstrip()
        yield from (" " * (width + 4) + line for line in others)


def _folded(text: str, indent: int = 0) -> list[str]:
    return [" " * indent + line for line in wrapped(text, _COLUMNS - indent, _LINES)]


def _tell(answer: Answer, say: Say) -> None:
    rows = [
        *(row for name, value in answer.values.items() for row in _rows(name, value, answer.units[name])),
        *((name, f"{text.count(chr(10))} lines") for name, text in answer.files.items()),
        *((name, f"{len(content):,} bytes") for name, content in answer.binary_files.items()),
        *((name, f"- {reason}") for name, reason in answer.unmeasurable.items()),
    ]
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        say(printable(f"{name:<{width}}  {text}"))
    for analyzer, reason in answer.unavailable.items():
        say(printable(f"! analyzer {analyzer} is unavailable: {reason}"))
    for file, reason in answer.failures.items():
        say(printable(f"! {file}: {reason}" if file else f"! {reason}"))


def _rows(name: str, value: Value, unit: str) -> list[tuple[str, str]]:
    """Rows of a table for one value: of a mapping one for each label, the first with the feature's name."""
    match value:
        case bool():
            texts = [str(value).lower()]
        case Mapping():
            texts = [f"{label} {number}" for label, number in value.items()]
        case _:
            texts = [str(value)]
    return [("" if place else name, f"{text} {unit}".rstrip()) for place, text in enumerate(texts)]
