"""Going again through what a service was told: whether its core decides the same, and what that was.

What `keep_decisions` left is read (a file, or a service's state directory), the core of each file's beginning is made
again, and every event is handed to it at its own time. Where what follows is other than it was, the first such step is
told, and the exit code is 1. `--show` tells every step that did anything; `--anonymous DIR` writes the same with other
names of directories and files, for a bug report. A file may come from anybody: nothing in it is run.
"""

from __future__ import annotations

import argparse
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
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from audiobatchd import __version__
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.messages import Result
from audiobatchd.core.readings import Reading
from audiobatchd.service.decisions import DIRECTORY, HEAD, SUFFIX, framed, zone_by_name
from audiobatchd.vocabulary.files import FileStamp, FolderKey

_ROOMS = ("audiobatchd.core.", "audiobatchd.vocabulary.", "audiobatchd.plugin_api")
_PLAIN = {
    ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "dict"), ("builtins", "bytearray"),
    ("collections", "deque"), ("collections", "Counter"), ("collections", "defaultdict"),
    ("datetime", "datetime"), ("datetime", "date"), ("datetime", "time"), ("datetime", "timedelta"),
    ("datetime", "timezone"), ("zoneinfo", "ZoneInfo"),
}  # fmt: skip
_LONGEST = 1 << 30
_SHORTEST_NAME = 3
"""Characters of a name from which on it is replaced within texts too."""


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
                yield _Unpickler(io.BytesIO(content)).load()
            except UnfitError:
                raise
            except Exception as error:
                message = f"{path}: it cannot be read: {error}"
                raise UnfitError(message) from error


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
        core = Dispatcher.__new__(Dispatcher)
        vars(core).update(state)
        for number, (now, event, was) in enumerate(found, 1):
            self.first = now if self.first is None else self.first
            is_now = core.tick(now) if event is None else core.handle(event, now)
            yield Step(number, now, event, was, list(is_now))

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


class _Collector(_PICKLER):  # type: ignore[misc]  # the standard library's own that can be extended
    """Collects the names of directories and files in what it is given."""

    def __init__(self, names: set[str]) -> None:
        super().__init__(io.BytesIO(), protocol=5)
        self._names = names

    def reducer_override(self, found: object) -> Any:  # noqa: ANN401  # as its base class
        """Look at what is going to be pickled, and have that done as usual."""
        match found:
            case FolderKey(dataset=dataset, path=path):
                self._names |= {*dataset.split("/"), *path.split("/")}
            case Reading(memory=memory):
                self._names |= {each.stamp.name.decode(errors="surrogateescape") for each in memory.values()}
            case Result(values=values):  # tags among them
                self._names |= {each for each in values.values() if isinstance(each, str)}
            case FileStamp(name=name):
                self._names.add(name.decode(errors="surrogateescape"))
        return NotImplemented

    def save_str(self, text: str) -> None:
        """Take what looks like a path."""
        if text.startswith("/"):
            self._names |= set(text.split("/"))
        super().save_str(text)

    dispatch: ClassVar[dict[type, Any]] = {**_SAVERS, str: save_str}


class _Renamer(_PICKLER):  # type: ignore[misc]  # as above
    """Writes what it is given with other names."""

    def __init__(self, file: io.BytesIO, names: dict[str, str]) -> None:
        super().__init__(file, protocol=5)
        self._names = names
        inside = sorted((each for each in names if len(each) >= _SHORTEST_NAME), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, inside)) or r"(?!)")

    def reducer_override(self, found: object) -> Any:  # noqa: ANN401  # as its base class
        """Write a time zone as it was written before."""
        return zone_by_name(found)

    def _renamed(self, text: str) -> str:
        parted = [self._names.get(part, part) for part in text.split("/")]
        whole = "/".join(parted)
        return self._pattern.sub(lambda found: self._names[found[0]], text) if whole == text else whole

    def save_str(self, text: str) -> None:
        """Write a text with other names."""
        self._save(self._renamed(text), super().save_str)

    def save_bytes(self, content: bytes) -> None:
        """Write a path or a file's name, which are bytes, with other names."""
        renamed = self._renamed(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")
        self._save(renamed, super().save_bytes)

    def _save(self, renamed: object, save: Callable[[Any], None]) -> None:
        """Write what has its new name, or refer to it where the very same was written before."""
        if (known := self.memo.get(id(renamed))) is not None:
            self.write(self.get(known[0]))
        else:
            save(renamed)

    dispatch: ClassVar[dict[type, Any]] = {**_SAVERS, str: save_str, bytes: save_bytes}


def write_anonymous(files: list[Path], target: Path) -> int:
    """Write the same with other names, which sort as the old ones do, into a new directory; how many were replaced."""
    names: set[str] = set()
    for path in files:
        for part in parts(path):
            _Collector(names).dump(part)
    kept = {"", ".", *(f"{role}" for role in ("full_mix", "drums", "bass", "other", "vocals"))}
    replaced = sorted(name for name in names if name not in kept and name.rpartition(".")[0].lower() not in kept - {""})
    digits = len(str(len(replaced)))
    new = {name: f"name-{number:0{digits}}" for number, name in enumerate(replaced)}
    target.mkdir()
    try:
        for path in files:
            with (target / path.name).open("xb") as file:
                for part in parts(path):
                    file.write(framed(part, partial(_Renamer, names=new)))
    except BaseException:
        shutil.rmtree(target)  # half of it looks like all of it
        raise
    return len(new)


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


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


def main() -> int:
    """Read the command line and replay; the exit code."""
    parser = argparse.ArgumentParser(prog="./dev replay", description=__doc__)
    parser.add_argument("path", type=Path, nargs="+", help="a file of decisions, or a state directory")
    parser.add_argument("--show", action="store_true", help="tell every step that did anything")
    parser.add_argument("--anonymous", type=Path, metavar="DIR", help="write the same with other names, and end")
    options = parser.parse_args()
    files = [file for path in options.path for file in files_of(path)]
    try:
        if options.anonymous:
            count = write_anonymous(files, options.anonymous)
            say(f"{count:,} names were replaced in {options.anonymous}: look at it with --show before you send it")
            return 0
        results = [go_through(file, show=options.show) for file in files]
    except (UnfitError, OSError) as error:
        say(f"! {error}")
        return 1
    if not sum(steps for steps, _ in results):
        say("! there is nothing to replay: set `keep_decisions` in the configuration and start the service again")
        return 1
    return 1 if any(others for _, others in results) else 0


if __name__ == "__main__":
    sys.exit(main())
