"""Completion of a command line: what may stand at its end, found in the parser and among names.

What kinds of names there are is decided here by the arguments; the names themselves are `candidates`' caller's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from msgspec import Struct

MOST = 200
"""Candidates that are offered; a person reads no more."""

_Commands = argparse._SubParsersAction  # noqa: SLF001  # the only name that argparse has for it
_MANY = ("*", "+")
_HELPED = "command"
"""Argument of `help`: a command, and its action."""


class Kind(Enum):
    """A kind of names that an argument takes."""

    FOLDERS = "folders"
    DATASETS = "datasets"
    FEATURES = "features"
    EVENTS = "events"
    MODELS = "models"
    HOOKS = "hooks"


class Place(Enum):
    """Files that the shell offers by itself where there are no candidates."""

    NOTHING = "nothing"
    FILES = "files"
    DIRECTORIES = "directories"


class Candidate(NamedTuple):
    """A word that may stand there."""

    value: str
    """The word without any quoting."""
    description: str = ""
    """A few words on it; empty where there are none."""


class Offer(Struct, frozen=True):
    """All that may stand at the end of a line."""

    place: Place = Place.NOTHING
    """Kind of names that the shell offers by itself, where there are no candidates."""
    candidates: tuple[Candidate, ...] = ()
    """The words, in their order."""


Names = Callable[[Kind, str, Mapping[str, str]], Iterable[str]]
"""Finds the names of a kind that begin so; given the command and the options before, by their long names."""

_KINDS = {
    "folder": Kind.FOLDERS,
    "dataset": Kind.DATASETS,
    "columns": Kind.FEATURES,
    "features": Kind.FEATURES,
    "sort": Kind.FEATURES,
    "event": Kind.EVENTS,
}
_NAMED = {"fetch": Kind.MODELS, "features": Kind.FEATURES, "test": Kind.HOOKS}
"""The kind of NAME, by the command."""
FILES = frozenset({"again", "config", "file", "metadata", "output", "path", "socket"})
"""Arguments of both programs that take a file."""
DIRECTORIES = frozenset({"dataset", "folder", "state_dir", "to"})
"""Arguments of both programs that take a directory."""


def candidates(parser: argparse.ArgumentParser, words: Sequence[str], names: Names) -> Offer:
    """Find what the last of `words` may be continued to; the others stand before it, without the program."""
    *before, last = words or [""]
    line = _Line(parser)
    for word in before:
        line.take(word)
    option, equals, value = last.partition("=")
    if equals and not line.is_literal and (action := line.option(option)) is not None:
        found = _values(line, action, value, names)
        each = tuple(Candidate(f"{option}={each.value}", each.description) for each in found.candidates)
        return Offer(found.place, each)
    if last.startswith("-") and not line.is_literal and not line.must_have_value:
        return Offer(candidates=tuple(_of_options(line.parser, last))[:MOST])
    action = line.next_argument()
    return Offer() if action is None else _values(line, action, last, names)


class _Line:
    """A line as far as it is typed, taken word by word as argparse takes it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser
        self.is_literal = False
        """True behind `--`."""
        self.must_have_value = False
        """True where the next word is an option's value, whatever it looks like."""
        self.before: dict[str, str] = {"command": ""}
        """The command and the values of options so far."""
        self._option: argparse.Action | None = None
        """Option that the next word belongs to; one of many values goes on until another one comes."""
        self.helped: argparse.ArgumentParser | None = parser
        """Parser that the words behind `help` have led to."""
        self._positionals = _positionals(parser)

    def take(self, word: str) -> None:
        """Take a word that is complete."""
        if not self.must_have_value and not self.is_literal and word.startswith("-") and word != "-":
            self._take_option(word)
        elif self._option is not None:
            self.before[self._option.dest] = word
            self.must_have_value = False
            if self._option.nargs not in _MANY:
                self._option = None
        elif self._positionals:
            self._take_positional(word)

    def option(self, word: str) -> argparse.Action | None:
        """Find an option by its name, or by the beginning of a single one."""
        actions = self.parser._option_string_actions  # noqa: SLF001  # argparse has no other way to them
        if word in actions:
            return actions[word]
        found = {id(each): each for name, each in actions.items() if word.startswith("--") and name.startswith(word)}
        return next(iter(found.values())) if len(found) == 1 else None

    def next_argument(self) -> argparse.Action | None:
        """Find the argument that the next word belongs to; None where there is none."""
        return self._option or next(iter(self._positionals), None)

    def _take_option(self, word: str) -> None:
        self._option = None
        if word == "--":
            self.is_literal = True
            return
        name, equals, value = word.partition("=")
        action = self.option(name)
        if action is None or action.nargs == 0:
            return
        if equals:
            self.before[action.dest] = value
        else:
            self._option = action
            self.must_have_value = action.nargs in (None, "+")

    def _take_positional(self, word: str) -> None:
        action = self._positionals[0]
        if action.dest == _HELPED:
            self.helped = _choices(self.helped).get(word)
        if isinstance(action, _Commands):
            self._positionals = []
            if word in action.choices:
                self.parser = action.choices[word]
                self.before["command"] = f"{self.before['command']} {word}".strip()
                self._positionals = _positionals(self.parser)
        elif action.nargs not in _MANY:
            self._positionals = self._positionals[1:]


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [each for each in parser._actions if not each.option_strings]  # noqa: SLF001  # as above


def _of_options(parser: argparse.ArgumentParser, prefix: str) -> Iterator[Candidate]:
    for action in parser._actions:  # noqa: SLF001  # as above
        if action.help != argparse.SUPPRESS:
            for name in action.option_strings:
                if name.startswith(prefix) and (prefix == "-" or name.startswith("--")):
                    yield Candidate(name, action.help or "")


def _values(line: _Line, action: argparse.Action, prefix: str, names: Names) -> Offer:
    if isinstance(action, _Commands):
        commands = ((each.dest, each.help or "") for each in action._choices_actions)  # noqa: SLF001  # as above
        return Offer(candidates=tuple(Candidate(*each) for each in commands if each[0].startswith(prefix)))
    if action.choices is not None:
        return Offer(candidates=tuple(Candidate(each) for each in map(str, action.choices) if each.startswith(prefix)))
    if action.dest == _HELPED:
        return Offer(candidates=tuple(Candidate(each) for each in _choices(line.helped) if each.startswith(prefix)))
    place = Place.DIRECTORIES if action.dest in DIRECTORIES else Place.NOTHING
    place = Place.FILES if action.dest in FILES else place
    kind = _KINDS.get(action.dest)
    if action.dest == "name" and not action.option_strings:
        kind = _NAMED.get(line.before["command"].rpartition(" ")[2])
    if kind is None or (kind is not Kind.DATASETS and prefix.startswith(("/", "./", "../", "~"))):
        return Offer(place)
    found = dict.fromkeys(each for each in names(kind, prefix, line.before) if each.startswith(prefix))
    told = tuple(Candidate(each) for each in found if not each.startswith("-"))[:MOST]
    return Offer(candidates=told) if told else Offer(place)


def _choices(parser: argparse.ArgumentParser | None) -> Mapping[str, argparse.ArgumentParser]:
    """Give the parsers of a parser's commands, by their names."""
    actions = parser._actions if parser else []  # noqa: SLF001  # as above
    return next((each.choices for each in actions if isinstance(each, _Commands)), {})
