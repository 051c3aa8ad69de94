"""Going again through what a service was told: whether its core decides the same, and what that was.

What `keep_decisions` left is read (a file, or a service's state directory), the core of each file's beginning is made
again, and every event is handed to it at its own time. Where what follows is other than it was, the first such step is
told, and the exit code is 1. `--show` tells every step that did anything; `--anonymous DIR` writes the same with other
names of directories and files, for a bug report. A file may come from anybody: nothing in it is run.
"""

from __future__ import annotations

import argparse
import ast
import io
import pickle
import re
import shutil
import sys
import time
import types
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import EnumType
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

from audiobatchd import __version__
from audiobatchd import core as core_room
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.service.decisions import DIRECTORY, HEAD, SUFFIX, framed, zone_by_name
from audiobatchd.vocabulary.feature_names import analyzers, features
from audiobatchd.vocabulary.files import EXTENSIONS, ROLES, UNREAD_EXTENSIONS
from audiobatchd.vocabulary.names import printable

_ROOMS = ("audiobatchd.core.", "audiobatchd.vocabulary.", "audiobatchd.plugin_api")
_PLAIN = {
    ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "dict"), ("builtins", "bytearray"),
    ("collections", "deque"), ("collections", "Counter"), ("collections", "defaultdict"),
    ("datetime", "datetime"), ("datetime", "date"), ("datetime", "time"), ("datetime", "timedelta"),
    ("datetime", "timezone"), ("zoneinfo", "ZoneInfo"),
}  # fmt: skip
_LONGEST = 1 << 30


class UnfitError(Exception):
    """Raised for a file that is none of what `keep_decisions` writes, or one of another version."""


class _Unpickler(pickle.Unpickler):
    """Makes the classes of the core, plain containers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  # as its base class
        """Find a class that may stand in a file. Raises UnfitError for all others."""
        if (module, name) == ("builtins", "getattr"):
            return _member
        if "." not in name and ((module, name) in _PLAIN or module.startswith(_ROOMS)):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        message = f"{module}.{name} does not belong into such a file"
        raise UnfitError(message)


def _member(of: object, name: str) -> object:
    """Find a member of an enumeration, or a method that one part of the core was given of another."""
    if isinstance(of, EnumType) and name in of.__members__:
        return of.__members__[name]
    found = getattr(of, name) if type(of).__module__.startswith(_ROOMS) and not name.startswith("__") else None
    if not isinstance(found, types.MethodType):
        message = f"{name} does not belong into such a file"
        raise UnfitError(message)
    return found


def parts(path: Path) -> Iterator[Any]:
    """Read the parts of a file, as far as they are whole. Raises UnfitError, OSError."""
    with path.open("rb") as file:
        while len(head := file.read(HEAD.size)) == HEAD.size:
            length, checksum = HEAD.unpack(head)
            content = file.read(length) if length <= _LONGEST else b""
            if len(content) < length or zlib.crc32(content) != checksum:
                return  # the service was killed over it
            try:
                part = _loaded(content)
            except Exception as error:
                message = f"{path}: it cannot be read: {error}"
                raise UnfitError(message) from error
            yield part


def _loaded(content: bytes) -> Any:  # noqa: ANN401  # whatever stands there
    return _Unpickler(io.BytesIO(content)).load()


@dataclass
class Step:
    """A step of the core, as it was kept and as it is now."""

    number: int
    now: float
    event: object
    was: list[object]
    is_now: list[object]

    @property
    def is_same(self) -> bool:
        """Tell whether the same follows. The order in which a set of folders is gone through is nothing to go by."""
        return self.was == self.is_now or Counter(map(repr, self.was)) == Counter(map(repr, self.is_now))


def core_of(state: dict[str, object]) -> Dispatcher:
    """Make the core again that had this state."""
    core = Dispatcher.__new__(Dispatcher)
    vars(core).update(state)
    return core


def step_of(core: Dispatcher, event: Any, now: float) -> list[object]:  # noqa: ANN401  # a file may have anything there
    """Hand an event, or a turn where it is None, to the core; the actions that follow."""
    return list(core.tick(now) if event is None else core.handle(event, now))


@dataclass
class Replay:
    """A file that is gone through."""

    path: Path
    began: float = 0.0
    """When the file began, in seconds since the epoch."""
    first: float | None = None
    """The core's time at its first step."""

    def steps(self) -> Iterator[Step]:
        """Go through every step. Raises UnfitError, OSError."""
        found = parts(self.path)
        head = next(found, None)
        if not (isinstance(head, tuple) and len(head) == 3 and isinstance(head[2], dict)):
            message = f"{self.path}: no state of the core stands at its beginning"
            raise UnfitError(message)
        version, self.began, state = head
        if version != __version__:
            message = f"{self.path}: it is of version {version}, and this is {__version__}: check that one out"
            raise UnfitError(message)
        core = core_of(state)
        for number, (now, event, was) in enumerate(found, 1):
            self.first = now if self.first is None else self.first
            yield Step(number, now, event, was, step_of(core, event, now))

    def clock(self, step: Step) -> str:
        """Say the time of a step in UTC."""
        at = self.began + step.now - (self.first or 0.0)
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}"


def files_of(path: Path) -> list[Path]:
    """Find the files to go through: this one, or those of a state directory, the oldest first."""
    if not path.is_dir():
        return [path]
    inside = path / DIRECTORY if (path / DIRECTORY).is_dir() else path
    return sorted(inside.glob(f"*{SUFFIX}"))


# Other names

_PICKLER: Any = vars(pickle)["_Pickler"]
"""The pickler in Python, which tells each kind of object apart; `pickle.Pickler` is the one in C."""
_SAVERS = {kind: saver for kind, saver in _PICKLER.dispatch.items() if saver.__module__ == pickle.__name__}
"""What writes each kind of object, without what other libraries put there for all."""
_SOURCE_FILES = frozenset(f"{role}.{extension}" for role in ROLES for extension in {*EXTENSIONS, *UNREAD_EXTENSIONS})
_FILE_SYSTEM = re.compile(r"(local|network|weak) \(\w+\)")
"""Worth of locks on a file system, by which the core decides."""
_NUMBER, _WORD = re.compile(r"\d+(?:[.,]\d+)*"), re.compile(r"[^\W\d]+")
_TELLING = 10
"""Characters that the core puts beside a value in a sentence, from which on the sentence is known for its own."""


class _Word(str):
    """A text that is written as it is, for Python makes an object by it: the name of an attribute or a method."""

    __slots__ = ()


class _Renamer(_PICKLER):  # type: ignore[misc]  # the standard library's own that can be extended
    """Writes what it is given, with other texts in place of those that are data."""

    def __init__(self, file: io.BytesIO, renamed: Callable[[str], str]) -> None:
        super().__init__(file, protocol=5)
        self._renamed = renamed
        self._is_plain = False
        """True while all texts are written as they are."""

    def reducer_override(self, found: object) -> Any:  # noqa: ANN401  # as its base class
        """Write a time zone as it was written before."""
        return zone_by_name(found)

    def save(self, found: object, save_persistent_id: bool = True) -> None:  # as its base class
        """Write an object; a text, or a path or a file's name in bytes, with its new name."""
        if type(found) is str and not self._is_plain:
            found = self._renamed(found)
        elif type(found) is bytes and not self._is_plain:
            found = self._renamed(found.decode(errors="surrogateescape")).encode(errors="surrogateescape")
        super().save(found, save_persistent_id)

    def save_global(self, found: object, name: str | None = None) -> None:
        """Write the name of a class."""
        self._plainly(super().save_global, found, name)

    def save_reduce(self, func: Any, args: Any, state: object = None, *rest: Any, **named: Any) -> None:  # noqa: ANN401
        """Write how an object is made, with the names by which that is done."""
        save = partial(super().save_reduce, func)
        if isinstance(func, EnumType) or func.__module__ in ("datetime", "zoneinfo"):
            self._plainly(save, args, state, *rest, **named)
        else:
            args = (args[0], _Word(args[1])) if func is getattr else args
            save(args, _with_plain_keys(state), *rest, **named)

    def _plainly(self, save: Callable[..., None], *args: Any, **named: Any) -> None:  # noqa: ANN401
        before, self._is_plain = self._is_plain, True
        save(*args, **named)
        self._is_plain = before

    dispatch: ClassVar[dict[type, Any]] = {**_SAVERS, _Word: _SAVERS[str]}


def _with_plain_keys(state: object) -> object:
    """The state of an object with its attributes' names as they are; one with slots has them in the second of two."""
    match state:
        case dict():
            return {_word(name): value for name, value in state.items()}
        case tuple([plain, dict() as slots]):
            return _with_plain_keys(plain), _with_plain_keys(slots)
    return state


_word = cache(_Word)
"""The same object for each text, which is written once."""


def _of_program() -> Iterator[str]:
    """Find the texts of the core, by which it decides, and what is measured; `#` stands for what it puts into them."""
    yield from ("", ".", "..", *ROLES, *_SOURCE_FILES, *analyzers(), *features())
    for path in Path(core_room.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Constant(value=str(text)):
                    yield text
                case ast.JoinedStr(values=values):
                    yield "".join(str(each.value) if isinstance(each, ast.Constant) else "#" for each in values)


class _Names:
    """The new names. Every part of a path, and every other text, has one, unless it is a text of the program.

    Texts of the program are the constants of the core, also with numbers in them, and its sentences, where each word is
    one of its own: it compares what it said of a dataset with what it would say now.
    """

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._new: dict[str, str] = {}
        self._kept = {text for text in _of_program() if text.strip("#") or not text}
        pieces = {piece for text in self._kept if "#" in text for piece in text.split("#") if len(piece) >= _TELLING}
        self._sentence = re.compile("|".join(map(re.escape, pieces)))
        self._words = {word for text in self._kept for word in _WORD.findall(text)}

    def collect(self, text: str) -> str:
        """Take in the parts of a text, which is returned."""
        self._found.update(text.split("/"))
        return text

    def give(self) -> int:
        """Give all that was found new names, which sort as the old ones do; how many they are."""
        old = sorted(part for part in self._found if not self._is_kept(part))
        self._new = {part: f"name-{number:0{len(str(len(old)))}}" for number, part in enumerate(old)}
        return len(old)

    def _is_kept(self, part: str) -> bool:
        if part in self._kept or _NUMBER.sub("#", part) in self._kept or _FILE_SYSTEM.fullmatch(part):
            return True
        return bool(self._sentence.search(part)) and self._words.issuperset(_WORD.findall(part))

    def renamed(self, text: str) -> str:
        """Put new names in place of the parts of a text; one that only came up as it was gone through is `name`."""
        return "/".join(part if self._is_kept(part) else self._new.get(part, "name") for part in text.split("/"))


_DATA = re.compile(r"""(FolderKey\(.*?\))|b?'(?:[^'\\]|\\.)*'|b?"(?:[^"\\]|\\.)*\"""")
"""Texts in what Python writes of an object, except the names of folders."""


def _outline(actions: list[object]) -> Counter[str]:
    """Actions without their texts: the core makes sentences of names, which cannot be renamed afterwards."""
    return Counter(_DATA.sub(lambda found: found[1] or "''", repr(action)) for action in actions)


def _write_renamed(path: Path, target: Path, pickler: Callable[[io.BytesIO], Any]) -> None:
    """Write a file with other names, and what the core does when it is told these.

    Raises UnfitError where it does something else, or where the result does not lead to the same when it is read.
    """
    version, began, state = next(parts(path))
    head = framed((_word(version), began, _with_plain_keys(state)), pickler)
    core = core_of(_loaded(head[HEAD.size :])[2])
    was_same: list[bool] = []
    with target.open("xb") as file:
        file.write(head)
        for step in Replay(path).steps():
            renamed = framed((step.now, step.event, step.was, step.is_now), pickler)
            now, event, was, expected = _loaded(renamed[HEAD.size :])
            is_now = step_of(core, event, now)
            if _outline(is_now) != _outline(expected):
                message = f"{path}: other names lead to other actions from step {step.number} on"
                raise UnfitError(message)
            file.write(framed((now, event, is_now if step.is_same else was), partial(_Renamer, renamed=str)))
            was_same.append(step.is_same)
    if [step.is_same for step in Replay(target).steps()] != was_same:
        message = f"{path}: what was written of it with other names leads to other actions"
        raise UnfitError(message)


def write_anonymous(files: list[Path], target: Path) -> int:
    """Write the same with other names, which sort as the old ones do, into a new directory; how many were replaced.

    Raises UnfitError, and leaves no directory, where the result cannot be gone through to the same actions.
    """
    names = _Names()
    for path in files:
        for part in parts(path):
            framed(part, partial(_Renamer, renamed=names.collect))
    count = names.give()
    target.mkdir()
    try:
        for path in files:
            _write_renamed(path, target / path.name, partial(_Renamer, renamed=cache(names.renamed)))
    except BaseException as error:
        shutil.rmtree(target)  # half of it looks like all of it
        if isinstance(error, UnfitError | OSError) or not isinstance(error, Exception):
            raise
        message = f"it cannot be gone through with other names: {error!r}"
        raise UnfitError(message) from error
    return count


def say(text: str) -> None:
    """Print a line; a file may come from anybody, so that nothing in it steers the terminal."""
    sys.stdout.write(printable(text) + "\n")


def tell(replay: Replay, step: Step) -> None:
    """Show a step."""
    say(f"{replay.clock(step)}  #{step.number}  {'turn' if step.event is None else step.event}")
    for action in step.is_now:
        say(f"    {action}")


def go_through(path: Path, *, show: bool) -> tuple[int, int]:
    """Go through a file; the number of steps, and of those from which other things follow now. Raises UnfitError."""
    replay, steps, others = Replay(path), 0, 0
    last: Step | None = None
    for step in replay.steps():
        steps, last = step.number, step
        if show and (step.event is not None or step.is_now):
            tell(replay, step)
        if not step.is_same:
            others += 1
            if others == 1:
                say("! from here on other things follow, now:")
                tell(replay, step)
                say("  and then it was:")
                for action in step.was:
                    say(f"    {action}")
    if last is not None:
        span = f"{time.strftime('%H:%M:%S', time.gmtime(replay.began))} to {replay.clock(last)[11:19]} UTC"
        verdict = f"{others:,} with other actions" if others else "the same actions in each"
        say(f"{path.name}: {steps:,} steps, {span}, {verdict}")
    return steps, others


def each_fit(files: list[Path], work: Callable[[Path], tuple[int, int]]) -> dict[Path, tuple[int, int]]:
    """Do something with each file; those with which it cannot be done are told and left out."""
    results: dict[Path, tuple[int, int]] = {}
    for file in files:
        try:
            results[file] = work(file)
        except (UnfitError, OSError) as error:
            say(f"! {error}")
    return results


def main() -> int:
    """Read the command line and replay; the exit code."""
    parser = argparse.ArgumentParser(prog="./dev replay", description=__doc__)
    parser.add_argument("path", type=Path, nargs="+", help="a file of decisions, or a state directory")
    parser.add_argument("--show", action="store_true", help="tell every step that did anything")
    parser.add_argument("--anonymous", type=Path, metavar="DIR", help="write the same with other names, and end")
    options = parser.parse_args()
    files = [file for path in options.path for file in files_of(path)]
    results = each_fit(files, partial(go_through, show=options.show and not options.anonymous))
    is_whole = len(results) == len(files)
    if not any(steps for steps, _ in results.values()):
        if is_whole:
            say("! there is nothing to replay: set `keep_decisions` in the configuration and start the service again")
        return 1
    if not options.anonymous:
        return 0 if is_whole and not any(others for _, others in results.values()) else 1
    try:
        count = write_anonymous(list(results), options.anonymous)
    except (UnfitError, OSError) as error:
        say(f"! {error}")
        return 1
    say(f"{count:,} names were replaced in {options.anonymous}: look at it with --show before you send it")
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
